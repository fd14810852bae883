// The directory of the daemon's state: made private, and used by one daemon at a time.
#pragma once

#include <string>
#include <utility>

#include "common/result.h"

namespace fettle {

// Creates the directory (and its parents) unless it is there; what it creates is for its owner only
// (0700). What is there already keeps its permissions.
Status CreatePrivateDirectory(const std::string& path);
// Makes the directory's entries survive a power cut.
Status SyncDirectory(const std::string& path);

// Held until destroyed, or until the process ends however it ends. The file `lock` in the directory
// carries the holder's pid for people to read; the kernel's flock is what counts.
class DirectoryLock {
 public:
  // kConflict with the holder's pid if somebody else has it.
  static Result<DirectoryLock> Take(const std::string& directory);
  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace fettle

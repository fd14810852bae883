// The directory in which the sample store keeps its log and snapshots: what log and replay need of
// a disk and no more, so that a test can fill it up, break it, or cut its power.
//
// Safe from several threads, a File or a Source from one at a time (but Sync may run beside
// Append).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fettle::rules {

class LogFiles {
 public:
  // Grows at its end.
  class File {
   public:
    virtual ~File() = default;
    // All or an error; after an error, part of it may be there.
    virtual Status Append(std::string_view bytes) = 0;
    // What was appended survives a power cut.
    virtual Status Sync() = 0;
    // Cuts what is beyond.
    virtual Status Truncate(std::uint64_t size) = 0;
  };
  class Source {
   public:
    virtual ~Source() = default;
    // At most `room` bytes; 0 is the end.
    virtual Result<std::size_t> Read(char* to, std::size_t room) = 0;
  };
  struct Entry {
    std::string name;
    std::uint64_t size = 0;
  };
  virtual ~LogFiles() = default;

  // Empty, whatever was there before.
  virtual Result<std::unique_ptr<File>> Create(const std::string& name) = 0;
  virtual Result<std::unique_ptr<Source>> Open(const std::string& name) = 0;
  virtual Result<std::vector<Entry>> List() = 0;
  virtual Status Remove(const std::string& name) = 0;
  // The new name survives a power cut; one that is there is replaced.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Truncate(const std::string& name, std::uint64_t size) = 0;
};

// A real directory, created (for its owner only) when the first file is.
std::unique_ptr<LogFiles> MakeLogFiles(const std::string& directory);

}  // namespace fettle::rules

// A directory of the sample log in memory, that fails, fills up or loses power as a test says.
//
//   FaultyFiles disk;
//   disk.FailNth(3);          // the third change from now on fails, once
//   disk.LeaveRoomFor(100);   // so many bytes more, then no write works, until Heal
//   disk.CutPower();          // every file holds again what was last synced
// The daemon's end, kill -9 included, is simply that nobody writes any more: what was written
// stays.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "rules/samples/log_files.h"

namespace fettle {

class FaultyFiles {
 public:
  // A view of it for one store; this must outlive it.
  std::unique_ptr<rules::LogFiles> Mount();

  // Changes so far: creations, writes, syncs, renames, removals, truncations.
  int Changes() const;
  void FailNth(int nth);  // 1 is the next
  void LeaveRoomFor(std::uint64_t bytes);
  void Heal();
  void CutPower();

  std::map<std::string, std::string> Contents() const;
  std::string& At(const std::string& name) { return files_.at(name).written; }
  std::uint64_t Bytes() const;

 private:
  friend class MountedFiles;
  friend class MountedFile;
  friend class MountedSource;
  struct Content {
    std::string written;
    std::optional<std::string> synced;
  };
  // Before each change that makes a file longer by so much.
  Status Change(std::uint64_t grows_by = 0);

  mutable std::recursive_mutex mutex_;
  std::map<std::string, Content> files_;
  int changes_ = 0;
  std::optional<int> fail_at_;
  std::optional<std::uint64_t> room_;
};

}  // namespace fettle

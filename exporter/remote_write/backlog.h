// What waits to be sent, on disk: a queue of frames that survives the end of the process, bounded
// in bytes. One appends, one reads.
//
// A directory of segments `backlog-00000001` …; each frame is a length (4), a CRC-32 (4), a count
// (4) and the bytes, numbers little endian. `cursor` says up to where everything was sent. A frame
// that was written only in part ends its segment. What was read but not committed is read again
// after a restart: receivers know such samples already.
//
// Handed to the kernel at once, never synced: a power cut may cost the last seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/dial.h"
#include "common/result.h"

namespace fettle::exporter {

class Backlog {
 public:
  static constexpr std::size_t kSegmentBytesMax = 8 * 1024 * 1024;
  static constexpr std::size_t kFrameBytesMax = 64 * 1024 * 1024;

  // Makes the directory unless it is there; finds what an earlier process left.
  static Result<std::unique_ptr<Backlog>> Open(std::string directory, std::size_t bytes_max);

  // Where a frame ends.
  struct Place {
    std::uint32_t segment = 0;
    std::uint64_t offset = 0;
    auto operator<=>(const Place&) const = default;
  };
  struct Frame {
    std::string bytes;
    std::uint32_t count = 0;
    Place end;
  };

  // How much (of the counts) was dropped to stay within the bound: the oldest.
  Result<std::size_t> Append(std::string_view bytes, std::uint32_t count);
  // The next frame not yet read; nullopt if there is none. Damage ends its segment, which is left.
  Result<std::optional<Frame>> Read();
  // Everything up to there was sent; segments without anything else go.
  Status Commit(const Place& place);

  // Of what is not committed.
  std::size_t bytes() const;
  std::size_t count() const;

 private:
  struct Segment {
    std::uint32_t number = 0;
    std::uint64_t bytes = 0;      // that hold whole frames
    std::uint64_t count = 0;      // of all its frames
    std::uint64_t committed = 0;  // of those that were sent
  };
  Backlog(std::string directory, std::size_t bytes_max)
      : directory_(std::move(directory)), bytes_max_(bytes_max) {}
  Status Recover();
  Status ScanSegment(Segment& segment, std::uint64_t sent_bytes) const;
  std::string PathOf(std::uint32_t segment) const;
  std::size_t DropOldest();
  std::size_t BytesLocked() const;

  const std::string directory_;
  const std::size_t bytes_max_;

  mutable std::mutex mutex_;  // guards everything below
  std::deque<Segment> segments_;
  UniqueFd writer_;
  Place read_;  // the next frame begins here
  Place committed_;
  std::deque<std::pair<Place, std::uint32_t>> handed_out_;  // read and not committed: end, count
};

}  // namespace fettle::exporter

// Brings a head back from what a directory holds: the newest snapshot, and the segments of the log
// from its number on. What is damaged costs as little as can be, and is counted:
//   a segment    the rest of it, from the damaged frame on (its end is cut away if it is torn: the
//                process ended while it was written, and nobody was promised that frame)
//   a snapshot   the series of the damaged frame
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/log.h"
#include "rules/samples/head.h"
#include "rules/samples/log_files.h"
#include "rules/samples/shelves.h"

namespace fettle::rules {

struct Replayed {
  std::size_t samples = 0;
  std::uint32_t next_segment = 1;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t segment_bytes = 0;
  std::size_t torn_tails = 0;
  std::size_t damaged_segments = 0;
  std::size_t damaged_snapshots = 0;
};

// Samples older than `oldest` are left out. An error is only a directory that cannot be listed.
Result<Replayed> Replay(LogFiles& files, const Log& log, std::int64_t oldest, Head& head,
                        Shelves& shelves);

}  // namespace fettle::rules

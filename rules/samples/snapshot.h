// Writes a head as a snapshot (format: log_format.h): a whole new file, synced and put in place at
// the end, so that there is always a good one.
#pragma once

#include <cstdint>
#include <functional>
#include <shared_mutex>

#include "rules/samples/head.h"
#include "rules/samples/log_files.h"
#include "rules/samples/shelves.h"

namespace fettle::rules {

// Takes `mutex` shared for a few hundred series at a time, and calls `between` without it, so that
// neither appends nor the log wait for the whole of it. Series must not be renumbered meanwhile.
// The snapshot's bytes.
Result<std::uint64_t> WriteSnapshot(LogFiles& files, std::uint32_t number, const Head& head,
                                    const Shelves& shelves, std::shared_mutex& mutex,
                                    const std::function<void()>& between);

}  // namespace fettle::rules

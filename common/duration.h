// Reads and prints durations and times the way Prometheus does.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

// "1h30m", "15s", "500ms", "0", "1d", "2w", "1y": units once each, largest first.
Result<Millis> ParseDuration(std::string_view text);
// The shortest such text: "1h30m", "0s".
std::string FormatDuration(Millis duration);

// RFC 3339 with any zone and up to nine fractional digits (cut to milliseconds).
// "0001-01-01T00:00:00Z", Go's zero time, reads as Time{}.
Result<Time> ParseRfc3339(std::string_view text);
// "2026-11-20T10:14:46.120Z"; milliseconds always three digits. Time{} prints Go's zero time.
std::string FormatRfc3339(Time time);

}  // namespace fettle

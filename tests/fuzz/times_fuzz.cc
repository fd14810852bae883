// Durations, RFC 3339 times and cron expressions: what is understood prints as something that reads
// back the same, and a schedule always goes forward. The first byte chooses.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/duration.h"
#include "common/schedule.h"

namespace {

void TryDuration(std::string_view text) {
  const fettle::Result<fettle::Millis> duration = fettle::ParseDuration(text);
  if (!duration) return;
  const fettle::Result<fettle::Millis> again =
      fettle::ParseDuration(fettle::FormatDuration(*duration));
  FETTLE_CHECK(again && *again == *duration);
}

void TryTime(std::string_view text) {
  const fettle::Result<fettle::Time> time = fettle::ParseRfc3339(text);
  if (!time) return;
  const fettle::Result<fettle::Time> again = fettle::ParseRfc3339(fettle::FormatRfc3339(*time));
  // Zones reach a day beyond the calendar's ends.
  const bool shown_exactly = *time > fettle::TimeFromMillis(-62'167'000'000'000) &&
                             *time < fettle::TimeFromMillis(253'402'200'000'000);
  FETTLE_CHECK(again.has_value());
  FETTLE_CHECK(!shown_exactly || *again == *time);
}

// "cron;zone"
void TrySchedule(std::string_view text) {
  const std::size_t end = text.find(';');
  const std::string_view zone =
      end == std::string_view::npos ? "Europe/Berlin" : text.substr(end + 1);
  const fettle::Result<fettle::Schedule> schedule =
      fettle::Schedule::Parse(text.substr(0, end), zone);
  if (!schedule) return;
  // An hour before Berlin's clocks go forward, and back.
  for (const std::int64_t start : {1'774'742'400'000, 1'792'886'400'000}) {
    fettle::Time at = fettle::TimeFromMillis(start);
    for (int i = 0; i < 100; ++i) {
      const fettle::Time next = schedule->Next(at);
      FETTLE_CHECK(next > at);
      // Nothing lies between: asked just before it, the answer is the same.
      if (next == fettle::Time::max()) break;
      FETTLE_CHECK(schedule->Next(next - fettle::Millis(1)) == next);
      at = next;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'd':
      TryDuration(text);
      break;
    case 't':
      TryTime(text);
      break;
    case 'c':
      TrySchedule(text);
      break;
    default:
      break;
  }
  return 0;
}

// Cron expressions in a time zone, and what happens when clocks are put forward or back. Values.
//
// Five fields (minute hour day month weekday) with lists, ranges, steps, names, and @daily and
// friends; day and weekday are OR-ed when both are restricted, as in Vixie cron. A time skipped by
// DST runs at the first moment after the gap; a repeated one runs once, the first time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

class Schedule {
 public:
  // `timezone` is an IANA name, "UTC" or "Local". A cron that never fires is refused.
  static Result<Schedule> Parse(std::string_view cron, std::string_view timezone);

  // The first slot strictly after `after`.
  Time Next(Time after) const;
  // The longest gap between slots in the 14 days after `from`, for expected-interval gauges.
  Millis LongestGap(Time from) const;
  const std::string& cron() const;
  const std::string& timezone() const;

 private:
  struct Fields;
  std::shared_ptr<const Fields> fields_;
};

}  // namespace fettle

// Hours in which a route is mute, or outside of which it is: Alertmanager's time intervals.
//
// A moment is in an interval if each field that is given holds it (AND); a field holds it if one of
// its ranges does (OR). Fields are read in the interval's location. Values, immutable.
// Source: prometheus.io/docs/alerting/latest/configuration/#time_interval.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle::receivers {

// Both ends belong to it.
struct Range {
  int begin = 0;
  int end = 0;
  bool operator==(const Range&) const = default;
};

// Each reads one word or "a:b"; the error has no place and is Alertmanager's wording.
Result<Range> ParseWeekdays(std::string_view text);     // sunday (0) to saturday, no wrap
Result<Range> ParseDaysOfMonth(std::string_view text);  // 1 to 31, or from the end: -1 to -31
Result<Range> ParseMonths(std::string_view text);       // by name or number
Result<Range> ParseYears(std::string_view text);
// Minutes of the day; the end does not belong to it, so "24:00" is one.
Result<Range> ParseTimes(std::string_view start, std::string_view end);
// An IANA name, UTC or Local.
Status CheckLocation(const std::string& location);

// A list that is given but empty holds no moment at all.
struct TimeInterval {
  using Ranges = std::optional<std::vector<Range>>;
  Ranges times;
  Ranges weekdays;
  Ranges days_of_month;
  Ranges months;
  Ranges years;
  std::string location = "UTC";

  bool Contains(Time at) const;
};

using TimeIntervals = std::map<std::string, std::vector<TimeInterval>>;

class Calendar {
 public:
  Calendar() = default;
  explicit Calendar(TimeIntervals intervals) : intervals_(std::move(intervals)) {}

  bool Has(const std::string& name) const { return intervals_.contains(name); }
  // False for a name that is not there.
  bool In(const std::string& name, Time at) const;
  // Those of the names that hold the moment.
  std::vector<std::string> Which(const std::vector<std::string>& names, Time at) const;

 private:
  TimeIntervals intervals_;
};

}  // namespace fettle::receivers

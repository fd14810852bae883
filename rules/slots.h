// When a group is evaluated: at moments spread over the interval by a hash of its file and name, so
// that groups do not all begin at once, and the same moments after every restart. As Prometheus
// does it (rules/group.go, EvalTimestamp), to the nanosecond. A value.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/clock.h"

namespace fettle::rules {

class Slots {
 public:
  // Nanoseconds since the epoch: slots do not fall on whole milliseconds.
  using Nanos = std::int64_t;

  Slots(std::string_view file, std::string_view group, Millis interval);

  // The last slot at or before `now`.
  Nanos AtOrBefore(Nanos now) const;
  Nanos interval() const { return interval_; }

  static Nanos ToNanos(Time time) { return ToMillis(time) * 1'000'000; }
  // Cut to milliseconds, as samples are stamped.
  static Time ToTime(Nanos nanos);

 private:
  Nanos interval_;
  Nanos offset_;
};

}  // namespace fettle::rules

// Tells the time. Only clock.cc asks the kernel; everything else is told, through this interface
// or, better, through a `Moment now` parameter.
//
// Deadlines, backoff and leases compare BootTime (CLOCK_BOOTTIME: counts through suspend, never
// jumps). Records, samples and messages carry wall time, in Prometheus' milliseconds.
#pragma once

#include <chrono>
#include <cstdint>

namespace fettle {

using Millis = std::chrono::milliseconds;
using Micros = std::chrono::microseconds;

// Wall clock, milliseconds since the epoch, UTC.
using Time = std::chrono::sys_time<Millis>;

// Tag for time points that count from the machine's boot.
struct BootClock {
  using duration = Micros;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

// One decision, one moment: both clocks, read together.
struct Moment {
  Time wall;
  BootTime boot;
};

// Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Moment Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Moment Now() const override;
};

inline Time TimeFromMillis(std::int64_t millis) { return Time(Millis(millis)); }
inline std::int64_t ToMillis(Time time) { return time.time_since_epoch().count(); }
inline double ToSeconds(Time time) { return static_cast<double>(ToMillis(time)) / 1000.0; }
template <typename Rep, typename Period>
double ToSeconds(std::chrono::duration<Rep, Period> d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace fettle

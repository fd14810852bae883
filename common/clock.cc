#include "common/clock.h"

#include <ctime>

namespace fettle {

Moment SystemClock::Now() const {
  timespec wall{};
  timespec boot{};
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_BOOTTIME, &boot);
  return Moment{
      Time(Millis(static_cast<std::int64_t>(wall.tv_sec) * 1'000 + wall.tv_nsec / 1'000'000)),
      BootTime(Micros(static_cast<std::int64_t>(boot.tv_sec) * 1'000'000 + boot.tv_nsec / 1'000))};
}

}  // namespace fettle

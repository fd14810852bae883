// A clock that stands still until a test moves it.
#pragma once

#include <mutex>

#include "common/clock.h"

namespace fettle {

class ManualClock final : public Clock {
 public:
  // 2026-01-01T00:00:00Z, an hour after boot.
  explicit ManualClock(Time wall = TimeFromMillis(1'767'225'600'000))
      : now_{wall, BootTime(std::chrono::hours(1))} {}

  Moment Now() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void Pass(Micros duration) {
    const std::lock_guard lock(mutex_);
    now_.boot += duration;
    rest_ += duration;
    const Millis whole = std::chrono::duration_cast<Millis>(rest_);
    now_.wall += whole;
    rest_ -= whole;
  }
  // The wall clock is set, forward or back; boot time goes on as it was.
  void StepWall(Millis by) {
    const std::lock_guard lock(mutex_);
    now_.wall += by;
  }

 private:
  mutable std::mutex mutex_;
  Moment now_;
  Micros rest_{0};
};

}  // namespace fettle

// How long a blocking call may still take. For the clients that wait on sockets, where a deadline
// belongs to the kernel's time and never to a test's. A value.
#pragma once

#include <algorithm>

#include "common/clock.h"

namespace fettle {

class Deadline {
 public:
  explicit Deadline(Millis timeout) : at_(SystemClock().Now().boot + timeout) {}

  // Never negative.
  Millis Left() const {
    const auto left = std::chrono::ceil<Millis>(at_ - SystemClock().Now().boot);
    return std::max(left, Millis(0));
  }
  bool Passed() const { return Left() == Millis(0); }
  // What is left, as poll(2) wants it.
  int PollMillis() const {
    return static_cast<int>(std::min<Millis::rep>(Left().count(), 1 << 30));
  }

 private:
  BootTime at_;
};

}  // namespace fettle

// Hands that work when the test says so, on the test's thread.
#pragma once

#include <deque>
#include <utility>

#include "common/hands.h"

namespace fettle {

class InlineHands final : public Hands {
 public:
  bool Do(Work work) override {
    if (waiting_.size() >= queue_max) return false;
    waiting_.push_back(std::move(work));
    return true;
  }
  // Runs what waits, and what that adds; says how many ran.
  int Work() {
    int ran = 0;
    while (!waiting_.empty()) {
      auto work = std::move(waiting_.front());
      waiting_.pop_front();
      work();
      ++ran;
    }
    return ran;
  }
  // Runs one task, the `pick`th of those waiting (modulo), so that a seed can choose the order.
  bool WorkOne(std::size_t pick = 0) {
    if (waiting_.empty()) return false;
    const auto at = waiting_.begin() + static_cast<std::ptrdiff_t>(pick % waiting_.size());
    auto work = std::move(*at);
    waiting_.erase(at);
    work();
    return true;
  }
  void Close() override { Drop(); }
  // A crash: what waits is lost.
  void Drop() { waiting_.clear(); }
  std::size_t Waiting() const { return waiting_.size(); }
  std::size_t queue_max = 10'000;

 private:
  std::deque<Hands::Work> waiting_;
};

// One of several pools that are really the same hands, so that a test chooses who works next.
class SharedHands final : public Hands {
 public:
  explicit SharedHands(InlineHands& hands) : hands_(hands) {}
  bool Do(Work work) override { return hands_.Do(std::move(work)); }
  void Close() override {}

 private:
  InlineHands& hands_;
};

}  // namespace fettle

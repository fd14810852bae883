// Ends what a hand does when its time is over, wherever it waits: a stop that comes by itself.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "common/clock.h"

namespace fettle::receivers::backups {

// Its token is stopped by the parent's stop or once the limit has passed. Made, asked and destroyed
// by one thread; the token is safe from any.
class TimeLimit {
 public:
  TimeLimit(const std::stop_token& parent, Millis limit)
      : on_parent_(parent, [this] { source_.request_stop(); }),
        waiter_([this, limit](const std::stop_token& over) {
          std::mutex mutex;
          std::condition_variable_any never;
          std::unique_lock lock(mutex);
          never.wait_for(lock, over, limit, [] { return false; });
          if (over.stop_requested()) return;
          passed_ = true;
          source_.request_stop();
        }) {}
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool Passed() const { return passed_; }

 private:
  std::stop_source source_;
  std::atomic<bool> passed_ = false;
  std::stop_callback<std::function<void()>> on_parent_;
  std::jthread waiter_;
};

}  // namespace fettle::receivers::backups

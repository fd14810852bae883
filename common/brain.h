// The thread that decides: timers and a mailbox, one callback at a time.
//
// The brain owns every decision (alerts, groups, incidents, guards, schedules) and never does I/O.
// Within one callback `now` stands still. A test is the brain: it calls RunUntil() with a made-up
// moment, and the daemon calls Run() with the clock. At/Cancel belong to the brain's thread;
// Post, Finish and Call are safe from any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

class Brain {
 public:
  using Task = std::function<void(const Moment& now)>;
  // Doors are refused beyond this many waiting tasks; they answer 503 and count it.
  static constexpr std::size_t kMailboxMax = 10'000;
  // A broken promise of ours beyond this: every timer belongs to a bounded thing.
  static constexpr std::size_t kTimersMax = 2'000'000;

  struct Ticket {
    BootTime when;
    std::uint64_t number = 0;  // 0 is no timer
    explicit operator bool() const { return number != 0; }
    auto operator<=>(const Ticket&) const = default;
  };

  // Runs the task once, at or after `when`; due tasks run in deadline order, then as they were set.
  Ticket At(BootTime when, Task task);
  // Forgets a timer; one that has run already, or no timer, is fine.
  void Cancel(Ticket ticket);

  // Hands a task in from a door. False if the mailbox is full.
  [[nodiscard]] bool Post(Task task);
  // Hands in the end of something the brain itself started; never refused, bounded by what it
  // started.
  void Finish(Task task);

  // Runs `question` on the brain and waits for its answer; kUnavailable if the mailbox is full or
  // `timeout` passes first. Where no thread is in Run() (tests), runs the mailbox right here.
  template <typename F>
  auto Call(Millis timeout, F question) -> Result<decltype(question(std::declval<const Moment&>()))>;

  // Runs the mailbox and every timer due at `now`. Timers set by a callback run too if due.
  void RunUntil(const Moment& now);
  // The daemon's loop: until stop is requested.
  void Run(const Clock& clock, std::stop_token stop);

  std::optional<BootTime> NextDeadline() const;
  // How late the last timer ran, for fettle_brain_lag_seconds. Any thread.
  Micros Lag() const;
  std::size_t MailboxSize() const;

 private:
  void RunMailbox(const Moment& now);
  bool PumpHereIfNobodyRuns();

  std::map<Ticket, Task> timers_;
  std::uint64_t next_number_ = 1;
  Moment last_now_{};

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable_any wake_;
  std::deque<Task> mailbox_;
  std::size_t posted_ = 0;  // of mailbox_, those that count against kMailboxMax
  bool running_ = false;
  Micros lag_{0};
};

template <typename F>
auto Brain::Call(Millis timeout, F question)
    -> Result<decltype(question(std::declval<const Moment&>()))> {
  using Answer = decltype(question(std::declval<const Moment&>()));
  auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = promise->get_future();
  const bool accepted = Post([promise, question = std::move(question)](const Moment& now) mutable {
    promise->set_value(question(now));
  });
  if (!accepted) return Fail(Cause::kUnavailable, "too many requests are waiting for a decision");
  PumpHereIfNobodyRuns();
  if (answer.wait_for(timeout) != std::future_status::ready) {
    return Fail(Cause::kUnavailable, "no decision within {} ms", timeout.count());
  }
  return answer.get();
}

}  // namespace fettle

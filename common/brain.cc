#include "common/brain.h"

#include <algorithm>

#include "common/check.h"

namespace fettle {

Brain::Ticket Brain::At(BootTime when, Task task) {
  FETTLE_CHECK(timers_.size() < kTimersMax);
  const Ticket ticket{when, next_number_++};
  timers_.emplace(ticket, std::move(task));
  return ticket;
}

void Brain::Cancel(Ticket ticket) { timers_.erase(ticket); }

bool Brain::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (posted_ >= kMailboxMax) return false;
    ++posted_;
    mailbox_.push_back([this, task = std::move(task)](const Moment& now) {
      {
        const std::lock_guard inner(mutex_);
        --posted_;
      }
      task(now);
    });
  }
  wake_.notify_one();
  return true;
}

void Brain::Finish(Task task) {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void Brain::RunMailbox(const Moment& now) {
  // Takes what is there now; what callbacks add meanwhile is taken in the next round, so that
  // timers cannot starve behind a busy mailbox.
  std::deque<Task> round;
  {
    const std::lock_guard lock(mutex_);
    round.swap(mailbox_);
  }
  for (Task& task : round) task(now);
}

void Brain::RunUntil(const Moment& now) {
  last_now_ = now;
  for (;;) {
    RunMailbox(now);
    const auto due = timers_.begin();
    if (due == timers_.end() || due->first.when > now.boot) {
      const std::lock_guard lock(mutex_);
      if (mailbox_.empty()) return;
      continue;
    }
    auto node = timers_.extract(due);
    {
      const std::lock_guard lock(mutex_);
      lag_ = now.boot - node.key().when;
    }
    node.mapped()(now);
  }
}

void Brain::Run(const Clock& clock, std::stop_token stop) {
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
  }
  while (!stop.stop_requested()) {
    const Moment now = clock.Now();
    last_now_ = now;
    RunMailbox(now);
    while (!timers_.empty() && timers_.begin()->first.when <= now.boot) {
      auto node = timers_.extract(timers_.begin());
      {
        const std::lock_guard lock(mutex_);
        lag_ = now.boot - node.key().when;
      }
      node.mapped()(now);
    }
    std::unique_lock lock(mutex_);
    if (!mailbox_.empty()) continue;
    // A minute at most, so that a clock stepped by suspend is noticed.
    Micros wait = std::chrono::minutes(1);
    if (!timers_.empty()) wait = timers_.begin()->first.when - clock.Now().boot;
    wait = std::clamp(wait, Micros(0), Micros(std::chrono::minutes(1)));
    wake_.wait_for(lock, stop, wait, [this] { return !mailbox_.empty(); });
  }
  const std::lock_guard lock(mutex_);
  running_ = false;
}

bool Brain::PumpHereIfNobodyRuns() {
  {
    const std::lock_guard lock(mutex_);
    if (running_) return false;
  }
  RunUntil(last_now_);
  return true;
}

std::optional<BootTime> Brain::NextDeadline() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first.when;
}

Micros Brain::Lag() const {
  const std::lock_guard lock(mutex_);
  return lag_;
}

std::size_t Brain::MailboxSize() const {
  const std::lock_guard lock(mutex_);
  return mailbox_.size();
}

}  // namespace fettle

#include "rules/group_runner.h"

#include <algorithm>
#include <utility>

namespace fettle::rules {

GroupRunner::GroupRunner(Deps deps, std::shared_ptr<Group> group)
    : deps_(std::move(deps)),
      group_(std::move(group)),
      slots_(group_->spec().file, group_->spec().name, group_->interval()) {}

void GroupRunner::Start(const Moment& now) {
  started_ = true;
  if (stopping_) {
    if (Then then = std::exchange(stopped_, nullptr)) then(now);
    return;
  }
  // A slot of this very millisecond counts as past: the group before this one may have had it.
  next_slot_ = slots_.AtOrBefore(Slots::ToNanos(now.wall) + 999'999) + slots_.interval();
  ScheduleSlot(now);
}

void GroupRunner::Stop(const Moment& now, Then then) {
  stopping_ = true;
  group_->Stop();
  deps_.brain.Cancel(slot_timer_);
  deps_.brain.Cancel(react_timer_);
  if (busy_ || !started_) {
    stopped_ = std::move(then);
  } else {
    then(now);
  }
}

void GroupRunner::ScheduleSlot(const Moment& now) {
  deps_.brain.Cancel(slot_timer_);
  // Rounded up, so that the wall clock has reached the slot when the timer runs.
  const Slots::Nanos wait = std::max<Slots::Nanos>(0, next_slot_ - Slots::ToNanos(now.wall));
  const Micros rounded((wait + 999) / 1'000);
  slot_timer_ = deps_.brain.At(now.boot + rounded, [self = weak_from_this()](const Moment& then) {
    if (const auto runner = self.lock()) runner->OnSlot(then);
  });
}

void GroupRunner::OnSlot(const Moment& now) {
  // The evaluation under way looks at the clock when it ends.
  if (busy_ || stopping_) return;
  const Slots::Nanos now_nanos = Slots::ToNanos(now.wall);
  if (now_nanos >= next_slot_ - 1'000'000) {
    EvaluateSlot(std::max(now_nanos, next_slot_), now);
    return;
  }
  // The wall clock was put back. A little is waited for; more begins anew, or nothing would be
  // judged until the clock is again where it was.
  if (next_slot_ - now_nanos > 2 * slots_.interval()) {
    deps_.log.Warn("the clock was put back; rules begin anew", {{"group", group_->spec().Key()}});
    next_slot_ = slots_.AtOrBefore(now_nanos) + slots_.interval();
  }
  ScheduleSlot(now);
}

void GroupRunner::EvaluateSlot(Slots::Nanos now_nanos, const Moment& now) {
  const Slots::Nanos slots_missed = (now_nanos - next_slot_) / slots_.interval();
  const auto missed = static_cast<double>(slots_missed);
  const Slots::Nanos slot = slots_.AtOrBefore(now_nanos);
  next_slot_ = slot + slots_.interval();
  GroupMetrics& metrics = group_->metrics();
  metrics.iterations.Increment(1 + missed);
  if (missed > 0) metrics.iterations_missed.Increment(missed);
  const bool taken = Dispatch([group = group_, at = Slots::ToTime(slot)] { group->Evaluate(at); });
  if (taken) return;
  metrics.iterations_missed.Increment();
  deps_.log.Warn("no hand is free to evaluate a group of rules; it waits for its next turn",
                 {{"group", group_->spec().Key()}});
  ScheduleSlot(now);
}

bool GroupRunner::Dispatch(std::function<void()> work) {
  busy_ = deps_.hands.Do([work = std::move(work), self = weak_from_this(), &brain = deps_.brain] {
    work();
    brain.Finish([self](const Moment& now) {
      if (const auto runner = self.lock()) runner->OnDone(now);
    });
  });
  return busy_;
}

void GroupRunner::OnDone(const Moment& now) {
  busy_ = false;
  if (stopping_) {
    if (Then then = std::exchange(stopped_, nullptr)) then(now);
    return;
  }
  const Slots::Nanos now_nanos = Slots::ToNanos(now.wall);
  if (now_nanos >= next_slot_) {
    EvaluateSlot(now_nanos, now);
    return;
  }
  ScheduleSlot(now);
  MaybeReact(now);
}

void GroupRunner::Wake(const std::vector<std::size_t>& rules, const Moment& noted,
                       const Moment& now) {
  if (!started_ || stopping_) return;
  woken_.insert(rules.begin(), rules.end());
  if (!first_noted_) first_noted_ = noted;
  last_noted_ = std::max(last_noted_, noted.wall);
  MaybeReact(now);
}

void GroupRunner::MaybeReact(const Moment& now) {
  if (woken_.empty() || busy_ || stopping_) return;
  // The change may have been stamped after the brain looked at its clock.
  const Time at = std::max(now.wall, last_noted_);
  // Time must not run backwards between a reactive evaluation and a slot's.
  if (Slots::ToNanos(at) >= next_slot_) {
    EvaluateSlot(Slots::ToNanos(at), now);
    return;
  }
  if (now.boot < react_not_before_) return ScheduleReact();
  std::vector<std::size_t> rules(woken_.begin(), woken_.end());
  const bool taken = Dispatch([group = group_, at, rules = std::move(rules),
                               noted = first_noted_->boot, &clock = deps_.clock,
                               &brain = deps_.brain, self = weak_from_this(), began = now.boot] {
    const BootTime before = clock.Now().boot;
    group->React(at, rules, noted);
    const Micros rest = kReactiveRest * (clock.Now().boot - before);
    brain.Finish([self, next = began + std::max<Micros>(kReactiveGap, rest)](const Moment&) {
      if (const auto runner = self.lock()) runner->react_not_before_ = next;
    });
  });
  if (taken) {
    woken_.clear();
    first_noted_.reset();
  } else {
    react_not_before_ = now.boot + kReactiveGap;
    ScheduleReact();
  }
}

void GroupRunner::ScheduleReact() {
  deps_.brain.Cancel(react_timer_);
  react_timer_ = deps_.brain.At(react_not_before_, [self = weak_from_this()](const Moment& now) {
    if (const auto runner = self.lock()) runner->MaybeReact(now);
  });
}

}  // namespace fettle::rules

// Gives one group its turns: at its slots, and between them when an event changed what it judges.
// One evaluation at a time. Belongs to the brain; the work itself goes to a hand.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "common/brain.h"
#include "common/clock.h"
#include "common/hands.h"
#include "common/log.h"
#include "rules/group.h"
#include "rules/slots.h"

namespace fettle::rules {

class GroupRunner : public std::enable_shared_from_this<GroupRunner> {
 public:
  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    Log log;
  };
  // Two reactive evaluations begin at least this long apart, and at least kReactiveRest times as
  // long as the last one took: a storm of events costs a tenth of one hand.
  static constexpr Micros kReactiveGap = std::chrono::milliseconds(100);
  static constexpr int kReactiveRest = 10;

  GroupRunner(Deps deps, std::shared_ptr<Group> group);

  // The first evaluation waits for the next slot. One that was told to stop before ends here.
  void Start(const Moment& now);
  // No further turns; `then` runs on the brain when none is under way any more (at once if none
  // is), and not before Start(): a group that waits to take over another one has its state then.
  using Then = std::function<void(const Moment& now)>;
  void Stop(const Moment& now, Then then);

  // What these rules select has changed, as was seen at `noted`.
  void Wake(const std::vector<std::size_t>& rules, const Moment& noted, const Moment& now);

  Group& group() { return *group_; }
  const std::shared_ptr<Group>& shared_group() const { return group_; }

 private:
  void ScheduleSlot(const Moment& now);
  void OnSlot(const Moment& now);
  void EvaluateSlot(Slots::Nanos now_nanos, const Moment& now);
  void MaybeReact(const Moment& now);
  void ScheduleReact();
  bool Dispatch(std::function<void()> work);
  void OnDone(const Moment& now);

  const Deps deps_;
  const std::shared_ptr<Group> group_;
  const Slots slots_;
  Slots::Nanos next_slot_ = 0;
  Brain::Ticket slot_timer_;
  Brain::Ticket react_timer_;
  bool started_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  Then stopped_;  // who waits for the end

  std::set<std::size_t> woken_;        // rules that wait for a reactive evaluation
  std::optional<Moment> first_noted_;  // of them
  Time last_noted_;
  BootTime react_not_before_;
};

}  // namespace fettle::rules

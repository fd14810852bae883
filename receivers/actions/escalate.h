// Leaves it to a person: tells a receiver what was seen, what was tried, what was found and what
// comes next.
//
// Repeatable: the same message to the same group; a receiver that cannot be reached is told again
// until it is.
#pragma once

#include <functional>
#include <string>

#include "common/brain.h"
#include "receivers/action.h"
#include "receivers/teller.h"

namespace fettle::receivers {

class EscalateAction final : public Action {
 public:
  static constexpr Millis kTellTimeout{60'000};
  static constexpr Millis kAgainAfter{60'000};
  static constexpr Millis kTimeoutDefault{24 * 3'600'000};

  struct Deps {
    Brain& brain;
    Teller* teller = nullptr;  // nullptr: nobody can be told
    std::string external_url;  // of fettle, for links; "" leaves them out
  };
  explicit EscalateAction(Deps deps) : deps_(std::move(deps)) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject& subject, const Incident& incident,
                   const Container* container) const override;
  Millis DefaultTimeout(const Attempt&) const override { return kTimeoutDefault; }
  void Call(ActionCall call, Finish finish) override;
  void Recover(ActionCall call, Finish finish) override { Call(std::move(call), finish); }

 private:
  Deps deps_;
};

// The message: an alert named RepairEscalated with the labels repair, target, incident, alert and
// the trigger's severity, and the annotations summary and description.
Alert EscalationAlert(const ActionCall& call, const std::string& external_url);
// The same for a repair that waits for approval: RepairWaitsForApproval, with the link that
// approves. `call.reason` says what it would do.
Alert ApprovalAlert(const ActionCall& call, const std::string& link, Time now);

}  // namespace fettle::receivers

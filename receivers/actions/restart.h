// Restarts a container through the engine: graceful, with an explicit grace period.
//
// The engine's restart has no precondition, cannot be repeated harmlessly, and goes on after the
// client has given up. So: right before the call the container is inspected again and must be the
// same run (id and start time) that was decided upon; afterwards, whatever the answer was, what
// happened is read from inspect. A restart that was interrupted between stop and start (the engine
// died, fettle died) is completed by a start; one that shows no trace after the grace period and
// ten seconds may be called once more. A container that has exited is started instead, which is
// repeatable.
#pragma once

#include <string>

#include "common/brain.h"
#include "common/hands.h"
#include "receivers/action.h"

namespace fettle::receivers {

class RestartAction final : public Action {
 public:
  // After the grace period, before "nothing happened" is believed.
  static constexpr Millis kStopMargin{10'000};
  static constexpr Millis kTimeoutMargin{60'000};

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    const Targets& targets;
  };
  explicit RestartAction(Deps deps) : deps_(deps) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject& subject, const Incident& incident,
                   const Container* container) const override;
  Millis DefaultTimeout(const Attempt& attempt) const override;
  void Call(ActionCall call, Finish finish) override;
  void Recover(ActionCall call, Finish finish) override;

 private:
  // On a hand.
  Step CallEngine(const ActionCall& call) const;
  Step FindOut(const ActionCall& call, const std::string& refusal, BootTime called) const;
  Step Complete(const ActionCall& call, Engine& engine, const Container& stopped,
                BootTime called) const;
  Step Unchanged(const ActionCall& call, const std::string& refusal, BootTime called) const;
  Status Ask(Engine& engine, const ActionCall& call, bool running) const;

  Deps deps_;
};

}  // namespace fettle::receivers

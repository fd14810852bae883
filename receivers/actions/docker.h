// Starts, stops or signals a container through the engine.
//
// Start and stop may be asked for again: one that runs (or has stopped) already is left as it is.
// A stop opens the circuit for a person; it is never the first half of a restart, and what it
// stopped counts as fettle's own doing. A signal leaves no trace, so only HUP, which means "read
// your configuration again", is sent twice when nobody knows whether it arrived; any other signal's
// outcome is then indeterminate. A signal goes only to the run that was decided upon.
#pragma once

#include <string>

#include "common/brain.h"
#include "common/hands.h"
#include "receivers/action.h"

namespace fettle::receivers {

class DockerAction final : public Action {
 public:
  enum class What { kStart, kStop, kKill };
  static constexpr Millis kTimeoutMargin{60'000};

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    const Targets& targets;
  };
  DockerAction(What what, Deps deps) : what_(what), deps_(deps) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject& subject, const Incident& incident,
                   const Container* container) const override;
  Millis DefaultTimeout(const Attempt& attempt) const override;
  void Call(ActionCall call, Finish finish) override { Work(std::move(call), false, finish); }
  void Recover(ActionCall call, Finish finish) override { Work(std::move(call), true, finish); }

 private:
  void Work(ActionCall call, bool again, const Finish& finish);
  // On a hand.
  Step Do(const ActionCall& call, bool again) const;
  Step Start(const ActionCall& call, Engine& engine, const Container& now) const;
  Step Stop(const ActionCall& call, Engine& engine, const Container& now, bool again) const;
  Step Kill(const ActionCall& call, Engine& engine, const Container& now, bool again) const;
  Step Failed(const ActionCall& call, const Error& error, BootTime called) const;

  const What what_;
  const Deps deps_;
};

}  // namespace fettle::receivers

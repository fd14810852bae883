// Runs a configured program inside a container: by argv, without a shell, at most once.
//
// The engine refuses to start an exec a second time, so its id is the token: it is created (which
// runs nothing), its id is committed with the attempt, and only then is it started. After a crash
// the engine says whether it ran; if it did not, it is started now.
#pragma once

#include "common/brain.h"
#include "common/hands.h"
#include "receivers/action.h"

namespace fettle::receivers {

class DockerExecAction final : public Action {
 public:
  static constexpr Millis kTimeoutDefault{60'000};

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    const Targets& targets;
  };
  explicit DockerExecAction(Deps deps) : deps_(deps) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject& subject, const Incident& incident,
                   const Container* container) const override;
  Millis DefaultTimeout(const Attempt&) const override { return kTimeoutDefault; }
  void Call(ActionCall call, Finish finish) override;
  void Recover(ActionCall call, Finish finish) override { Call(std::move(call), finish); }

 private:
  // On a hand.
  Step Do(const ActionCall& call) const;
  Step Create(const ActionCall& call, Engine& engine) const;
  Step Run(const ActionCall& call, Engine& engine, const std::string& exec) const;

  const Deps deps_;
};

}  // namespace fettle::receivers

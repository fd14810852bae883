// Runs a configured program: by argv, without a shell, in an environment made from scratch.
//
// Alert data reaches it only as FETTLE_* variables, and only values of harmless characters and
// length; anything else is left out. It runs at most once: after a crash nobody knows what it did,
// so the outcome is indeterminate and a person decides.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "common/brain.h"
#include "common/hands.h"
#include "receivers/action.h"

namespace fettle::receivers {

class ExecAction final : public Action {
 public:
  static constexpr Millis kTimeoutDefault{60'000};
  static constexpr std::size_t kValueBytesMax = 256;

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    std::stop_token stop;  // ends the program when fettle ends; its outcome is then indeterminate
  };
  explicit ExecAction(Deps deps) : deps_(std::move(deps)) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject& subject, const Incident& incident,
                   const Container* container) const override;
  Millis DefaultTimeout(const Attempt&) const override { return kTimeoutDefault; }
  void Call(ActionCall call, Finish finish) override;
  void Recover(ActionCall call, Finish finish) override;

 private:
  Step Run(const ActionCall& call) const;
  Deps deps_;
};

// FETTLE_REPAIR, FETTLE_TARGET, FETTLE_INCIDENT, FETTLE_ATTEMPT and FETTLE_LABEL_<name> of the
// leading alert, over the configured environment.
std::map<std::string, std::string> ExecEnvironment(const ExecSpec& spec, const ActionCall& call);

}  // namespace fettle::receivers

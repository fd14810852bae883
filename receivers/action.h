// Mending things: one small interface, one file a kind (actions/<kind>.cc), one list
// (actions/all.cc).
//
// The mender keeps the order around every side effect: Prepare() notes what is about to change, the
// attempt's intent is committed, Call() is asked once, and its outcome is committed. After a crash,
// a time-out or a lost answer Recover() is asked instead: it finds out what became of the call and
// finishes what is half done. An action never waits and never repeats a call by itself: it answers
// "look again later" or "may be called once more", and the mender decides.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/engine.h"
#include "receivers/incidents.h"
#include "receivers/repairs_config.h"
#include "receivers/targets.h"

namespace fettle::receivers {

struct ActionTraits {
  std::string_view kind;      // as configured and as the metrics' label
  bool on_container = false;  // needs a container, and interrupts it
  bool counted = true;        // by cooldown, backoff, attempt windows and `concurrent`
};

// What an action may know of the call. A value, safe to hand to another thread.
struct ActionCall {
  Attempt attempt;
  std::shared_ptr<const Incident> incident;  // as committed with the intent
  std::vector<Attempt> earlier;              // of this incident
  RungSpec rung;
  std::string kill_switch_file;
  std::string backup;   // the subject's, if it is one
  BootTime began{};     // when it was called, or when this process began to recover it
  BootTime deadline{};  // then an outcome that is still open becomes a failure
  // Why the mender thinks it is needed; for escalations the whole story.
  std::string reason;
};

struct Step {
  enum class Kind {
    kOutcome,    // `outcome` and `note` say what came of it
    kLookAgain,  // unknown yet: ask Recover() after `after`
    kNotCalled,  // nothing was called: ask Call() after `after`
    kReissue,    // nothing shows that it happened: it may be called once more
    kNoted,      // `found` must be stored first: then Recover() is asked at once
  };
  Kind kind = Kind::kOutcome;
  AttemptState outcome = AttemptState::kDone;
  std::string note;
  Millis after{0};
  BootTime called{};  // when the side effect was asked for; BootTime{} if it was not
  Identity found;     // what is added to the attempt's identity with its outcome

  static Step Outcome(AttemptState outcome, std::string note, BootTime called = {}) {
    return {Kind::kOutcome, outcome, std::move(note), Millis(0), called, {}};
  }
  static Step LookAgain(Millis after, std::string note, BootTime called = {}) {
    return {Kind::kLookAgain, AttemptState::kIntent, std::move(note), after, called, {}};
  }
  static Step NotCalled(Millis after, std::string note) {
    return {Kind::kNotCalled, AttemptState::kIntent, std::move(note), after, {}, {}};
  }
  static Step Noted(Identity found, std::string note) {
    return {Kind::kNoted, AttemptState::kIntent, std::move(note), Millis(0), {}, std::move(found)};
  }
  static Step Reissue(std::string note) {
    return {Kind::kReissue, AttemptState::kIntent, std::move(note), Millis(0), {}, {}};
  }
};

class Action {
 public:
  // Runs once, on the brain.
  using Finish = std::function<void(Step, const Moment& now)>;

  virtual ~Action() = default;
  virtual const ActionTraits& traits() const = 0;
  // On the brain, from what was just looked at; no I/O. `container` is null unless on_container.
  virtual Identity Prepare(const Subject& subject, const Incident& incident,
                           const Container* container) const = 0;
  // How long an outcome may stay open unless the rung says.
  virtual Millis DefaultTimeout(const Attempt& attempt) const = 0;
  // Both on the brain; what blocks is given to a hand. The intent is committed.
  virtual void Call(ActionCall call, Finish finish) = 0;
  virtual void Recover(ActionCall call, Finish finish) = 0;
};

// True if the file is there (an empty path never is): nothing new may be done. Blocks.
bool KillSwitchIsOn(const std::string& file);

}  // namespace fettle::receivers

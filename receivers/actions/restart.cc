#include "receivers/actions/restart.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fettle::receivers {
namespace {

constexpr Millis kLookEvery{500};
constexpr Millis kRetryStart{2'000};
constexpr Millis kHandsBusy{500};

const std::string& Of(const Identity& identity, const std::string& name) {
  static const std::string none;
  const auto found = identity.find(name);
  return found == identity.end() ? none : found->second;
}

int StopTimeoutOf(const Attempt& attempt) {
  const std::string& text = Of(attempt.identity, "stop_timeout_s");
  int seconds = kStopTimeoutDefaultS;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

bool WasRunning(const Attempt& attempt) { return Of(attempt.identity, "was") == "running"; }
bool Moved(const Attempt& attempt, const Container& container) {
  return container.started_at_raw != Of(attempt.identity, "started_at");
}

}  // namespace

const ActionTraits& RestartAction::traits() const {
  static const ActionTraits traits{.kind = "restart", .on_container = true, .counted = true};
  return traits;
}

Identity RestartAction::Prepare(const Subject& subject, const Incident&,
                                const Container* container) const {
  return {{"id", container->id},
          {"started_at", container->started_at_raw},
          {"finished_at", container->finished_at_raw},
          {"was", std::string(ToString(container->state))},
          {"stop_timeout_s", fmt::format("{}", subject.StopTimeout(*container))}};
}

Millis RestartAction::DefaultTimeout(const Attempt& attempt) const {
  return Millis(1'000) * StopTimeoutOf(attempt) + kTimeoutMargin;
}

void RestartAction::Call(ActionCall call, Finish finish) {
  Brain& brain = deps_.brain;
  const bool taken = deps_.hands.Do([this, call = std::move(call), finish] {
    Step step = CallEngine(call);
    deps_.brain.Finish([finish, step = std::move(step)](const Moment& now) { finish(step, now); });
  });
  if (taken) return;
  brain.Finish([finish](const Moment& now) {
    finish(Step::NotCalled(kHandsBusy, "every hand is busy"), now);
  });
}

void RestartAction::Recover(ActionCall call, Finish finish) {
  Brain& brain = deps_.brain;
  const bool taken = deps_.hands.Do([this, call = std::move(call), finish] {
    Step step = FindOut(call, "", BootTime{});
    deps_.brain.Finish([finish, step = std::move(step)](const Moment& now) { finish(step, now); });
  });
  if (taken) return;
  brain.Finish([finish](const Moment& now) {
    finish(Step::LookAgain(kHandsBusy, "every hand is busy"), now);
  });
}

Step RestartAction::CallEngine(const ActionCall& call) const {
  const std::string& id = Of(call.attempt.identity, "id");
  Engine* engine = deps_.targets.EngineOf(call.attempt.connection);
  if (engine == nullptr) {
    return Step::Outcome(AttemptState::kFailed, fmt::format("no docker connection is named {}",
                                                            Quote(call.attempt.connection)));
  }
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return Step::Outcome(AttemptState::kCancelled, "the kill switch was set");
  }
  const Result<Container> container = engine->Inspect(id);
  if (!container) {
    const bool gone = container.error().cause == Cause::kNotFound;
    return Step::Outcome(gone ? AttemptState::kGone : AttemptState::kCancelled,
                         container.error().message);
  }
  if (Moved(call.attempt, *container)) {
    return Step::Outcome(AttemptState::kConverged, fmt::format("somebody else restarted it at {}",
                                                               container->started_at_raw));
  }
  if (ToString(container->state) != Of(call.attempt.identity, "was")) {
    // Before the first call it is not our doing, so nothing is half done.
    if (call.attempt.reissues > 0) return FindOut(call, "", BootTime{});
    return Step::Outcome(AttemptState::kCancelled,
                         fmt::format("it is {} now", ToString(container->state)));
  }
  const BootTime called = deps_.clock.Now().boot;
  const Status status = Ask(*engine, call, container->state == ContainerState::kRunning);
  if (status) return Step::Outcome(AttemptState::kDone, "the engine has restarted it", called);
  switch (status.error().cause) {
    case Cause::kTimeout:
    case Cause::kUnavailable:
      return Step::LookAgain(kLookEvery, status.error().message, called);
    case Cause::kNotFound:
      return Step::Outcome(AttemptState::kGone, status.error().message, called);
    default:
      // The engine has answered, so nothing is under way any more; what it left behind is seen.
      return FindOut(call, status.error().message, called);
  }
}

Status RestartAction::Ask(Engine& engine, const ActionCall& call, bool running) const {
  const std::string& id = Of(call.attempt.identity, "id");
  return running ? engine.Restart(id, StopTimeoutOf(call.attempt)) : engine.Start(id);
}

// What became of it, by what inspect says. `refusal` is the engine's answer to a call that it has
// finished with an error; "" means that a call may still be under way.
Step RestartAction::FindOut(const ActionCall& call, const std::string& refusal,
                            BootTime called) const {
  Engine* engine = deps_.targets.EngineOf(call.attempt.connection);
  if (engine == nullptr) {
    return Step::Outcome(
        AttemptState::kIndeterminate,
        fmt::format("no docker connection is named {} any more", Quote(call.attempt.connection)));
  }
  const Result<Container> container = engine->Inspect(Of(call.attempt.identity, "id"));
  if (!container) {
    if (container.error().cause == Cause::kNotFound) {
      return Step::Outcome(AttemptState::kGone, container.error().message, called);
    }
    // It may be half done, so it is asked for as long as it takes.
    return Step::LookAgain(kRetryStart, container.error().message, called);
  }
  if (Moved(call.attempt, *container)) {
    return Step::Outcome(AttemptState::kDone,
                         fmt::format("it was started at {}", container->started_at_raw), called);
  }
  switch (container->state) {
    case ContainerState::kExited:
    case ContainerState::kCreated:
      return Complete(call, *engine, *container, called);
    case ContainerState::kRemoving:
    case ContainerState::kDead:
      return Step::Outcome(AttemptState::kGone, "it is being removed", called);
    case ContainerState::kRestarting:
      return Step::LookAgain(kLookEvery, "the engine is starting it", called);
    case ContainerState::kPaused:
    case ContainerState::kRunning:
      break;
  }
  return Unchanged(call, refusal, called);
}

Step RestartAction::Complete(const ActionCall& call, Engine& engine, const Container& stopped,
                             BootTime called) const {
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return Step::LookAgain(kRetryStart, "it is stopped, and the kill switch holds its start",
                           called);
  }
  const Status started = engine.Start(Of(call.attempt.identity, "id"));
  const BootTime now = deps_.clock.Now().boot;
  if (started) {
    return Step::Outcome(AttemptState::kDone,
                         WasRunning(call.attempt) ? "a half-done restart was completed by a start"
                                                  : "the engine has started it",
                         called == BootTime{} ? now : called);
  }
  if (started.error().cause == Cause::kNotFound) {
    return Step::Outcome(AttemptState::kGone, started.error().message, called);
  }
  const bool waiting_may_help = now < call.deadline || started.error().retryable();
  if (waiting_may_help) return Step::LookAgain(kRetryStart, started.error().message, called);
  Step failed =
      Step::Outcome(AttemptState::kFailed,
                    "it is stopped and cannot be started: " + started.error().message, called);
  failed.found[kLeftDown] = stopped.finished_at_raw;
  return failed;
}

Step RestartAction::Unchanged(const ActionCall& call, const std::string& refusal,
                              BootTime called) const {
  if (!refusal.empty()) return Step::Outcome(AttemptState::kFailed, refusal, called);
  // A stop phase may still be running for an earlier call.
  const BootTime believed = call.began + Millis(1'000) * StopTimeoutOf(call.attempt) + kStopMargin;
  const BootTime now = deps_.clock.Now().boot;
  if (now < believed) {
    const Millis left = std::chrono::ceil<Millis>(believed - now);
    return Step::LookAgain(std::min(left, kLookEvery), "it has not stopped yet", called);
  }
  return Step::Reissue("it runs on unchanged: the call has left no trace");
}

}  // namespace fettle::receivers

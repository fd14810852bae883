#include "receivers/actions/docker.h"

#include <charconv>
#include <utility>

namespace fettle::receivers {
namespace {

constexpr Millis kAskAgain{1'000};

const std::string& Noted(const Attempt& attempt, const std::string& name) {
  static const std::string none;
  const auto found = attempt.identity.find(name);
  return found == attempt.identity.end() ? none : found->second;
}

int GraceOf(const Attempt& attempt) {
  const std::string& text = Noted(attempt, "stop_timeout_s");
  int seconds = kStopTimeoutDefaultS;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

bool Ended(const Container& container) {
  return container.state == ContainerState::kExited ||
         container.state == ContainerState::kCreated || container.state == ContainerState::kDead;
}

}  // namespace

const ActionTraits& DockerAction::traits() const {
  static const ActionTraits start{.kind = "start", .on_container = true, .counted = true};
  static const ActionTraits stop{.kind = "stop", .on_container = true, .counted = true};
  static const ActionTraits kill{.kind = "kill", .on_container = true, .counted = true};
  return what_ == What::kStart ? start : what_ == What::kStop ? stop : kill;
}

Identity DockerAction::Prepare(const Subject& subject, const Incident&,
                               const Container* container) const {
  return {{"id", container->id},
          {"started_at", container->started_at_raw},
          {"was", std::string(ToString(container->state))},
          {"stop_timeout_s", fmt::format("{}", subject.StopTimeout(*container))}};
}

Millis DockerAction::DefaultTimeout(const Attempt& attempt) const {
  return Millis(1'000) * GraceOf(attempt) + kTimeoutMargin;
}

void DockerAction::Work(ActionCall call, bool again, const Finish& finish) {
  const bool taken = deps_.hands.Do([this, call = std::move(call), again, finish] {
    Step step = Do(call, again);
    deps_.brain.Finish([finish, step = std::move(step)](const Moment& now) { finish(step, now); });
  });
  if (taken) return;
  deps_.brain.Finish([finish, again](const Moment& now) {
    const char* const busy = "every hand is busy";
    finish(again ? Step::LookAgain(Millis(500), busy) : Step::NotCalled(Millis(500), busy), now);
  });
}

Step DockerAction::Do(const ActionCall& call, bool again) const {
  Engine* engine = deps_.targets.EngineOf(call.attempt.connection);
  if (engine == nullptr) {
    return Step::Outcome(
        again ? AttemptState::kIndeterminate : AttemptState::kFailed,
        fmt::format("no docker connection is named {}", Quote(call.attempt.connection)));
  }
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return again ? Step::LookAgain(kAskAgain, "the kill switch holds it")
                 : Step::Outcome(AttemptState::kCancelled, "the kill switch was set");
  }
  const Result<Container> now = engine->Inspect(Noted(call.attempt, "id"));
  if (!now) {
    if (now.error().cause == Cause::kNotFound) {
      return Step::Outcome(AttemptState::kGone, now.error().message);
    }
    if (again) return Failed(call, now.error(), BootTime{});
    return Step::Outcome(AttemptState::kCancelled, now.error().message);
  }
  switch (what_) {
    case What::kStart:
      return Start(call, *engine, *now);
    case What::kStop:
      return Stop(call, *engine, *now, again);
    case What::kKill:
      break;
  }
  return Kill(call, *engine, *now, again);
}

Step DockerAction::Start(const ActionCall& call, Engine& engine, const Container& now) const {
  if (now.state == ContainerState::kRunning) {
    const bool same = now.started_at_raw == Noted(call.attempt, "started_at");
    return Step::Outcome(same ? AttemptState::kConverged : AttemptState::kDone,
                         same ? "it runs already" : "it was started at " + now.started_at_raw);
  }
  const BootTime called = deps_.clock.Now().boot;
  const Status started = engine.Start(now.id);
  if (!started) return Failed(call, started.error(), called);
  return Step::Outcome(AttemptState::kDone, "the engine has started it", called);
}

Step DockerAction::Stop(const ActionCall& call, Engine& engine, const Container& now,
                        bool again) const {
  if (Ended(now)) {
    if (!again) return Step::Outcome(AttemptState::kConverged, "it has stopped already");
    Step done = Step::Outcome(AttemptState::kDone, "it has stopped");
    done.found[kLeftDown] = now.finished_at_raw;
    return done;
  }
  const BootTime called = deps_.clock.Now().boot;
  const Status stopped = engine.Stop(now.id, GraceOf(call.attempt));
  if (!stopped) return Failed(call, stopped.error(), called);
  Step done = Step::Outcome(AttemptState::kDone, "the engine has stopped it", called);
  if (const Result<Container> after = engine.Inspect(now.id)) {
    done.found[kLeftDown] = after->finished_at_raw;
  }
  return done;
}

Step DockerAction::Kill(const ActionCall& call, Engine& engine, const Container& now,
                        bool again) const {
  const auto* spec = std::get_if<KillSpec>(&call.rung.action);
  const bool repeatable = spec != nullptr && spec->signal == "SIGHUP";
  if (again && !repeatable) {
    return Step::Outcome(AttemptState::kIndeterminate, "nobody knows whether the signal arrived");
  }
  if (spec == nullptr) {
    return Step::Outcome(AttemptState::kCancelled, "the signal is not configured any more");
  }
  if (now.started_at_raw != Noted(call.attempt, "started_at")) {
    return Step::Outcome(AttemptState::kConverged,
                         "somebody else restarted it at " + now.started_at_raw);
  }
  if (now.state != ContainerState::kRunning) {
    return Step::Outcome(AttemptState::kCancelled,
                         fmt::format("it is {} now", ToString(now.state)));
  }
  const BootTime called = deps_.clock.Now().boot;
  const Status sent = engine.Kill(now.id, spec->signal);
  if (sent) return Step::Outcome(AttemptState::kDone, spec->signal + " was sent", called);
  const Cause cause = sent.error().cause;
  if (!repeatable && (cause == Cause::kTimeout || cause == Cause::kUnavailable)) {
    return Step::Outcome(AttemptState::kIndeterminate, sent.error().message, called);
  }
  return Failed(call, sent.error(), called);
}

// What waiting may mend is asked again until the deadline; it does no harm to ask twice.
Step DockerAction::Failed(const ActionCall& call, const Error& error, BootTime called) const {
  if (error.cause == Cause::kNotFound) {
    return Step::Outcome(AttemptState::kGone, error.message, called);
  }
  const bool passing = error.cause == Cause::kTimeout || error.cause == Cause::kUnavailable;
  if (passing && deps_.clock.Now().boot < call.deadline) {
    return Step::LookAgain(kAskAgain, error.message, called);
  }
  return Step::Outcome(AttemptState::kFailed, error.message, called);
}

}  // namespace fettle::receivers

#include "receivers/actions/docker_exec.h"

#include <algorithm>
#include <utility>

namespace fettle::receivers {
namespace {

constexpr Millis kLookEvery{500};
constexpr std::size_t kOutputShown = 400;  // bytes of it in the attempt's note
constexpr char kExecId[] = "exec_id";

const std::string& In(const Identity& identity, const std::string& name) {
  static const std::string none;
  const auto found = identity.find(name);
  return found == identity.end() ? none : found->second;
}

Step Ended(int exit_code, const std::string& output, BootTime called) {
  std::string note = fmt::format("exit code {}", exit_code);
  if (!output.empty()) note += ": " + output.substr(0, kOutputShown);
  return Step::Outcome(exit_code == 0 ? AttemptState::kDone : AttemptState::kFailed,
                       std::move(note), called);
}

}  // namespace

const ActionTraits& DockerExecAction::traits() const {
  static const ActionTraits traits{.kind = "docker_exec", .on_container = true, .counted = true};
  return traits;
}

Identity DockerExecAction::Prepare(const Subject&, const Incident&,
                                   const Container* container) const {
  return {{"id", container->id}, {"started_at", container->started_at_raw}};
}

void DockerExecAction::Call(ActionCall call, Finish finish) {
  const bool taken = deps_.hands.Do([this, call = std::move(call), finish] {
    Step step = Do(call);
    deps_.brain.Finish([finish, step = std::move(step)](const Moment& now) { finish(step, now); });
  });
  if (taken) return;
  deps_.brain.Finish([finish](const Moment& now) {
    finish(Step::LookAgain(Millis(500), "every hand is busy"), now);
  });
}

Step DockerExecAction::Do(const ActionCall& call) const {
  Engine* engine = deps_.targets.EngineOf(call.attempt.connection);
  const std::string& exec = In(call.attempt.identity, kExecId);
  if (engine == nullptr) {
    return Step::Outcome(
        exec.empty() ? AttemptState::kFailed : AttemptState::kIndeterminate,
        fmt::format("no docker connection is named {}", Quote(call.attempt.connection)));
  }
  return exec.empty() ? Create(call, *engine) : Run(call, *engine, exec);
}

// Nothing runs yet, so whatever goes wrong here has done nothing.
Step DockerExecAction::Create(const ActionCall& call, Engine& engine) const {
  const auto* spec = std::get_if<DockerExecSpec>(&call.rung.action);
  if (spec == nullptr) {
    return Step::Outcome(AttemptState::kCancelled, "the program is not configured any more");
  }
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return Step::Outcome(AttemptState::kCancelled, "the kill switch was set");
  }
  const Result<Container> now = engine.Inspect(In(call.attempt.identity, "id"));
  if (!now) {
    const bool gone = now.error().cause == Cause::kNotFound;
    return Step::Outcome(gone ? AttemptState::kGone : AttemptState::kCancelled,
                         now.error().message);
  }
  if (now->started_at_raw != In(call.attempt.identity, "started_at")) {
    return Step::Outcome(AttemptState::kConverged,
                         "somebody else restarted it at " + now->started_at_raw);
  }
  if (now->state != ContainerState::kRunning) {
    return Step::Outcome(AttemptState::kCancelled,
                         fmt::format("it is {} now", ToString(now->state)));
  }
  const Result<std::string> exec = engine.ExecCreate(now->id, spec->argv);
  if (!exec) return Step::Outcome(AttemptState::kFailed, exec.error().message);
  return Step::Noted({{kExecId, *exec}}, "the engine keeps the program ready");
}

Step DockerExecAction::Run(const ActionCall& call, Engine& engine, const std::string& exec) const {
  const bool late = deps_.clock.Now().boot >= call.deadline;
  const Result<Engine::ExecState> state = engine.ExecInspect(exec);
  if (!state) {
    if (state.error().cause == Cause::kNotFound || late) {
      return Step::Outcome(AttemptState::kIndeterminate, state.error().message);
    }
    return Step::LookAgain(kLookEvery, state.error().message);
  }
  if (state->exit_code) return Ended(*state->exit_code, "", BootTime{});
  if (state->running) {
    if (late) return Step::Outcome(AttemptState::kIndeterminate, "it still runs");
    return Step::LookAgain(kLookEvery, "it runs");
  }
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return Step::Outcome(AttemptState::kCancelled, "the kill switch was set");
  }
  const BootTime called = deps_.clock.Now().boot;
  const Millis left = std::max(Millis(1'000), std::chrono::floor<Millis>(call.deadline - called));
  const Result<ExecResult> ran = engine.ExecStart(exec, left);
  if (ran) return Ended(ran->exit_code, ran->output, called);
  // Refused because it has begun already, or the answer was lost: the engine knows.
  return Step::LookAgain(kLookEvery, ran.error().message, called);
}

}  // namespace fettle::receivers

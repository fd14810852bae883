#include "receivers/actions/exec.h"

#include <algorithm>
#include <utility>

#include "common/process.h"

namespace fettle::receivers {
namespace {

bool IsHarmless(std::string_view value) {
  if (value.empty() || value.size() > ExecAction::kValueBytesMax) return false;
  return std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.:/@-").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::map<std::string, std::string> ExecEnvironment(const ExecSpec& spec, const ActionCall& call) {
  std::map<std::string, std::string> environment = spec.environment;
  environment["FETTLE_REPAIR"] = call.attempt.repair;
  environment["FETTLE_TARGET"] = call.attempt.target;
  environment["FETTLE_INCIDENT"] = call.attempt.incident;
  environment["FETTLE_ATTEMPT"] = fmt::format("{}", call.attempt.number);
  const Trigger* leading = call.incident == nullptr ? nullptr : call.incident->Leading();
  if (leading == nullptr) return environment;
  for (const auto& [name, value] : leading->labels) {
    if (IsLabelName(name) && IsHarmless(value)) environment["FETTLE_LABEL_" + name] = value;
  }
  return environment;
}

const ActionTraits& ExecAction::traits() const {
  static const ActionTraits traits{.kind = "exec", .on_container = false, .counted = true};
  return traits;
}

Identity ExecAction::Prepare(const Subject&, const Incident&, const Container*) const { return {}; }

void ExecAction::Call(ActionCall call, Finish finish) {
  const bool taken = deps_.hands.Do([this, call = std::move(call), finish] {
    Step step = Run(call);
    deps_.brain.Finish([finish, step = std::move(step)](const Moment& now) { finish(step, now); });
  });
  if (taken) return;
  deps_.brain.Finish([finish](const Moment& now) {
    finish(Step::NotCalled(Millis(500), "every hand is busy"), now);
  });
}

void ExecAction::Recover(ActionCall, Finish finish) {
  deps_.brain.Finish([finish](const Moment& now) {
    finish(Step::Outcome(AttemptState::kIndeterminate,
                         "fettle ended while the program ran, and nobody knows what it did"),
           now);
  });
}

Step ExecAction::Run(const ActionCall& call) const {
  const auto* spec = std::get_if<ExecSpec>(&call.rung.action);
  if (spec == nullptr) {
    return Step::Outcome(AttemptState::kCancelled, "the program is not configured any more");
  }
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return Step::Outcome(AttemptState::kCancelled, "the kill switch was set");
  }
  ProcessSpec process;
  process.argv = spec->argv;
  process.environment = ExecEnvironment(*spec, call);
  process.directory = spec->directory;
  process.timeout = call.rung.timeout.value_or(kTimeoutDefault);
  process.output_bytes_max = 64 * 1024;
  process.stop = deps_.stop;
  const BootTime called = deps_.clock.Now().boot;
  const Result<ProcessResult> result = RunProcess(process);
  if (!result && deps_.stop.stop_requested()) {
    return Step::Outcome(AttemptState::kIndeterminate, "fettle ended while the program ran",
                         called);
  }
  if (!result) {
    return Step::Outcome(AttemptState::kFailed, result.error().message, called);
  }
  return Step::Outcome(result->succeeded() ? AttemptState::kDone : AttemptState::kFailed,
                       result->Describe(), called);
}

}  // namespace fettle::receivers

#include "receivers/operator_intent.h"

#include <algorithm>
#include <array>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

constexpr int kExitKilled = 137;      // 128 + SIGKILL
constexpr int kExitTerminated = 143;  // 128 + SIGTERM

bool EngineRestartsIt(const Container& container) {
  return container.restart_policy == "always" || container.restart_policy == "unless-stopped";
}

}  // namespace

bool IsStopSignal(const std::string& signal) {
  static constexpr std::array<std::string_view, 6> ending{"15", "9", "2", "3", "6", "28"};
  static constexpr std::array<std::string_view, 6> names{"TERM", "KILL", "INT",
                                                         "QUIT", "ABRT", "WINCH"};
  std::string_view text = signal;
  if (text.starts_with("SIG")) text.remove_prefix(3);
  // An event without a signal is an old engine's; a stop is the likeliest reason.
  if (text.empty()) return true;
  return std::find(ending.begin(), ending.end(), text) != ending.end() ||
         std::find(names.begin(), names.end(), text) != names.end();
}

void OperatorIntent::CallBegins(const std::string& container_id) {
  Seen& seen = seen_[container_id];
  seen = Seen{};
  seen.in_call = true;
}

void OperatorIntent::CallEnds(const std::string& container_id) {
  const auto found = seen_.find(container_id);
  if (found != seen_.end()) found->second.in_call = false;
}

void OperatorIntent::OnEvent(const EngineEvent& event, const Moment& now) {
  if (event.container_id.empty()) return;
  if (event.action == "destroy") {
    seen_.erase(event.container_id);
    return;
  }
  const bool matters = event.action == "kill" || event.action == "die" || event.action == "stop" ||
                       event.action == "start";
  if (!matters) return;
  if (seen_.size() >= kContainersMax && !seen_.contains(event.container_id)) return;
  Seen& seen = seen_[event.container_id];
  if (seen.in_call && !seen.started_in_call) {
    if (event.action == "start") seen.started_in_call = true;
    return;
  }
  if (event.action == "start") {
    const bool in_call = seen.in_call;
    seen = Seen{};
    seen.in_call = in_call;
    seen.started_in_call = in_call;
  } else if (event.action == "kill") {
    const auto signal = event.attributes.find("signal");
    if (IsStopSignal(signal == event.attributes.end() ? "" : signal->second)) {
      seen.stopping_since = now.boot;
      seen.stopping_at = event.at;
    }
  } else if (event.action == "die") {
    if (seen.stopping_since) {
      seen.stopped = true;
      seen.stopping_since.reset();
    } else {
      // Ending again after a foreign stop, it must have been started unnoticed in between.
      seen.stopped = false;
      seen.crashed = true;
      seen.ended = now.boot;
      seen.ended_at = event.at;
    }
  } else {  // stop
    seen.stopped = true;
    seen.crashed = false;
    seen.stopping_since.reset();
  }
}

std::optional<OperatorIntent::Hold> OperatorIntent::Why(const Container& container,
                                                        bool ours_is_down,
                                                        const Moment& now) const {
  const auto found = seen_.find(container.id);
  const Seen seen = found == seen_.end() ? Seen{} : found->second;
  const std::string& name = container.name;
  switch (container.state) {
    case ContainerState::kPaused:
      return Hold{true, name + " is paused", std::nullopt};
    case ContainerState::kCreated:
      return Hold{false, name + " has never been started", std::nullopt};
    case ContainerState::kRestarting:
      return Hold{false, name + " is being restarted by the engine itself", std::nullopt};
    case ContainerState::kRemoving:
    case ContainerState::kDead:
      return Hold{false, name + " is being removed", std::nullopt};
    case ContainerState::kRunning:
      // A run that began later is not the one being stopped: its start was missed in a gap.
      if (seen.stopping_since && container.started_at <= seen.stopping_at &&
          now.boot - *seen.stopping_since < kStoppingMax) {
        const Micros left = kStoppingMax - (now.boot - *seen.stopping_since);
        return Hold{true, "somebody is stopping " + name, std::chrono::ceil<Millis>(left)};
      }
      return std::nullopt;
    case ContainerState::kExited:
      if (seen.stopped) return Hold{true, "somebody stopped " + name, std::nullopt};
      if (ours_is_down) return std::nullopt;
      return WhyExited(container, seen, now);
  }
  return std::nullopt;
}

std::optional<OperatorIntent::Hold> OperatorIntent::WhyExited(const Container& container,
                                                              const Seen& seen,
                                                              const Moment& now) const {
  const std::string& name = container.name;
  if (container.exit_code == 0) {
    return Hold{true, name + " ended by itself with exit code 0, which is no failure",
                std::nullopt};
  }
  const bool same_end = container.finished_at <= seen.ended_at + kEndSlack &&
                        container.finished_at >= seen.ended_at - kEndSlack;
  if (seen.crashed && same_end) {
    const Micros since = now.boot - seen.ended;
    if (EngineRestartsIt(container) && since < kEngineRestarts) {
      return Hold{false, name + " crashed just now and the engine restarts it",
                  std::chrono::ceil<Millis>(kEngineRestarts - since)};
    }
    return std::nullopt;
  }
  if (EngineRestartsIt(container)) {
    return Hold{true,
                fmt::format("{} has exited although its restart policy is {}: somebody stopped it",
                            name, container.restart_policy),
                std::nullopt};
  }
  const bool by_signal =
      container.exit_code == kExitKilled || container.exit_code == kExitTerminated;
  if (by_signal && !container.oom_killed) {
    return Hold{true,
                fmt::format("{} was ended by a signal (exit code {}) and nobody saw whose it was",
                            name, container.exit_code),
                std::nullopt};
  }
  return std::nullopt;
}

}  // namespace fettle::receivers

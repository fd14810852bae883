#include "receivers/guards.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

using Answer = std::optional<Denial>;

// The engine's events tell of most transitions' ends; this is for those that get lost.
constexpr Millis kTransitionAgain{3'000};

// Seconds are fine enough for people.
std::string Say(Millis duration) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration);
  return FormatDuration(std::max(Millis(0), std::chrono::duration_cast<Millis>(seconds)));
}

template <typename... Args>
Answer Deny(fmt::format_string<Args...> format, Args&&... args) {
  return Denial{"", fmt::format(format, std::forward<Args>(args)...), std::nullopt};
}
template <typename... Args>
Answer DenyFor(Millis again, fmt::format_string<Args...> format, Args&&... args) {
  return Denial{"", fmt::format(format, std::forward<Args>(args)...), again};
}

std::string InstanceOf(const Facts& facts) {
  return facts.chosen == nullptr ? "" : facts.chosen->name;
}

// A pass over several replicas is one decision; the attempts within it do not wait for each other.
const AttemptHistory::Entry* LastOfAnotherPass(const Facts& facts) {
  const AttemptHistory::Entry* last =
      facts.history.Last(facts.repair.name, facts.subject.name, facts.incident.released_at);
  if (last == nullptr) return nullptr;
  const bool same_pass = last->incident == facts.incident.id && last->pass == facts.incident.pass;
  return same_pass ? nullptr : last;
}

Micros Since(const AttemptHistory::Entry& entry, const Facts& facts) {
  return facts.now.boot - entry.ended.value_or(entry.began);
}

// --- the guards, in their order ----------------------------------------------------------------

Answer AskKillSwitch(const Facts& facts) {
  if (!facts.kill_switch) return std::nullopt;
  return Deny("the kill switch is on: {} exists", facts.config.guards.kill_switch_file);
}

Answer AskMode(const Facts& facts) {
  if (facts.finishing || facts.mode >= Mode::kApprove) return std::nullopt;
  return Deny("mode is {}", ToString(facts.mode));
}

Answer AskHold(const Facts& facts) {
  if (!facts.incident.on_hold) return std::nullopt;
  return Deny("held by a person until retry");
}

Answer AskBootHold(const Facts& facts) {
  if (facts.finishing || !facts.boot_hold || !facts.action.counted) return std::nullopt;
  return DenyFor(*facts.boot_hold, "fettle has just started and has not seen every container yet");
}

bool Comes(const Facts& facts, const Trigger& trigger) {
  return facts.repair.sources.empty() || facts.repair.sources.contains(trigger.source);
}

Answer AskSource(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || facts.incident.triggers.empty()) return {};
  const std::vector<Trigger>& triggers = facts.incident.triggers;
  const bool trusted = std::any_of(triggers.begin(), triggers.end(), [&](const Trigger& trigger) {
    return !trigger.resolved && Comes(facts, trigger);
  });
  if (trusted) return std::nullopt;
  return Deny("its alerts come from where this repair does not listen");
}

// A queue that was held up tells of what has long been over. A container that looks ill is witness
// enough; otherwise the sender must say it again.
Answer AskEvidence(const Facts& facts) {
  if (facts.finishing || !facts.action.counted) return std::nullopt;
  if (facts.chosen != nullptr && !LooksWell(*facts.chosen)) return std::nullopt;
  const Trigger* oldest = nullptr;
  for (const Trigger& trigger : facts.incident.triggers) {
    if (trigger.resolved || !Comes(facts, trigger)) continue;
    const bool fresh = trigger.first_seen - trigger.starts_at <= facts.repair.max_age;
    if (fresh || trigger.said_again || trigger.source == AlertSource::kRules) return std::nullopt;
    if (oldest == nullptr) oldest = &trigger;
  }
  if (oldest == nullptr) return std::nullopt;
  return Deny("the alert was {} old when it came, and nothing else says that {} is ill",
              Say(oldest->first_seen - oldest->starts_at), facts.subject.name);
}

Answer AskControl(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || !facts.cut_off) return std::nullopt;
  return DenyFor(Millis(5'000), "fettle itself seems cut off: {}", *facts.cut_off);
}

Answer AskQuiet(const Facts& facts) {
  if (facts.finishing || !facts.quiet || facts.rung.while_silenced) return std::nullopt;
  return Deny("{}", *facts.quiet);
}

Answer AskMaintenance(const Facts& facts) {
  if (facts.finishing || !facts.maintenance) return std::nullopt;
  return Deny("it is {}", *facts.maintenance);
}

Answer AskDeploy(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || !facts.deploy) return std::nullopt;
  return Denial{"", facts.deploy->sentence, facts.deploy->again};
}

Answer AskEngine(const Facts& facts) {
  if (!facts.action.on_container || !facts.look_error) return std::nullopt;
  return DenyFor(Millis(2'000), "{}", *facts.look_error);
}

Answer AskTarget(const Facts& facts) {
  if (!facts.action.on_container || facts.chosen != nullptr) return std::nullopt;
  if (!facts.containers.empty()) {
    return DenyFor(Millis(2'000), "every container of {} has been acted on", facts.subject.name);
  }
  return DenyFor(Millis(2'000), "no container is {}", facts.subject.name);
}

Answer AskOptIn(const Facts& facts) {
  if (facts.chosen == nullptr || !LabelSaysNo(*facts.chosen, kLabelMend)) return std::nullopt;
  return Deny("{} has the label {} = {}", facts.chosen->name, kLabelMend,
              facts.chosen->Label(kLabelMend));
}

Answer AskProtected(const Facts& facts) {
  if (facts.chosen == nullptr || !LabelSaysYes(*facts.chosen, kLabelProtected)) return std::nullopt;
  return Deny("{} has the label {}", facts.chosen->name, kLabelProtected);
}

Answer AskFrozen(const Facts& facts) {
  if (facts.chosen == nullptr || !LabelSaysYes(*facts.chosen, kLabelHold)) return std::nullopt;
  return Deny("{} has the label {} = {}", facts.chosen->name, kLabelHold,
              facts.chosen->Label(kLabelHold));
}

Answer AskOwnPart(const Facts& facts) {
  if (facts.chosen == nullptr || !facts.own_part) return std::nullopt;
  return Deny("{} is {}", facts.chosen->name, *facts.own_part);
}

Answer AskOperator(const Facts& facts) {
  if (!facts.intent || !facts.intent->operators) return std::nullopt;
  return Denial{"", facts.intent->sentence, facts.intent->again};
}

Answer AskTransition(const Facts& facts) {
  if (facts.chosen == nullptr) return std::nullopt;
  if (facts.intent) {
    return Denial{"", facts.intent->sentence, facts.intent->again.value_or(kTransitionAgain)};
  }
  const Container& container = *facts.chosen;
  if (container.state != ContainerState::kRunning) return std::nullopt;
  if (container.health == ContainerHealth::kStarting) {
    return DenyFor(kTransitionAgain, "{} is still starting", container.name);
  }
  // A paused or stopping container's monitor is closed, and the engine then says unhealthy without
  // any failed probe; the next probe tells.
  if (container.health == ContainerHealth::kUnhealthy && container.failing_streak == 0) {
    return DenyFor(kTransitionAgain, "{} has not been probed since it went on", container.name);
  }
  const Trigger* leading = facts.incident.Leading();
  const Millis uptime = facts.now.wall - container.started_at;
  const bool newer = leading != nullptr && container.started_at > leading->starts_at;
  if (newer && !facts.ours_is_running && uptime >= Millis(0) && uptime < kMinUptime) {
    return DenyFor(kMinUptime - uptime, "{} was started {} ago, after the alert began",
                   container.name, Say(uptime));
  }
  return std::nullopt;
}

// Also of a call that would be made a second time: a backup may have begun meanwhile.
Answer AskBackups(const Facts& facts) {
  if (!facts.action.counted || facts.action.kind == "backup") return std::nullopt;
  const RepairGuards& guards = facts.repair.guards;
  for (const std::string& running : facts.backups) {
    const auto& named = guards.backups_that_hold;
    const bool holds =
        guards.any_backup_holds || std::find(named.begin(), named.end(), running) != named.end();
    if (holds) return DenyFor(Millis(5'000), "backup {} is running", running);
  }
  return std::nullopt;
}

Answer AskDependency(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || !facts.dependency) return std::nullopt;
  return Denial{"", facts.dependency->sentence, facts.dependency->again};
}

Answer AskSettled(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || facts.repair.settle <= Millis(0)) {
    return std::nullopt;
  }
  Time earliest = facts.now.wall;
  for (const Trigger& trigger : facts.incident.triggers) {
    if (!trigger.resolved) earliest = std::min(earliest, trigger.first_seen);
  }
  const Millis left = facts.repair.settle - (facts.now.wall - earliest);
  if (left <= Millis(0)) return std::nullopt;
  return DenyFor(left, "it is given {} to settle", FormatDuration(facts.repair.settle));
}

// Each alert by its name, the engine, and the expression of `verify` are a voice each.
Answer AskQuorum(const Facts& facts) {
  const int wanted = facts.repair.guards.quorum;
  if (facts.finishing || !facts.action.counted || wanted < 2) return std::nullopt;
  std::set<std::string_view> alerts;
  for (const Trigger& trigger : facts.incident.triggers) {
    if (!trigger.resolved && Comes(facts, trigger)) alerts.insert(trigger.labels.Get("alertname"));
  }
  int voices = static_cast<int>(alerts.size());
  if (facts.chosen != nullptr && LooksSick(*facts.chosen)) ++voices;
  if (facts.verified_well && !*facts.verified_well) ++voices;
  if (voices >= wanted) return std::nullopt;
  return DenyFor(Millis(2'000), "{} of at least {} say that it is ill", voices, wanted);
}

Answer AskFlapping(const Facts& facts) {
  const std::optional<Window>& flapping = facts.repair.guards.flapping;
  if (facts.finishing || !facts.action.counted || !flapping) return std::nullopt;
  if (facts.incident.released_at != Time{} || facts.beginnings < flapping->attempts) {
    return std::nullopt;
  }
  return Deny("it began {} times in the last {} (at {} it is left to a person)", facts.beginnings,
              FormatDuration(flapping->span), flapping->attempts);
}

Answer AskCooldown(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || !facts.incident.first_pass) return std::nullopt;
  const AttemptHistory::Entry* last = LastOfAnotherPass(facts);
  if (last == nullptr) return std::nullopt;
  const Micros left = facts.repair.guards.cooldown - Since(*last, facts);
  if (left <= Micros(0)) return std::nullopt;
  const Millis again = std::chrono::ceil<Millis>(left);
  return DenyFor(again, "the last attempt ended {} ago and the cooldown is {}",
                 Say(std::chrono::floor<Millis>(Since(*last, facts))),
                 FormatDuration(facts.repair.guards.cooldown));
}

Answer AskBackoff(const Facts& facts) {
  if (facts.finishing || !facts.action.counted) return std::nullopt;
  const AttemptHistory::Entry* last = LastOfAnotherPass(facts);
  if (last == nullptr) return std::nullopt;
  const int strikes = facts.history.Strikes(facts.repair.name, facts.subject.name,
                                            facts.incident.released_at, facts.now);
  const Micros left = AttemptHistory::Backoff(strikes, last->attempt) - Since(*last, facts);
  if (left <= Micros(0)) return std::nullopt;
  const Millis again = std::chrono::ceil<Millis>(left);
  return DenyFor(again, "{} attempts in a row did not last; the next one waits {} more", strikes,
                 Say(again));
}

Answer AskAttempts(const Facts& facts) {
  if (facts.finishing || !facts.action.counted) return std::nullopt;
  const std::string instance = InstanceOf(facts);
  for (const Window& window : facts.repair.guards.attempts) {
    const int count = facts.history.Count(facts.repair.name, facts.subject.name, instance,
                                          window.span, facts.incident.released_at, facts.now);
    if (count < window.attempts) continue;
    const Millis again =
        facts.history.UntilOneLeaves(facts.repair.name, facts.subject.name, instance, window.span,
                                     facts.incident.released_at, facts.now);
    return DenyFor(again, "{} attempts in the last {} (at most {}), and the alert still fires",
                   count, FormatDuration(window.span), window.attempts);
  }
  return std::nullopt;
}

Answer AskRate(const Facts& facts) {
  if (facts.finishing || !facts.action.counted) return std::nullopt;
  for (const Window& window : facts.config.guards.attempts) {
    const int count = facts.history.CountAll(window.span, facts.now);
    if (count < window.attempts) continue;
    return DenyFor(facts.history.UntilOneLeaves(window.span, facts.now),
                   "all repairs together made {} attempts in the last {} (at most {})", count,
                   FormatDuration(window.span), window.attempts);
  }
  return std::nullopt;
}

// Acting on a sick replica costs nothing that was there; acting on a well one must leave enough.
Answer AskBlastRadius(const Facts& facts) {
  if (facts.finishing || facts.chosen == nullptr || !LooksWell(*facts.chosen)) return std::nullopt;
  if (facts.containers.size() < 2) return std::nullopt;
  const auto well = std::count_if(facts.containers.begin(), facts.containers.end(), LooksWell) - 1;
  if (well >= facts.repair.guards.min_healthy) return std::nullopt;
  return DenyFor(Millis(2'000), "{} of {} replicas would stay healthy, at least {} must", well,
                 facts.containers.size(), facts.repair.guards.min_healthy);
}

Answer AskStorm(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || !facts.storm) return std::nullopt;
  return Denial{"", facts.storm->sentence, facts.storm->again};
}

Answer AskTargetBusy(const Facts& facts) {
  if (!facts.busy_with) return std::nullopt;
  return Deny("{} is at work on it", *facts.busy_with);
}

Answer AskConcurrent(const Facts& facts) {
  if (facts.finishing || !facts.action.counted) return std::nullopt;
  if (facts.calls_under_way < facts.config.guards.concurrent) return std::nullopt;
  return Deny("{} calls are under way, at most {}", facts.calls_under_way,
              facts.config.guards.concurrent);
}

Answer AskApproval(const Facts& facts) {
  if (facts.finishing || !facts.action.counted || facts.mode != Mode::kApprove) return std::nullopt;
  const bool approved = facts.incident.approved_pass == facts.incident.pass &&
                        facts.now.wall < facts.incident.approved_until;
  if (approved) return std::nullopt;
  return Deny("{} on {} waits for approval", facts.action.kind,
              facts.chosen == nullptr ? facts.subject.name : facts.chosen->name);
}

constexpr std::array kGuards{
    Guard{"kill_switch", AskKillSwitch},
    Guard{kReasonMode, AskMode},
    Guard{"held", AskHold},
    Guard{"boot_hold", AskBootHold},
    Guard{"untrusted_source", AskSource},
    Guard{"stale_evidence", AskEvidence},
    Guard{"self_partitioned", AskControl},
    Guard{"quiet", AskQuiet},
    Guard{"maintenance", AskMaintenance},
    Guard{"after_deploy", AskDeploy},
    Guard{"engine_unavailable", AskEngine},
    Guard{kReasonNoTarget, AskTarget},
    Guard{"not_opted_in", AskOptIn},
    Guard{"protected", AskProtected},
    Guard{"hold_label", AskFrozen},
    Guard{"self_dependency", AskOwnPart},
    Guard{"operator_intent", AskOperator},
    Guard{"in_transition", AskTransition},
    Guard{"active_backups", AskBackups},
    Guard{kReasonDependency, AskDependency},
    Guard{"settling", AskSettled},
    Guard{"quorum", AskQuorum},
    Guard{kReasonFlapping, AskFlapping},
    Guard{"cooldown", AskCooldown},
    Guard{"backoff", AskBackoff},
    Guard{kReasonAttempts, AskAttempts},
    Guard{"rate_limited", AskRate},
    Guard{"blast_radius", AskBlastRadius},
    Guard{"storm", AskStorm},
    Guard{kReasonTargetBusy, AskTargetBusy},
    Guard{kReasonConcurrent, AskConcurrent},
    Guard{kReasonApproval, AskApproval},
};

}  // namespace

std::span<const Guard> AllGuards() { return kGuards; }

std::optional<Denial> FirstDenial(const Facts& facts) {
  for (const Guard& guard : AllGuards()) {
    if (std::optional<Denial> denial = guard.ask(facts)) {
      denial->reason = guard.reason;
      return denial;
    }
  }
  return std::nullopt;
}

}  // namespace fettle::receivers

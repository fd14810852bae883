// Looking at the world and deciding upon it: the part of the mender that asks the guards.
#include <algorithm>
#include <utility>

#include "receivers/mender.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {
namespace {

// Denials that a person lifts, who wakes the incident up then.
bool LiftedByAPerson(std::string_view reason) {
  return reason == kReasonMode || reason == "held" || reason == kReasonApproval;
}

std::optional<std::string> WhyCutOff(const Judge* judge, const std::string& control, Time wall) {
  if (judge == nullptr) return "nobody answers " + control;
  const auto answer = judge->Ask(control, wall, kAskTimeout);
  if (!answer) return fmt::format("{}: {}", control, answer.error().message);
  if (answer->empty()) return control + " returns nothing";
  return std::nullopt;
}

}  // namespace

bool Mender::Look(Live& live, std::function<void(Live&, const Seen&, const Moment&)> then,
                  const Moment& now) {
  const std::string id = live.incident.id;
  std::vector<Place> above;
  if (live.subject.HasContainers()) {
    above = dependencies_.Above(dependencies_.PlaceOfSubject(live.subject));
  }
  const std::vector<Place> below = DependantsOf(live);
  std::string verify;
  if (live.repair != nullptr && live.repair->guards.quorum > 1) verify = live.repair->verify.expr;
  const bool taken = deps_.hands.Do([this, id, then, above, below, verify, subject = live.subject,
                                     guards = config_->guards, wall = now.wall] {
    Seen seen;
    seen.kill_switch = KillSwitchIsOn(guards.kill_switch_file);
    Result<std::vector<Container>> containers = deps_.targets.Resolve(subject);
    if (containers) {
      seen.containers = *std::move(containers);
    } else {
      seen.error = containers.error().message;
    }
    for (const Place& place : above) {
      Result<std::vector<Container>> needed = deps_.targets.Resolve(SubjectOf(place));
      if (needed) {
        seen.needed.emplace_back(place, *std::move(needed));
      } else if (!seen.error) {
        seen.error = needed.error().message;
      }
    }
    for (const Place& place : below) {
      Result<std::vector<Container>> found = deps_.targets.Resolve(SubjectOf(place));
      if (found) seen.dependants.emplace_back(place, *std::move(found));
    }
    if (!guards.control.empty()) seen.cut_off = WhyCutOff(deps_.judge, guards.control, wall);
    if (!verify.empty() && deps_.judge != nullptr) {
      const auto answer = deps_.judge->Ask(verify, wall, kAskTimeout);
      if (answer) seen.verified_well = !answer->empty();
    }
    deps_.brain.Finish([this, id, then, seen = std::move(seen)](const Moment& later) {
      Live* looked = FindLive(id);
      if (looked == nullptr) return;
      looked->looking = false;
      looked->container_ids.clear();
      for (const Container& c : seen.containers) looked->container_ids.insert(c.id);
      for (const auto& [place, needed] : seen.needed) {
        for (const Container& c : needed) looked->container_ids.insert(c.id);
      }
      then(*looked, seen, later);
      Free(id, later);
    });
  });
  live.looking = taken;
  return taken;
}

std::vector<Container> Mender::Candidates(Live& live, const std::vector<Container>& containers,
                                          const std::vector<Container>& dependants, bool* rolling,
                                          const Moment& now) const {
  const Incident& incident = live.incident;
  const std::vector<Container> narrowed = Narrow(containers, incident);
  std::set<std::string> treated;
  for (const Attempt& attempt : live.attempts) {
    const bool acted = attempt.state != AttemptState::kCancelled &&
                       attempt.state != AttemptState::kGone && !attempt.instance.empty();
    if (acted && attempt.pass == incident.pass) treated.insert(attempt.instance);
  }
  if (treated.empty()) *rolling = std::none_of(narrowed.begin(), narrowed.end(), LooksSick);
  std::vector<Container> candidates;
  for (const Container& container : narrowed) {
    if (treated.contains(container.name)) continue;
    if (*rolling || LooksSick(container)) candidates.push_back(container);
  }
  if (treated.empty() || !WithoutLeftAlone(candidates, now).empty()) return candidates;
  for (const Container& container : dependants) {
    if (!treated.contains(container.name)) candidates.push_back(container);
  }
  return WithoutLeftAlone(std::move(candidates), now);
}

std::vector<Place> Mender::DependantsOf(const Live& live) const {
  const RungSpec* rung = RungOf(live);
  const auto* restart = rung == nullptr ? nullptr : std::get_if<RestartSpec>(&rung->action);
  if (restart == nullptr || !restart->with_dependants || !live.subject.HasContainers()) return {};
  return dependencies_.Below(dependencies_.PlaceOfSubject(live.subject));
}

// A dependant stops as its own target says, if it is one.
Subject Mender::SubjectFor(const Live& live, const Container& chosen) const {
  const std::string& connection = live.subject.containers->connection;
  const Place place = PlaceOf(connection, chosen);
  if (place == dependencies_.PlaceOfSubject(live.subject)) return live.subject;
  for (const TargetSpec& target : live.config->targets) {
    const Subject subject{target.name, target, ""};
    if (target.label.empty() && dependencies_.PlaceOfSubject(subject) == place) return subject;
  }
  return SubjectOf(place);
}

void Mender::Decide(Live& live, const Seen& seen, const Moment& now) {
  Incident& incident = live.incident;
  if (!incident.HasLiveTrigger() || live.repair == nullptr) {
    if (live.repair == nullptr) {
      Close(live, "removed", now);
    } else {
      Wake(live, now);
    }
    return;
  }
  const RungSpec* rung = RungOf(live);
  if (rung == nullptr) {
    Escalate(live, "ladder_exhausted", incident.sentence, now);
    return;
  }
  const ActionTraits& traits = deps_.actions.at(std::string(KindOf(rung->action)))->traits();
  NoteDependencies(live, seen, now);
  NoteStorm(now);
  std::vector<Container> candidates;
  if (traits.on_container) {
    std::vector<Container> dependants;
    for (const auto& [place, found] : seen.dependants) {
      dependants.insert(dependants.end(), found.begin(), found.end());
    }
    candidates = Candidates(live, seen.containers, dependants, &incident.pass_is_rolling, now);
  }
  const Container* chosen = nullptr;
  std::optional<Denial> denial;
  if (candidates.empty()) denial = FirstDenial(GatherFacts(live, seen, *rung, nullptr, now));
  for (const Container& candidate : candidates) {
    std::optional<Denial> against = FirstDenial(GatherFacts(live, seen, *rung, &candidate, now));
    if (!against) {
      chosen = &candidate;
      denial.reset();
      break;
    }
    if (!denial) denial = std::move(against);
  }
  if (!denial) {
    live.no_target_since.reset();
    if (incident.attempts >= static_cast<int>(Incident::kAttemptsMax) && traits.counted) {
      Escalate(live, kReasonAttempts, "it has been tried too often", now);
    } else {
      BeginAttempt(live, *rung, chosen, now);
    }
    return;
  }
  Deny(live, seen, *rung, *std::move(denial), candidates.empty() ? nullptr : &candidates.front(),
       now);
}

// Something speaks against it: it waits, or it is a person's matter.
void Mender::Deny(Live& live, const Seen& seen, const RungSpec& rung, Denial denial,
                  const Container* candidate, const Moment& now) {
  Incident& incident = live.incident;
  if (denial.reason != kReasonNoTarget) live.no_target_since.reset();
  if (denial.reason == kReasonAttempts) {
    Escalate(live, kReasonAttempts, denial.sentence, now);
  } else if (denial.reason == kReasonFlapping) {
    // Once in its window: a person who was told so need not be told at each turn.
    std::optional<BootTime>& told = flaps_[IncidentKey(incident.repair, incident.target)].told;
    if (told && now.boot - *told < live.repair->guards.flapping->span) {
      Suppress(live, denial, "hold", now);
      return;
    }
    told = now.boot;
    Escalate(live, kReasonFlapping, denial.sentence, now);
  } else if (denial.reason == kReasonNoTarget) {
    // A label that nothing carries is nobody's incident, however many alerts claim it.
    if (!live.stored() && !live.subject.containers->label.empty()) {
      metrics_.Decided(incident.repair, "hold", kReasonNoTarget);
      Drop(live);
      return;
    }
    if (!live.no_target_since) live.no_target_since = now.boot;
    if (now.boot - *live.no_target_since >= kNoTargetPatience) {
      Escalate(live, kReasonNoTarget, denial.sentence, now);
    } else {
      Suppress(live, denial, "hold", now);
    }
  } else if (denial.reason == kReasonMode && ModeOf(live) == Mode::kObserve) {
    Facts facts = GatherFacts(live, seen, rung, candidate, now);
    facts.mode = Mode::kAuto;
    const std::optional<Denial> otherwise = FirstDenial(facts);
    const std::string& object = candidate == nullptr ? incident.target : candidate->name;
    denial.sentence +=
        otherwise ? fmt::format("; otherwise {}: {}", otherwise->reason, otherwise->sentence)
                  : fmt::format("; otherwise {} of {}", KindOf(rung.action), object);
    Suppress(live, denial, "observe", now);
  } else {
    if (denial.reason == kReasonApproval) AskForApproval(live, now);
    Suppress(live, denial, "hold", now);
  }
}

void Mender::Suppress(Live& live, const Denial& denial, std::string_view decision,
                      const Moment& now) {
  Incident& incident = live.incident;
  const bool news =
      incident.state != IncidentState::kSuppressed || incident.reason != denial.reason;
  const Millis fallback = LiftedByAPerson(denial.reason) ? kRecheckPerson : kRecheck;
  const Millis again = std::min(denial.again.value_or(fallback), kRecheckPerson);
  incident.state = IncidentState::kSuppressed;
  incident.reason = denial.reason;
  incident.sentence = denial.sentence;
  if (!news) {
    WakeAt(live, now.boot + again, now);
    return;
  }
  incident.Note(now.wall, fmt::format("{}: {}: {}", decision, denial.reason, denial.sentence));
  metrics_.Decided(incident.repair, decision, denial.reason);
  deps_.log.Info("repair held", {{"incident", incident.id},
                                 {"repair", incident.repair},
                                 {"target", incident.target},
                                 {"reason", denial.reason},
                                 {"sentence", denial.sentence}});
  const auto wait = [this, again](Live& waiting, const Moment& then) {
    WakeAt(waiting, then.boot + again, then);
  };
  Commit(live, {},
         {Audit("decision", live,
                {{"decision", std::string(decision)},
                 {"reason", std::string(denial.reason)},
                 {"sentence", denial.sentence}})},
         Must::kNo, wait, wait);
}

void Mender::Escalate(Live& live, std::string_view reason, std::string sentence,
                      const Moment& now) {
  Incident& incident = live.incident;
  const std::size_t rung = live.repair == nullptr ? 0 : live.repair->EscalationRung();
  const bool can_tell = live.repair != nullptr && rung < live.repair->rungs.size() &&
                        incident.rung < static_cast<int>(rung);
  NoteEscalation(live, reason, std::move(sentence), now.wall);
  if (can_tell) {
    incident.rung = static_cast<int>(rung);
    incident.rung_passes = 0;
    ++incident.pass;
    incident.state = IncidentState::kEligible;
    Wake(live, now);
    return;
  }
  incident.state = IncidentState::kEscalated;
  incident.reason = incident.escalation;
  incident.sentence = incident.escalation_sentence;
  const auto go_on = [this](Live& escalated, const Moment& then) { Wake(escalated, then); };
  Commit(live, {},
         {Audit("escalated", live,
                {{"reason", incident.escalation}, {"sentence", incident.escalation_sentence}})},
         Must::kYes, go_on, go_on);
}

void Mender::NoteEscalation(Live& live, std::string_view reason, std::string sentence, Time at) {
  Incident& incident = live.incident;
  if (!incident.escalation.empty()) return;
  incident.escalation = reason;
  incident.escalation_sentence = std::move(sentence);
  metrics_.Escalated(incident.repair, reason);
  incident.Note(at, fmt::format("left to a person: {}: {}", incident.escalation,
                                incident.escalation_sentence));
  deps_.log.Warn("repair left to a person", {{"incident", incident.id},
                                             {"repair", incident.repair},
                                             {"target", incident.target},
                                             {"reason", incident.escalation},
                                             {"sentence", incident.escalation_sentence}});
}

}  // namespace fettle::receivers

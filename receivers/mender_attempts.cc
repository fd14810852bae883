// Attempts and whether they helped: the part of the mender that has side effects.
#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/duration.h"
#include "receivers/mender.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {
namespace {

constexpr Millis kAfterCancelled{2'000};
constexpr Millis kAfterGone{1'000};
// Between the engine's clock and ours, for "this run was started by that attempt".
constexpr Millis kStartSlack{5'000};

std::string IdOf(const Attempt& attempt) {
  const auto found = attempt.identity.find("id");
  return found == attempt.identity.end() ? "" : found->second;
}

std::string Object(const Attempt& attempt) {
  return attempt.instance.empty() ? attempt.target : attempt.instance;
}

}  // namespace

// --- intent, call, outcome -------------------------------------------------------------------

void Mender::BeginAttempt(Live& live, const RungSpec& rung, const Container* chosen,
                          const Moment& now) {
  const Action& action = *deps_.actions.at(std::string(KindOf(rung.action)));
  const Incident before = live.incident;
  Incident& incident = live.incident;
  Attempt attempt;
  attempt.number = ++incident.attempts;
  attempt.id = fmt::format("{}-{}", incident.id, attempt.number);
  attempt.incident = incident.id;
  attempt.repair = incident.repair;
  attempt.target = incident.target;
  attempt.kind = action.traits().kind;
  attempt.rung = incident.rung;
  attempt.pass = incident.pass;
  attempt.intent_at = now.wall;
  attempt.intent_boot = now.boot;
  if (chosen != nullptr) {
    attempt.instance = chosen->name;
    attempt.connection = live.subject.containers->connection;
    live.chosen = *chosen;
  }
  if (attempt.kind == "escalate" && incident.escalation.empty()) {
    incident.escalation = "asked";
    incident.escalation_sentence = "the repair leaves it to a person";
    metrics_.Escalated(incident.repair, incident.escalation);
  }
  attempt.identity = action.Prepare(chosen == nullptr ? live.subject : SubjectFor(live, *chosen),
                                    incident, chosen);
  incident.state = IncidentState::kActing;
  incident.reason.clear();
  incident.sentence.clear();
  incident.Note(now.wall,
                fmt::format("attempt {}: {} of {}", attempt.number, attempt.kind, Object(attempt)));
  ++calls_under_way_;
  metrics_.SetCallsUnderWay(calls_under_way_);
  live.attempts.push_back(attempt);
  live.recovering = false;
  live.attempt_began = now.boot;
  const std::string audit =
      Audit("intent", live,
            {{"attempt", attempt.id}, {"action", attempt.kind}, {"object", Object(attempt)}});
  Commit(
      live, {attempt}, {audit}, Must::kNo,
      [this](Live& acting, const Moment& then) {
        const Attempt& begun = acting.attempts.back();
        history_.Begin(begun, then);
        metrics_.Decided(begun.repair, "act", "none");
        CallAction(acting, false, then);
      },
      [this, before](Live& failed, const Moment& then) {
        // Nothing was stored, so nothing is done.
        --calls_under_way_;
        metrics_.SetCallsUnderWay(calls_under_way_);
        std::vector<Trigger> triggers = std::move(failed.incident.triggers);
        failed.incident = before;
        failed.incident.triggers = std::move(triggers);
        failed.attempts.pop_back();
        WakeAt(failed, then.boot + kStoreRetry, then);
      });
}

void Mender::CallAction(Live& live, bool recovering, const Moment& now) {
  Attempt& attempt = *live.OpenAttempt();
  const auto action = deps_.actions.find(attempt.kind);
  if (action == deps_.actions.end()) {
    EndAttempt(live, AttemptState::kIndeterminate, "this version knows no such action", now);
    return;
  }
  const ActionTraits& traits = action->second->traits();
  const bool first_call = !recovering && attempt.reissues == 0;
  if (first_call && !live.incident.HasLiveTrigger()) {
    EndAttempt(live, AttemptState::kCancelled, "the alert ended before anything was called", now);
    return;
  }
  if (first_call && traits.on_container && TakeEvidence(live, now)) return;
  if (first_call && traits.on_container) {
    // What the engine has told since the decision.
    const auto hold = intent_.Why(live.chosen, LeftDownByUs(live, live.chosen), now);
    if (hold) {
      EndAttempt(live, AttemptState::kCancelled, hold->sentence, now);
      return;
    }
  }
  if (traits.on_container) intent_.CallBegins(IdOf(attempt));
  live.calling = true;
  live.recovering = recovering;
  live.call_began = now.boot;
  const Millis timeout =
      RungFor(live, attempt).timeout.value_or(action->second->DefaultTimeout(attempt));
  live.call_deadline = now.boot + timeout;
  Proceed(live, recovering);
}

// The rung it was begun for; a bare one if the configuration has changed since.
RungSpec Mender::RungFor(const Live& live, const Attempt& attempt) const {
  const RungSpec* rung = RungOf(live);
  return rung != nullptr && KindOf(rung->action) == attempt.kind ? *rung : RungSpec{};
}

// Asks the action to call or to find out; what it needs to know is gathered anew each time.
void Mender::Proceed(Live& live, bool recover) {
  const Attempt& attempt = *live.OpenAttempt();
  Action& action = *deps_.actions.at(attempt.kind);
  ActionCall call;
  call.attempt = attempt;
  call.incident = std::make_shared<const Incident>(live.incident);
  call.earlier.assign(live.attempts.begin(), live.attempts.end() - 1);
  call.rung = RungFor(live, attempt);
  call.kill_switch_file = config_->guards.kill_switch_file;
  call.began = live.call_began;
  call.deadline = live.call_deadline;
  call.reason = live.incident.escalation_sentence;
  const auto finish = [this, id = live.incident.id, attempt_id = attempt.id](const Step& step,
                                                                             const Moment& now) {
    Live* acting = FindLive(id);
    if (acting == nullptr) return;
    const Attempt* open = acting->OpenAttempt();
    if (open != nullptr && open->id == attempt_id) OnStep(*acting, step, now);
  };
  if (recover) {
    action.Recover(std::move(call), finish);
  } else {
    action.Call(std::move(call), finish);
  }
}

void Mender::OnStep(Live& live, const Step& step, const Moment& now) {
  if (step.called != BootTime{} && !live.measured) {
    live.measured = true;
    metrics_.ObserveDetectToAct(live.incident.repair, step.called - live.detected);
  }
  switch (step.kind) {
    case Step::Kind::kOutcome:
      EndAttempt(live, step.outcome, step.note, now, step.found);
      return;
    case Step::Kind::kReissue:
      Reissue(live, step.note, now);
      return;
    case Step::Kind::kNoted:
      NoteFound(live, step);
      return;
    case Step::Kind::kLookAgain:
    case Step::Kind::kNotCalled:
      break;
  }
  const bool recover = step.kind == Step::Kind::kLookAgain;
  live.attempts.back().note = step.note;
  live.wake_at = now.boot + step.after;
  const std::string attempt_id = live.attempts.back().id;
  deps_.brain.At(live.wake_at, [this, id = live.incident.id, attempt_id, recover](const Moment&) {
    Live* acting = FindLive(id);
    if (acting == nullptr || acting->OpenAttempt() == nullptr) return;
    if (acting->OpenAttempt()->id == attempt_id) Proceed(*acting, recover);
  });
}

// Nothing shows that the call happened. Once more at most, and only if it is still wanted: asked of
// the guards again, but not of those that the attempt has passed already.
void Mender::Reissue(Live& live, const std::string& note, const Moment& now) {
  if (live.attempts.back().reissues >= Attempt::kReissuesMax) {
    EndAttempt(live, AttemptState::kFailed, note + ", twice", now);
    return;
  }
  if (!live.incident.HasLiveTrigger() || RungOf(live) == nullptr) {
    EndAttempt(live, AttemptState::kFailed, note + ", and nobody wants it any more", now);
    return;
  }
  const auto reissue = [this, note](Live& looked, const Seen& seen, const Moment& then) {
    Attempt& attempt = looked.attempts.back();
    const std::string id = IdOf(attempt);
    const Container* chosen = nullptr;
    const auto choose = [&](const std::vector<Container>& containers) {
      for (const Container& c : containers) chosen = c.id == id ? &c : chosen;
    };
    choose(seen.containers);
    for (const auto& [place, found] : seen.dependants) choose(found);
    Facts facts = GatherFacts(looked, seen, *RungOf(looked), chosen, then);
    facts.finishing = true;
    if (const std::optional<Denial> denial = FirstDenial(facts)) {
      if (then.boot >= looked.call_deadline) {
        EndAttempt(looked, AttemptState::kFailed, note + ", and " + denial->sentence, then);
        return;
      }
      OnStep(looked, Step::LookAgain(Millis(2'000), denial->sentence), then);
      return;
    }
    ++attempt.reissues;
    looked.chosen = *chosen;
    Commit(
        looked, {attempt}, {Audit("reissue", looked, {{"attempt", attempt.id}, {"note", note}})},
        Must::kNo, [this](Live& acting, const Moment& later) { CallAction(acting, false, later); },
        [this](Live& failed, const Moment& later) {
          --failed.attempts.back().reissues;
          OnStep(failed, Step::LookAgain(kStoreRetry, "the second call could not be stored"),
                 later);
        });
  };
  if (!Look(live, reissue, now))
    OnStep(live, Step::LookAgain(Millis(500), "every hand is busy"), now);
}

void Mender::EndAttempt(Live& live, AttemptState state, const std::string& note, const Moment& now,
                        const Identity& found) {
  Attempt& attempt = live.attempts.back();
  Incident& incident = live.incident;
  attempt.state = state;
  attempt.note = note;
  for (const auto& [name, value] : found) attempt.identity[name] = value;
  attempt.ended_at = now.wall;
  live.calling = false;
  --calls_under_way_;
  metrics_.SetCallsUnderWay(calls_under_way_);
  metrics_.Attempted(attempt.repair, attempt.kind, ToString(state));
  if (state != AttemptState::kCancelled && !live.recovering) {
    metrics_.ObserveAct(attempt.repair, attempt.kind, now.boot - live.attempt_began);
  }
  if (!IdOf(attempt).empty()) intent_.CallEnds(IdOf(attempt));
  if (state == AttemptState::kCancelled) {
    history_.Cancel(attempt);
  } else {
    history_.End(attempt, now);
  }
  incident.Note(now.wall, fmt::format("attempt {}: {}: {}", attempt.number, ToString(state), note));
  deps_.log.Info("repair attempt ended", {{"incident", incident.id},
                                          {"repair", incident.repair},
                                          {"object", Object(attempt)},
                                          {"action", attempt.kind},
                                          {"result", ToString(state)},
                                          {"note", note}});
  const std::string audit = Audit("outcome", live,
                                  {{"attempt", attempt.id},
                                   {"action", attempt.kind},
                                   {"object", Object(attempt)},
                                   {"result", std::string(ToString(state))},
                                   {"note", note}});
  Settle(live, now);
  const auto go_on = [this](Live& ended, const Moment& then) {
    const std::string id = ended.incident.id;
    WakeDenied({kReasonConcurrent, kReasonTargetBusy}, then);
    if (Live* same = FindLive(id)) Wake(*same, then);
  };
  Commit(live, {attempt}, {audit}, Must::kYes, go_on, go_on);
}

// What the incident is after its attempt has ended; stored together with the outcome.
void Mender::Settle(Live& live, const Moment& now) {
  const Attempt& attempt = live.attempts.back();
  Incident& incident = live.incident;
  if (attempt.kind == "escalate" && attempt.state != AttemptState::kCancelled) {
    incident.state = IncidentState::kEscalated;
    incident.reason = incident.escalation;
    incident.sentence = incident.escalation_sentence;
    return;
  }
  switch (attempt.state) {
    case AttemptState::kDone:
    case AttemptState::kConverged:
    case AttemptState::kIndeterminate: {
      incident.state = IncidentState::kVerifying;
      const RungSpec* rung = RungOf(live);
      const Millis within =
          rung == nullptr ? VerifySpec{}.within : live.repair->VerifyOf(*rung).within;
      incident.verify_until = now.wall + within;
      live.verify_from = now.boot;
      live.well_since.reset();
      return;
    }
    case AttemptState::kFailed:
      FailPass(live, attempt.note, now.wall);
      return;
    case AttemptState::kGone:
      incident.state = IncidentState::kEligible;
      live.not_before = now.boot + kAfterGone;
      return;
    case AttemptState::kCancelled:
    case AttemptState::kIntent:
      incident.state = IncidentState::kEligible;
      live.not_before = now.boot + kAfterCancelled;
      return;
  }
}

// The pass is over and did not help: the same rung again, the next one, or a person.
void Mender::FailPass(Live& live, const std::string& sentence, Time at) {
  Incident& incident = live.incident;
  const Attempt& attempt = live.attempts.back();
  const RungSpec* rung = RungOf(live);
  ++incident.pass;
  ++incident.rung_passes;
  incident.first_pass = false;
  incident.pass_is_rolling = false;
  incident.state = IncidentState::kEligible;
  incident.reason.clear();
  incident.sentence = sentence;
  live.well_since.reset();
  const std::size_t last = live.repair == nullptr ? 0 : live.repair->EscalationRung();
  const bool unknown = attempt.state == AttemptState::kIndeterminate;
  const bool spent = rung == nullptr || incident.rung_passes >= rung->attempts;
  if (!unknown && !spent) return;
  incident.rung_passes = 0;
  if (!unknown && static_cast<std::size_t>(incident.rung) + 1 < last) {
    ++incident.rung;
    return;
  }
  // The next look escalates: past the last rung there is nobody to ask but a person.
  incident.rung = static_cast<int>(last);
  NoteEscalation(live, unknown ? "indeterminate" : "ladder_exhausted", sentence, at);
}

// --- did it help? ----------------------------------------------------------------------------

void Mender::LookWhetherItHelped(Live& live, const Moment& now) {
  if (live.repair == nullptr) {
    Close(live, "removed", now);
    return;
  }
  const std::string id = live.incident.id;
  const RungSpec* rung = RungOf(live);
  const VerifySpec spec = rung == nullptr ? live.repair->verify : live.repair->VerifyOf(*rung);
  const std::vector<Place> below = DependantsOf(live);
  const bool taken =
      deps_.hands.Do([this, id, spec, below, subject = live.subject, wall = now.wall] {
        VerifySeen seen = LookAt(deps_.targets, deps_.judge, subject, spec, wall);
        for (const Place& place : below) {
          Result<std::vector<Container>> found = deps_.targets.Resolve(SubjectOf(place));
          if (!found) continue;
          seen.dependants.insert(seen.dependants.end(), found->begin(), found->end());
        }
        deps_.brain.Finish([this, id, spec, seen = std::move(seen)](const Moment& later) {
          Live* looked = FindLive(id);
          if (looked == nullptr) return;
          looked->looking = false;
          for (const Container& container : seen.containers)
            looked->container_ids.insert(container.id);
          if (looked->incident.state == IncidentState::kHeld) {
            OnHeld(*looked, seen, spec, later);
          } else {
            OnVerdict(*looked, seen, spec, later);
          }
          Free(id, later);
        });
      });
  live.looking = taken;
  if (!taken) WakeAt(live, now.boot + kVerifyEvery, now);
}

// Neither those that may not be repaired nor those that somebody stopped hold back a judgement.
std::vector<Container> Mender::WithoutLeftAlone(std::vector<Container> containers,
                                                const Moment& now) const {
  std::erase_if(containers, [&](const Container& container) {
    const bool alone = LabelSaysNo(container, kLabelMend) ||
                       LabelSaysYes(container, kLabelProtected) ||
                       LabelSaysYes(container, kLabelHold);
    return alone || intent_.Why(container, false, now).has_value();
  });
  return containers;
}

void Mender::OnVerdict(Live& live, const VerifySeen& seen, const VerifySpec& spec,
                       const Moment& now) {
  bool rolling = live.incident.pass_is_rolling;
  const bool last_of_pass =
      live.attempts.back().instance.empty() ||
      WithoutLeftAlone(Candidates(live, seen.containers, seen.dependants, &rolling, now), now)
          .empty();
  const Verdict verdict = Weigh(seen, spec, live.incident, live.attempts.back(), last_of_pass);
  Incident& incident = live.incident;
  incident.sentence = verdict.sentence;
  const bool in_time = now.boot - live.verify_from < std::max(spec.within, verdict.patience);
  const BootTime next = now.boot + kVerifyEvery;
  if (verdict.answer == Verdict::Answer::kYes) {
    live.well_last = now.boot;
    if (!last_of_pass) {
      NextOfPass(live, now);
    } else if (!live.well_since) {
      live.well_since = now.boot;
      if (spec.hold <= Millis(0)) {
        Helped(live, now);
        return;
      }
      incident.state = IncidentState::kHolding;
      incident.Note(now.wall, verdict.sentence);
      const auto wait = [this](Live& holding, const Moment& then) {
        WakeAt(holding, then.boot + kVerifyEvery, then);
      };
      Commit(live, {}, {}, Must::kNo, wait, wait);
    } else if (now.boot - *live.well_since >= spec.hold) {
      Helped(live, now);
    } else {
      WakeAt(live, std::min(next, *live.well_since + spec.hold), now);
    }
    return;
  }
  // What cannot be asked says nothing against it, for a while.
  const bool forgiven = verdict.answer == Verdict::Answer::kUnknown && live.well_since &&
                        now.boot - live.well_last < kUnknownMax;
  if (!forgiven) live.well_since.reset();
  if (!in_time && !forgiven) {
    DidNotHelp(live, verdict.sentence, now);
    return;
  }
  if (!forgiven) incident.state = IncidentState::kVerifying;
  WakeAt(live, next, now);
}

// It has helped, and the alert goes on: its sender has not said yet that it ended, or it began
// again before anybody said so. Then the target tells.
void Mender::OnHeld(Live& live, const VerifySeen& seen, const VerifySpec& spec, const Moment& now) {
  const bool asks_alerts = live.subject.backup.empty();
  const Verdict verdict =
      WeighHeld(seen, spec, live.incident,
                WithoutLeftAlone(Narrow(seen.containers, live.incident), now), asks_alerts);
  if (verdict.answer != Verdict::Answer::kNo) {
    live.relapsing_since.reset();
    WakeAt(live, now.boot + kRecheck, now);
    return;
  }
  if (!live.relapsing_since) live.relapsing_since = now.boot;
  if (now.boot - *live.relapsing_since < std::max(kRelapse, verdict.patience)) {
    WakeAt(live, now.boot + kVerifyEvery, now);
    return;
  }
  Reopen(live, verdict.sentence, now);
  Wake(live, now);
}

// This one is well, and another of the same pass waits for its turn.
void Mender::NextOfPass(Live& live, const Moment& now) {
  Attempt& attempt = live.attempts.back();
  attempt.verified = true;
  attempt.verified_at = now.wall;
  history_.Verified(attempt, now);
  live.incident.state = IncidentState::kEligible;
  const auto go_on = [this](Live& next, const Moment& then) { Wake(next, then); };
  Commit(live, {attempt}, {}, Must::kYes, go_on, go_on);
}

void Mender::Helped(Live& live, const Moment& now) {
  Attempt& attempt = live.attempts.back();
  Incident& incident = live.incident;
  attempt.verified = true;
  attempt.verified_at = now.wall;
  history_.Verified(attempt, now);
  metrics_.Verified(attempt.repair, attempt.kind, true);
  NoteHelped(attempt.repair, true);
  metrics_.SetLastSuccess(attempt.repair, now.wall);
  metrics_.ObserveActToVerified(attempt.repair, now.boot - live.verify_from);
  if (const Trigger* leading = incident.Leading()) {
    metrics_.ObserveTimeToRepair(attempt.repair, now.wall - leading->starts_at);
  }
  incident.state = IncidentState::kHeld;
  incident.reason.clear();
  incident.held_at = now.wall;
  incident.Note(now.wall, "it helped: " + incident.sentence);
  deps_.log.Info("repair verified", {{"incident", incident.id},
                                     {"repair", incident.repair},
                                     {"object", Object(attempt)},
                                     {"sentence", incident.sentence}});
  const auto go_on = [this](Live& held, const Moment& then) {
    const std::string id = held.incident.id;
    WakeDenied({kReasonDependency}, then);
    if (Live* same = FindLive(id)) Wake(*same, then);
  };
  Commit(live, {attempt}, {Audit("verified", live, {{"attempt", attempt.id}})}, Must::kYes, go_on,
         go_on);
}

void Mender::DidNotHelp(Live& live, const std::string& sentence, const Moment& now) {
  Attempt& attempt = live.attempts.back();
  attempt.verified = false;
  attempt.verified_at = now.wall;
  history_.End(attempt, now);  // backoff counts from here
  metrics_.Verified(attempt.repair, attempt.kind, false);
  NoteHelped(attempt.repair, false);
  live.incident.Note(now.wall, "it did not help: " + sentence);
  FailPass(live, sentence, now.wall);
  const auto go_on = [this](Live& failed, const Moment& then) { Wake(failed, then); };
  Commit(live, {attempt},
         {Audit("not_verified", live, {{"attempt", attempt.id}, {"sentence", sentence}})},
         Must::kYes, go_on, go_on);
}

// --- what guards want to know ----------------------------------------------------------------

std::optional<std::string> Mender::BusyWith(const Live& live, const Container& container) const {
  for (const auto& [id, other] : incidents_) {
    if (other.get() == &live || other->attempts.empty()) continue;
    const IncidentState state = other->incident.state;
    const bool at_work = state == IncidentState::kActing || state == IncidentState::kVerifying ||
                         state == IncidentState::kHolding;
    if (!at_work || IdOf(other->attempts.back()) != container.id) continue;
    return "repair " + other->incident.repair;
  }
  return std::nullopt;
}

bool Mender::LeftDownByUs(const Live& live, const Container& container) const {
  return std::any_of(live.attempts.begin(), live.attempts.end(), [&](const Attempt& attempt) {
    const auto left = attempt.identity.find(kLeftDown);
    return IdOf(attempt) == container.id && left != attempt.identity.end() &&
           left->second == container.finished_at_raw;
  });
}

bool Mender::StartedByUs(const Live& live, const Container& container) const {
  return std::any_of(live.attempts.begin(), live.attempts.end(), [&](const Attempt& attempt) {
    return attempt.state == AttemptState::kDone && IdOf(attempt) == container.id &&
           container.started_at >= attempt.intent_at - kStartSlack &&
           container.started_at <= attempt.ended_at + kStartSlack;
  });
}

}  // namespace fettle::receivers

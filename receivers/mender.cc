#include "receivers/mender.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/duration.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {
namespace {

// Messages of one alert overtake each other by seconds.
constexpr Millis kOvertakingMax{300'000};

bool WakesIncidents(const std::string& action) {
  return action == "start" || action == "die" || action == "unpause" || action == "destroy" ||
         action.starts_with("health_status");
}

}  // namespace

Mender::Mender(Deps deps, std::shared_ptr<const RepairsConfig> config, Options options)
    : deps_(std::move(deps)),
      config_(std::move(config)),
      options_(options),
      metrics_(deps_.metrics) {
  for (const RepairSpec& repair : config_->repairs) {
    metrics_.SetMode(repair.name, config_->EffectiveMode(repair));
    metrics_.SetOpen(repair.name, 0);
  }
  dependencies_.Use(*config_);
  metrics_.SetCallsUnderWay(0);
  metrics_.SetBootHold(true);
}

Mender::~Mender() = default;

void Mender::Begin(const Moment& now) {
  FETTLE_CHECK(!begun_);
  begun_ = true;
  for (const TargetSpec& target : config_->targets) unseen_.insert(target.connection);
  for (const auto& [connection, containers] : inventory_) unseen_.erase(connection);
  if (unseen_.empty()) {
    EndBootHold(now);
  } else {
    boot_hold_until_ = now.boot + kBootHoldMax;
    deps_.brain.At(*boot_hold_until_, [this](const Moment& later) { EndBootHold(later); });
  }
  std::vector<std::string> ids;
  for (const auto& [id, live] : incidents_) ids.push_back(id);
  for (const std::string& id : ids) {
    Live* live = FindLive(id);
    if (live == nullptr) continue;
    if (live->OpenAttempt() != nullptr) {
      CallAction(*live, true, now);
    } else {
      Wake(*live, now);
    }
  }
  Purge(now);
}

// --- the engine ------------------------------------------------------------------------------

void Mender::EndBootHold(const Moment& now) {
  if (!boot_hold_until_) return;
  boot_hold_until_.reset();
  metrics_.SetBootHold(false);
  WakeDenied({"boot_hold"}, now);
}

void Mender::OnEngineEvent(const EngineEvent& event, const Moment& now) {
  intent_.OnEvent(event, now);
  if (begun_ && WakesIncidents(event.action)) WakeBy(event, now);
}

void Mender::OnInventory(const std::string& connection, std::vector<Container> containers,
                         const Moment& now) {
  dependencies_.Learn(connection, containers);
  inventory_[connection] = std::move(containers);
  unseen_.erase(connection);
  if (begun_ && unseen_.empty()) EndBootHold(now);
}

void Mender::WakeBy(const EngineEvent& event, const Moment& now) {
  std::vector<std::string> ids;
  for (const auto& [id, live] : incidents_) {
    if (live->container_ids.contains(event.container_id) && !live->calling) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    if (Live* live = FindLive(id)) Wake(*live, now);
  }
}

// --- alerts ----------------------------------------------------------------------------------

void Mender::Consider(const LiveAlert& alert, const Moment& now) {
  if (alert.alert.ResolvedAt(now.wall)) {
    EndTrigger(alert, now);
    return;
  }
  for (const RepairSpec& repair : config_->repairs) {
    if (config_->EffectiveMode(repair) == Mode::kOff) continue;
    if (MatchAll(repair.matchers, alert.alert.labels)) Fire(repair, alert, now);
  }
}

void Mender::Fire(const RepairSpec& repair, const LiveAlert& alert, const Moment& now) {
  const Result<Subject> subject = deps_.targets.Choose(*config_, repair, alert.alert.labels);
  if (!subject) {
    metrics_.Triggered(repair.name, "no_target");
    metrics_.Decided(repair.name, "hold", kReasonNoTarget);
    deps_.log.Warn("alert chooses no target", {{"repair", repair.name},
                                               {"alert", alert.alert.labels.FingerprintHex()},
                                               {"reason", subject.error().message}});
    return;
  }
  const auto found = by_key_.find(IncidentKey(repair.name, subject->name));
  if (found != by_key_.end()) {
    Live& live = *FindLive(found->second);
    if (!live.incident.open()) {
      live.afterwards.push_back(alert);  // its end is being stored
      return;
    }
    Merge(live, alert, now);
    Wake(live, now);
    return;
  }
  if (HasEnded(alert, now)) {
    metrics_.Triggered(repair.name, "ended");
    return;
  }
  if (incidents_.size() >= kIncidentsMax) {
    metrics_.Triggered(repair.name, "too_many");
    return;
  }
  auto live = std::make_unique<Live>();
  live->incident.id =
      IncidentId(repair.name, subject->name, alert.fingerprint, alert.alert.starts_at);
  live->incident.repair = repair.name;
  live->incident.target = subject->name;
  live->incident.opened_at = now.wall;
  live->config = config_;
  live->repair = &repair;
  live->subject = *subject;
  live->detected = now.boot;
  metrics_.Triggered(repair.name, "opened");
  Live& added = Add(std::move(live));
  NoteBeginning(added.incident, now);
  Merge(added, alert, now);
  const auto mended = mended_.find({repair.name, alert.fingerprint});
  if (mended != mended_.end() && mended->second == alert.alert.starts_at) {
    ReadAgain(added, now);  // the same cause was mended before: the store knows how
  } else {
    Wake(added, now);
  }
}

void Mender::Merge(Live& live, const LiveAlert& alert, const Moment& now) {
  Incident& incident = live.incident;
  const bool first = incident.triggers.empty();
  Trigger* trigger = incident.FindTrigger(alert.fingerprint);
  if (trigger == nullptr) {
    if (incident.triggers.size() >= Incident::kTriggersMax) {
      ++incident.triggers_dropped;
      metrics_.Triggered(incident.repair, "merged");
      return;
    }
    incident.triggers.push_back({.fingerprint = alert.fingerprint,
                                 .starts_at = alert.alert.starts_at,
                                 .labels = alert.alert.labels,
                                 .source = alert.source,
                                 .first_seen = now.wall});
    by_alert_[alert.fingerprint].insert(incident.id);
    incident.Note(now.wall, fmt::format("{} fires since {}", alert.alert.labels.ToString(),
                                        FormatRfc3339(alert.alert.starts_at)));
    if (!first) metrics_.Triggered(incident.repair, "merged");
  } else if (alert.alert.starts_at > trigger->starts_at) {
    // The same alert began again, or its sender was restarted and says so.
    trigger->starts_at = alert.alert.starts_at;
    trigger->resolved = false;
    metrics_.Triggered(incident.repair, "merged");
  } else if (trigger->resolved && !HasEnded(alert, now)) {
    trigger->resolved = false;  // it had only timed out
  } else {
    metrics_.Triggered(incident.repair, "repeated");
    if (now.wall - trigger->first_seen >= kSaidAgainAfter) trigger->said_again = true;
    return;
  }
  // What began before the repair was verified is its cause; what began later is news.
  if (incident.state == IncidentState::kHeld && alert.alert.starts_at > incident.held_at) {
    Reopen(live, "the alert began again", now);
  }
}

void Mender::Reopen(Live& live, const std::string& why, const Moment& now) {
  Incident& incident = live.incident;
  incident.state = IncidentState::kEligible;
  incident.reason.clear();
  incident.sentence.clear();
  incident.rung = 0;
  incident.rung_passes = 0;
  ++incident.pass;
  incident.pass_is_rolling = false;
  incident.first_pass = true;
  incident.Note(now.wall, "it is needed again: " + why);
  NoteBeginning(incident, now);
  live.detected = now.boot;
  live.well_since.reset();
  live.relapsing_since.reset();
  live.measured = false;
}

void Mender::EndTrigger(const LiveAlert& alert, const Moment& now) {
  if (!alert.times_out && !alert.lapsed) {
    Ended& ended = ended_[alert.fingerprint];
    if (ended.starts_at <= alert.alert.starts_at) {
      ended = {alert.alert.starts_at, now.boot + kOvertakingMax};
      ended_order_.emplace_back(now.boot + kOvertakingMax, alert.fingerprint);
    }
    ForgetEnds(now);
  }
  const auto found = by_alert_.find(alert.fingerprint);
  if (found == by_alert_.end()) return;
  const std::set<std::string> ids = found->second;
  for (const std::string& id : ids) {
    Live* live = FindLive(id);
    if (live == nullptr) continue;
    Trigger* trigger = live->incident.FindTrigger(alert.fingerprint);
    if (trigger == nullptr || trigger->resolved) continue;
    if (alert.alert.starts_at < trigger->starts_at) continue;
    trigger->resolved = true;
    live->incident.Note(now.wall, alert.alert.labels.ToString() + " ended");
    Wake(*live, now);
  }
}

bool Mender::HasEnded(const LiveAlert& alert, const Moment& now) const {
  const auto found = ended_.find(alert.fingerprint);
  return found != ended_.end() && now.boot < found->second.forget_at &&
         alert.alert.starts_at <= found->second.starts_at;
}

void Mender::ForgetEnds(const Moment& now) {
  while (!ended_order_.empty() &&
         (ended_order_.front().first <= now.boot || ended_order_.size() > kEndedMax)) {
    const auto found = ended_.find(ended_order_.front().second);
    if (found != ended_.end() && found->second.forget_at <= ended_order_.front().first) {
      ended_.erase(found);
    }
    ended_order_.pop_front();
  }
}

// --- waking ----------------------------------------------------------------------------------

void Mender::Wake(Live& live, const Moment& now) {
  if (!begun_) return;
  if (live.busy()) {
    live.woken = true;
    return;
  }
  deps_.brain.Cancel(live.timer);
  live.timer = {};
  live.woken = false;
  const bool between = live.incident.state != IncidentState::kActing &&
                       live.incident.state != IncidentState::kVerifying &&
                       live.incident.state != IncidentState::kHolding;
  if (between && live.config != config_) Rebind(live);
  const bool fires = live.incident.HasLiveTrigger();
  switch (live.incident.state) {
    case IncidentState::kEligible:
    case IncidentState::kSuppressed:
      if (!fires) {
        Close(live, HasActed(live) ? "recovered" : "self_healed", now);
      } else if (now.boot < live.not_before) {
        WakeAt(live, live.not_before, now);
      } else {
        const bool looks = Look(
            live,
            [this](Live& looked, const Seen& seen, const Moment& then) {
              Decide(looked, seen, then);
            },
            now);
        if (!looks) WakeAt(live, now.boot + Millis(500), now);
      }
      return;
    case IncidentState::kActing:
      return;  // its attempt goes on by itself
    case IncidentState::kVerifying:
    case IncidentState::kHolding:
      LookWhetherItHelped(live, now);
      return;
    case IncidentState::kHeld:
      if (fires) {
        LookWhetherItHelped(live, now);
      } else {
        Close(live, "repaired", now);
      }
      return;
    case IncidentState::kEscalated:
      if (!fires) Close(live, "resolved", now);
      return;
    case IncidentState::kClosed:
      return;
  }
}

void Mender::WakeAt(Live& live, BootTime when, const Moment& now) {
  deps_.brain.Cancel(live.timer);
  live.wake_at = std::max(when, now.boot + Millis(1));
  live.timer = deps_.brain.At(live.wake_at, [this, id = live.incident.id](const Moment& later) {
    Live* woken = FindLive(id);
    if (woken == nullptr) return;
    woken->timer = {};
    Wake(*woken, later);
  });
}

void Mender::WakeDenied(std::initializer_list<std::string_view> reasons, const Moment& now) {
  std::vector<std::string> ids;
  for (const auto& [id, live] : incidents_) {
    const bool waits =
        live->incident.state == IncidentState::kSuppressed &&
        std::find(reasons.begin(), reasons.end(), live->incident.reason) != reasons.end();
    // One that is being decided upon now may be about to wait.
    if (waits || live->looking) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    if (Live* live = FindLive(id)) Wake(*live, now);
  }
}

// --- the end ---------------------------------------------------------------------------------

void Mender::Close(Live& live, std::string outcome, const Moment& now) {
  Incident& incident = live.incident;
  if (HasActed(live)) NoteMended(live);
  incident.state = IncidentState::kClosed;
  incident.outcome = std::move(outcome);
  incident.closed_at = now.wall;
  incident.Note(now.wall, "closed: " + incident.outcome);
  metrics_.Closed(incident.repair, incident.outcome);
  if (!live.stored()) {
    Drop(live);
    return;
  }
  deps_.log.Info("incident closed", {{"incident", incident.id},
                                     {"repair", incident.repair},
                                     {"target", incident.target},
                                     {"outcome", incident.outcome}});
  const auto drop = [this](Live& ended, const Moment& then) {
    closed_.push_front(ViewOf(ended, then));
    if (closed_.size() > kClosedKept) closed_.pop_back();
    const std::vector<LiveAlert> afterwards = std::move(ended.afterwards);
    Drop(ended);
    for (const LiveAlert& alert : afterwards) Consider(alert, then);
  };
  Commit(live, {}, {Audit("closed", live, {{"outcome", incident.outcome}})}, Must::kYes, drop,
         drop);
}

// --- small things ----------------------------------------------------------------------------

Mender::Live* Mender::FindLive(const std::string& id) {
  const auto found = incidents_.find(id);
  return found == incidents_.end() ? nullptr : found->second.get();
}

Mender::Live& Mender::Add(std::unique_ptr<Live> live) {
  Live& added = *live;
  by_key_[IncidentKey(added.incident.repair, added.incident.target)] = added.incident.id;
  for (const Trigger& trigger : added.incident.triggers) {
    by_alert_[trigger.fingerprint].insert(added.incident.id);
  }
  incidents_[added.incident.id] = std::move(live);
  CountOpen(added.incident.repair);
  return added;
}

void Mender::Drop(Live& live) {
  deps_.brain.Cancel(live.timer);
  const std::string id = live.incident.id;
  const std::string repair = live.incident.repair;
  by_key_.erase(IncidentKey(repair, live.incident.target));
  for (const Trigger& trigger : live.incident.triggers) {
    const auto found = by_alert_.find(trigger.fingerprint);
    if (found == by_alert_.end()) continue;
    found->second.erase(id);
    if (found->second.empty()) by_alert_.erase(found);
  }
  incidents_.erase(id);
  CountOpen(repair);
}

void Mender::NoteMended(const Live& live) {
  for (const Trigger& trigger : live.incident.triggers) {
    if (mended_.size() >= kMendedMax) mended_.erase(mended_.begin());
    mended_[{live.incident.repair, trigger.fingerprint}] = trigger.starts_at;
  }
}

bool Mender::HasActed(const Live& live) { return HasActedIn(live.attempts); }

bool Mender::HasActedIn(const std::vector<Attempt>& attempts) {
  return std::any_of(attempts.begin(), attempts.end(), [](const Attempt& attempt) {
    return attempt.kind != "escalate" && attempt.state != AttemptState::kCancelled;
  });
}

void Mender::CountOpen(const std::string& repair) {
  if (config_->FindRepair(repair) == nullptr) return;
  const auto open = std::count_if(incidents_.begin(), incidents_.end(), [&](const auto& entry) {
    return entry.second->incident.repair == repair;
  });
  metrics_.SetOpen(repair, static_cast<int>(open));
}

const RungSpec* Mender::RungOf(const Live& live) const {
  if (live.repair == nullptr) return nullptr;
  const auto rung = static_cast<std::size_t>(live.incident.rung);
  return rung < live.repair->rungs.size() ? &live.repair->rungs[rung] : nullptr;
}

Mode Mender::ModeOf(const Live& live) const {
  if (live.repair == nullptr) return Mode::kOff;
  const Mode mode = live.config->EffectiveMode(*live.repair);
  return IsDemoted(live.repair->name) ? std::min(mode, Mode::kApprove) : mode;
}

}  // namespace fettle::receivers

#include "receivers/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

namespace fettle::receivers {
namespace {

GroupState StateOf(const std::vector<NotifiedAlert>& alerts) {
  GroupState state;
  for (const NotifiedAlert& alert : alerts) {
    (alert.resolved ? state.resolved : state.firing).push_back(alert.live->fingerprint);
  }
  std::sort(state.firing.begin(), state.firing.end());
  std::sort(state.resolved.begin(), state.resolved.end());
  return state;
}

std::string UnderWay(const Ear& ear) {
  return fmt::format("{}/{}[{}] {}", ear.receiver, ear.kind, ear.index, ear.group_key);
}

}  // namespace

Pipeline::Pipeline(Deps deps, Receivers receivers)
    : deps_(std::move(deps)),
      receivers_(std::move(receivers)),
      stages_{{
          {"inhibited", "inhibition",
           [this](const Flush& f, const NotifiedAlert& a) {
             return deps_.inhibitor.QuietBecauseOf(a.labels(), f.now.wall).has_value();
           }},
          {"outside active hours", "active_time_interval",
           [this](const Flush& f, const NotifiedAlert&) {
             const auto& names = f.route->active_time_intervals;
             return !names.empty() && deps_.calendar.Which(names, f.now.wall).empty();
           }},
          {"in mute hours", "mute_time_interval",
           [this](const Flush& f, const NotifiedAlert&) {
             return !deps_.calendar.Which(f.route->mute_time_intervals, f.now.wall).empty();
           }},
          {"silenced", "silence",
           [this](const Flush& f, const NotifiedAlert& a) {
             return !deps_.silences.Quieting(a.live->fingerprint, a.labels(), f.now.wall).empty();
           }},
      }} {}

void Pipeline::Run(Flush flush, Dispatcher::Deps::Then then) {
  const Moment now = flush.now;
  for (const Stage& stage : stages_) {
    const std::size_t before = flush.alerts.size();
    std::erase_if(flush.alerts,
                  [&](const NotifiedAlert& alert) { return stage.keeps_quiet(flush, alert); });
    const std::size_t quiet = before - flush.alerts.size();
    if (quiet == 0) continue;
    deps_.delivery.metrics
        .Counter("alertmanager_notifications_suppressed_total",
                 "The total number of notifications suppressed for being silenced, inhibited, "
                 "outside of active time intervals or within muted time intervals.",
                 {{"reason", stage.metric}})
        .Increment(static_cast<double>(quiet));
    deps_.delivery.log.Debug("alerts keep quiet",
                             {{"group", flush.group_key}, {"alerts", quiet}, {"why", stage.name}});
  }
  const auto receiver = receivers_.find(flush.route->receiver);
  if (flush.alerts.empty() || receiver == receivers_.end() || receiver->second.empty()) {
    return then(true, now);
  }
  auto round = std::make_shared<Round>();
  round->flush = std::move(flush);
  round->state = StateOf(round->flush.alerts);
  round->open = receiver->second.size();
  round->then = std::move(then);
  for (const Integration& integration : receiver->second) TellOne(round, integration, now);
}

Reason Pipeline::WhyTellNow(const Round& round, const Integration& integration,
                            const Ear& ear) const {
  return WhyTell(deps_.told.Find(ear), round.state, round.flush.route->repeat_interval,
                 integration.send_resolved, round.flush.now.wall);
}

void Pipeline::TellLater(const std::shared_ptr<Round>& round, const Integration& integration,
                         Millis wait, const Moment& now) {
  if (now.boot + wait >= round->flush.deadline) return Answered(round, false, now);
  deps_.delivery.brain.At(now.boot + wait,
                          [self = shared_from_this(), round, &integration](const Moment& later) {
                            self->TellOne(round, integration, later);
                          });
}

void Pipeline::TellOne(const std::shared_ptr<Round>& round, const Integration& integration,
                       const Moment& now) {
  if (deps_.delivery.stop.stop_requested()) return Answered(round, false, now);
  const Ear ear{round->flush.group_key, integration.receiver, integration.kind, integration.index};
  // A pipeline before this one is still telling the same; what it has told is known afterwards.
  if (deps_.under_way.contains(UnderWay(ear)))
    return TellLater(round, integration, kLookAgain, now);
  if (WhyTellNow(*round, integration, ear) == Reason::kNothingNew) {
    return Answered(round, true, now);
  }
  if (!integration.send_resolved && round->state.firing.empty()) {
    return Record(round, ear, {}, nullptr, now);  // nothing to say, but nothing fires any more
  }
  deps_.under_way.insert(UnderWay(ear));
  if (deps_.turns == nullptr) return Send(round, integration, ear, nullptr, now);
  deps_.turns->Take(
      "tell/" + IdOf(ear),
      [self = shared_from_this(), round, &integration, ear](
          Turns::Verdict verdict, const std::shared_ptr<Turn>& turn, const Moment& later) {
        self->Refresh(*round, later);
        const bool mine = verdict == Turns::Verdict::kMine || verdict == Turns::Verdict::kNobodys;
        if (mine && self->WhyTellNow(*round, integration, ear) != Reason::kNothingNew) {
          return self->Send(round, integration, ear, turn, later);
        }
        self->deps_.under_way.erase(UnderWay(ear));
        self->Release(turn);
        // Somebody else has told meanwhile, or is about to.
        if (mine) return Answered(round, true, later);
        self->TellLater(round, integration, kTakeAgain, later);
      });
}

void Pipeline::Send(const std::shared_ptr<Round>& round, const Integration& integration,
                    const Ear& ear, const std::shared_ptr<Turn>& turn, const Moment& now) {
  const Flush& flush = round->flush;
  const Reason reason = WhyTellNow(*round, integration, ear);
  Notification notification;
  notification.receiver = integration.receiver;
  notification.group_key = flush.group_key;
  notification.group_labels = flush.group_labels;
  notification.alerts = flush.alerts;
  if (!integration.send_resolved) {
    std::erase_if(notification.alerts, [](const NotifiedAlert& alert) { return alert.resolved; });
  }
  notification.reason = ToString(reason);
  notification.external_url = deps_.external_url;
  notification.now = flush.now.wall;
  const ToldEntry* entry = deps_.told.Find(ear);
  if (entry != nullptr && reason != Reason::kFirst) notification.data = entry->data;

  auto data = notification.data;
  Delivery::Start(
      deps_.delivery, integration, std::move(notification), flush.deadline,
      [self = shared_from_this(), round, ear, data, turn](const Outcome& outcome,
                                                          const Moment& later) {
        self->deps_.under_way.erase(UnderWay(ear));
        if (!outcome.status) {
          self->Release(turn);
          return Answered(round, false, later);
        }
        auto remembered = data;
        for (const auto& [name, value] : outcome.data) remembered.insert_or_assign(name, value);
        self->Record(round, ear, std::move(remembered), turn, later);
      },
      now, turn);
}

void Pipeline::Record(const std::shared_ptr<Round>& round, const Ear& ear,
                      std::map<std::string, std::string> data, const std::shared_ptr<Turn>& turn,
                      const Moment& now) {
  ToldEntry entry;
  entry.at = now.wall;
  entry.state = round->state;
  entry.data = std::move(data);
  std::vector<ClaimMark> released;
  if (deps_.turns != nullptr) released = deps_.turns->End(turn);
  deps_.told.Record(
      ear, std::move(entry), round->flush.route->repeat_interval,
      [round](const Status&, const Moment& later) { Answered(round, true, later); },
      std::move(released));
}

void Pipeline::Refresh(Round& round, const Moment& now) const {
  if (!deps_.find) return;
  for (NotifiedAlert& alert : round.flush.alerts) {
    if (alert.resolved) continue;
    const auto live = deps_.find(alert.live->fingerprint);
    if (live == nullptr || !live->alert.ResolvedAt(now.wall)) continue;
    alert = {live, true};
  }
  round.state = StateOf(round.flush.alerts);
}

void Pipeline::Release(const std::shared_ptr<Turn>& turn) {
  if (deps_.turns != nullptr) deps_.turns->Release(turn);
}

void Pipeline::Answered(const std::shared_ptr<Round>& round, bool told, const Moment& now) {
  round->told = round->told && told;
  if (--round->open > 0) return;
  const auto then = std::move(round->then);
  then(round->told, now);
}

}  // namespace fettle::receivers

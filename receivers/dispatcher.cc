#include "receivers/dispatcher.h"

#include <algorithm>

namespace fettle::receivers {

Dispatcher::Dispatcher(Deps deps, Options options, std::shared_ptr<const RouteTree> routes)
    : deps_(std::move(deps)),
      options_(options),
      routes_(std::move(routes)),
      groups_gauge_(deps_.metrics.Gauge("alertmanager_dispatcher_aggregation_groups",
                                        "Number of active aggregation groups.")),
      limit_reached_(deps_.metrics.Counter(
          "alertmanager_dispatcher_aggregation_group_limit_reached_total",
          "Number of times an alert found no group because there are too many.")) {
  groups_gauge_.Set(0);
}

Dispatcher::~Dispatcher() {
  for (auto& [id, group] : groups_) deps_.brain.Cancel(group->timer);
}

void Dispatcher::Consider(const LiveAlert& alert, const Moment& now) {
  if (alert.source == AlertSource::kWebhook && !options_.tell_webhook) return;
  const Live live = deps_.find(alert.fingerprint);
  if (live == nullptr) return;
  for (const Route* route : routes_->Match(alert.alert.labels)) Add(*route, live, now);
}

void Dispatcher::Add(const Route& route, const Live& alert, const Moment& now) {
  GroupId id(route.index, route.GroupLabels(alert->alert.labels));
  const auto found = groups_.find(id);
  if (found != groups_.end()) {
    found->second->alerts[alert->fingerprint] = alert;
    return;
  }
  if (groups_.size() >= options_.groups_max) {
    limit_reached_.Increment();
    deps_.log.Error("too many groups of alerts: this alert is told to nobody",
                    {{"alert", alert->alert.labels.ToString()}, {"groups", groups_.size()}});
    return;
  }
  auto group = std::make_shared<Group>();
  group->route = &route;
  group->labels = id.second;
  group->key = GroupKey(route, group->labels);
  group->alerts.emplace(alert->fingerprint, alert);
  groups_.emplace(std::move(id), group);
  groups_gauge_.Set(static_cast<double>(groups_.size()));
  const bool old = alert->alert.starts_at + route.group_wait < now.wall;
  const BootTime when = old ? now.boot : now.boot + route.group_wait;
  Arm(group, std::max(when, options_.not_before));
}

void Dispatcher::Arm(const std::shared_ptr<Group>& group, BootTime when) {
  group->next = when;
  group->timer = deps_.brain.At(when, [this, weak = std::weak_ptr(group)](const Moment& now) {
    if (const auto still = weak.lock()) Turn(still, now);
  });
}

void Dispatcher::Turn(const std::shared_ptr<Group>& group, const Moment& now) {
  group->timer = {};
  if (group->speaking) {
    group->missed_its_turn = true;
    return;
  }
  // Counted from when this turn was due; after a suspend, from now.
  const BootTime next = group->next + group->route->group_interval;
  Arm(group, next > now.boot ? next : now.boot + group->route->group_interval);

  Flush flush;
  flush.route = std::shared_ptr<const Route>(routes_, group->route);
  flush.group_key = group->key;
  flush.group_labels = group->labels;
  flush.now = now;
  flush.deadline = now.boot + std::max(group->route->group_interval, kFlushMin);
  std::vector<Live> resolved;
  for (const auto& [fingerprint, live] : group->alerts) {
    const bool over = live->alert.ResolvedAt(now.wall);
    if (over) resolved.push_back(live);
    flush.alerts.push_back({live, over});
  }
  SortAlerts(flush.alerts);
  group->speaking = true;
  deps_.flush(std::move(flush), [this, weak = std::weak_ptr(group), resolved = std::move(resolved)](
                                    bool told, const Moment& later) {
    if (const auto still = weak.lock()) Spoken(still, resolved, told, later);
  });
}

void Dispatcher::Spoken(const std::shared_ptr<Group>& group, const std::vector<Live>& resolved,
                        bool told, const Moment& now) {
  group->speaking = false;
  if (told) {
    for (const Live& live : resolved) {
      // Unless it was heard of again meanwhile.
      const auto place = group->alerts.find(live->fingerprint);
      if (place != group->alerts.end() && place->second == live) group->alerts.erase(place);
    }
  }
  if (group->alerts.empty()) {
    deps_.brain.Cancel(group->timer);
    groups_.erase(GroupId(group->route->index, group->labels));
    groups_gauge_.Set(static_cast<double>(groups_.size()));
    return;
  }
  if (std::exchange(group->missed_its_turn, false)) {
    group->next = now.boot;
    Turn(group, now);
  }
}

std::vector<Dispatcher::Membership> Dispatcher::Where(const LiveAlert& alert) const {
  std::vector<Membership> where;
  const Labels& labels = alert.alert.labels;
  for (const Route* route : routes_->Match(labels)) {
    const Labels group_labels = route->GroupLabels(labels);
    Membership membership{route, GroupKey(*route, group_labels)};
    const auto group = groups_.find(GroupId(route->index, group_labels));
    if (group != groups_.end() && group->second->alerts.contains(alert.fingerprint)) {
      membership.in_group = true;
      membership.next_flush = group->second->next;
    }
    where.push_back(std::move(membership));
  }
  return where;
}

// Asked rarely, of what is to be forgotten.
bool Dispatcher::Needs(std::uint64_t fingerprint) const {
  const Live live = deps_.find(fingerprint);
  if (live == nullptr) return false;
  const std::vector<Membership> where = Where(*live);
  return std::any_of(where.begin(), where.end(), [](const Membership& m) { return m.in_group; });
}

std::vector<Dispatcher::GroupView> Dispatcher::Groups() const {
  std::vector<GroupView> views;
  views.reserve(groups_.size());
  for (const auto& [id, group] : groups_) {
    GroupView view{group->route, group->key, group->labels, {}, group->next};
    for (const auto& [fingerprint, live] : group->alerts) view.alerts.push_back(live);
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace fettle::receivers

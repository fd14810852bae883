#include "rules/manager.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/json.h"

namespace fettle::rules {

RuleManager::RuleManager(Deps deps)
    : deps_(std::move(deps)), self_(std::make_shared<RuleManager*>(this)) {}

RuleManager::~RuleManager() {
  deps_.brain.Cancel(watched_timer_);
  *self_ = nullptr;
}

Status RuleManager::Restore(const Moment& now) {
  const Result<std::vector<Record>> watched =
      deps_.store.Read({.kind = kWatchedKind, .id = "last"});
  if (!watched) return While("reading when rules were last watched", watched.error());
  // Without a word of it, what is pending begins anew.
  Millis away = AlertingRule::kOutageTolerance + Millis(1);
  if (!watched->empty()) {
    const Result<Json> body = Json::Parse(watched->front().body);
    const std::int64_t at = body ? (*body)["at"].IntegerOr(0) : 0;
    away = std::max(Millis(0), now.wall - TimeFromMillis(at));
  }
  const Result<std::vector<Record>> records = deps_.store.Read({.kind = Group::kRecordKind});
  if (!records) return While("reading the alerts of rules", records.error());
  for (const Record& record : *records) {
    const Result<Json> body = Json::Parse(record.body);
    Result<ActiveAlert> alert = body ? ActiveAlertFromJson((*body)["alert"])
                                     : Result<ActiveAlert>(tl::unexpected(body.error()));
    if (!alert) {
      deps_.log.Warn("a remembered alert cannot be read and is forgotten",
                     {{"id", record.id}, {"err", alert.error().message}});
      remembered_[""].push_back({record.id, "", {}});
      continue;
    }
    if (alert->state == AlertState::kPending) {
      // Time that nobody watched does not count towards `for`.
      if (away > AlertingRule::kOutageTolerance) {
        remembered_[""].push_back({record.id, "", {}});
        continue;
      }
      alert->active_at += away;
    }
    remembered_[record.key].push_back({record.id, (*body)["rule"].StringOr(""), *std::move(alert)});
  }
  return {};
}

void RuleManager::Update(Options options, std::vector<GroupSpec> groups, const Moment& now) {
  const bool same_world = world_ != nullptr &&
                          options.external_labels == options_.external_labels &&
                          options.external_url == options_.external_url &&
                          options.evaluation_interval == options_.evaluation_interval &&
                          options.resend_delay == options_.resend_delay;
  options_ = std::move(options);
  if (!same_world) {
    world_ = std::make_shared<const RuleWorld>(
        RuleWorld::Make(options_.external_url, options_.external_labels));
  }
  Runners before;
  {
    const std::lock_guard lock(runners_mutex_);
    before.swap(runners_);
  }
  Runners next;
  for (GroupSpec& spec : groups) {
    const std::string key = spec.Key();
    if (next.contains(key)) continue;
    const auto old = before.find(key);
    if (old != before.end() && same_world && old->second->group().spec() == spec) {
      next.emplace(key, old->second);
      before.erase(old);
      continue;
    }
    std::shared_ptr<GroupRunner> runner = MakeRunner(std::move(spec));
    next.emplace(key, runner);
    if (old == before.end()) {
      GiveBack(runner->group());
      runner->Start(now);
    } else {
      Replace(old->second, runner, now);
      before.erase(old);
    }
  }
  {
    const std::lock_guard lock(runners_mutex_);
    runners_ = std::move(next);
  }
  for (const auto& [key, runner] : before) Retire(runner, now);
  ForgetLeftovers();
  IndexRules();
  if (!watched_timer_) NoteWatched(now);
}

std::shared_ptr<GroupRunner> RuleManager::MakeRunner(GroupSpec spec) {
  auto group =
      std::make_shared<Group>(Group::Deps{.query = deps_.query,
                                          .samples = deps_.samples,
                                          .alerts = deps_.alerts,
                                          .store = deps_.store,
                                          .brain = deps_.brain,
                                          .clock = deps_.clock,
                                          .metrics = deps_.metrics,
                                          .log = deps_.log},
                              Group::Options{.world = world_,
                                             .default_interval = options_.evaluation_interval,
                                             .resend_delay = options_.resend_delay,
                                             .query_timeout = options_.query_timeout,
                                             .parser = options_.parser},
                              std::move(spec));
  return std::make_shared<GroupRunner>(
      GroupRunner::Deps{
          .brain = deps_.brain, .hands = deps_.hands, .clock = deps_.clock, .log = deps_.log},
      std::move(group));
}

void RuleManager::Replace(std::shared_ptr<GroupRunner> old, std::shared_ptr<GroupRunner> next,
                          const Moment& now) {
  GroupRunner& stopping = *old;
  stopping.Stop(now, [old = std::move(old), next = std::move(next)](const Moment& then) {
    next->group().TakeOver(old->group());
    next->Start(then);
  });
}

void RuleManager::Retire(const std::shared_ptr<GroupRunner>& runner, const Moment& now) {
  runner->Stop(now, [runner, self = self_](const Moment& then) {
    if (*self == nullptr) return;
    RuleManager& manager = **self;
    Group& group = runner->group();
    group.ForgetAlerts();
    group.metrics().Forget();
    // Two intervals later but stamped now, so that the markers are refused where a renamed group
    // goes on with the series.
    const auto mark = [runner, self, at = then.wall](const Moment&) {
      if (*self == nullptr) return;
      const bool taken =
          (*self)->deps_.hands.Do([runner, at] { runner->group().MarkAllStale(at); });
      (void)taken;  // without a hand they end by the lookback
    };
    manager.deps_.brain.At(then.boot + 2 * group.interval(), mark);
  });
}

void RuleManager::GiveBack(Group& group) {
  auto node = remembered_.extract(group.spec().Key());
  if (node.empty()) return;
  const BootTime began = deps_.clock.Now().boot;
  for (Remembered& one : node.mapped()) {
    const std::string rule = one.rule;
    if (!group.Restore(rule, std::move(one.alert))) remembered_[""].push_back({one.id, rule, {}});
  }
  group.metrics().SetRestored(ToSeconds(deps_.clock.Now().boot - began));
}

void RuleManager::ForgetLeftovers() {
  Batch batch;
  for (const auto& [key, alerts] : remembered_) {
    for (const Remembered& one : alerts) batch.erasures.push_back({Group::kRecordKind, one.id});
  }
  remembered_.clear();
  if (!batch.erasures.empty()) deps_.store.Commit(std::move(batch), [](const Status&) {});
}

void RuleManager::IndexRules() {
  index_ = {};
  indexed_.clear();
  for (const auto& [key, runner] : runners_) {
    index_.Add(indexed_.size(), runner->group().spec());
    indexed_.push_back(runner);
  }
}

void RuleManager::OnEventChange(std::span<const LabelsPtr> changed, Time newest) {
  Moment noted = deps_.clock.Now();
  if (newest - noted.wall < kAheadMax) noted.wall = std::max(noted.wall, newest);
  {
    const std::lock_guard lock(changes_mutex_);
    if (changes_.size() + changed.size() > kChangesMax) {
      too_many_changes_ = true;
    } else {
      changes_.insert(changes_.end(), changed.begin(), changed.end());
    }
    if (changes_posted_) {
      changes_noted_.wall = std::max(changes_noted_.wall, noted.wall);
      return;
    }
    changes_posted_ = true;
    changes_noted_ = noted;
  }
  deps_.brain.Finish([self = self_](const Moment& now) {
    if (*self != nullptr) (*self)->TakeChanges(now);
  });
}

void RuleManager::TakeChanges(const Moment& now) {
  std::vector<LabelsPtr> changes;
  bool all = false;
  Moment noted;
  {
    const std::lock_guard lock(changes_mutex_);
    changes.swap(changes_);
    all = std::exchange(too_many_changes_, false);
    noted = changes_noted_;
    changes_posted_ = false;
  }
  for (const auto& [group, rules] : all ? index_.All() : index_.Find(changes)) {
    indexed_[group]->Wake({rules.begin(), rules.end()}, noted, now);
  }
}

void RuleManager::NoteWatched(const Moment& now) {
  const bool alerts = std::any_of(runners_.begin(), runners_.end(), [](const auto& entry) {
    return entry.second->group().HasActiveAlerts();
  });
  if (alerts) {
    JsonWriter body;
    body.BeginObject().Key("at").Integer(ToMillis(now.wall)).EndObject();
    Batch batch;
    batch.writes.push_back({{.kind = kWatchedKind, .id = "last", .key = "", .body = body.Take()}});
    deps_.store.Commit(std::move(batch), [](const Status&) {});
  }
  watched_timer_ = deps_.brain.At(now.boot + kWatchedEvery, [self = self_](const Moment& then) {
    if (*self != nullptr) (*self)->NoteWatched(then);
  });
}

void RuleManager::Stop(const Moment& now, std::function<void(const Moment&)> then) {
  if (watched_timer_) {
    deps_.brain.Cancel(watched_timer_);
    NoteWatched(now);
    deps_.brain.Cancel(watched_timer_);
  }
  auto left = std::make_shared<std::size_t>(runners_.size() + 1);
  const auto one_less = [left, then = std::move(then)](const Moment& at) {
    if (--*left == 0 && then) then(at);
  };
  for (const auto& [key, runner] : runners_) runner->Stop(now, one_less);
  one_less(now);
}

std::vector<GroupView> RuleManager::View() const {
  std::vector<std::shared_ptr<Group>> groups;
  {
    const std::lock_guard lock(runners_mutex_);
    for (const auto& [key, runner] : runners_) groups.push_back(runner->shared_group());
  }
  std::vector<GroupView> views;
  views.reserve(groups.size());
  for (const auto& group : groups) views.push_back(group->View());
  std::sort(views.begin(), views.end(), [](const GroupView& a, const GroupView& b) {
    return std::tie(a.file, a.name) < std::tie(b.file, b.name);
  });
  return views;
}

}  // namespace fettle::rules

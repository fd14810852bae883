#include "common/engine_watch.h"

#include <algorithm>
#include <set>
#include <utility>

namespace fettle {
namespace {

// Events after which a container may look different. exec_* (every health probe makes three) and
// attach never change anything.
bool ChangesAContainer(const std::string& action) {
  static const std::set<std::string, std::less<>> kActions = {
      "create", "start",   "die", "stop",   "kill",   "restart",
      "pause",  "unpause", "oom", "rename", "update", "destroy"};
  return kActions.contains(action) || action.starts_with("health_status");
}

bool LooksTheSame(const Container& a, const Container& b) {
  return a.state == b.state && a.health == b.health && a.started_at_raw == b.started_at_raw &&
         a.restart_count == b.restart_count;
}

}  // namespace

EngineWatch::EngineWatch(Deps deps)
    : deps_(std::move(deps)),
      reconnects_(
          deps_.metrics.Counter("fettle_engine_events_reconnects_total",
                                "Times the engine's event stream ended and was followed again.",
                                {{"engine", deps_.engine.Name()}})),
      drift_(deps_.metrics.Counter(
          "fettle_engine_reconcile_drift_total",
          "Containers that a reconcile found changed although no event had said so.",
          {{"engine", deps_.engine.Name()}})) {}

EngineWatch::~EngineWatch() { Stop(); }

void EngineWatch::Add(EngineListener& listener) { listeners_.push_back(&listener); }

void EngineWatch::Start() {
  since_ = deps_.clock.Now().wall;
  thread_ = std::jthread([this](const std::stop_token& stop) { Follow(stop); });
}

void EngineWatch::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  backoff_.notify_all();
  thread_.join();
}

void EngineWatch::Follow(const std::stop_token& stop) {
  Millis wait = kBackoffMin;
  bool said = false;
  while (!stop.stop_requested()) {
    Time since;
    {
      const std::lock_guard lock(mutex_);
      since = since_;
    }
    const auto ready = [&] {
      {
        const std::lock_guard lock(mutex_);
        following_ = true;
      }
      wait = kBackoffMin;
      if (said) deps_.log.Info("following engine events again", {{"engine", deps_.engine.Name()}});
      said = false;
      // A failure here shows as the collector's; the events go on all the same.
      (void)Reconcile();
    };
    const Status ended = deps_.engine.Follow(
        since, ready, [this](const EngineEvent& event) { Hear(event); }, stop);
    {
      const std::lock_guard lock(mutex_);
      following_ = false;
    }
    if (stop.stop_requested()) return;
    reconnects_.Increment();
    if (!ended && !said) {
      deps_.log.Warn("cannot follow engine events; trying again",
                     {{"engine", deps_.engine.Name()}, {"err", ended.error().message}});
      said = true;
    }
    std::unique_lock lock(backoff_mutex_);
    backoff_.wait_for(lock, stop, wait, [] { return false; });
    wait = std::min(wait * 2, kBackoffMax);
  }
}

void EngineWatch::Hear(const EngineEvent& event) {
  if (!ChangesAContainer(event.action)) return;
  // Made at the first event: until then it is unknown, and absent.
  deps_.metrics
      .Gauge("fettle_engine_last_event_timestamp_seconds",
             "When the engine's newest event happened.", {{"engine", deps_.engine.Name()}})
      .Set(ToSeconds(event.at));
  bool refresh = true;
  {
    const std::lock_guard lock(mutex_);
    ++events_;
    since_ = std::max(since_, event.at);
    const auto at = known_.find(event.container_id);
    if (at != known_.end()) at->second.touched = events_;
    if (event.action == "destroy") {
      known_.erase(event.container_id);
      refresh = false;
    } else if (at != known_.end() && event.action.starts_with("health_status: ")) {
      // The event says all there is to know; an inspect would only cost a repair its time.
      const std::string word = event.action.substr(15);
      for (const ContainerHealth health :
           {ContainerHealth::kStarting, ContainerHealth::kHealthy, ContainerHealth::kUnhealthy}) {
        if (word != ToString(health)) continue;
        at->second.container.health = health;
        const int streak = at->second.container.failing_streak;
        at->second.container.failing_streak =
            health == ContainerHealth::kUnhealthy ? std::max(streak, 1) : 0;
        refresh = false;
      }
    }
  }
  if (refresh) Refresh(event.container_id);
  const Moment now = deps_.clock.Now();
  const std::lock_guard news(news_mutex_);
  for (EngineListener* listener : listeners_) listener->OnEngineEvent(event, now);
}

void EngineWatch::Refresh(const std::string& id) {
  Result<Container> container = deps_.engine.Inspect(id);
  const std::lock_guard lock(mutex_);
  if (container) {
    known_[id] = Known{*std::move(container), events_};
  } else if (container.error().cause == Cause::kNotFound) {
    known_.erase(id);
  }
}

Status EngineWatch::Reconcile() {
  std::uint64_t before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = events_;
  }
  Result<std::vector<Container>> listed = deps_.engine.List({});
  if (!listed) return tl::unexpected(listed.error());
  std::vector<Container> all;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string, Known> next;
    const bool first = known_.empty();
    for (Container& container : *listed) {
      const auto at = known_.find(container.id);
      // An event that came while the list was read is newer than the list.
      if (at != known_.end() && at->second.touched > before) continue;
      if (!first && (at == known_.end() || !LooksTheSame(at->second.container, container))) {
        drift_.Increment();
      }
      const std::uint64_t touched = at == known_.end() ? 0 : at->second.touched;
      std::string id = container.id;
      next.emplace(std::move(id), Known{std::move(container), touched});
    }
    for (auto& [id, known] : known_) {
      if (known.touched > before) next.insert_or_assign(id, std::move(known));
    }
    known_ = std::move(next);
    for (const auto& [id, known] : known_) all.push_back(known.container);
  }
  const Moment now = deps_.clock.Now();
  const std::lock_guard news(news_mutex_);
  for (EngineListener* listener : listeners_) listener->OnInventory(all, now);
  return {};
}

std::vector<Container> EngineWatch::Containers() const {
  const std::lock_guard lock(mutex_);
  std::vector<Container> all;
  all.reserve(known_.size());
  for (const auto& [id, known] : known_) all.push_back(known.container);
  return all;
}

bool EngineWatch::Following() const {
  const std::lock_guard lock(mutex_);
  return following_;
}

}  // namespace fettle

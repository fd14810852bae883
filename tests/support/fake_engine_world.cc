// The test's side of the fake engine: the world, the faults and what was seen.
#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "common/check.h"
#include "tests/support/fake_engine.h"

namespace fettle {
namespace {

constexpr std::array kLooking = {"ping", "list",         "inspect", "stats",
                                 "logs", "exec_inspect", "follow"};

}  // namespace

Fault TimesOut(Happens happens) {
  return Fault{Error{"no answer within the deadline", Cause::kTimeout}, happens};
}
Fault Denied() {
  return Fault{Error{"the socket proxy forbids this (403)", Cause::kDenied}, Happens::kNever};
}
Fault Unavailable() {
  return Fault{Error{"cannot connect to the engine", Cause::kUnavailable}, Happens::kNever};
}

// ---- the world

std::string FakeEngine::Add(const FakeContainer& container) {
  const Lock lock(mutex_);
  FETTLE_CHECK(Find(container.name) == nullptr);
  const std::string id = fmt::format("{:064x}", 0xc0ffee0000 + next_id_++);
  Live& live = containers_[id];
  live.description = container;
  Container& shown = live.shown;
  shown.id = id;
  shown.name = container.name;
  shown.image = container.image;
  shown.labels = container.labels;
  shown.state = container.state;
  shown.health = container.health;
  shown.failing_streak = container.health == ContainerHealth::kUnhealthy ? 3 : 0;
  shown.auto_remove = container.auto_remove;
  shown.restart_policy = container.restart_policy;
  shown.network_mode = container.network_mode;
  shown.stop_timeout_s = container.stop_timeout_s;
  shown.finished_at_raw = "0001-01-01T00:00:00Z";
  shown.started_at_raw = shown.finished_at_raw;
  if (container.state == ContainerState::kRunning || container.state == ContainerState::kPaused) {
    shown.pid = static_cast<std::int64_t>(1000 + next_id_);
  }
  if (container.state != ContainerState::kCreated) {
    shown.started_at_raw = StampNow();
    shown.started_at = clock_.Now().wall;
  }
  Emit(live, "create");
  return id;
}

std::string FakeEngine::AddService(const std::string& project, const std::string& service,
                                   int number) {
  return Add({.name = fmt::format("{}-{}-{}", project, service, number),
              .labels = {{"com.docker.compose.project", project},
                         {"com.docker.compose.service", service},
                         {"com.docker.compose.container-number", std::to_string(number)}},
              .health = ContainerHealth::kHealthy});
}

void FakeEngine::TurnUnhealthy(const std::string& container) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    live.shown.health = ContainerHealth::kUnhealthy;
    live.shown.failing_streak = 3;
    Emit(live, "health_status: unhealthy");
  }
  WaitForFollowers();
}

void FakeEngine::TurnHealthy(const std::string& container) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    live.shown.health = ContainerHealth::kHealthy;
    live.shown.failing_streak = 0;
    Emit(live, "health_status: healthy");
  }
  WaitForFollowers();
}

void FakeEngine::Die(const std::string& container, int exit_code, bool oom) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    live.shown.oom_killed = oom;
    if (oom) Emit(live, "oom");
    const std::string policy = live.shown.restart_policy;
    const bool again = policy == "always" || policy == "unless-stopped" ||
                       (policy == "on-failure" && exit_code != 0);
    if (!EndLocked(live, exit_code) && again) {
      ++live.shown.restart_count;
      (void)StartLocked(live);
    }
  }
  WaitForFollowers();
}

void FakeEngine::Pause(const std::string& container) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    live.shown.state = ContainerState::kPaused;
    StopMonitor(live);
    Emit(live, "pause");
  }
  WaitForFollowers();
}

void FakeEngine::Unpause(const std::string& container) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    live.shown.state = ContainerState::kRunning;
    Emit(live, "unpause");
  }
  WaitForFollowers();
}

void FakeEngine::Remove(const std::string& container) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    if (live.shown.pid != 0) {
      Emit(live, "kill", {{"signal", "9"}});
      if (EndLocked(live, 137)) return;
    }
    Emit(live, "destroy");
    containers_.erase(live.shown.id);
  }
  WaitForFollowers();
}

std::string FakeEngine::Recreate(const std::string& container) {
  FakeContainer description;
  {
    const Lock lock(mutex_);
    description = Must(container).description;
  }
  Remove(container);
  description.state = ContainerState::kCreated;
  const std::string id = Add(description);
  SomebodyStarts(id);
  return id;
}

void FakeEngine::SomebodyStops(const std::string& container) {
  {
    const Lock lock(mutex_);
    FETTLE_CHECK(DoStop(container).has_value());
  }
  WaitForFollowers();
}

void FakeEngine::SomebodyStarts(const std::string& container) {
  {
    const Lock lock(mutex_);
    FETTLE_CHECK(DoStart(container).has_value());
  }
  WaitForFollowers();
}

void FakeEngine::SomebodyRestarts(const std::string& container) {
  {
    const Lock lock(mutex_);
    FETTLE_CHECK(DoRestart(container, false).has_value());
  }
  WaitForFollowers();
}

void FakeEngine::SomebodyBeginsToStop(const std::string& container) {
  {
    const Lock lock(mutex_);
    Emit(Must(container), "kill", {{"signal", "15"}});
  }
  WaitForFollowers();
}

void FakeEngine::StopEnds(const std::string& container, int exit_code) {
  {
    const Lock lock(mutex_);
    Live& live = Must(container);
    if (!EndLocked(live, exit_code)) Emit(live, "stop");
  }
  WaitForFollowers();
}

void FakeEngine::Edit(const std::string& container, const std::function<void(Container&)>& change) {
  const Lock lock(mutex_);
  change(Must(container).shown);
}

void FakeEngine::SetStats(const std::string& container, ContainerStats stats) {
  const Lock lock(mutex_);
  Must(container).stats = stats;
}

void FakeEngine::SetLogs(const std::string& container, std::string logs) {
  const Lock lock(mutex_);
  Must(container).logs = std::move(logs);
}

void FakeEngine::OnExec(Exec exec) {
  const Lock lock(mutex_);
  exec_ = std::move(exec);
}

// ---- faults

void FakeEngine::FailNext(const std::string& call, Fault fault) {
  const Lock lock(mutex_);
  fail_next_[call].push_back(std::move(fault));
}

void FakeEngine::FailAll(const std::string& call, Fault fault) {
  const Lock lock(mutex_);
  fail_all_.insert_or_assign(call, std::move(fault));
}

void FakeEngine::Heal() {
  const Lock lock(mutex_);
  fail_next_.clear();
  fail_all_.clear();
}

void FakeEngine::LetHappen() {
  {
    const Lock lock(mutex_);
    for (const auto& effect : std::exchange(later_, {})) (void)effect(false);
  }
  WaitForFollowers();
}

void FakeEngine::Hang(const std::string& call) {
  const Lock lock(mutex_);
  hanging_[call] = true;
}

void FakeEngine::Release() {
  const Lock lock(mutex_);
  hanging_.clear();
  changed_.notify_all();
}

void FakeEngine::GoDown() {
  const Lock lock(mutex_);
  down_ = true;
  ++streams_broken_;
  changed_.notify_all();
}

void FakeEngine::ComeUp() {
  const Lock lock(mutex_);
  down_ = false;
}

void FakeEngine::BreakStreams() {
  const Lock lock(mutex_);
  ++streams_broken_;
  changed_.notify_all();
}

void FakeEngine::LoseEvents(bool lose) {
  const Lock lock(mutex_);
  losing_ = lose;
}

void FakeEngine::BeforeCall(std::function<void(const std::string& line)> hook) {
  const Lock lock(mutex_);
  before_call_ = std::move(hook);
}

// ---- what was seen

std::vector<std::string> FakeEngine::Calls() const {
  const Lock lock(mutex_);
  return calls_;
}

std::vector<std::string> FakeEngine::Acts() const {
  std::vector<std::string> acts = Calls();
  std::erase_if(acts, [](const std::string& line) {
    const std::string call = line.substr(0, line.find(' '));
    return std::find(kLooking.begin(), kLooking.end(), call) != kLooking.end();
  });
  return acts;
}

int FakeEngine::Starts(const std::string& container) const {
  const Lock lock(mutex_);
  const Live* live = Find(container);
  FETTLE_CHECK(live != nullptr);
  return live->starts;
}

std::vector<EngineEvent> FakeEngine::Events(std::size_t from) const {
  const Lock lock(mutex_);
  const auto begin = events_.begin() + static_cast<std::ptrdiff_t>(std::min(from, events_.size()));
  return {begin, events_.end()};
}

std::vector<std::string> FakeEngine::EventNames() const {
  std::vector<std::string> names;
  for (const EngineEvent& event : Events()) {
    names.push_back(event.attributes.at("name") + " " + event.action);
  }
  return names;
}

int FakeEngine::Followers() const {
  const Lock lock(mutex_);
  return static_cast<int>(followers_.size());
}

bool FakeEngine::WaitForFollowers() {
  Lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [this] {
    return std::all_of(followers_.begin(), followers_.end(), [](const Follower& follower) {
      return (follower.waiting.empty() && !follower.delivering) ||
             follower.thread == std::this_thread::get_id();
    });
  });
}

bool FakeEngine::WaitForFollowers(int count) {
  Lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10),
                           [&] { return static_cast<int>(followers_.size()) == count; });
}

}  // namespace fettle

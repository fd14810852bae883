#include "tests/support/fake_engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/check.h"
#include "common/duration.h"

namespace fettle {
namespace {

tl::unexpected<Error> NoSuchContainer(const std::string& container) {
  return Fail(Cause::kNotFound, "no such container: {}", container);
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

bool Matches(const Container& container, const std::string& filter) {
  const std::size_t equals = filter.find('=');
  const auto label = container.labels.find(filter.substr(0, equals));
  if (label == container.labels.end()) return false;
  return equals == std::string::npos || label->second == filter.substr(equals + 1);
}

std::string SignalNumber(const std::string& signal) {
  static const std::map<std::string, std::string> kNumbers = {
      {"HUP", "1"},   {"INT", "2"},   {"QUIT", "3"},  {"KILL", "9"},
      {"USR1", "10"}, {"TERM", "15"}, {"USR2", "12"}, {"WINCH", "28"}};
  const std::string bare = signal.starts_with("SIG") ? signal.substr(3) : signal;
  const auto found = kNumbers.find(bare);
  return found == kNumbers.end() ? bare : found->second;
}

}  // namespace

FakeEngine::FakeEngine(const Clock& clock, std::string name)
    : clock_(clock), name_(std::move(name)) {}

FakeEngine::~FakeEngine() {
  Release();
  GoDown();
  WaitForFollowers(0);
}

// ---- how it behaves

const FakeEngine::Live* FakeEngine::Find(const std::string& container) const {
  const auto by_id = containers_.find(container);
  if (by_id != containers_.end()) return &by_id->second;
  for (const auto& [id, live] : containers_) {
    if (live.shown.name == container) return &live;
  }
  return nullptr;
}

FakeEngine::Live* FakeEngine::Find(const std::string& container) {
  return const_cast<Live*>(std::as_const(*this).Find(container));
}

FakeEngine::Live& FakeEngine::Must(const std::string& container) {
  Live* live = Find(container);
  FETTLE_CHECK(live != nullptr);
  return *live;
}

std::string FakeEngine::NameOf(const std::string& container) const {
  const Live* live = Find(container);
  return live == nullptr ? container : live->shown.name;
}

// RFC 3339 with nanoseconds, the last six digits counting up.
std::string FakeEngine::StampNow() {
  std::string text = FormatRfc3339(clock_.Now().wall);
  text.pop_back();
  return fmt::format("{}{:06}Z", text, ++ticks_);
}

void FakeEngine::Emit(const Live& live, const std::string& action,
                      const std::map<std::string, std::string>& attributes) {
  EngineEvent event;
  event.action = action;
  event.container_id = live.shown.id;
  event.attributes = live.shown.labels;
  event.attributes["name"] = live.shown.name;
  event.attributes["image"] = live.shown.image;
  for (const auto& [key, value] : attributes) event.attributes[key] = value;
  event.at = clock_.Now().wall;
  event.at_ns = ToMillis(event.at) * 1'000'000 + ++ticks_;
  events_.push_back(event);
  if (losing_) return;
  ring_.push_back(event);
  if (ring_.size() > kEventsMax) ring_.pop_front();
  for (Follower& follower : followers_) follower.waiting.push_back(event);
  changed_.notify_all();
}

// A paused or stopped container's health monitor is closed: unhealthy, streak 0, no event.
void FakeEngine::StopMonitor(Live& live) {
  if (live.shown.health == ContainerHealth::kNone) return;
  live.shown.health = ContainerHealth::kUnhealthy;
  live.shown.failing_streak = 0;
}

Status FakeEngine::StartLocked(Live& live) {
  Container& shown = live.shown;
  if (shown.state == ContainerState::kRemoving || shown.state == ContainerState::kDead) {
    return Fail(Cause::kConflict, "container is marked for removal and cannot be started");
  }
  if (shown.network_mode.starts_with("container:")) {
    const Live* parent = Find(shown.network_mode.substr(10));
    if (parent == nullptr || parent->shown.state != ContainerState::kRunning) {
      return Fail("cannot join network of a non running container: {}",
                  shown.network_mode.substr(10));
    }
  }
  shown.state = ContainerState::kRunning;
  shown.exit_code = 0;
  shown.oom_killed = false;
  shown.pid = static_cast<std::int64_t>(1000 + ++next_id_);
  shown.started_at = clock_.Now().wall;
  shown.started_at_raw = StampNow();
  if (shown.health != ContainerHealth::kNone) {
    shown.health = ContainerHealth::kStarting;
    shown.failing_streak = 0;
  }
  ++live.starts;
  Emit(live, "start");
  return {};
}

bool FakeEngine::EndLocked(Live& live, int exit_code) {
  Container& shown = live.shown;
  shown.state = ContainerState::kExited;
  shown.exit_code = exit_code;
  shown.pid = 0;
  shown.finished_at = clock_.Now().wall;
  shown.finished_at_raw = StampNow();
  StopMonitor(live);
  Emit(live, "die", {{"exitCode", std::to_string(exit_code)}});
  if (!shown.auto_remove) return false;
  Emit(live, "destroy");
  containers_.erase(shown.id);
  return true;
}

// The stop half: TERM, an unpause if need be, KILL for who ignores it.
bool FakeEngine::HaltLocked(Live& live) {
  Emit(live, "kill", {{"signal", "15"}});
  if (live.shown.state == ContainerState::kPaused) {
    live.shown.state = ContainerState::kRunning;
    Emit(live, "unpause");
  }
  if (!live.description.obeys_term) Emit(live, "kill", {{"signal", "9"}});
  const bool auto_remove = std::exchange(live.shown.auto_remove, false);
  EndLocked(live, live.description.obeys_term ? 0 : 137);
  live.shown.auto_remove = auto_remove;
  Emit(live, "stop");
  return auto_remove;
}

Status FakeEngine::DoRestart(const std::string& container, bool half) {
  Live* live = Find(container);
  if (live == nullptr) return NoSuchContainer(container);
  const bool running = live->shown.pid != 0;
  if (running) HaltLocked(*live);  // an auto-removed container survives a restart
  if (half) {
    live->shown.exit_code = 137;
    return {};
  }
  if (Status status = StartLocked(*live); !status) return status;
  Emit(*live, "restart");
  if (live->description.heals_when_started && live->shown.health != ContainerHealth::kNone) {
    live->shown.health = ContainerHealth::kHealthy;
    Emit(*live, "health_status: healthy");
  }
  return {};
}

Status FakeEngine::DoStart(const std::string& container) {
  Live* live = Find(container);
  if (live == nullptr) return NoSuchContainer(container);
  if (live->shown.state == ContainerState::kPaused) {
    return Fail(Cause::kConflict, "cannot start a paused container, try unpause instead");
  }
  if (live->shown.state == ContainerState::kRunning) return {};
  if (Status status = StartLocked(*live); !status) return status;
  if (live->description.heals_when_started && live->shown.health != ContainerHealth::kNone) {
    live->shown.health = ContainerHealth::kHealthy;
    Emit(*live, "health_status: healthy");
  }
  return {};
}

Status FakeEngine::DoStop(const std::string& container) {
  Live* live = Find(container);
  if (live == nullptr) return NoSuchContainer(container);
  if (live->shown.pid == 0) return {};
  if (HaltLocked(*live)) {
    Emit(*live, "destroy");
    containers_.erase(live->shown.id);
  }
  return {};
}

Status FakeEngine::DoKill(const std::string& container, const std::string& signal) {
  Live* live = Find(container);
  if (live == nullptr) return NoSuchContainer(container);
  if (live->shown.pid == 0) {
    return Fail(Cause::kConflict, "container {} is not running", live->shown.id);
  }
  const std::string number = SignalNumber(signal);
  Emit(*live, "kill", {{"signal", number}});
  if (live->shown.state == ContainerState::kPaused && number != "9") {
    live->shown.state = ContainerState::kRunning;
    Emit(*live, "unpause");
  }
  if (number == "9") {
    EndLocked(*live, 137);
  } else if (number == "15" && live->description.obeys_term) {
    EndLocked(*live, 0);
  }
  return {};
}

// ---- Engine

std::optional<Fault> FakeEngine::Arrive(Lock& lock, const std::string& call,
                                        const std::string& line) {
  if (down_) return Unavailable();
  calls_.push_back(line);
  changed_.wait(lock, [&] { return !hanging_[call] || down_; });
  if (down_) return Unavailable();
  std::optional<Fault> fault;
  if (std::deque<Fault>& next = fail_next_[call]; !next.empty()) {
    fault = next.front();
    next.pop_front();
  } else if (const auto all = fail_all_.find(call); all != fail_all_.end()) {
    fault = all->second;
  }
  if (before_call_ && (!fault || fault->happens != Happens::kNever)) {
    const auto hook = before_call_;
    lock.unlock();
    hook(line);
    lock.lock();
    if (down_) return Unavailable();
  }
  return fault;
}

Status FakeEngine::Act(const std::string& call, const std::string& container,
                       const std::string& rest, const Effect& effect) {
  Lock lock(mutex_);
  const std::string line = fmt::format("{} {}{}", call, NameOf(container), rest);
  const std::optional<Fault> fault = Arrive(lock, call, line);
  if (!fault) return effect(false);
  if (fault->happens == Happens::kNow) (void)effect(false);
  if (fault->happens == Happens::kHalf) (void)effect(true);
  if (fault->happens == Happens::kLater) later_.push_back(effect);
  return tl::unexpected<Error>(fault->error);
}

Status FakeEngine::Ping() {
  Lock lock(mutex_);
  if (const auto fault = Arrive(lock, "ping", "ping")) return tl::unexpected<Error>(fault->error);
  return {};
}

Result<std::vector<Container>> FakeEngine::List(const std::vector<std::string>& label_filters) {
  Lock lock(mutex_);
  const std::string line = label_filters.empty() ? "list" : "list " + Joined(label_filters);
  if (const auto fault = Arrive(lock, "list", line)) return tl::unexpected<Error>(fault->error);
  std::vector<Container> found;
  for (const auto& [id, live] : containers_) {
    const bool wanted =
        std::all_of(label_filters.begin(), label_filters.end(),
                    [&](const std::string& filter) { return Matches(live.shown, filter); });
    if (wanted) found.push_back(live.shown);
  }
  return found;
}

Result<Container> FakeEngine::Inspect(const std::string& id) {
  Lock lock(mutex_);
  if (const auto fault = Arrive(lock, "inspect", "inspect " + NameOf(id))) {
    return tl::unexpected<Error>(fault->error);
  }
  const Live* live = Find(id);
  if (live == nullptr) return NoSuchContainer(id);
  return live->shown;
}

Result<ContainerStats> FakeEngine::Stats(const std::string& id) {
  Lock lock(mutex_);
  if (const auto fault = Arrive(lock, "stats", "stats " + NameOf(id))) {
    return tl::unexpected<Error>(fault->error);
  }
  const Live* live = Find(id);
  if (live == nullptr) return NoSuchContainer(id);
  if (live->shown.pid == 0) return Fail(Cause::kConflict, "{} is not running", live->shown.name);
  return live->stats;
}

Result<std::string> FakeEngine::Logs(const std::string& id, int tail_lines, std::size_t bytes_max) {
  Lock lock(mutex_);
  const std::string line = fmt::format("logs {} tail={}", NameOf(id), tail_lines);
  if (const auto fault = Arrive(lock, "logs", line)) return tl::unexpected<Error>(fault->error);
  const Live* live = Find(id);
  if (live == nullptr) return NoSuchContainer(id);
  const std::string& logs = live->logs;
  std::size_t from = logs.size();
  for (int lines = 0; from > 0; --from) {
    if (logs[from - 1] == '\n' && from != logs.size() && ++lines == tail_lines) break;
  }
  return logs.substr(std::max(from, logs.size() - std::min(logs.size(), bytes_max)));
}

Status FakeEngine::Restart(const std::string& id, int stop_timeout_s) {
  return Act("restart", id, fmt::format(" t={}", stop_timeout_s),
             [this, id](bool half) { return DoRestart(id, half); });
}

Status FakeEngine::Start(const std::string& id) {
  return Act("start", id, "", [this, id](bool) { return DoStart(id); });
}

Status FakeEngine::Stop(const std::string& id, int stop_timeout_s) {
  return Act("stop", id, fmt::format(" t={}", stop_timeout_s),
             [this, id](bool) { return DoStop(id); });
}

Status FakeEngine::Kill(const std::string& id, const std::string& signal) {
  return Act("kill", id, " " + signal, [this, id, signal](bool) { return DoKill(id, signal); });
}

Result<std::string> FakeEngine::ExecCreate(const std::string& id,
                                           const std::vector<std::string>& argv) {
  Lock lock(mutex_);
  const std::string line = fmt::format("exec_create {} {}", NameOf(id), Joined(argv));
  const auto fault = Arrive(lock, "exec_create", line);
  if (fault && fault->happens == Happens::kNever) return tl::unexpected<Error>(fault->error);
  const Live* live = Find(id);
  if (live == nullptr) return NoSuchContainer(id);
  if (live->shown.state != ContainerState::kRunning) {
    return Fail(Cause::kConflict, "container {} is {}", live->shown.name,
                ToString(live->shown.state));
  }
  std::string exec_id = fmt::format("{:064x}", 0xe8ec0000 + next_id_++);
  execs_[exec_id] = ExecRun{live->shown.id, argv, false, {}};
  if (fault) return tl::unexpected<Error>(fault->error);
  return exec_id;
}

Result<ExecResult> FakeEngine::ExecStart(const std::string& exec_id, Millis) {
  Lock lock(mutex_);
  const auto fault = Arrive(lock, "exec_start", "exec_start " + exec_id);
  if (fault && fault->happens == Happens::kNever) return tl::unexpected<Error>(fault->error);
  const auto found = execs_.find(exec_id);
  if (found == execs_.end()) return Fail(Cause::kNotFound, "no such exec instance: {}", exec_id);
  ExecRun& run = found->second;
  if (std::exchange(run.started, true)) {
    return Fail(Cause::kConflict, "exec {} has already run", exec_id);
  }
  const Live* live = Find(run.container_id);
  if (live == nullptr) return NoSuchContainer(run.container_id);
  if (live->shown.pid == 0) {
    return Fail(Cause::kConflict, "container {} is not running", live->shown.name);
  }
  if (fault && fault->happens == Happens::kLater) {
    run.state.running = true;
    later_.emplace_back([this, exec_id](bool) -> Status {
      execs_[exec_id].state = ExecState{.running = false, .exit_code = 0};
      return {};
    });
    return tl::unexpected<Error>(fault->error);
  }
  const Exec exec = exec_;
  const Container container = live->shown;
  const std::vector<std::string> argv = run.argv;
  run.state.running = true;
  lock.unlock();
  ExecResult result = exec ? exec(container, argv) : ExecResult{};
  lock.lock();
  result.exec_id = exec_id;
  execs_[exec_id].state = ExecState{.running = false, .exit_code = result.exit_code};
  if (fault) return tl::unexpected<Error>(fault->error);
  return result;
}

Result<Engine::ExecState> FakeEngine::ExecInspect(const std::string& exec_id) {
  Lock lock(mutex_);
  if (const auto fault = Arrive(lock, "exec_inspect", "exec_inspect " + exec_id)) {
    return tl::unexpected<Error>(fault->error);
  }
  const auto found = execs_.find(exec_id);
  if (found == execs_.end()) return Fail(Cause::kNotFound, "no such exec instance: {}", exec_id);
  return found->second.state;
}

Status FakeEngine::Follow(Time since, const std::function<void()>& ready,
                          const std::function<void(const EngineEvent&)>& on_event,
                          std::stop_token stop) {
  Lock lock(mutex_);
  if (const auto fault = Arrive(lock, "follow", "follow")) {
    return tl::unexpected<Error>(fault->error);
  }
  const std::uint64_t broken = streams_broken_;
  const auto me = followers_.emplace(followers_.end());
  me->thread = std::this_thread::get_id();
  if (since != Time{}) {
    for (const EngineEvent& event : ring_) {
      if (event.at >= since) me->waiting.push_back(event);
    }
  }
  me->delivering = true;
  lock.unlock();
  ready();
  lock.lock();
  me->delivering = false;
  changed_.notify_all();
  const auto ended = [&] { return streams_broken_ != broken; };
  for (;;) {
    changed_.wait(lock, stop, [&] { return !me->waiting.empty() || ended(); });
    if (stop.stop_requested() || ended()) break;
    const EngineEvent event = std::move(me->waiting.front());
    me->waiting.pop_front();
    me->delivering = true;
    lock.unlock();
    on_event(event);
    lock.lock();
    me->delivering = false;
    changed_.notify_all();
  }
  followers_.erase(me);
  changed_.notify_all();
  if (stop.stop_requested()) return {};
  return Fail(Cause::kUnavailable, "the engine ended the event stream");
}

}  // namespace fettle

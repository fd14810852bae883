// The Docker (or Podman) engine, as the collector, operator intent and the actions need it.
//
// One client serves all of them. Calls block and are safe from any thread; each has its own
// deadline. API contract and measured behaviour: Docker Engine API, versions 1.25 and up,
// negotiated by GET /_ping. /restart is not idempotent and a time-out does not cancel it, so
// callers inspect before and after.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

enum class ContainerState { kCreated, kRunning, kPaused, kRestarting, kRemoving, kExited, kDead };
std::string_view ToString(ContainerState state);
enum class ContainerHealth { kNone, kStarting, kHealthy, kUnhealthy };
std::string_view ToString(ContainerHealth health);

// What inspect says, in our words.
struct Container {
  std::string id;
  std::string name;  // without the leading slash
  std::string image;
  std::map<std::string, std::string> labels;
  ContainerState state = ContainerState::kCreated;
  ContainerHealth health = ContainerHealth::kNone;
  int failing_streak = 0;
  int exit_code = 0;
  bool oom_killed = false;
  bool auto_remove = false;
  std::int64_t pid = 0;
  std::string started_at_raw;  // the engine's own text: identity of a run is (id, started_at_raw)
  std::string finished_at_raw;
  Time started_at;
  Time finished_at;
  int restart_count = 0;
  std::string restart_policy;  // "", "no", "always", "unless-stopped", "on-failure"
  std::string network_mode;    // "container:<id>" makes it a child of another
  std::string stop_signal;
  std::optional<int> stop_timeout_s;
  std::string last_health_output;  // at most 4 KiB

  struct Network {
    std::string name;
    std::string id;
    std::string ip;
  };
  struct Port {
    int private_port = 0;
    int public_port = 0;  // 0: not published
    std::string public_ip;
    bool tcp = true;
  };
  std::vector<Network> networks;
  std::vector<Port> ports;

  std::string Label(const std::string& name) const;
  // Compose's project, service and number; a container without them has no project and is its own
  // service by name, number "1".
  std::string Project() const;
  std::string Service() const;
  std::string Number() const;
};

// What containers talk over.
struct EngineNetwork {
  std::string id;
  std::string name;
  std::string scope;  // "local", "swarm"
  bool internal = false;
  bool ingress = false;
  std::map<std::string, std::string> labels;
};

struct ContainerStats {
  double cpu_seconds = 0;
  double memory_bytes = 0;  // without page cache, as `docker stats` shows it
  double memory_limit_bytes = 0;
};

// One line of GET /events: action is "die", "start", "kill", "stop", "health_status: unhealthy", …
// (Podman's plain health_status is given Docker's form.)
struct EngineEvent {
  std::string action;
  std::string container_id;
  std::map<std::string, std::string> attributes;  // name, signal, exitCode, labels
  Time at;
  std::int64_t at_ns = 0;
};

struct ExecResult {
  std::string exec_id;
  int exit_code = 0;
  std::string output;  // bounded, stdout and stderr as they came
};

// Errors: kNotFound (404), kConflict (409), kDenied (403: a socket proxy forbids it), kUnavailable
// (cannot connect, 5xx of a stopping engine), kTimeout (outcome unknown), kFailed (other).
class Engine {
 public:
  virtual ~Engine() = default;
  // Connection's name in the configuration.
  virtual const std::string& Name() const = 0;
  virtual Status Ping() = 0;
  // All containers, running or not, inspected. `label_filters` are "name" or "name=value".
  virtual Result<std::vector<Container>> List(const std::vector<std::string>& label_filters) = 0;
  virtual Result<Container> Inspect(const std::string& id) = 0;
  virtual Result<ContainerStats> Stats(const std::string& id) = 0;
  // None where an engine has no word for them.
  virtual Result<std::vector<EngineNetwork>> Networks() { return std::vector<EngineNetwork>{}; }
  virtual Result<std::string> Logs(const std::string& id, int tail_lines,
                                   std::size_t bytes_max) = 0;

  // Always with an explicit grace period; the client waits stop_timeout + 30 s.
  virtual Status Restart(const std::string& id, int stop_timeout_s) = 0;
  // Already running is success.
  virtual Status Start(const std::string& id) = 0;
  // Already stopped is success.
  virtual Status Stop(const std::string& id, int stop_timeout_s) = 0;
  virtual Status Kill(const std::string& id, const std::string& signal) = 0;
  // An exec id is the engine's own at-most-once token: a second start is kConflict.
  virtual Result<std::string> ExecCreate(const std::string& id,
                                         const std::vector<std::string>& argv) = 0;
  virtual Result<ExecResult> ExecStart(const std::string& exec_id, Millis timeout) = 0;
  struct ExecState {
    bool running = false;
    std::optional<int> exit_code;
  };
  virtual Result<ExecState> ExecInspect(const std::string& exec_id) = 0;

  // Follows container events until `stop` is requested or the stream ends; `ready` runs once the
  // engine has accepted the subscription (list after that, so that nothing falls between).
  virtual Status Follow(Time since, const std::function<void()>& ready,
                        const std::function<void(const EngineEvent&)>& on_event,
                        std::stop_token stop) = 0;
};

}  // namespace fettle

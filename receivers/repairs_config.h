// `receivers.targets`, `receivers.guards` and `receivers.repairs`: what may be repaired, what holds
// a repair back, and what is done about which alert. Values, immutable once read.
//
// Defaults are the members' initialisers. An alert only ever chooses among what is named here: its
// labels never become an argument, a URL, a path or an image.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/alert.h"
#include "common/clock.h"
#include "common/http_config.h"
#include "common/matcher.h"
#include "common/result.h"
#include "common/yaml.h"

namespace fettle::receivers {

// Ordered: of two modes the smaller one holds.
enum class Mode { kOff, kObserve, kApprove, kAuto };
std::string_view ToString(Mode mode);

// At most `attempts` in any `span`: "3/1h".
struct Window {
  int attempts = 0;
  Millis span{0};
  bool operator==(const Window&) const = default;
};
inline constexpr Millis kWindowSpanMax{7 * 24 * 3'600'000};

// Containers of one engine: a Compose project's service, one container by name, or every container
// that carries a label. A label target stands for many: each "project/service" is one of its own.
struct TargetSpec {
  std::string name;
  std::string connection;  // of connections.docker
  std::string project;
  std::string service;
  std::string container;
  std::string label;
  std::optional<int> stop_timeout_s;  // else the container's own, else 10
  // Targets that it needs, besides what Compose's labels and shared networks say.
  std::vector<std::string> depends_on;
};
inline constexpr int kStopTimeoutDefaultS = 10;
inline constexpr int kStopTimeoutMaxS = 3'600;

// So many of all targets fell ill within the window: that is no matter of single repairs. Over once
// it has not been so for the cooldown.
struct StormSpec {
  double share = 0.5;
  Millis window{60'000};
  Millis cooldown{120'000};
};

struct GlobalGuards {
  Mode mode = Mode::kAuto;       // the ceiling
  std::string kill_switch_file;  // while it exists nothing new is done
  std::vector<Window> attempts{{20, Millis{3'600'000}}};
  int concurrent = 5;  // calls under way at once
  std::vector<std::string> mute_time_intervals;
  std::string control;  // fettle itself is cut off unless this returns anything
  std::optional<StormSpec> storm;
  Millis after_deploy{
      0};  // during a deploy and for so long after it nothing is done; 0: never mind
};

struct RepairGuards {
  Millis cooldown{60'000};  // from the last attempt to the first of the next incident
  std::vector<Window> attempts{{3, Millis{3'600'000}}, {7, Millis{24 * 3'600'000}}};
  int min_healthy = 0;  // replicas that stay healthy while one is acted on
  std::vector<std::string> mute_time_intervals;
  // How many must agree that it is ill: each alert, the engine, and the expression of `verify`.
  int quorum = 1;
  // So many beginnings in so long are left to a person.
  std::optional<Window> flapping = Window{4, Millis{30 * 60'000}};
  Millis after_deploy{0};  // the longer one counts
  bool any_backup_holds = false;
  std::vector<std::string> backups_that_hold;
};

// Whether it helped. Without an expression the engine's own word (running, healthy) counts, and the
// alerts of own rules and of the API must have ended.
struct VerifySpec {
  std::string expr;  // holds if it returns anything
  Millis within{60'000};
  Millis hold{30'000};  // and stays so this long
};

struct RestartSpec {
  bool with_dependants = false;  // and then everything that needs it, in the order of starting
};
struct StartSpec {};
struct StopSpec {};
struct KillSpec {
  std::string signal;  // SIGHUP, SIGUSR1, SIGUSR2 or SIGWINCH: none that ends it
};
struct DockerExecSpec {
  std::vector<std::string> argv;
};
struct BackupSpec {
  std::string name;  // one of the two
  std::string label;
};
struct ExecSpec {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string directory = "/";
};
struct HttpSpec {
  std::string method = "POST";
  std::string url;
  HttpConfig http;
  bool idempotent = false;  // by its Idempotency-Key: asking twice is asking once
  bool Repeatable() const {
    return idempotent || method == "GET" || method == "PUT" || method == "DELETE";
  }
};
struct EscalateSpec {
  std::string receiver;
};
using ActionSpec = std::variant<RestartSpec, StartSpec, StopSpec, KillSpec, DockerExecSpec,
                                BackupSpec, ExecSpec, HttpSpec, EscalateSpec>;
// "restart", "docker_exec", …: as configured, and as the metrics' label.
std::string_view KindOf(const ActionSpec& action);

struct RungSpec {
  ActionSpec action;
  int attempts = 1;
  std::optional<Millis> timeout;
  std::optional<VerifySpec> verify;  // else the repair's
  bool while_silenced = false;
};

struct RepairSpec {
  std::string name;
  Matchers matchers;
  std::string target;        // a target's name, or
  std::string target_label;  // the label whose value must equal a target's name
  Mode mode = Mode::kObserve;
  std::set<AlertSource> sources;  // whose alerts count; none named: everybody's
  Millis settle{0};               // an alert must have been known for so long
  // One that began longer than this before it came is old news: it counts for a container that
  // looks ill, or once its sender says it again. Alertmanager holds news back for minutes.
  Millis max_age{15 * 60'000};
  RepairGuards guards;
  VerifySpec verify;
  bool evidence = true;  // what the engine knows is kept before the first call
  std::vector<RungSpec> rungs;

  const VerifySpec& VerifyOf(const RungSpec& rung) const {
    return rung.verify ? *rung.verify : verify;
  }
  // The escalation at the end of the ladder, or rungs.size().
  std::size_t EscalationRung() const;
};

struct RepairsConfig {
  std::vector<TargetSpec> targets;
  GlobalGuards guards;
  std::vector<RepairSpec> repairs;

  const TargetSpec* FindTarget(std::string_view name) const;
  const RepairSpec* FindRepair(std::string_view name) const;
  // The repair's mode under the ceiling.
  Mode EffectiveMode(const RepairSpec& repair) const;
};

// What repairs may refer to elsewhere in the configuration: names, or nullopt for what could not be
// read and has its complaints already. An empty function is not asked.
struct References {
  using Names = std::optional<std::vector<std::string>>;
  std::vector<std::string> docker_connections;
  Names receivers;       // of alertmanager.yml
  Names time_intervals;  // likewise
  Names backups;
  std::function<Status(std::string_view)> check_expression;  // Judge::Check
};

// Reads the three keys of `receivers`, complaining about everything at once. Keys of the manual
// that this version does not know yet are told apart from misspelt ones.
RepairsConfig ReadRepairs(yaml::Mapping& receivers, const References& references);

// A repair that acts by itself must not be open to whoever can post an alert: refuses `mode: auto`
// on a listener that others can reach and that asks nobody who they are.
Status CheckOpenDoor(const RepairsConfig& config, std::string_view listen_address,
                     bool has_authentication);

}  // namespace fettle::receivers

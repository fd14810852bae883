#include "receivers/repairs_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <span>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr int kAttemptsMax = 1'000;
constexpr std::size_t kRungsMax = 20;

const std::vector<std::pair<std::string, Mode>>& ModeWords() {
  static const std::vector<std::pair<std::string, Mode>> words{{"off", Mode::kOff},
                                                               {"observe", Mode::kObserve},
                                                               {"approve", Mode::kApprove},
                                                               {"auto", Mode::kAuto}};
  return words;
}

// Names are parts of keys, paths of the API and labels of metrics.
bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

std::string ReadName(yaml::Mapping& mapping, std::set<std::string>& taken) {
  std::string name = mapping.Require<std::string>("name");
  const yaml::Node* node = mapping.Child("name");
  if (node == nullptr) return name;
  if (!IsName(name)) {
    mapping.Complain(
        node->place,
        "name " + Quote(name) + " must be 1 to 64 of letters, digits, \"_\", \"-\" and \".\"");
  } else if (!taken.insert(name).second) {
    mapping.Complain(node->place, "name " + Quote(name) + " is taken already");
  }
  return name;
}

// A complaint with a suggestion about a name that nothing has.
void CheckName(yaml::Mapping& mapping, const yaml::Place& place, const std::string& what,
               const std::string& name, const References::Names& known) {
  if (!known || std::find(known->begin(), known->end(), name) != known->end()) return;
  mapping.Complain(
      place, fmt::format("no {} is named {}{}", what, Quote(name), yaml::Suggestion(name, *known)));
}

// Keys of the manual that a later version knows: a complaint of their own, because "unknown key"
// would send people looking for a typing mistake.
void RefuseLater(yaml::Mapping& mapping, std::span<const std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (const yaml::Node* node = mapping.Child(key)) {
      mapping.Complain(node->place, Quote(key) + " is not supported by this version");
    }
  }
}

Result<Window> ParseWindow(const std::string& text) {
  const std::size_t slash = text.find('/');
  int attempts = 0;
  const char* const end = text.data() + std::min(slash, text.size());
  const auto [stopped, error] = std::from_chars(text.data(), end, attempts);
  if (slash == std::string::npos || error != std::errc() || stopped != end) {
    return Fail(Cause::kInvalid, "{} must look like 3/1h", Quote(text));
  }
  const Result<Millis> span = ParseDuration(text.substr(slash + 1));
  if (!span) return While(Quote(text), span.error());
  if (attempts < 1 || attempts > kAttemptsMax) {
    return Fail(Cause::kInvalid, "{} must allow 1 to {} attempts", Quote(text), kAttemptsMax);
  }
  if (*span <= Millis(0) || *span > kWindowSpanMax) {
    return Fail(Cause::kInvalid, "{} must span more than 0s and at most {}", Quote(text),
                FormatDuration(kWindowSpanMax));
  }
  return Window{attempts, *span};
}

void ReadWindows(yaml::Mapping& mapping, std::vector<Window>& windows) {
  if (!mapping.Has("attempts")) return;
  windows.clear();
  mapping.ForEach("attempts", [&](const yaml::Node& item) {
    if (item.kind != yaml::Node::Kind::kScalar) {
      mapping.Complain(item.place, "attempts must be a list like [3/1h, 7/24h]");
      return;
    }
    const Result<Window> window = ParseWindow(item.text);
    if (window) {
      windows.push_back(*window);
    } else {
      mapping.Complain(item.place, "attempts " + window.error().message);
    }
  });
}

void ReadIntervals(yaml::Mapping& mapping, const References& references,
                   std::vector<std::string>& names) {
  mapping.ForEach("mute_time_intervals", [&](const yaml::Node& item) {
    if (item.kind != yaml::Node::Kind::kScalar) {
      mapping.Complain(item.place, "mute_time_intervals must be a list of names");
      return;
    }
    CheckName(mapping, item.place, "time interval", item.text, references.time_intervals);
    names.push_back(item.text);
  });
}

void RefuseLater(yaml::Mapping& mapping, std::initializer_list<std::string_view> keys) {
  RefuseLater(mapping, std::span<const std::string_view>(keys.begin(), keys.size()));
}

// --- targets ---------------------------------------------------------------------------------

void ReadSelector(yaml::Mapping& target, const References& references, TargetSpec& spec) {
  const yaml::Node* node = target.Child("docker");
  RefuseLater(target, {"systemd", "kubernetes", "http"});
  if (node == nullptr) {
    const bool later = target.Has("systemd") || target.Has("kubernetes") || target.Has("http");
    if (!later) target.Complain(target.place(), "\"docker\" is missing");
    return;
  }
  yaml::Mapping docker(*node, target.what() + ".docker", target.complaints());
  spec.project = docker.Get<std::string>("project", "");
  spec.service = docker.Get<std::string>("service", "");
  spec.container = docker.Get<std::string>("container", "");
  spec.label = docker.Get<std::string>("label", "");
  const bool compose = !spec.project.empty() && !spec.service.empty();
  const bool half = spec.project.empty() != spec.service.empty();
  const int ways =
      (compose ? 1 : 0) + (spec.container.empty() ? 0 : 1) + (spec.label.empty() ? 0 : 1);
  if (half || ways != 1) {
    docker.Complain(docker.place(),
                    "exactly one of {project, service}, {container} and {label} must be given");
  }
  const std::vector<std::string>& known = references.docker_connections;
  const std::string fallback = known.size() == 1 ? known.front() : "";
  spec.connection = docker.Get<std::string>("connection", fallback);
  if (const yaml::Node* given = docker.Child("connection")) {
    CheckName(docker, given->place, "docker connection", spec.connection, known);
  } else if (spec.connection.empty()) {
    docker.Complain(docker.place(), known.empty()
                                        ? "connections.docker names no engine"
                                        : "\"connection\" is missing: there are several engines");
  }
}

std::vector<TargetSpec> ReadTargets(yaml::Mapping& receivers, const References& references) {
  std::vector<TargetSpec> targets;
  std::set<std::string> taken;
  receivers.ForEach("targets", [&](const yaml::Node& item) {
    yaml::Mapping mapping(item, "receivers.targets", receivers.complaints());
    TargetSpec spec;
    spec.name = ReadName(mapping, taken);
    ReadSelector(mapping, references, spec);
    RefuseLater(mapping, {"depends_on"});
    if (const auto timeout = mapping.Find<Millis>("stop_timeout")) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout).count();
      if (*timeout < Millis(0) || seconds > kStopTimeoutMaxS) {
        mapping.Complain(mapping.Child("stop_timeout")->place,
                         "stop_timeout must be 0s to 1h, not " + FormatDuration(*timeout));
      } else {
        spec.stop_timeout_s = static_cast<int>(seconds);
      }
    }
    targets.push_back(std::move(spec));
  });
  return targets;
}

// --- guards ----------------------------------------------------------------------------------

GlobalGuards ReadGlobalGuards(yaml::Mapping& receivers, const References& references) {
  GlobalGuards guards;
  const yaml::Node* node = receivers.Child("guards");
  if (node == nullptr) return guards;
  yaml::Mapping mapping(*node, "receivers.guards", receivers.complaints());
  guards.mode = mapping.OneOf("mode", guards.mode, ModeWords());
  guards.kill_switch_file = mapping.Get<std::string>("kill_switch_file", "");
  ReadWindows(mapping, guards.attempts);
  guards.concurrent = mapping.Get<int>("concurrent", guards.concurrent);
  if (guards.concurrent < 1) {
    mapping.Complain(mapping.Child("concurrent")->place,
                     fmt::format("concurrent must be at least 1, not {}", guards.concurrent));
  }
  ReadIntervals(mapping, references, guards.mute_time_intervals);
  RefuseLater(mapping, {"storm", "after_deploy", "quorum", "rate"});
  return guards;
}

void ReadRepairGuards(yaml::Mapping& repair, const References& references, RepairGuards& guards) {
  const yaml::Node* node = repair.Child("guards");
  if (node == nullptr) return;
  yaml::Mapping mapping(*node, repair.what() + ".guards", repair.complaints());
  guards.cooldown = mapping.Get<Millis>("cooldown", guards.cooldown);
  ReadWindows(mapping, guards.attempts);
  guards.min_healthy = mapping.Get<int>("min_healthy", guards.min_healthy);
  if (guards.min_healthy < 0) {
    mapping.Complain(mapping.Child("min_healthy")->place,
                     fmt::format("min_healthy must be at least 0, not {}", guards.min_healthy));
  }
  ReadIntervals(mapping, references, guards.mute_time_intervals);
  RefuseLater(mapping, {"active_backups", "gate", "quorum", "after_deploy", "storm"});
}

// --- ladders ---------------------------------------------------------------------------------

VerifySpec ReadVerify(const yaml::Node& node, const std::string& what, const References& references,
                      yaml::Complaints& complaints, VerifySpec verify) {
  yaml::Mapping mapping(node, what + ".verify", complaints);
  verify.expr = mapping.Get<std::string>("expr", verify.expr);
  verify.within = mapping.Get<Millis>("within", verify.within);
  verify.hold = mapping.Get<Millis>("hold", verify.hold);
  // Inherited, it has its complaint already.
  if (mapping.Has("within") && verify.within <= Millis(0)) {
    mapping.Complain(mapping.Child("within")->place, "within must be longer than 0s");
  }
  const yaml::Node* expr = mapping.Child("expr");
  if (expr != nullptr && references.check_expression) {
    if (const Status status = references.check_expression(verify.expr); !status) {
      mapping.Complain(expr->place, "expr: " + status.error().message);
    }
  }
  return verify;
}

using ActionReader = std::function<ActionSpec(const yaml::Node&, const std::string& what,
                                              const References&, yaml::Complaints&)>;

ActionSpec ReadRestart(const yaml::Node& node, const std::string& what, const References&,
                       yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  RefuseLater(mapping, {"with"});
  return RestartSpec{};
}

ActionSpec ReadBackup(const yaml::Node& node, const std::string& what, const References& references,
                      yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  BackupSpec spec{mapping.Get<std::string>("name", ""), mapping.Get<std::string>("label", "")};
  if (spec.name.empty() == spec.label.empty()) {
    mapping.Complain(mapping.place(), "exactly one of \"name\" and \"label\" must be given");
  } else if (!spec.name.empty()) {
    CheckName(mapping, mapping.Child("name")->place, "backup", spec.name, references.backups);
  } else if (!spec.label.empty() && !IsLabelName(spec.label)) {
    mapping.Complain(mapping.Child("label")->place,
                     "label " + Quote(spec.label) + " is not a label's name");
  }
  return spec;
}

ActionSpec ReadExec(const yaml::Node& node, const std::string& what, const References&,
                    yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  ExecSpec spec;
  spec.argv = mapping.List<std::string>("argv");
  spec.environment = mapping.StringMap("environment");
  spec.directory = mapping.Get<std::string>("directory", spec.directory);
  const yaml::Node* argv = mapping.Child("argv");
  if (argv == nullptr) {
    mapping.Complain(mapping.place(), "\"argv\" is missing: the program and its arguments");
  } else if (spec.argv.empty()) {
    if (argv->kind == yaml::Node::Kind::kSequence) {
      mapping.Complain(argv->place, "\"argv\" is empty: the program and its arguments");
    }
  } else if (!spec.argv.front().starts_with('/')) {
    mapping.Complain(
        mapping.Child("argv")->place,
        "argv must begin with a program's absolute path, not " + Quote(spec.argv.front()));
  }
  for (const auto& [name, value] : spec.environment) {
    if (name.starts_with("FETTLE_")) {
      mapping.Complain(mapping.Child("environment")->place,
                       "environment: " + Quote(name) + " is kept for fettle's own variables");
    }
  }
  return spec;
}

ActionSpec ReadEscalate(const yaml::Node& node, const std::string& what,
                        const References& references, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  EscalateSpec spec{mapping.Require<std::string>("receiver")};
  const yaml::Node* receiver = mapping.Child("receiver");
  if (receiver != nullptr && !spec.receiver.empty()) {
    CheckName(mapping, receiver->place, "receiver", spec.receiver, references.receivers);
  }
  return spec;
}

struct ActionKind {
  std::string_view key;
  ActionReader read;
};
const std::vector<ActionKind>& ActionKinds() {
  static const std::vector<ActionKind> kinds{
      {"restart", ReadRestart},
      {"backup", ReadBackup},
      {"exec", ReadExec},
      {"escalate", ReadEscalate},
  };
  return kinds;
}

constexpr std::array<std::string_view, 8> kLaterActions{
    "start", "stop", "kill", "http", "rollback", "systemd", "kubernetes", "docker_exec"};

RungSpec ReadRung(const yaml::Node& item, const RepairSpec& repair, const std::string& what,
                  const References& references, yaml::Complaints& complaints) {
  yaml::Mapping mapping(item, what + ".actions", complaints);
  RefuseLater(mapping, kLaterActions);
  std::optional<RungSpec> rung;
  std::vector<std::string> known;
  for (const ActionKind& kind : ActionKinds()) {
    known.emplace_back(kind.key);
    const yaml::Node* node = mapping.Child(kind.key);
    if (node == nullptr) continue;
    if (rung) {
      mapping.Complain(node->place, "one action only: " + Quote(kind.key) + " is a second one");
      continue;
    }
    rung.emplace();
    rung->action =
        kind.read(*node, mapping.what() + "." + std::string(kind.key), references, complaints);
  }
  if (!rung) {
    const bool later = std::any_of(kLaterActions.begin(), kLaterActions.end(),
                                   [&](std::string_view key) { return mapping.Has(key); });
    if (!later && item.kind == yaml::Node::Kind::kMapping) {
      mapping.Complain(item.place,
                       fmt::format("an action is missing: one of {}", fmt::join(known, ", ")));
    }
    // What comes after it is still read; it needs nothing of its own.
    rung.emplace();
    rung->action = ExecSpec{};
  }
  rung->attempts = mapping.Get<int>("attempts", rung->attempts);
  if (rung->attempts < 1 || rung->attempts > kAttemptsMax) {
    mapping.Complain(mapping.Child("attempts")->place,
                     fmt::format("attempts must be 1 to {}, not {}", kAttemptsMax, rung->attempts));
  }
  rung->timeout = mapping.Find<Millis>("timeout");
  if (rung->timeout && *rung->timeout <= Millis(0)) {
    mapping.Complain(mapping.Child("timeout")->place, "timeout must be longer than 0s");
  }
  rung->while_silenced = mapping.Get<bool>("while_silenced", false);
  if (const yaml::Node* verify = mapping.Child("verify")) {
    rung->verify = ReadVerify(*verify, mapping.what(), references, complaints, repair.verify);
  }
  return *std::move(rung);
}

void ReadRungs(yaml::Mapping& mapping, const References& references, RepairSpec& repair) {
  mapping.ForEach("actions", [&](const yaml::Node& item) {
    if (!repair.rungs.empty() && KindOf(repair.rungs.back().action) == "escalate") {
      mapping.Complain(item.place, "actions: escalate must be the last one");
    }
    repair.rungs.push_back(
        ReadRung(item, repair, mapping.what(), references, mapping.complaints()));
  });
  if (repair.rungs.empty() && !mapping.Has("actions")) {
    mapping.Complain(mapping.place(), "\"actions\" are missing");
  } else if (repair.rungs.empty()) {
    mapping.Complain(mapping.Child("actions")->place, "\"actions\" are empty");
  }
  if (repair.rungs.size() > kRungsMax) {
    mapping.Complain(mapping.Child("actions")->place, "actions: at most 20");
  }
}

// --- repairs ---------------------------------------------------------------------------------

void ReadMatchers(yaml::Mapping& mapping, Matchers& matchers) {
  bool broken = false;
  mapping.ForEach("matchers", [&](const yaml::Node& item) {
    Result<Matchers> parsed = item.kind == yaml::Node::Kind::kScalar
                                  ? ParseMatchers(item.text)
                                  : Result<Matchers>(Fail("must be a list of texts"));
    if (!parsed) {
      broken = true;
      mapping.Complain(
          item.place, fmt::format("matchers: {}: {}", item.source.empty() ? item.text : item.source,
                                  parsed.error().message));
      return;
    }
    matchers.insert(matchers.end(), parsed->begin(), parsed->end());
  });
  // Such a selector would take every alert there is.
  const bool selects = std::any_of(matchers.begin(), matchers.end(),
                                   [](const Matcher& m) { return !m.Matches(""); });
  if (!selects && !broken) {
    const yaml::Node* node = mapping.Child("matchers");
    mapping.Complain(
        node == nullptr ? mapping.place() : node->place,
        "matchers must name something: at least one that does not match an empty label");
  }
}

void ReadTarget(yaml::Mapping& mapping, const std::vector<TargetSpec>& targets,
                RepairSpec& repair) {
  const yaml::Node* node = mapping.Child("target");
  if (node == nullptr) return;
  if (node->kind == yaml::Node::Kind::kMapping) {
    yaml::Mapping chosen(*node, mapping.what() + ".target", mapping.complaints());
    repair.target_label = chosen.Require<std::string>("label");
    if (!repair.target_label.empty() && !IsLabelName(repair.target_label)) {
      chosen.Complain(chosen.place(),
                      "label " + Quote(repair.target_label) + " is not a label's name");
    }
    return;
  }
  repair.target = mapping.Get<std::string>("target", "");
  std::vector<std::string> names;
  for (const TargetSpec& target : targets) names.push_back(target.name);
  CheckName(mapping, node->place, "target", repair.target, names);
}

void CheckTarget(yaml::Mapping& mapping, const RepairSpec& repair) {
  const bool has_target = !repair.target.empty() || !repair.target_label.empty();
  std::set<std::string> subjects;
  for (const RungSpec& rung : repair.rungs) {
    if (KindOf(rung.action) == "restart" && !has_target && !mapping.Has("target")) {
      mapping.Complain(mapping.place(), "\"target\" is missing: restart needs one");
      return;
    }
    if (const auto* backup = std::get_if<BackupSpec>(&rung.action)) {
      subjects.insert(backup->name.empty() ? "by " + backup->label : backup->name);
    }
  }
  if (has_target && !subjects.empty()) {
    mapping.Complain(mapping.Child("target")->place,
                     "target: a repair with a backup is about that backup, not about a target");
  } else if (subjects.size() > 1) {
    mapping.Complain(mapping.place(), "actions: all backups of a repair must be the same one");
  }
}

RepairSpec ReadRepair(const yaml::Node& item, const RepairsConfig& config,
                      const References& references, std::set<std::string>& taken,
                      yaml::Complaints& complaints) {
  yaml::Mapping mapping(item, "receivers.repairs", complaints);
  RepairSpec repair;
  repair.name = ReadName(mapping, taken);
  ReadMatchers(mapping, repair.matchers);
  ReadTarget(mapping, config.targets, repair);
  repair.mode = mapping.OneOf("mode", repair.mode, ModeWords());
  ReadRepairGuards(mapping, references, repair.guards);
  if (const yaml::Node* verify = mapping.Child("verify")) {
    repair.verify = ReadVerify(*verify, mapping.what(), references, complaints, repair.verify);
  }
  ReadRungs(mapping, references, repair);
  RefuseLater(mapping, {"settle", "evidence", "max_age"});
  CheckTarget(mapping, repair);
  return repair;
}

bool IsLoopback(std::string_view listen_address) {
  const std::size_t colon = listen_address.rfind(':');
  std::string_view host = listen_address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

std::string_view ToString(Mode mode) {
  for (const auto& [word, value] : ModeWords()) {
    if (value == mode) return word;
  }
  return "off";
}

std::string_view KindOf(const ActionSpec& action) {
  static constexpr std::array<std::string_view, 4> kinds{"restart", "backup", "exec", "escalate"};
  static_assert(std::variant_size_v<ActionSpec> == kinds.size());
  return kinds.at(action.index());
}

std::size_t RepairSpec::EscalationRung() const {
  if (!rungs.empty() && KindOf(rungs.back().action) == "escalate") return rungs.size() - 1;
  return rungs.size();
}

const TargetSpec* RepairsConfig::FindTarget(std::string_view name) const {
  for (const TargetSpec& target : targets) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

const RepairSpec* RepairsConfig::FindRepair(std::string_view name) const {
  for (const RepairSpec& repair : repairs) {
    if (repair.name == name) return &repair;
  }
  return nullptr;
}

Mode RepairsConfig::EffectiveMode(const RepairSpec& repair) const {
  return std::min(guards.mode, repair.mode);
}

RepairsConfig ReadRepairs(yaml::Mapping& receivers, const References& references) {
  RepairsConfig config;
  config.targets = ReadTargets(receivers, references);
  config.guards = ReadGlobalGuards(receivers, references);
  std::set<std::string> taken;
  receivers.ForEach("repairs", [&](const yaml::Node& item) {
    config.repairs.push_back(ReadRepair(item, config, references, taken, receivers.complaints()));
  });
  return config;
}

Status CheckOpenDoor(const RepairsConfig& config, std::string_view listen_address,
                     bool has_authentication) {
  if (has_authentication || IsLoopback(listen_address)) return {};
  for (const RepairSpec& repair : config.repairs) {
    if (config.EffectiveMode(repair) != Mode::kAuto) continue;
    return Fail(Cause::kInvalid,
                "repair {} has mode auto, but {} is open to others and asks nobody who they are: "
                "give --web.config.file with users or tokens, listen on 127.0.0.1, or set mode "
                "approve",
                repair.name, listen_address);
  }
  return {};
}

}  // namespace fettle::receivers

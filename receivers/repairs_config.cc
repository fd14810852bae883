#include "receivers/repairs_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <span>

#include "common/duration.h"
#include "receivers/repairs_parts.h"

namespace fettle::receivers::repairs {
namespace {

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

// Once every name is known: each must be a target of its own.
void CheckDependencies(yaml::Mapping& receivers, const std::vector<TargetSpec>& targets) {
  std::vector<std::string> names;
  for (const TargetSpec& target : targets) {
    if (target.label.empty()) names.push_back(target.name);
  }
  const yaml::Node* list = receivers.Child("targets");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const yaml::Node* node = list->items[i].Find("depends_on");
    if (node == nullptr) continue;
    for (const yaml::Node& parent : node->items) {
      if (parent.text == targets[i].name) {
        receivers.Complain(parent.place, "targets: depends_on: it cannot need itself");
        continue;
      }
      if (std::find(names.begin(), names.end(), parent.text) != names.end()) continue;
      receivers.Complain(parent.place,
                         fmt::format("targets: depends_on: no target is named {}{}",
                                     Quote(parent.text), yaml::Suggestion(parent.text, names)));
    }
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
    spec.depends_on = mapping.List<std::string>("depends_on");
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
  CheckDependencies(receivers, targets);
  return targets;
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

bool OnContainer(const ActionSpec& action) {
  return std::holds_alternative<RestartSpec>(action) || std::holds_alternative<StartSpec>(action) ||
         std::holds_alternative<StopSpec>(action) || std::holds_alternative<KillSpec>(action) ||
         std::holds_alternative<DockerExecSpec>(action);
}

void CheckTarget(yaml::Mapping& mapping, const RepairSpec& repair) {
  const bool has_target = !repair.target.empty() || !repair.target_label.empty();
  std::set<std::string> subjects;
  for (const RungSpec& rung : repair.rungs) {
    if (OnContainer(rung.action) && !has_target && !mapping.Has("target")) {
      mapping.Complain(mapping.place(),
                       fmt::format("\"target\" is missing: {} needs one", KindOf(rung.action)));
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

void ReadSources(yaml::Mapping& mapping, RepairSpec& repair) {
  static const std::vector<std::pair<std::string, AlertSource>> words{
      {"rules", AlertSource::kRules},
      {"api", AlertSource::kApi},
      {"webhook", AlertSource::kWebhook},
      {"events", AlertSource::kEvents}};
  mapping.ForEach("sources", [&](const yaml::Node& item) {
    for (const auto& [word, source] : words) {
      if (item.kind != yaml::Node::Kind::kScalar || item.text != word) continue;
      repair.sources.insert(source);
      return;
    }
    mapping.Complain(item.place, "sources must be some of rules, api, webhook and events");
  });
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
  repair.settle = mapping.Get<Millis>("settle", repair.settle);
  repair.max_age = mapping.Get<Millis>("max_age", repair.max_age);
  ReadSources(mapping, repair);
  repair.evidence = mapping.Get<bool>("evidence", repair.evidence);
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
}  // namespace fettle::receivers::repairs

namespace fettle::receivers {

std::string_view ToString(Mode mode) {
  for (const auto& [word, value] : repairs::ModeWords()) {
    if (value == mode) return word;
  }
  return "off";
}

std::string_view KindOf(const ActionSpec& action) {
  static constexpr std::array<std::string_view, 9> kinds{
      "restart", "start", "stop", "kill", "docker_exec", "backup", "exec", "http", "escalate"};
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
  config.targets = repairs::ReadTargets(receivers, references);
  config.guards = repairs::ReadGlobalGuards(receivers, references);
  std::set<std::string> taken;
  receivers.ForEach("repairs", [&](const yaml::Node& item) {
    config.repairs.push_back(
        repairs::ReadRepair(item, config, references, taken, receivers.complaints()));
  });
  return config;
}

Status CheckOpenDoor(const RepairsConfig& config, std::string_view listen_address,
                     bool has_authentication) {
  if (has_authentication || repairs::IsLoopback(listen_address)) return {};
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

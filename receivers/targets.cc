#include "receivers/targets.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace fettle::receivers {
namespace {

constexpr char kLabelProject[] = "com.docker.compose.project";
constexpr char kLabelService[] = "com.docker.compose.service";
constexpr char kLabelOneOff[] = "com.docker.compose.oneoff";
constexpr char kLabelHook[] = "com.docker.compose.hook";
constexpr std::size_t kNameBytesMax = 256;

bool IsNo(std::string_view value) {
  static constexpr std::array<std::string_view, 6> words{"false", "False", "FALSE",
                                                         "no",    "0",     "off"};
  return std::find(words.begin(), words.end(), value) != words.end();
}

// What Docker and Compose allow in names; anything else names nothing.
bool IsContainerName(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// "shop/db": one labelled service of a label target.
std::optional<TargetSpec> Labelled(const RepairsConfig& config, const std::string& target,
                                   std::string_view project, std::string_view service) {
  if (!IsContainerName(service)) return std::nullopt;
  if (!project.empty() && !IsContainerName(project)) return std::nullopt;
  for (const TargetSpec& spec : config.targets) {
    if (spec.label.empty() || (!target.empty() && spec.name != target)) continue;
    TargetSpec chosen = spec;
    chosen.project = project;
    chosen.service = service;
    return chosen;
  }
  return std::nullopt;
}

// A container outside Compose has no project; "-" keeps its name apart from configured targets'.
constexpr std::string_view kNoProject = "-";

std::string LabelledName(const TargetSpec& spec) {
  return fmt::format("{}/{}", spec.project.empty() ? kNoProject : spec.project, spec.service);
}

// "shop/db" and "-/cache" to a labelled service.
std::optional<TargetSpec> LabelledByName(const RepairsConfig& config, const std::string& target,
                                         const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::string project = name.substr(0, slash);
  return Labelled(config, target, project == kNoProject ? "" : project, name.substr(slash + 1));
}

Subject OfSpec(const TargetSpec& spec) { return {spec.name, spec, ""}; }

const BackupSpec* BackupOf(const RepairSpec& repair) {
  for (const RungSpec& rung : repair.rungs) {
    if (const auto* backup = std::get_if<BackupSpec>(&rung.action)) return backup;
  }
  return nullptr;
}

bool Matches(const TargetSpec& spec, const Container& container) {
  if (container.auto_remove) return false;
  if (LabelSaysYes(container, kLabelOneOff) || !container.Label(kLabelHook).empty()) return false;
  if (!spec.container.empty()) return container.name == spec.container;
  if (!spec.label.empty() && !LabelSaysYes(container, spec.label)) return false;
  return container.Project() == spec.project && container.Service() == spec.service;
}

int NumberOf(const Container& container) {
  const std::string text = container.Number();
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

int Subject::StopTimeout(const Container& container) const {
  if (containers && containers->stop_timeout_s) return *containers->stop_timeout_s;
  const int own = container.stop_timeout_s.value_or(kStopTimeoutDefaultS);
  return std::clamp(own, 0, kStopTimeoutMaxS);
}

bool LabelSaysYes(const Container& container, const std::string& label) {
  const auto found = container.labels.find(label);
  return found != container.labels.end() && !IsNo(found->second);
}

bool LabelSaysNo(const Container& container, const std::string& label) {
  const auto found = container.labels.find(label);
  return found != container.labels.end() && IsNo(found->second);
}

Result<Subject> Targets::Choose(const RepairsConfig& config, const RepairSpec& repair,
                                const Labels& alert) const {
  if (const BackupSpec* backup = BackupOf(repair)) {
    const std::string name =
        backup->name.empty() ? std::string(alert.Get(backup->label)) : backup->name;
    if (deps_.backups == nullptr || !deps_.backups->Knows(name)) {
      return Fail(Cause::kNotFound, "no backup is named {}", Quote(name.substr(0, kNameBytesMax)));
    }
    return Subject{"backup/" + name, std::nullopt, name};
  }
  if (repair.target.empty() && repair.target_label.empty()) {
    return Subject{"host", std::nullopt, ""};
  }
  const std::string wanted =
      repair.target.empty() ? std::string(alert.Get(repair.target_label)) : repair.target;
  if (const TargetSpec* spec = config.FindTarget(wanted)) {
    if (spec->label.empty()) return OfSpec(*spec);
    // It stands for many services: the alert must say which.
    auto chosen = Labelled(config, spec->name, alert.Get("project"), alert.Get("service"));
    if (!chosen) {
      return Fail(Cause::kNotFound,
                  "target {} stands for every container with label {}, and the alert has no labels "
                  "project and service that choose one",
                  spec->name, spec->label);
    }
    return Subject{LabelledName(*chosen), *chosen, ""};
  }
  if (!repair.target_label.empty()) {
    if (const auto chosen = LabelledByName(config, "", wanted)) {
      return Subject{LabelledName(*chosen), *chosen, ""};
    }
  }
  return Fail(Cause::kNotFound, "no target is named {}", Quote(wanted.substr(0, kNameBytesMax)));
}

std::optional<Subject> Targets::FromName(const RepairsConfig& config, const RepairSpec& repair,
                                         const std::string& name) const {
  if (BackupOf(repair) != nullptr) {
    const std::string_view prefix = "backup/";
    if (!name.starts_with(prefix)) return std::nullopt;
    return Subject{name, std::nullopt, name.substr(prefix.size())};
  }
  if (name == "host" && repair.target.empty() && repair.target_label.empty()) {
    return Subject{name, std::nullopt, ""};
  }
  if (const TargetSpec* spec = config.FindTarget(name); spec != nullptr && spec->label.empty()) {
    return OfSpec(*spec);
  }
  const auto chosen = LabelledByName(config, repair.target, name);
  if (!chosen) return std::nullopt;
  return Subject{name, *chosen, ""};
}

Engine* Targets::EngineOf(const std::string& connection) const {
  const auto found = deps_.engines.find(connection);
  return found == deps_.engines.end() ? nullptr : found->second;
}

Result<std::vector<Container>> Targets::Resolve(const Subject& subject) const {
  if (!subject.containers) return std::vector<Container>{};
  const TargetSpec& spec = *subject.containers;
  Engine* engine = EngineOf(spec.connection);
  if (engine == nullptr) {
    return Fail(Cause::kNotFound, "target {}: no docker connection is named {}", subject.name,
                Quote(spec.connection));
  }
  std::vector<Container> found;
  if (!spec.container.empty()) {
    Result<Container> container = engine->Inspect(spec.container);
    if (container) {
      found.push_back(*std::move(container));
    } else if (container.error().cause != Cause::kNotFound) {
      return While("looking for target " + subject.name, container.error());
    }
  } else {
    std::vector<std::string> filters;
    if (!spec.label.empty()) filters.push_back(spec.label);
    // A container of no project is found by its name, which is no label.
    if (!spec.project.empty()) {
      filters.push_back(fmt::format("{}={}", kLabelProject, spec.project));
      filters.push_back(fmt::format("{}={}", kLabelService, spec.service));
    }
    if (filters.empty()) return found;
    Result<std::vector<Container>> listed = engine->List(filters);
    if (!listed) return While("looking for target " + subject.name, listed.error());
    found = *std::move(listed);
  }
  // An engine that ignores a filter it does not know must not widen the choice.
  std::erase_if(found, [&](const Container& container) { return !Matches(spec, container); });
  std::sort(found.begin(), found.end(), [](const Container& a, const Container& b) {
    return std::pair(NumberOf(a), a.name) < std::pair(NumberOf(b), b.name);
  });
  if (found.size() > kInstancesMax) found.resize(kInstancesMax);
  return found;
}

bool LooksSick(const Container& container) {
  if (container.state != ContainerState::kRunning) return true;
  return container.health == ContainerHealth::kUnhealthy;
}

bool LooksWell(const Container& container) {
  if (container.state != ContainerState::kRunning) return false;
  return container.health == ContainerHealth::kNone ||
         container.health == ContainerHealth::kHealthy;
}

std::vector<Container> Narrow(const std::vector<Container>& containers, const Incident& incident) {
  std::set<std::string_view> named;
  for (const Trigger& trigger : incident.triggers) {
    if (trigger.resolved) continue;
    std::string_view chosen;
    for (const char* label : {"container", "name"}) {
      const std::string_view value = trigger.labels.Get(label);
      const bool ours = std::any_of(containers.begin(), containers.end(),
                                    [&](const Container& c) { return c.name == value; });
      if (chosen.empty() && ours) chosen = value;
    }
    if (chosen.empty()) return containers;
    named.insert(chosen);
  }
  if (named.empty() || incident.triggers_dropped > 0) return containers;
  std::vector<Container> narrowed;
  for (const Container& container : containers) {
    if (named.contains(container.name)) narrowed.push_back(container);
  }
  return narrowed;
}

}  // namespace fettle::receivers

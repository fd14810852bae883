// Ladders of repairs: actions and their verification.
#include <algorithm>
#include <array>
#include <functional>

#include "common/duration.h"
#include "receivers/repairs_parts.h"

namespace fettle::receivers::repairs {

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
  CheckExpression(mapping, "expr", verify.expr, references);
  return verify;
}

namespace {

constexpr std::size_t kRungsMax = 20;

using ActionReader = std::function<ActionSpec(const yaml::Node&, const std::string& what,
                                              const References&, yaml::Complaints&)>;

ActionSpec ReadRestart(const yaml::Node& node, const std::string& what, const References&,
                       yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  static const std::vector<std::pair<std::string, bool>> words{{"dependants", true}};
  return RestartSpec{mapping.OneOf("with", false, words)};
}

template <typename Spec>
ActionSpec ReadNothing(const yaml::Node& node, const std::string& what, const References&,
                       yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  return Spec{};
}

ActionSpec ReadKill(const yaml::Node& node, const std::string& what, const References&,
                    yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  static const std::vector<std::pair<std::string, std::string>> words{
      {"HUP", "SIGHUP"}, {"USR1", "SIGUSR1"}, {"USR2", "SIGUSR2"}, {"WINCH", "SIGWINCH"}};
  KillSpec spec{mapping.OneOf("signal", std::string(), words)};
  if (!mapping.Has("signal")) mapping.Complain(mapping.place(), "\"signal\" is missing");
  return spec;
}

ActionSpec ReadDockerExec(const yaml::Node& node, const std::string& what, const References&,
                          yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  DockerExecSpec spec{mapping.List<std::string>("argv")};
  if (spec.argv.empty()) {
    mapping.Complain(mapping.place(), "\"argv\" is missing: the program and its arguments");
  }
  return spec;
}

ActionSpec ReadHttp(const yaml::Node& node, const std::string& what, const References&,
                    yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, what, complaints);
  static const std::vector<std::pair<std::string, std::string>> methods{
      {"POST", "POST"}, {"PUT", "PUT"}, {"PATCH", "PATCH"}, {"DELETE", "DELETE"}, {"GET", "GET"}};
  HttpSpec spec;
  spec.method = mapping.OneOf("method", spec.method, methods);
  spec.url = mapping.Require<std::string>("url");
  spec.idempotent = mapping.Get<bool>("idempotent", false);
  spec.http = ReadHttpConfig(mapping, "");
  const bool web = spec.url.starts_with("http://") || spec.url.starts_with("https://");
  if (!spec.url.empty() && (!web || spec.url.find('@') != std::string::npos)) {
    mapping.Complain(mapping.Child("url")->place,
                     "url must begin with http:// or https:// and hold no credentials");
  }
  return spec;
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
      {"start", ReadNothing<StartSpec>},
      {"stop", ReadNothing<StopSpec>},
      {"kill", ReadKill},
      {"docker_exec", ReadDockerExec},
      {"backup", ReadBackup},
      {"exec", ReadExec},
      {"http", ReadHttp},
      {"escalate", ReadEscalate},
  };
  return kinds;
}

constexpr std::array<std::string_view, 3> kLaterActions{"rollback", "systemd", "kubernetes"};

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

}  // namespace

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

}  // namespace fettle::receivers::repairs

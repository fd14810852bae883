#include "fettle_config.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "rules/promql/parser.h"

namespace fettle {
namespace {

std::string DirectoryOf(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

StoreRetention ReadStore(const yaml::Node* node, yaml::Complaints& complaints) {
  StoreRetention retention;
  if (node == nullptr) return retention;
  yaml::Mapping mapping(*node, "store", complaints);
  for (const char* key : {"postgres", "on_loss"}) {
    if (const yaml::Node* later = mapping.Child(key)) {
      mapping.Complain(later->place, std::string(key) + " is not supported by this version");
    }
  }
  if (const yaml::Node* kept = mapping.Child("retention")) {
    yaml::Mapping inner(*kept, "store.retention", complaints);
    retention.incidents = inner.Get<Millis>("incidents", retention.incidents);
    retention.audit = inner.Get<Millis>("audit", retention.audit);
  }
  return retention;
}

Status CheckExpression(std::string_view expression) {
  const auto parsed = promql::Parse(expression);
  if (!parsed) return tl::unexpected(parsed.error());
  return {};
}

// Repairs refer to what other sections define; an alertmanager.yml that could not be read has its
// complaints already.
receivers::References ReferencesOf(const FettleConfig& config, bool alertmanager_broken) {
  receivers::References references;
  for (const auto& [name, docker] : config.connections.docker) {
    references.docker_connections.push_back(name);
  }
  if (!alertmanager_broken) {
    references.receivers.emplace();
    references.time_intervals.emplace();
  }
  if (config.alertmanager) {
    for (const auto& receiver : config.alertmanager->receivers) {
      references.receivers->push_back(receiver.name);
    }
    for (const auto& [name, times] : config.alertmanager->time_intervals) {
      references.time_intervals->push_back(name);
    }
  }
  references.backups.emplace();
  for (const auto& job : config.backups) references.backups->push_back(job.name);
  references.check_expression = CheckExpression;
  return references;
}

void ReadReceiversSection(const yaml::Node* node, const std::string& directory,
                          FettleConfig& config, yaml::Complaints& complaints) {
  const yaml::Node nothing;
  yaml::Mapping mapping(node == nullptr ? nothing : *node, "receivers", complaints);
  config.telling = receivers::ReadTellingConfig(mapping);
  bool broken = false;
  if (!config.telling.config_file.empty()) {
    const std::string path =
        (std::filesystem::path(directory) / config.telling.config_file).string();
    errno = 0;
    if (std::ifstream(path).is_open()) {
      config.alertmanager = receivers::ReadAlertmanagerFile(path, complaints);
    } else {
      mapping.Complain(
          mapping.Child("config_file")->place,
          fmt::format("config_file: open {}: {}", path, std::generic_category().message(errno)));
    }
    broken = !config.alertmanager;
  }
  config.backups = receivers::backups::ReadBackups(mapping, config.connections);
  config.repairs = receivers::ReadRepairs(mapping, ReferencesOf(config, broken));
  receivers::GateReferences known{.budgets = {}, .check_expression = CheckExpression};
  if (config.exporter.cost) {
    for (const auto& budget : config.exporter.cost->budgets) known.budgets.push_back(budget.name);
  }
  config.gates = receivers::ReadGates(mapping, known);
}

// A section as text that only its meaning decides.
void Append(std::string& out, const yaml::Node* node) {
  if (node == nullptr) return;
  out += fmt::format("{}:{};", static_cast<int>(node->kind), node->text);
  for (const yaml::Node& item : node->items) Append(out, &item);
  for (const auto& [key, value] : node->entries) {
    out += key.text + "=";
    Append(out, &value);
  }
  out += "\n";
}

}  // namespace

FettleConfig ReadFettleConfig(const std::string& path, yaml::Complaints& complaints,
                              const promql::ParserOptions& parser) {
  FettleConfig config;
  const std::optional<yaml::Node> top = yaml::LoadFile(path, complaints);
  if (!top) return config;
  const std::string directory = DirectoryOf(path);
  yaml::Mapping mapping(*top, "", complaints);
  const yaml::Node* connections = mapping.Child("connections");
  const yaml::Node* observed = mapping.Child("exporter");
  const yaml::Node* acting = mapping.Child("receivers");
  const yaml::Node* store = mapping.Child("store");
  config.connections = ReadConnections(connections, complaints);
  config.exporter =
      exporter::ReadExporterConfig(observed, config.connections, complaints, directory);
  const yaml::Node* judging = mapping.Child("rules");
  config.rules = rules::ReadRulesConfig(judging, directory, complaints, parser, config.connections);
  ReadReceiversSection(acting, directory, config, complaints);
  config.retention = ReadStore(store, complaints);
  for (const char* key : {"alertmanagers", "alert_relabel_configs"}) {
    if (judging != nullptr) Append(config.notifier_text, judging->Find(key));
  }
  for (const char* key : {"query_url", "query_http_config"}) {
    if (judging != nullptr) Append(config.fixed_text, judging->Find(key));
  }
  Append(config.fixed_text, connections);
  Append(config.fixed_text, observed);
  Append(config.fixed_text, store);
  if (acting != nullptr) Append(config.fixed_text, acting->Find("backups"));
  if (acting != nullptr) Append(config.fixed_text, acting->Find("webhook"));
  if (acting != nullptr) Append(config.fixed_text, acting->Find("gates"));
  return config;
}

FileKind KindOfFile(const yaml::Node& node) {
  if (node.Find("groups") != nullptr) return FileKind::kRules;
  for (const char* key : {"connections", "exporter", "rules", "store"}) {
    if (node.Find(key) != nullptr) return FileKind::kFettle;
  }
  const yaml::Node* receivers = node.Find("receivers");
  if (receivers != nullptr && receivers->kind == yaml::Node::Kind::kMapping) {
    return FileKind::kFettle;
  }
  for (const char* key : {"route", "receivers", "inhibit_rules", "global"}) {
    if (node.Find(key) != nullptr) return FileKind::kAlertmanager;
  }
  for (const char* key : {"tls_server_config", "basic_auth_users", "tokens", "hmac"}) {
    if (node.Find(key) != nullptr) return FileKind::kWeb;
  }
  return FileKind::kUnknown;
}

}  // namespace fettle

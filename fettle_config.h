// fettle.yml as a whole, with the files it names: read strictly, complained about all at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/connections.h"
#include "common/yaml.h"
#include "exporter/config.h"
#include "receivers/alertmanager_config.h"
#include "receivers/backups/config.h"
#include "receivers/gates_config.h"
#include "receivers/repairs_config.h"
#include "receivers/telling_config.h"
#include "rules/config.h"

namespace fettle {

struct StoreRetention {
  Millis incidents = std::chrono::hours(90 * 24);
  Millis audit = std::chrono::hours(400 * 24);
};

// A value. What a reload can change without a restart is `rules` and `receivers` but for
// backups and gates.
struct FettleConfig {
  Connections connections;
  exporter::ExporterConfig exporter;
  rules::RulesConfig rules;
  receivers::TellingConfig telling;
  std::optional<receivers::AlertmanagerConfig> alertmanager;  // of telling.config_file
  receivers::RepairsConfig repairs;
  std::vector<receivers::backups::JobSpec> backups;
  std::vector<receivers::GateSpec> gates;
  StoreRetention retention;
  // The text of who else is told, to see whether it changed.
  std::string notifier_text;
  // The text of the sections that need a restart, to see whether they changed.
  std::string fixed_text;
};

// Meaningless if there are complaints.
FettleConfig ReadFettleConfig(const std::string& path, yaml::Complaints& complaints,
                              const promql::ParserOptions& parser = {});

// What a file is, by its top-level keys.
enum class FileKind { kFettle, kAlertmanager, kRules, kWeb, kUnknown };
FileKind KindOfFile(const yaml::Node& node);

}  // namespace fettle

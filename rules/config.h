// The `rules:` section of fettle.yml, with the rule files it names. Values.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/yaml.h"
#include "rules/alertmanagers_config.h"
#include "rules/remote_query.h"
#include "rules/rule_file.h"

namespace fettle::rules {

struct RulesConfig {
  // How often a group is evaluated that does not say it; also the step of subqueries without one.
  Millis evaluation_interval = std::chrono::seconds(15);
  // Added to every alert where absent, and known to templates.
  Labels external_labels;
  // Whether rule_files names `builtin`; without rule_files it is all there is.
  bool builtin = true;
  // Of all other rule files, in the order of their names; then those of slos.
  std::vector<GroupSpec> groups;
  // Whom rules ask.
  QueryTarget query;
  // Who else is told.
  NotifierConfig notifier;
};

// Complains about what is wrong, in the section and in the rule files. `node` may be null (no such
// section); `directory` is where relative rule_files begin.
RulesConfig ReadRulesConfig(const yaml::Node* node, const std::string& directory,
                            yaml::Complaints& complaints, const promql::ParserOptions& parser = {},
                            const Connections& connections = {});

}  // namespace fettle::rules

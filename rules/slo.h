// `rules.slos`: an objective becomes recording rules and alerts on how fast its error budget is
// spent, under the names that dashboards of sloth know.
//
// Source: sloth.dev (prometheus/v1); alerting on multiple windows and burn rates: Site Reliability
// Workbook, chapter 5. Values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/yaml.h"
#include "rules/rule_file.h"

namespace fettle::rules {

struct SloSpec {
  struct Alerting {
    bool disable = false;
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> annotations;
  };
  std::string name;
  std::string service;   // the name, if not said
  double objective = 0;  // percent
  Millis window{0};      // over which the budget is counted
  std::string bad;       // PromQL with $window
  std::string total;
  std::string error_ratio;  // in place of both
  std::map<std::string, std::string> labels;
  std::string alert_name;  // "ApiHighErrorRate", if not said
  std::map<std::string, std::string> alert_labels;
  std::map<std::string, std::string> alert_annotations;
  Alerting page;
  Alerting ticket;

  std::string Id() const { return service + "-" + name; }
};

// The list under "slos", with complaints about expressions, too.
std::vector<SloSpec> ReadSlos(yaml::Mapping& rules, const promql::ParserOptions& parser);

// Three groups: what is wrong by window, what is said about the objective, and the alerts.
std::vector<GroupSpec> SloGroups(const SloSpec& slo, const promql::ParserOptions& parser = {});

}  // namespace fettle::rules

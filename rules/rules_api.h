// GET /api/v1/rules and /api/v1/alerts, in Prometheus' shapes: what Grafana's alert list reads.
// Source: prometheus.io/docs/prometheus/latest/querying/api.
//
// Safe from any thread; each answers from one copy of how things stand.
#pragma once

#include <vector>

#include "common/http.h"
#include "rules/group_view.h"
#include "rules/manager.h"

namespace fettle::rules {

// Parameters: type=alert|record, rule_name[], rule_group[], file[], match[] (any of the selectors,
// on the rule's labels), exclude_alerts, group_limit with group_next_token. A wrong one is 400.
// `groups` are sorted by file, then name, as RuleManager::View gives them.
HttpResponse ServeRules(const std::vector<GroupView>& groups, const HttpRequest& request);
// All alerts that are pending or firing.
HttpResponse ServeAlerts(const std::vector<GroupView>& groups, const HttpRequest& request);

inline HttpResponse ServeRules(const RuleManager& rules, const HttpRequest& request) {
  return ServeRules(rules.View(), request);
}
inline HttpResponse ServeAlerts(const RuleManager& rules, const HttpRequest& request) {
  return ServeAlerts(rules.View(), request);
}

}  // namespace fettle::rules

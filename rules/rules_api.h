// GET /api/v1/rules and /api/v1/alerts, in Prometheus' shapes: what Grafana's alert list reads.
// Source: prometheus.io/docs/prometheus/latest/querying/api.
//
// Handlers are safe from any thread; they read one copy of how things stand.
#pragma once

#include <functional>
#include <vector>

#include "common/http.h"
#include "rules/group_view.h"

namespace fettle::rules {

class RulesApi {
 public:
  // Groups sorted by file, then name: RuleManager::View.
  using Source = std::function<std::vector<GroupView>()>;
  explicit RulesApi(Source source) : source_(std::move(source)) {}

  // Parameters: type=alert|record, rule_name[], rule_group[], file[], match[] (any of the
  // selectors, on the rule's labels), exclude_alerts, group_limit with group_next_token. A wrong
  // one is 400.
  HttpResponse Rules(const HttpRequest& request) const;
  // All alerts that are pending or firing.
  HttpResponse Alerts(const HttpRequest& request) const;

 private:
  const Source source_;
};

}  // namespace fettle::rules

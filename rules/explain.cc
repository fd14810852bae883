#include "rules/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "common/number.h"
#include "rules/promql/printer.h"
#include "rules/rule_watch.h"

namespace fettle::rules {
namespace {

std::set<std::string> Named(const HttpRequest& request, std::string_view parameter) {
  const std::vector<std::string> values = request.QueryAll(parameter);
  return {values.begin(), values.end()};
}

std::string ListNeverFound(const RuleView& rule) {
  std::string out;
  for (const SelectorView& selector : rule.selectors) {
    if (!selector.found) out += (out.empty() ? "" : ", ") + selector.text;
  }
  return out;
}

void WriteLabelsOf(JsonWriter& json, const Labels& labels) {
  json.Key("labels").BeginObject();
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.EndObject();
}

void WriteSelectors(JsonWriter& json, const RuleView& rule, const ExplainDeps& deps, Time now) {
  json.Key("selectors").BeginArray();
  for (const SelectorView& selector : rule.selectors) {
    json.BeginObject().Field("selector", selector.text).Field("everFound", selector.found);
    const Time to = now - selector.offset;
    if (const auto series = deps.query.CountSeries(selector.matchers, to - selector.window, to)) {
      json.Field("series", static_cast<std::int64_t>(*series));
    }
    json.EndObject();
  }
  json.EndArray();
}

void WriteEvaluations(JsonWriter& json, const RuleView& rule) {
  json.Key("evaluations").BeginArray();
  for (const EvaluationView& one : rule.evaluations) {
    json.BeginObject()
        .Field("at", FormatRfc3339(one.at))
        .Field("seconds", one.seconds)
        .Field("samplesRead", static_cast<std::int64_t>(one.samples_read))
        .Field("returned", static_cast<std::int64_t>(one.returned));
    if (!one.error.empty()) json.Field("error", one.error);
    json.EndObject();
  }
  json.EndArray();
}

// What the condition compares, with its values now.
void WriteValues(JsonWriter& json, const RuleView& rule, const ExplainDeps& deps, Time now) {
  const promql::Expr* const side = ValueSide(*rule.spec.tree);
  if (side == nullptr) return;
  const std::string text = promql::Print(*side);
  json.Field("compares", text);
  Result<RuleAnswer> found = deps.query.Ask(*side, text, now, deps.clock.Now().boot + deps.timeout);
  if (!found) {
    json.Field("valuesError", found.error().message);
    return;
  }
  promql::Vector& values = found->vector;
  std::erase_if(values, [](const auto& element) { return element.histogram != nullptr; });
  json.Field("valuesTotal", static_cast<std::int64_t>(values.size()));
  std::stable_sort(values.begin(), values.end(),
                   [](const auto& a, const auto& b) { return a.value > b.value; });
  if (values.size() > kExplainedValuesMax) values.resize(kExplainedValuesMax);
  json.Key("values").BeginArray();
  for (const promql::Element& element : values) {
    json.BeginObject();
    WriteLabelsOf(json, *element.labels);
    json.Field("value", FormatFloat(element.value)).EndObject();
  }
  json.EndArray();
}

}  // namespace

std::string WhyNotFiring(const RuleView& rule, Time now) {
  if (rule.status.health == RuleHealth::kErr) {
    return "its last evaluation failed: " + rule.status.last_error;
  }
  if (rule.status.health == RuleHealth::kUnknown) return "it has not been evaluated yet";
  if (rule.spec.kind != RuleSpec::Kind::kAlerting || rule.state == AlertState::kInactive) {
    if (rule.dead) return "no series was ever found for " + ListNeverFound(rule);
    if (rule.status.returned > 0) return "";
    if (!rule.selectors.empty() && rule.status.samples_read == 0) {
      return "its selectors find no series now";
    }
    return fmt::format("the condition is true for none of the {} samples it read",
                       rule.status.samples_read);
  }
  if (rule.state == AlertState::kFiring) return "";
  Time first = Time::max();
  for (const ActiveAlert& alert : rule.alerts) first = std::min(first, alert.active_at);
  const Millis left = std::max(Millis(0), first + rule.spec.hold - now);
  return fmt::format("the condition is true since {}, and must stay so for {} more",
                     FormatRfc3339(first), FormatDuration(left));
}

HttpResponse ServeExplained(const std::vector<GroupView>& groups, const ExplainDeps& deps,
                            const HttpRequest& request) {
  const Time now = deps.clock.Now().wall;
  const std::set<std::string> files = Named(request, "file[]");
  const std::set<std::string> group_names = Named(request, "rule_group[]");
  const std::set<std::string> names = Named(request, "rule_name[]");
  const bool only_dead = request.Query("dead").value_or("") == "true";
  JsonWriter json;
  json.BeginObject().Key("rules").BeginArray();
  for (const GroupView& group : groups) {
    if (!files.empty() && !files.contains(group.file)) continue;
    if (!group_names.empty() && !group_names.contains(group.name)) continue;
    for (const RuleView& rule : group.rules) {
      if (!names.empty() && !names.contains(rule.spec.name)) continue;
      if (only_dead && !rule.dead) continue;
      const bool alerting = rule.spec.kind == RuleSpec::Kind::kAlerting;
      json.BeginObject()
          .Field("file", group.file)
          .Field("group", group.name)
          .Field("name", rule.spec.name)
          .Field("type", alerting ? "alerting" : "recording")
          .Field("query", promql::Print(*rule.spec.tree))
          .Field("health", ToString(rule.status.health));
      if (alerting) json.Field("state", ToString(rule.state));
      json.Field("why", WhyNotFiring(rule, now))
          .Field("dead", rule.dead)
          .Field("samplesRead", static_cast<std::int64_t>(rule.status.samples_read))
          .Field("returned", static_cast<std::int64_t>(rule.status.returned));
      WriteSelectors(json, rule, deps, now);
      if (!names.empty()) WriteValues(json, rule, deps, now);
      WriteEvaluations(json, rule);
      json.EndObject();
    }
  }
  json.EndArray().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

}  // namespace fettle::rules

#include "rules/rules_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "common/matcher.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"

namespace fettle::rules {
namespace {

// What a request wants to see.
struct Filter {
  std::optional<RuleSpec::Kind> kind;
  std::set<std::string> names;
  std::set<std::string> groups;
  std::set<std::string> files;
  std::vector<Matchers> selectors;  // any of them; none: all
  bool exclude_alerts = false;
  std::size_t group_limit = 0;  // 0: all
  std::string next_token;
};

HttpResponse Success(JsonWriter data) {
  JsonWriter json;
  json.BeginObject().Field("status", "success").Key("data").Raw(data.Take()).EndObject();
  return JsonResponse(200, json.Take());
}

HttpResponse BadData(const Error& error) {
  JsonWriter json;
  json.BeginObject()
      .Field("status", "error")
      .Field("errorType", "bad_data")
      .Field("error", error.message)
      .EndObject();
  return JsonResponse(400, json.Take());
}

tl::unexpected<Error> InvalidParameter(std::string_view name, std::string_view reason) {
  return Fail(Cause::kInvalid, "invalid parameter {}: {}", Quote(name), reason);
}

std::set<std::string> Wanted(const HttpRequest& request, std::string_view name) {
  const std::vector<std::string> values = request.QueryAll(name);
  return {values.begin(), values.end()};
}

Status ReadKind(const HttpRequest& request, Filter& filter) {
  const std::string type = request.Query("type").value_or("");
  if (type == "alert") {
    filter.kind = RuleSpec::Kind::kAlerting;
  } else if (type == "record") {
    filter.kind = RuleSpec::Kind::kRecording;
  } else if (!type.empty()) {
    return InvalidParameter("type", "not supported value " + Quote(type));
  }
  return {};
}

// As Go's strconv.ParseBool.
std::optional<bool> ParseBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"", "0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

Status ReadPaging(const HttpRequest& request, Filter& filter) {
  const std::string limit = request.Query("group_limit").value_or("");
  filter.next_token = request.Query("group_next_token").value_or("");
  if (limit.empty()) {
    if (filter.next_token.empty()) return {};
    return InvalidParameter("group_next_token",
                            "group_limit needs to be present in order to paginate over the groups");
  }
  std::int32_t number = 0;
  const char* const end = limit.data() + limit.size();
  const auto read = std::from_chars(limit.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) {
    return InvalidParameter("group_limit", "group_limit needs to be a valid number");
  }
  if (number <= 0) return InvalidParameter("group_limit", "group_limit needs to be greater than 0");
  filter.group_limit = static_cast<std::size_t>(number);
  return {};
}

Result<Filter> ReadFilter(const HttpRequest& request) {
  Filter filter;
  if (Status kind = ReadKind(request, filter); !kind) return tl::unexpected(kind.error());
  filter.names = Wanted(request, "rule_name[]");
  filter.groups = Wanted(request, "rule_group[]");
  filter.files = Wanted(request, "file[]");
  for (const std::string& text : request.QueryAll("match[]")) {
    Result<Matchers> selector = promql::ParseSelector(text);
    if (!selector) return InvalidParameter("match[]", selector.error().message);
    filter.selectors.push_back(*std::move(selector));
  }
  const std::string exclude = request.Query("exclude_alerts").value_or("");
  const std::optional<bool> excluded = ParseBool(exclude);
  if (!excluded) {
    return InvalidParameter("exclude_alerts",
                            "error converting exclude_alerts: strconv.ParseBool: parsing " +
                                Quote(exclude) + ": invalid syntax");
  }
  filter.exclude_alerts = *excluded;
  if (Status paging = ReadPaging(request, filter); !paging) return tl::unexpected(paging.error());
  return filter;
}

bool Wants(const Filter& filter, const RuleSpec& rule) {
  if (filter.kind && *filter.kind != rule.kind) return false;
  if (!filter.names.empty() && !filter.names.contains(rule.name)) return false;
  if (filter.selectors.empty()) return true;
  const Labels labels(std::vector<Labels::Pair>(rule.labels.begin(), rule.labels.end()));
  return std::any_of(filter.selectors.begin(), filter.selectors.end(),
                     [&](const Matchers& selector) { return MatchAll(selector, labels); });
}

bool Wants(const Filter& filter, const GroupView& group) {
  return (filter.groups.empty() || filter.groups.contains(group.name)) &&
         (filter.files.empty() || filter.files.contains(group.file));
}

// Go's RFC3339Nano: no zeros at the end of the fraction.
std::string FormatTime(const std::optional<Time>& time) {
  std::string text = FormatRfc3339(time.value_or(Time{}));
  if (text.find('.') == std::string::npos) return text;
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "Z";
}

// strconv.FormatFloat(v, 'e', -1, 64): "1e+00".
std::string FormatScientific(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 40> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific)
                       .ptr;
  return {buffer.data(), end};
}

template <typename Map>
void WriteTexts(JsonWriter& json, std::string_view key, const Map& texts) {
  json.Key(key).BeginObject();
  for (const auto& [name, value] : texts) json.Field(name, value);
  json.EndObject();
}

void WriteAlert(JsonWriter& json, const ActiveAlert& alert) {
  json.BeginObject();
  WriteTexts(json, "labels", alert.labels);
  WriteTexts(json, "annotations", alert.annotations);
  json.Field("state", ToString(alert.state)).Field("activeAt", FormatTime(alert.active_at));
  if (alert.keep_firing_since) json.Field("keepFiringSince", FormatTime(alert.keep_firing_since));
  json.Field("value", FormatScientific(alert.value)).EndObject();
}

void WriteStatus(JsonWriter& json, const RuleStatus& status) {
  json.Field("health", ToString(status.health));
  if (!status.last_error.empty()) json.Field("lastError", status.last_error);
  json.Field("evaluationTime", status.evaluation_seconds)
      .Field("lastEvaluation", FormatTime(status.last_evaluation));
}

void WriteAlerting(JsonWriter& json, const RuleView& rule, bool exclude_alerts) {
  const bool known = rule.status.health != RuleHealth::kUnknown || !rule.alerts.empty();
  json.Field("state", known ? ToString(rule.state) : "unknown")
      .Field("name", rule.spec.name)
      .Field("query", promql::Print(*rule.spec.tree))
      .Field("duration", ToSeconds(rule.spec.hold))
      .Field("keepFiringFor", ToSeconds(rule.spec.keep_firing_for));
  WriteTexts(json, "labels", rule.spec.labels);
  WriteTexts(json, "annotations", rule.spec.annotations);
  json.Key("alerts").BeginArray();
  if (!exclude_alerts) {
    for (const ActiveAlert& alert : rule.alerts) WriteAlert(json, alert);
  }
  json.EndArray();
  WriteStatus(json, rule.status);
  json.Field("type", "alerting");
}

void WriteRecording(JsonWriter& json, const RuleView& rule) {
  json.Field("name", rule.spec.name).Field("query", promql::Print(*rule.spec.tree));
  if (!rule.spec.labels.empty()) WriteTexts(json, "labels", rule.spec.labels);
  WriteStatus(json, rule.status);
  json.Field("type", "recording");
}

void WriteGroup(JsonWriter& json, const GroupView& group, const std::vector<const RuleView*>& rules,
                const Filter& filter) {
  json.BeginObject().Field("name", group.name).Field("file", group.file);
  json.Key("rules").BeginArray();
  for (const RuleView* rule : rules) {
    json.BeginObject();
    if (rule->spec.kind == RuleSpec::Kind::kAlerting) {
      WriteAlerting(json, *rule, filter.exclude_alerts);
    } else {
      WriteRecording(json, *rule);
    }
    json.EndObject();
  }
  json.EndArray()
      .Field("interval", ToSeconds(group.interval))
      .Field("limit", group.limit)
      .Field("evaluationTime", group.evaluation_seconds)
      .Field("lastEvaluation", FormatTime(group.last_evaluation))
      .EndObject();
}

// What continues a page: opaque to the client.
std::string TokenOf(const GroupView& group) {
  return Labels{{"file", group.file}, {"name", group.name}}.FingerprintHex();
}

}  // namespace

HttpResponse ServeRules(const std::vector<GroupView>& groups, const HttpRequest& request) {
  const Result<Filter> filter = ReadFilter(request);
  if (!filter) return BadData(filter.error());
  JsonWriter data;
  data.BeginObject().Key("groups").BeginArray();
  std::string next_token;
  std::size_t shown = 0;
  bool begun = filter->next_token.empty();
  for (const GroupView& group : groups) {
    begun = begun || TokenOf(group) == filter->next_token;
    if (!begun || !Wants(*filter, group)) continue;
    std::vector<const RuleView*> rules;
    for (const RuleView& rule : group.rules) {
      if (Wants(*filter, rule.spec)) rules.push_back(&rule);
    }
    if (rules.empty()) continue;
    if (filter->group_limit > 0 && shown == filter->group_limit) {
      next_token = TokenOf(group);
      break;
    }
    WriteGroup(data, group, rules, *filter);
    ++shown;
  }
  if (!begun) {
    const auto wrong = InvalidParameter(
        "group_next_token", fmt::format("invalid group_next_token '{}'. were rule groups changed?",
                                        filter->next_token));
    return BadData(wrong.value());
  }
  data.EndArray();
  if (!next_token.empty()) data.Field("groupNextToken", next_token);
  data.EndObject();
  return Success(std::move(data));
}

HttpResponse ServeAlerts(const std::vector<GroupView>& groups, const HttpRequest&) {
  JsonWriter data;
  data.BeginObject().Key("alerts").BeginArray();
  for (const GroupView& group : groups) {
    for (const RuleView& rule : group.rules) {
      for (const ActiveAlert& alert : rule.alerts) WriteAlert(data, alert);
    }
  }
  data.EndArray().EndObject();
  return Success(std::move(data));
}

}  // namespace fettle::rules

#include "rules/series_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "common/json.h"
#include "common/utf8.h"
#include "rules/api_answer.h"
#include "rules/query_json.h"
#include "rules/query_params.h"
#include "rules/samples/selection.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kTruncated = "results truncated due to limit";

// The whole of what is stored; no arithmetic on it overflows.
constexpr Time kTimeMin = Time(Millis(std::numeric_limits<std::int64_t>::min() / 4));
constexpr Time kTimeMax = Time(Millis(std::numeric_limits<std::int64_t>::max() / 4));

// What series, labels and label values are asked for.
struct Scope {
  std::size_t limit = 0;
  Time from;  // exclusive
  Time to;
  std::vector<Matchers> selectors;
};

Result<Scope> ReadScope(const QueryParams& params) {
  const Result<std::size_t> limit = params.GetLimit();
  if (!limit) return tl::unexpected(limit.error());
  const Result<Time> start = params.GetTimeOr("start", kTimeMin);
  if (!start) return tl::unexpected(start.error());
  const Result<Time> end = params.GetTimeOr("end", kTimeMax);
  if (!end) return tl::unexpected(end.error());
  return Scope{*limit, std::max(*start, kTimeMin) - Millis(1), std::min(*end, kTimeMax), {}};
}

ApiBody Names(const std::set<std::string>& names, std::size_t limit) {
  ApiBody body;
  JsonWriter json;
  json.BeginArray();
  std::size_t left = limit == 0 ? names.size() : limit;
  for (const std::string& name : names) {
    if (left-- == 0) break;
    json.String(name);
  }
  json.EndArray();
  if (limit > 0 && names.size() > limit) body.warnings.emplace_back(kTruncated);
  body.data = json.Take();
  return body;
}

// Names or values of the selected series: read(matchers, scope, limit) for each selector.
template <typename Read>
Result<ApiBody> List(const HttpRequest& request, const Read& read) {
  const QueryParams params(request);
  Result<Scope> scope = ReadScope(params);
  if (!scope) return tl::unexpected(scope.error());
  Result<std::vector<Matchers>> selectors = params.GetSelectors();
  if (!selectors) return tl::unexpected(selectors.error());
  if (selectors->empty()) selectors->emplace_back();
  std::set<std::string> names;
  // One more than the limit tells that there are more.
  const std::size_t limit = scope->limit == 0 ? 0 : scope->limit + 1;
  for (const Matchers& matchers : *selectors) {
    for (std::string& name : read(matchers, *scope, limit)) names.insert(std::move(name));
  }
  return Names(names, scope->limit);
}

Result<ApiBody> ListSeries(const SampleStore& samples, const HttpRequest& request) {
  const QueryParams params(request);
  if (params.GetAll("match[]").empty()) {
    return Fail(Cause::kInvalid, "no match[] parameter provided");
  }
  const Result<Scope> scope = ReadScope(params);
  if (!scope) return tl::unexpected(scope.error());
  const Result<std::vector<Matchers>> selectors = params.GetSelectors();
  if (!selectors) return InvalidParameter("match[]", selectors.error());
  const auto before = [](const LabelsPtr& a, const LabelsPtr& b) { return *a < *b; };
  std::set<LabelsPtr, decltype(before)> found(before);
  for (const Matchers& matchers : *selectors) {
    const Selection selection = samples.Select(matchers, scope->from, scope->to);
    for (std::size_t i = 0; i < selection.size(); ++i) found.insert(selection.labels(i));
  }
  ApiBody body;
  JsonWriter json;
  json.BeginArray();
  std::size_t left = scope->limit == 0 ? found.size() : scope->limit;
  for (const LabelsPtr& labels : found) {
    if (left-- == 0) break;
    WriteLabels(*labels, json);
  }
  json.EndArray();
  if (scope->limit > 0 && found.size() > scope->limit) body.warnings.emplace_back(kTruncated);
  body.data = json.Take();
  return body;
}

std::string WriteExemplars(const std::vector<ExemplarSeries>& found) {
  JsonWriter json;
  json.BeginArray();
  for (const ExemplarSeries& series : found) {
    json.BeginObject().Key("seriesLabels");
    WriteLabels(series.series, json);
    json.Key("exemplars").BeginArray();
    for (const Exemplar& exemplar : series.exemplars) {
      std::string value;
      AppendSampleValue(exemplar.value, value);
      std::string at;
      AppendTimestamp(ToMillis(exemplar.at), at);
      json.BeginObject().Key("labels");
      WriteLabels(exemplar.labels, json);
      json.Field("value", value).Key("timestamp").Raw(at).EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray();
  return json.Take();
}

// A count of metadata, -1 if absent or not positive enough to limit anything.
Result<std::int64_t> ReadCount(const QueryParams& params, std::string_view name) {
  const Result<std::optional<std::int64_t>> count = params.GetInteger(name);
  if (!count) return Fail(Cause::kInvalid, "{} must be a number", name);
  return count->value_or(-1);
}

Result<ApiBody> ListMetadata(const std::vector<MetricMetadata>& all, const QueryParams& params) {
  const Result<std::int64_t> limit = ReadCount(params, "limit");
  if (!limit) return tl::unexpected(limit.error());
  const Result<std::int64_t> per_metric = ReadCount(params, "limit_per_metric");
  if (!per_metric) return tl::unexpected(per_metric.error());
  const std::string wanted = params.Get("metric");
  std::map<std::string_view, std::vector<const MetricMetadata*>> by_name;
  for (const MetricMetadata& one : all) {
    if (wanted.empty() || one.name == wanted) by_name[one.name].push_back(&one);
  }
  JsonWriter json;
  json.BeginObject();
  std::int64_t metrics = 0;
  for (const auto& [name, list] : by_name) {
    if (*limit >= 0 && metrics++ >= *limit) break;
    json.Key(name).BeginArray();
    std::int64_t shown = 0;
    for (const MetricMetadata* one : list) {
      if (*per_metric > 0 && shown++ >= *per_metric) break;
      json.BeginObject().Field("type", ToString(one->type)).Field("help", one->help);
      json.Field("unit", one->unit).EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
  return ApiBody{json.Take()};
}

}  // namespace

HttpResponse SeriesApi::Series(const HttpRequest& request) const {
  return ApiRespond(ListSeries(deps_.samples, request));
}

HttpResponse SeriesApi::LabelNames(const HttpRequest& request) const {
  return ApiRespond(
      List(request, [&](const Matchers& matchers, const Scope& scope, std::size_t limit) {
        return deps_.samples.LabelNames(matchers, scope.from, scope.to, limit);
      }));
}

HttpResponse SeriesApi::LabelValues(const HttpRequest& request) const {
  constexpr std::string_view kPrefix = "/api/v1/label/";
  constexpr std::string_view kSuffix = "/values";
  const std::string path = request.Path();
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix) ||
      path.size() <= kPrefix.size() + kSuffix.size()) {
    return TextResponse(404, "404 page not found\n");
  }
  const std::string name =
      UnescapeLabelName(path.substr(kPrefix.size(), path.size() - kPrefix.size() - kSuffix.size()));
  if (name.empty() || !IsUtf8(name)) {
    return ApiFailure({fmt::format("invalid label name: {}", Quote(name)), Cause::kInvalid});
  }
  return ApiRespond(
      List(request, [&](const Matchers& matchers, const Scope& scope, std::size_t limit) {
        return deps_.samples.LabelValues(name, matchers, scope.from, scope.to, limit);
      }));
}

HttpResponse SeriesApi::Exemplars(const HttpRequest& request) const {
  const QueryParams params(request);
  const Result<Time> start = params.GetTimeOr("start", kTimeMin);
  if (!start) return ApiFailure(start.error());
  const Result<Time> end = params.GetTimeOr("end", kTimeMax);
  if (!end) return ApiFailure(end.error());
  if (*end < *start) {
    return ApiFailure({"end timestamp must not be before start timestamp", Cause::kInvalid});
  }
  const Result<promql::ExprPtr> expr = promql::Parse(params.Get("query"), parser_);
  if (!expr) return ApiFailure(expr.error());
  std::vector<Matchers> selectors;
  for (const promql::VectorSelector* selector : promql::Selectors(**expr)) {
    selectors.push_back(selector->matchers);
  }
  // As upstream: who asks for the exemplars of no series at all gets no content at all.
  if (selectors.empty()) return {.status = 204};
  if (!deps_.exemplars) return ApiSuccess({"[]"});
  return ApiSuccess({WriteExemplars(deps_.exemplars(selectors, *start, *end))});
}

HttpResponse SeriesApi::Metadata(const HttpRequest& request) const {
  const std::vector<MetricMetadata> all =
      deps_.metadata ? deps_.metadata() : std::vector<MetricMetadata>();
  return ApiRespond(ListMetadata(all, QueryParams(request)));
}

HttpResponse SeriesApi::TargetMetadata(const HttpRequest& request) const {
  const QueryParams params(request);
  const Result<std::int64_t> limit = ReadCount(params, "limit");
  if (!limit) return ApiFailure(limit.error());
  const Labels target{{"job", "fettle"}};
  if (const std::string text = params.Get("match_target"); !text.empty()) {
    const Result<Matchers> matchers = promql::ParseSelector(text);
    if (!matchers) return ApiFailure(InvalidParameter("match_target", matchers.error()).value());
    const auto matches = [&](const Matcher& matcher) { return matcher.Matches(target); };
    if (!std::all_of(matchers->begin(), matchers->end(), matches)) return ApiSuccess({"[]"});
  }
  const std::string metric = params.Get("metric");
  JsonWriter json;
  json.BeginArray();
  std::int64_t shown = 0;
  for (const MetricMetadata& one :
       deps_.metadata ? deps_.metadata() : std::vector<MetricMetadata>()) {
    if (!metric.empty() && one.name != metric) continue;
    if (*limit >= 0 && shown++ >= *limit) break;
    json.BeginObject().Key("target");
    WriteLabels(target, json);
    if (metric.empty()) json.Field("metric", one.name);
    json.Field("type", ToString(one.type)).Field("help", one.help).Field("unit", one.unit);
    json.EndObject();
  }
  json.EndArray();
  return ApiSuccess({json.Take()});
}

void SeriesApi::AddRoutes(Router& router) const {
  using Handler = HttpResponse (SeriesApi::*)(const HttpRequest&) const;
  const auto add = [&](const char* path, Handler handler, bool post = true) {
    const HttpHandler serve = [this, handler](const HttpRequest& r) { return (this->*handler)(r); };
    router.Add("GET", path, Role::kRead, serve);
    if (post) router.Add("POST", path, Role::kRead, serve);
  };
  add("/api/v1/series", &SeriesApi::Series);
  add("/api/v1/labels", &SeriesApi::LabelNames);
  add("/api/v1/label/", &SeriesApi::LabelValues, false);
  add("/api/v1/query_exemplars", &SeriesApi::Exemplars);
  add("/api/v1/metadata", &SeriesApi::Metadata, false);
  add("/api/v1/targets/metadata", &SeriesApi::TargetMetadata, false);
}

}  // namespace fettle::rules

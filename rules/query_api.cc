#include "rules/query_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <semaphore>
#include <set>
#include <utility>

#include "common/json.h"
#include "rules/promql/printer.h"
#include "rules/query_json.h"
#include "rules/query_params.h"
#include "rules/samples/selection.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kTruncated = "results truncated due to limit";

// The whole of what is stored; no arithmetic on it overflows.
constexpr Time kTimeMin = Time(Millis(std::numeric_limits<std::int64_t>::min() / 4));
constexpr Time kTimeMax = Time(Millis(std::numeric_limits<std::int64_t>::max() / 4));

// An answer's data and what is to be said beside it.
struct Body {
  std::string data;
  std::vector<std::string> warnings{};
  std::vector<std::string> infos{};
};

void WriteTexts(std::string_view key, const std::vector<std::string>& texts, JsonWriter& json) {
  if (texts.empty()) return;
  json.Key(key).BeginArray();
  for (const std::string& text : texts) json.String(text);
  json.EndArray();
}

HttpResponse Success(const Body& body) {
  JsonWriter json;
  json.BeginObject().Field("status", "success").Key("data").Raw(body.data);
  WriteTexts("warnings", body.warnings, json);
  WriteTexts("infos", body.infos, json);
  json.EndObject();
  return JsonResponse(200, json.Take());
}

HttpResponse Failure(const Error& error) {
  int status = 422;
  const char* type = "execution";
  if (error.cause == Cause::kInvalid) {
    status = 400;
    type = "bad_data";
  } else if (error.cause == Cause::kTimeout) {
    status = 503;
    type = "timeout";
  }
  JsonWriter json;
  json.BeginObject().Field("status", "error").Field("errorType", type);
  json.Field("error", error.message).EndObject();
  return JsonResponse(status, json.Take());
}

HttpResponse Respond(const Result<Body>& body) {
  return body ? Success(*body) : Failure(body.error());
}

Body Names(const std::set<std::string>& names, std::size_t limit) {
  Body body;
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

// What series, labels and label values are asked for.
struct Scope {
  std::vector<Matchers> selectors;
  Time from;  // exclusive
  Time to;
  std::size_t limit = 0;
};

Result<Scope> ReadScope(const QueryParams& params) {
  const Result<Time> start = params.GetTime("start", kTimeMin);
  if (!start) return tl::unexpected(start.error());
  const Result<Time> end = params.GetTime("end", kTimeMax);
  if (!end) return tl::unexpected(end.error());
  const Result<std::size_t> limit = params.GetLimit();
  if (!limit) return tl::unexpected(limit.error());
  Result<std::vector<Matchers>> selectors = params.GetSelectors();
  if (!selectors) return tl::unexpected(selectors.error());
  return Scope{std::move(*selectors), std::max(*start, kTimeMin) - Millis(1),
               std::min(*end, kTimeMax), *limit};
}

}  // namespace

struct QueryApi::Impl {
  Impl(Deps d, Options o)
      : deps(d),
        options(std::move(o)),
        places(static_cast<std::ptrdiff_t>(options.queries_max)),
        running(deps.metrics.Gauge("prometheus_engine_queries",
                                   "The current number of queries being executed or waiting.")),
        samples_total(deps.metrics.Counter("prometheus_engine_query_samples_total",
                                           "The total number of samples loaded by all queries.")),
        duration(deps.metrics.Histogram("prometheus_engine_query_duration_seconds",
                                        "Query timings.", {.01, .1, .5, 1, 5, 10, 30, 60, 120})) {
    deps.metrics
        .Gauge("prometheus_engine_queries_concurrent_max", "The max number of concurrent queries.")
        .Set(static_cast<double>(options.queries_max));
  }

  const Deps deps;
  const Options options;
  std::counting_semaphore<> places;
  prometheus::Gauge& running;
  prometheus::Counter& samples_total;
  prometheus::Histogram& duration;

  // What both kinds of queries have in common.
  struct Asked {
    std::string text;
    promql::ExprPtr expr;
    promql::Engine engine;
    Millis timeout;
    std::size_t limit;
    bool stats;
  };

  Result<Asked> Read(const QueryParams& params) const {
    const Result<std::size_t> limit = params.GetLimit();
    if (!limit) return tl::unexpected(limit.error());
    const Result<std::optional<Millis>> timeout = params.GetDuration("timeout");
    if (!timeout) return tl::unexpected(timeout.error());
    const Result<std::optional<Millis>> lookback = params.GetDuration("lookback_delta");
    if (!lookback) return tl::unexpected(lookback.error());
    std::string text = params.Get("query");
    Result<promql::ExprPtr> expr = promql::Parse(text, options.parser);
    if (!expr) return InvalidParameter("query", expr.error());
    return Asked{std::move(text),
                 std::move(*expr),
                 *lookback ? deps.engine.WithLookback(**lookback) : deps.engine,
                 std::min(timeout->value_or(options.timeout), options.timeout),
                 *limit,
                 !params.Get("stats").empty()};
  }

  // Waits for a place, then runs it.
  template <typename Run>
  Result<Body> Execute(const Asked& asked, const Run& run) {
    const BootTime begin = deps.clock.Now().boot;
    running.Increment();
    const bool placed = places.try_acquire() || places.try_acquire_for(asked.timeout);
    Result<promql::Answer> answer =
        placed ? run(begin + asked.timeout)
               : Result<promql::Answer>(Fail(Cause::kTimeout, "query timed out in query queue"));
    if (placed) places.release();
    running.Decrement();
    const double seconds = ToSeconds(deps.clock.Now().boot - begin);
    duration.Observe(seconds);
    if (!answer) return tl::unexpected(answer.error());
    samples_total.Increment(static_cast<double>(answer->samples));
    return Write(asked, *answer, seconds);
  }

  static Body Write(const Asked& asked, const promql::Answer& answer, double seconds) {
    JsonWriter json;
    const WrittenValue written = WriteValue(answer.value, asked.limit, json);
    AnnotationTexts texts = ShowAnnotations(answer.annotations, asked.text);
    Body body{json.Take(), std::move(texts.warnings), std::move(texts.infos)};
    if (written.truncated) body.warnings.emplace_back(kTruncated);
    if (asked.stats) {
      JsonWriter stats;
      stats.BeginObject().Key("timings").BeginObject();
      stats.Field("evalTotalTime", seconds).Field("execTotalTime", seconds).EndObject();
      stats.Key("samples").BeginObject();
      stats.Field("totalQueryableSamples", static_cast<std::int64_t>(answer.samples));
      stats.Field("peakSamples", static_cast<std::int64_t>(answer.samples_peak));
      stats.EndObject().EndObject();
      body.data.insert(body.data.size() - 1, ",\"stats\":" + stats.Take());
    }
    return body;
  }

  Result<Body> Query(const HttpRequest& request) {
    const QueryParams params(request);
    const Result<Time> at = params.GetTime("time", deps.clock.Now().wall);
    if (!at) return tl::unexpected(at.error());
    const Result<Asked> asked = Read(params);
    if (!asked) return tl::unexpected(asked.error());
    return Execute(*asked, [&](BootTime deadline) {
      return asked->engine.Instant(*asked->expr, *at, deadline);
    });
  }

  Result<Body> QueryRange(const HttpRequest& request) {
    const QueryParams params(request);
    const Result<Time> start = params.GetTime("start", std::nullopt);
    if (!start) return tl::unexpected(start.error());
    const Result<Time> end = params.GetTime("end", std::nullopt);
    if (!end) return tl::unexpected(end.error());
    const auto bad = [](std::string_view name, std::string why) {
      return InvalidParameter(name, {std::move(why), Cause::kInvalid});
    };
    if (*end < *start) return bad("end", "end timestamp must not be before start time");
    const Result<std::optional<Millis>> step = params.GetDuration("step");
    if (!step) return tl::unexpected(step.error());
    if (!*step) return bad("step", "cannot parse \"\" to a valid duration");
    if (**step <= Millis(0)) {
      return bad("step",
                 "zero or negative query resolution step widths are not accepted. Try a positive "
                 "integer");
    }
    if ((*end - *start) / **step > kPointsMax) {
      return Fail(Cause::kInvalid,
                  "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
                  "query resolution (?step=XX)");
    }
    const Result<Asked> asked = Read(params);
    if (!asked) return tl::unexpected(asked.error());
    const promql::ValueType type = (*asked->expr).type;
    if (type != promql::ValueType::kScalar && type != promql::ValueType::kVector) {
      return bad("query",
                 fmt::format("invalid expression type {} for range query, must be Scalar or "
                             "instant Vector",
                             Quote(promql::ToString(type))));
    }
    return Execute(*asked, [&](BootTime deadline) {
      return asked->engine.Range(*asked->expr, *start, *end, **step, deadline);
    });
  }

  Result<Body> Series(const HttpRequest& request) const {
    const QueryParams params(request);
    if (params.GetAll("match[]").empty()) {
      return Fail(Cause::kInvalid, "no match[] parameter provided");
    }
    const Result<Scope> scope = ReadScope(params);
    if (!scope) return tl::unexpected(scope.error());
    const auto before = [](const LabelsPtr& a, const LabelsPtr& b) { return *a < *b; };
    std::set<LabelsPtr, decltype(before)> found(before);
    for (const Matchers& matchers : scope->selectors) {
      const Selection selection = deps.samples.Select(matchers, scope->from, scope->to);
      for (std::size_t i = 0; i < selection.size(); ++i) found.insert(selection.labels(i));
    }
    Body body;
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

  // Names or values of the selected series: read(matchers, scope) for each selector.
  template <typename Read>
  static Result<Body> List(const HttpRequest& request, const Read& read) {
    Result<Scope> scope = ReadScope(QueryParams(request));
    if (!scope) return tl::unexpected(scope.error());
    if (scope->selectors.empty()) scope->selectors.emplace_back();
    std::set<std::string> names;
    // One more than the limit tells that there are more.
    const std::size_t limit = scope->limit == 0 ? 0 : scope->limit + 1;
    for (const Matchers& matchers : scope->selectors) {
      for (std::string& name : read(matchers, *scope, limit)) names.insert(std::move(name));
    }
    return Names(names, scope->limit);
  }
};

QueryApi::QueryApi(Deps deps, Options options)
    : impl_(std::make_unique<Impl>(deps, std::move(options))) {}
QueryApi::~QueryApi() = default;

HttpResponse QueryApi::Query(const HttpRequest& request) { return Respond(impl_->Query(request)); }

HttpResponse QueryApi::QueryRange(const HttpRequest& request) {
  return Respond(impl_->QueryRange(request));
}

HttpResponse QueryApi::Series(const HttpRequest& request) {
  return Respond(impl_->Series(request));
}

HttpResponse QueryApi::LabelNames(const HttpRequest& request) {
  return Respond(
      Impl::List(request, [&](const Matchers& matchers, const Scope& scope, std::size_t limit) {
        return impl_->deps.samples.LabelNames(matchers, scope.from, scope.to, limit);
      }));
}

HttpResponse QueryApi::LabelValues(const HttpRequest& request) {
  constexpr std::string_view kPrefix = "/api/v1/label/";
  constexpr std::string_view kSuffix = "/values";
  const std::string path = request.Path();
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix) ||
      path.size() <= kPrefix.size() + kSuffix.size()) {
    return TextResponse(404, "404 page not found\n");
  }
  const std::string name =
      UnescapeLabelName(path.substr(kPrefix.size(), path.size() - kPrefix.size() - kSuffix.size()));
  if (!IsUtf8(name)) {
    return Failure({fmt::format("invalid label name: {}", Quote(name)), Cause::kInvalid});
  }
  return Respond(
      Impl::List(request, [&](const Matchers& matchers, const Scope& scope, std::size_t limit) {
        return impl_->deps.samples.LabelValues(name, matchers, scope.from, scope.to, limit);
      }));
}

HttpResponse QueryApi::FormatQuery(const HttpRequest& request) {
  const Result<promql::ExprPtr> expr =
      promql::Parse(QueryParams(request).Get("query"), impl_->options.parser);
  if (!expr) return Failure(InvalidParameter("query", expr.error()).value());
  JsonWriter json;
  json.String(promql::PrintPretty(**expr));
  return Success({json.Take()});
}

HttpResponse QueryApi::BuildInfo(const HttpRequest&) {
  JsonWriter json;
  json.BeginObject().Field("version", impl_->options.version);
  json.Field("revision", impl_->options.revision).Field("branch", "").Field("buildUser", "");
  json.Field("buildDate", "").Field("goVersion", "").EndObject();
  return Success({json.Take()});
}

void QueryApi::AddRoutes(Router& router) {
  const auto add = [&](std::string path, HttpHandler handler, bool post = true) {
    router.Add("GET", path, Role::kRead, handler);
    if (post) router.Add("POST", std::move(path), Role::kRead, std::move(handler));
  };
  using Handler = HttpResponse (QueryApi::*)(const HttpRequest&);
  const auto to = [this](Handler handler) {
    return [this, handler](const HttpRequest& request) { return (this->*handler)(request); };
  };
  add("/api/v1/query", to(&QueryApi::Query));
  add("/api/v1/query_range", to(&QueryApi::QueryRange));
  add("/api/v1/series", to(&QueryApi::Series));
  add("/api/v1/labels", to(&QueryApi::LabelNames));
  add("/api/v1/label/", to(&QueryApi::LabelValues), false);
  add("/api/v1/format_query", to(&QueryApi::FormatQuery));
  add("/api/v1/status/buildinfo", to(&QueryApi::BuildInfo), false);
  // Neither is kept; clients ask all the same.
  add("/api/v1/query_exemplars", [](const HttpRequest&) { return Success({"[]"}); });
  add(
      "/api/v1/metadata", [](const HttpRequest&) { return Success({"{}"}); }, false);
}

}  // namespace fettle::rules

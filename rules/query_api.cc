#include "rules/query_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "common/json.h"
#include "rules/api_answer.h"
#include "rules/matrix_writer.h"
#include "rules/promql/ast_json.h"
#include "rules/promql/printer.h"
#include "rules/query_json.h"
#include "rules/query_params.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kTruncated = "results truncated due to limit";

// The time by which queries end: all of them are late once the daemon stops.
class QueryClock final : public Clock {
 public:
  explicit QueryClock(const Clock& clock) : clock_(clock) {}
  Moment Now() const override {
    Moment now = clock_.Now();
    if (stopped()) now.boot = BootTime::max();
    return now;
  }
  bool stopped() const { return stopped_; }
  void Stop() { stopped_ = true; }

 private:
  const Clock& clock_;
  std::atomic<bool> stopped_ = false;
};

// Room for so many queries at a time.
class Places {
 public:
  explicit Places(std::size_t free) : free_(free) {}
  // False if none was free in time, or ever will be.
  bool Enter(Millis within) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, within, [&] { return free_ > 0 || closed_; })) return false;
    if (closed_) return false;
    --free_;
    return true;
  }
  void Leave() {
    {
      const std::lock_guard lock(mutex_);
      ++free_;
    }
    changed_.notify_one();
  }
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t free_;
  bool closed_ = false;
};

tl::unexpected<Error> Invalid(std::string_view name, std::string why) {
  return InvalidParameter(name, {std::move(why), Cause::kInvalid});
}

// How long the parts of answering took, in seconds.
struct Timings {
  double prepared = 0;
  double queued = 0;
  double evaluated = 0;
};

std::string WriteStats(const promql::Answer& answer, const Timings& timings) {
  JsonWriter json;
  json.BeginObject().Key("timings").BeginObject();
  json.Field("evalTotalTime", timings.prepared + timings.evaluated).Field("resultSortTime", 0.0);
  json.Field("queryPreparationTime", timings.prepared);
  json.Field("innerEvalTime", timings.evaluated).Field("execQueueTime", timings.queued);
  json.Field("execTotalTime", timings.prepared + timings.queued + timings.evaluated).EndObject();
  json.Key("samples").BeginObject();
  json.Field("totalQueryableSamples", static_cast<std::int64_t>(answer.samples));
  json.Field("peakSamples", static_cast<std::int64_t>(answer.samples_peak));
  json.EndObject().EndObject();
  return json.Take();
}

}  // namespace

struct QueryApi::Impl {
  Impl(Deps d, Options o)
      : deps(d),
        options(std::move(o)),
        clock(deps.clock),
        engine({.samples = deps.samples, .clock = clock}, deps.engine.options()),
        places(options.queries_max),
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
  QueryClock clock;
  const promql::Engine engine;
  Places places;
  prometheus::Gauge& running;
  prometheus::Counter& samples_total;
  prometheus::Histogram& duration;

  // What both kinds of queries have in common.
  struct Asked {
    std::string text;
    promql::ExprPtr expr;
    promql::Engine engine;
    Millis timeout;
    bool stats;
    double prepared = 0;  // seconds it took to read
  };

  Result<Asked> Read(const QueryParams& params) const {
    const Result<std::optional<Millis>> timeout = params.GetDuration("timeout");
    if (!timeout) return tl::unexpected(timeout.error());
    const Result<std::optional<Millis>> lookback = params.GetBareDuration("lookback_delta");
    if (!lookback) return While("error parsing lookback delta duration", lookback.error());
    std::string text = params.Get("query");
    const BootTime begin = deps.clock.Now().boot;
    Result<promql::ExprPtr> expr = promql::Parse(text, options.parser);
    if (!expr) return InvalidParameter("query", expr.error());
    // Upstream takes zero and less as not said.
    const bool looks = lookback->value_or(Millis(0)) > Millis(0);
    return Asked{.text = std::move(text),
                 .expr = std::move(*expr),
                 .engine = looks ? engine.WithLookback(**lookback) : engine,
                 .timeout = std::min(timeout->value_or(options.timeout), options.timeout),
                 .stats = !params.Get("stats").empty(),
                 .prepared = ToSeconds(deps.clock.Now().boot - begin)};
  }

  // Waits for a place, then runs it. `show` writes the answer.
  template <typename Run, typename Show>
  HttpResponse Execute(const Asked& asked, const Run& run, const Show& show) {
    Timings timings{.prepared = asked.prepared};
    const BootTime begin = deps.clock.Now().boot;
    running.Increment();
    Result<promql::Answer> answer = Fail(Cause::kTimeout, "query timed out in query queue");
    if (asked.timeout <= Millis(0)) {
      answer = Fail(Cause::kTimeout, "query timed out in query execution");
    } else if (places.Enter(asked.timeout)) {
      timings.queued = ToSeconds(deps.clock.Now().boot - begin);
      answer = run(begin + asked.timeout);
      places.Leave();
    }
    running.Decrement();
    const double seconds = ToSeconds(deps.clock.Now().boot - begin);
    timings.evaluated = seconds - timings.queued;
    duration.Observe(seconds);
    if (answer) {
      samples_total.Increment(static_cast<double>(answer->samples));
      ApiBody body = show(*answer);
      Remark(asked, *answer, timings, body);
      return ApiSuccess(std::move(body));
    }
    if (clock.stopped()) return ApiCanceled("query was canceled in query execution");
    // Whatever is wrong now is not the request's form.
    Error error = answer.error();
    if (error.cause != Cause::kTimeout) error.cause = Cause::kFailed;
    return ApiFailure(error);
  }

  static ApiBody Shown(std::string data, bool truncated) {
    ApiBody body{std::move(data)};
    if (truncated) body.warnings.emplace_back(kTruncated);
    return body;
  }

  static void Remark(const Asked& asked, const promql::Answer& answer, const Timings& timings,
                     ApiBody& body) {
    AnnotationTexts texts = ShowAnnotations(answer.annotations, asked.text);
    body.warnings.insert(body.warnings.begin(), texts.warnings.begin(), texts.warnings.end());
    body.infos = std::move(texts.infos);
    if (!asked.stats) return;
    body.data.insert(body.data.size() - 1, ",\"stats\":" + WriteStats(answer, timings));
  }

  Result<HttpResponse> Query(const HttpRequest& request) {
    const QueryParams params(request);
    const Result<std::size_t> limit = params.GetLimit();
    if (!limit) return tl::unexpected(limit.error());
    const Result<Time> at = params.GetTimeOr("time", deps.clock.Now().wall);
    if (!at) return tl::unexpected(at.error());
    const Result<Asked> asked = Read(params);
    if (!asked) return tl::unexpected(asked.error());
    return Execute(
        *asked,
        [&](BootTime deadline) { return asked->engine.Instant(*asked->expr, *at, deadline); },
        [&](const promql::Answer& answer) {
          JsonWriter json;
          const WrittenValue written = WriteValue(answer.value, *limit, json);
          return Shown(json.Take(), written.truncated);
        });
  }

  Result<HttpResponse> QueryRange(const HttpRequest& request) {
    const QueryParams params(request);
    const Result<std::size_t> limit = params.GetLimit();
    if (!limit) return tl::unexpected(limit.error());
    const Result<Time> start = params.GetTime("start");
    if (!start) return tl::unexpected(start.error());
    const Result<Time> end = params.GetTime("end");
    if (!end) return tl::unexpected(end.error());
    if (*end < *start) return Invalid("end", "end timestamp must not be before start time");
    const Result<std::optional<Millis>> step = params.GetDuration("step");
    if (!step) return tl::unexpected(step.error());
    if (!*step) return Invalid("step", "cannot parse \"\" to a valid duration");
    if (**step <= Millis(0)) {
      return Invalid("step",
                     "zero or negative query resolution step widths are not accepted. Try a "
                     "positive integer");
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
      return Invalid("query",
                     fmt::format("invalid expression type {} for range query, must be Scalar or "
                                 "instant Vector",
                                 Quote(promql::ToString(type))));
    }
    MatrixWriter writer(std::string(kApiSuccess), *limit);
    return Execute(
        *asked,
        [&](BootTime deadline) {
          return asked->engine.RangeInto(*asked->expr, *start, *end, **step, deadline, writer);
        },
        [&](const promql::Answer&) {
          std::string text = writer.Finish();
          ApiBody body = Shown(std::move(text), writer.truncated());
          body.begun = true;
          return body;
        });
  }

  // A query as text, read and written in some other way.
  template <typename WriteTree>
  HttpResponse Rewrite(const HttpRequest& request, const WriteTree& write) const {
    const Result<promql::ExprPtr> expr =
        promql::Parse(QueryParams(request).Get("query"), options.parser);
    if (!expr) return ApiFailure(InvalidParameter("query", expr.error()).value());
    return ApiSuccess({write(**expr)});
  }
};

namespace {

HttpResponse Answer(Result<HttpResponse> response) {
  return response ? *std::move(response) : ApiFailure(response.error());
}

}  // namespace

QueryApi::QueryApi(Deps deps, Options options)
    : impl_(std::make_unique<Impl>(deps, std::move(options))) {}
QueryApi::~QueryApi() = default;

void QueryApi::Stop() {
  impl_->clock.Stop();
  impl_->places.Close();
}

HttpResponse QueryApi::Query(const HttpRequest& request) { return Answer(impl_->Query(request)); }

HttpResponse QueryApi::QueryRange(const HttpRequest& request) {
  return Answer(impl_->QueryRange(request));
}

HttpResponse QueryApi::FormatQuery(const HttpRequest& request) {
  return impl_->Rewrite(request, [](const promql::Expr& expr) {
    return JsonWriter().String(promql::PrintPretty(expr)).Take();
  });
}

HttpResponse QueryApi::ParseQuery(const HttpRequest& request) {
  return impl_->Rewrite(request, promql::TreeAsJson);
}

void QueryApi::AddRoutes(Router& router) {
  using Handler = HttpResponse (QueryApi::*)(const HttpRequest&);
  const auto add = [&](const char* path, Handler handler) {
    const HttpHandler serve = [this, handler](const HttpRequest& r) { return (this->*handler)(r); };
    router.Add("GET", path, Role::kRead, serve);
    router.Add("POST", path, Role::kRead, serve);
  };
  add("/api/v1/query", &QueryApi::Query);
  add("/api/v1/query_range", &QueryApi::QueryRange);
  add("/api/v1/format_query", &QueryApi::FormatQuery);
  add("/api/v1/parse_query", &QueryApi::ParseQuery);
}

}  // namespace fettle::rules

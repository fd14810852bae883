// Prometheus' HTTP API for queries, as Grafana, promtool and perses use it: the same shapes, error
// types and codes, times and limits. Handlers may run on many threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "common/http.h"
#include "common/metrics.h"
#include "common/router.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

class QueryApi {
 public:
  struct Deps {
    const promql::Engine& engine;
    const SampleStore& samples;
    const Clock& clock;
    Metrics& metrics;
  };
  struct Options {
    // --query.timeout; a request may ask for less.
    Millis timeout = std::chrono::minutes(2);
    // --query.max-concurrency; more at one time wait, as long as their timeout.
    std::size_t queries_max = 20;
    promql::ParserOptions parser{};
  };
  // Steps of a range query; more are refused (bad_data).
  static constexpr std::int64_t kPointsMax = 11'000;

  QueryApi(Deps deps, Options options);
  ~QueryApi();
  QueryApi(const QueryApi&) = delete;
  QueryApi& operator=(const QueryApi&) = delete;

  // query, query_range, format_query and parse_query under /api/v1/, GET and POST. This must
  // outlive the router.
  void AddRoutes(Router& router);
  // Queries that run or wait end now, and new ones at once, as canceled. Safe from any thread.
  void Stop();

  HttpResponse Query(const HttpRequest& request);
  HttpResponse QueryRange(const HttpRequest& request);
  HttpResponse FormatQuery(const HttpRequest& request);
  // The query's tree, for those who draw it.
  HttpResponse ParseQuery(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::rules

// Prometheus' HTTP API for queries, as Grafana, promtool and perses use it: the same shapes, error
// types and codes, times and limits. Handlers may run on many threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "common/http.h"
#include "common/http_server.h"
#include "common/metrics.h"
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
    // A request may ask for less.
    Millis timeout = std::chrono::minutes(2);
    // More at one time wait, as long as their timeout.
    std::size_t queries_max = 20;
    // Of /api/v1/status/buildinfo. Clients read `version` as the API they speak to.
    std::string version = "3.14.0";
    std::string revision;
    promql::ParserOptions parser;
  };
  // Steps of a range query; more are refused (bad_data).
  static constexpr std::int64_t kPointsMax = 11'000;

  QueryApi(Deps deps, Options options);
  ~QueryApi();
  QueryApi(const QueryApi&) = delete;
  QueryApi& operator=(const QueryApi&) = delete;

  // query, query_range, query_exemplars, series, labels, label/NAME/values, metadata, format_query,
  // status/buildinfo under /api/v1/, GET and POST as Prometheus has them. This must outlive it.
  void AddRoutes(Router& router);

  HttpResponse Query(const HttpRequest& request);
  HttpResponse QueryRange(const HttpRequest& request);
  HttpResponse Series(const HttpRequest& request);
  HttpResponse LabelNames(const HttpRequest& request);
  // The path is /api/v1/label/NAME/values; NAME may be escaped as U__….
  HttpResponse LabelValues(const HttpRequest& request);
  HttpResponse FormatQuery(const HttpRequest& request);
  HttpResponse BuildInfo(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::rules

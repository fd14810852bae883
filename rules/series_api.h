// What is stored, by Prometheus' HTTP API: series, label names and values, exemplars, metadata.
// Handlers may run on many threads at once.
#pragma once

#include <functional>
#include <vector>

#include "common/http.h"
#include "common/metadata.h"
#include "common/router.h"
#include "rules/exemplar.h"
#include "rules/promql/parser.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

class SeriesApi {
 public:
  struct Deps {
    const SampleStore& samples;
    // May be null: nothing is known. Both are asked from any thread.
    std::function<std::vector<MetricMetadata>()> metadata{};
    ExemplarSource exemplars{};
  };
  SeriesApi(Deps deps, promql::ParserOptions parser) : deps_(std::move(deps)), parser_(parser) {}

  // /api/v1/{series,labels,label/NAME/values,query_exemplars,metadata,targets/metadata}. This must
  // outlive the router.
  void AddRoutes(Router& router) const;

  HttpResponse Series(const HttpRequest& request) const;
  HttpResponse LabelNames(const HttpRequest& request) const;
  // The path is /api/v1/label/NAME/values; NAME may be escaped as U__….
  HttpResponse LabelValues(const HttpRequest& request) const;
  HttpResponse Exemplars(const HttpRequest& request) const;
  HttpResponse Metadata(const HttpRequest& request) const;
  // Metadata with the labels of who exposes it: all of it is this daemon.
  HttpResponse TargetMetadata(const HttpRequest& request) const;

 private:
  const Deps deps_;
  const promql::ParserOptions parser_;
};

}  // namespace fettle::rules

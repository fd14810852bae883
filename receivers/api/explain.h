// Why somebody was told of an alert, or not: the verdict of each stage, and what a silence would do
// before it is made. Safe from any thread.
#pragma once

#include "common/router.h"
#include "receivers/alerts.h"
#include "receivers/api/bodies.h"
#include "receivers/telling.h"

namespace fettle::receivers {

class ExplainApi {
 public:
  static constexpr Millis kAnswerWithin{8'000};
  static constexpr std::size_t kListMax =
      1'000;  // alerts in an answer; `count` says how many match

  struct Deps {
    Brain& brain;
    Alerts& alerts;
    Telling& telling;
  };
  ExplainApi(Deps deps, MatcherSyntax syntax) : deps_(deps), syntax_(syntax) {}

  // GET /api/fettle/v1/explain and POST /api/fettle/v1/silences/preview, whatever the prefix of
  // others is. The API must outlive the server.
  void AddRoutes(Router& router);

  HttpResponse Explain(const HttpRequest& request) const;
  HttpResponse Preview(const HttpRequest& request) const;

 private:
  const Deps deps_;
  const MatcherSyntax syntax_;
};

}  // namespace fettle::receivers

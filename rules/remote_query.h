// Rules against another server: Prometheus, Mimir, Thanos, VictoriaMetrics or whoever answers
// Prometheus' query API. Safe from any thread; blocks.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/http.h"
#include "common/http_config.h"
#include "common/judge.h"
#include "rules/promql/parser.h"
#include "rules/rule_query.h"

namespace fettle::rules {

// `rules.query_url` and what stands beside it.
struct QueryTarget {
  std::string url;  // without /api/v1/query; "" is the own samples
  HttpConfig http;
};
QueryTarget ReadQueryTarget(yaml::Mapping& rules, const std::string& directory);

class RemoteQuery final : public RuleQuery {
 public:
  static constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;
  // Of one question, whatever the deadline is.
  static constexpr Millis kTimeoutMax{600'000};

  struct Deps {
    HttpTransport& transport;
    const Clock& clock;
  };
  RemoteQuery(Deps deps, QueryTarget target) : deps_(deps), target_(std::move(target)) {}

  // The text is asked as written: the other server's language may know more than ours. Where it
  // does not say how many samples it has read, an answer counts as if there had been some.
  Result<RuleAnswer> Ask(const promql::Expr& tree, const std::string& text, Time at,
                         BootTime deadline) const override;

 private:
  const Deps deps_;
  const QueryTarget target_;
};

// Reads the answer of /api/v1/query: a vector or a scalar. Any text may be given.
Result<RuleAnswer> ReadQueryAnswer(std::string_view body);

// A judge that asks whoever rules ask.
class QueryJudge final : public Judge {
 public:
  QueryJudge(const RuleQuery& query, const Clock& clock, promql::ParserOptions parser)
      : query_(query), clock_(clock), parser_(parser) {}
  Status Check(std::string_view expression) const override;
  Result<std::vector<Sample>> Ask(std::string_view expression, Time at,
                                  Millis timeout) const override;
  std::string Compared(std::string_view expression) const override;

 private:
  const RuleQuery& query_;
  const Clock& clock_;
  const promql::ParserOptions parser_;
};

}  // namespace fettle::rules

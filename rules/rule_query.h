// How rules ask their questions: of the own samples, or of whoever stands behind `query_url`.
#pragma once

#include <cstddef>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"

namespace fettle::rules {

struct RuleAnswer {
  promql::Vector vector;    // a scalar is one element without labels
  std::size_t samples = 0;  // read to find it; 0: the selectors matched nothing
};

// Safe from any thread; blocks until the deadline at most, so it belongs to hands.
class RuleQuery {
 public:
  virtual ~RuleQuery() = default;
  // `text` is the expression as written, `tree` the same parsed.
  virtual Result<RuleAnswer> Ask(const promql::Expr& tree, const std::string& text, Time at,
                                 BootTime deadline) const = 0;
};

// Asks the own samples.
class EngineQuery final : public RuleQuery {
 public:
  explicit EngineQuery(const promql::Engine& engine) : engine_(engine) {}
  Result<RuleAnswer> Ask(const promql::Expr& tree, const std::string& text, Time at,
                         BootTime deadline) const override;

 private:
  const promql::Engine& engine_;
};

}  // namespace fettle::rules

// How rules ask their questions: of the own samples, or of whoever stands behind `query_url`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/matcher.h"
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
  // How many series match and have samples in (from, to]; nullopt where that cannot be told.
  static constexpr Time kEver{Millis(std::numeric_limits<std::int64_t>::min() / 4)};
  virtual std::optional<std::size_t> CountSeries(const Matchers&, Time /*from*/,
                                                 Time /*to*/) const {
    return std::nullopt;
  }
};

// Asks the own samples.
class EngineQuery final : public RuleQuery {
 public:
  // Without `samples`, which are the engine's, series cannot be counted.
  explicit EngineQuery(const promql::Engine& engine, const SampleStore* samples = nullptr)
      : engine_(engine), samples_(samples) {}
  Result<RuleAnswer> Ask(const promql::Expr& tree, const std::string& text, Time at,
                         BootTime deadline) const override;
  std::optional<std::size_t> CountSeries(const Matchers& matchers, Time from,
                                         Time to) const override;

 private:
  const promql::Engine& engine_;
  const SampleStore* const samples_;
};

}  // namespace fettle::rules

// Where in time a selector or subquery looks from each step: offset, @ and ranges with their
// durations worked out. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/result.h"
#include "rules/promql/ast.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/row.h"

namespace fettle::promql {

// Milliseconds. Literals as they are; expressions with step() and range() of the query.
Result<std::int64_t> LengthOf(Millis literal, DurationPtr expr, const Evaluation::Query& query,
                              bool may_be_negative);

struct Reach {
  std::int64_t offset = 0;
  std::optional<std::int64_t> pinned = std::nullopt;  // @

  std::int64_t At(const Grid& grid, std::size_t step) const {
    return (pinned ? *pinned : grid.At(step)) - offset;
  }
  std::int64_t First(const Grid& grid) const { return At(grid, 0); }
  std::int64_t Last(const Grid& grid) const { return At(grid, grid.steps - 1); }
};
Result<Reach> ReachOf(const When& when, const Evaluation::Query& query);

}  // namespace fettle::promql

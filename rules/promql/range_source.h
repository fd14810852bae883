// Where a range function's samples come from: a range selector or a subquery.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/result.h"
#include "rules/promql/ast.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/reach.h"
#include "rules/samples/selection.h"

namespace fettle::promql {

// Works out the hints that are unknown, from one sample to the next.
void DetectResets(rules::SampleColumns& samples);

class RangeSource {
 public:
  virtual ~RangeSource() = default;
  // `expr` is a range selector or a subquery.
  static Result<std::unique_ptr<RangeSource>> Open(Evaluation& evaluation, const Expr& expr,
                                                   const Grid& grid);

  const std::vector<Row>& rows() const { return rows_; }
  const Reach& reach() const { return reach_; }
  std::int64_t range() const { return range_; }  // milliseconds
  // Samples of an anchored or smoothed range reach as far as the lookback beyond it.
  Extent extent() const { return extent_; }

  // The row's samples in all windows, oldest first, without stale markers.
  virtual Status Read(std::size_t row, rules::SampleColumns& into) = 0;

 protected:
  std::vector<Row> rows_;
  Reach reach_;
  std::int64_t range_ = 0;
  Extent extent_ = Extent::kPlain;
};

}  // namespace fettle::promql

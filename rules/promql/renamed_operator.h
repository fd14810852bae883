// The same cells under other labels.
#pragma once

#include <utility>
#include <vector>

#include "rules/promql/operator.h"

namespace fettle::promql {

class RenamedOperator final : public Operator {
 public:
  // `rows` has one entry a row of the child.
  RenamedOperator(OperatorPtr child, std::vector<Row> rows)
      : Operator(child->evaluation(), child->steps()), child_(std::move(child)) {
    rows_ = std::move(rows);
  }
  Status Fill(std::size_t row, Cells& out) override { return child_->Fill(row, out); }

 private:
  const OperatorPtr child_;
};

}  // namespace fettle::promql

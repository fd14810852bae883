// Row in, row out: each present cell becomes another.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "rules/promql/operator.h"

namespace fettle::promql {

// compute(step, value) is asked for every present number; it may answer Absent(). Histograms are
// left out.
template <typename Compute>
class MapOperator final : public Operator {
 public:
  MapOperator(OperatorPtr child, std::vector<Row> rows, Compute compute)
      : Operator(child->evaluation(), child->steps()),
        child_(std::move(child)),
        compute_(std::move(compute)) {
    rows_ = std::move(rows);
    for (Row& row : rows_) row.histograms = false;
  }
  Status Fill(std::size_t row, Cells& out) override {
    if (Status status = child_->Fill(row, out); !status) return status;
    if (child_->rows()[row].histograms) {
      for (double& cell : out) {
        if (IsHistogramCell(cell)) cell = Absent();
      }
    }
    for (std::size_t step = 0; step < steps(); ++step) {
      if (!IsAbsent(out[step])) out[step] = compute_(step, out[step]);
    }
    return {};
  }

 private:
  const OperatorPtr child_;
  Compute compute_;
};

// Rows as they are.
template <typename Compute>
OperatorPtr MapKeepingNames(OperatorPtr child, Compute compute) {
  std::vector<Row> rows = child->rows();
  return std::make_unique<MapOperator<Compute>>(std::move(child), std::move(rows),
                                                std::move(compute));
}

// The outcome is no longer that metric.
template <typename Compute>
Result<OperatorPtr> MapDroppingNames(OperatorPtr child, Compute compute) {
  std::vector<Row> rows = child->rows();
  const bool later = child->evaluation().options().delayed_name_removal;
  for (Row& row : rows) (later ? row.drop_name : row.nameless) = true;
  return MergeSameLabels(
      std::make_unique<MapOperator<Compute>>(std::move(child), std::move(rows), std::move(compute)),
      Merge::kNamesDropped);
}

}  // namespace fettle::promql

// Operators without series behind them: numbers, the time, and one computed row.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "rules/promql/operator.h"

namespace fettle::promql {

inline LabelsPtr NoLabels() {
  static const LabelsPtr none = std::make_shared<const Labels>();
  return none;
}

class ConstantOperator final : public Operator {
 public:
  ConstantOperator(Evaluation& evaluation, std::size_t steps, double value)
      : Operator(evaluation, steps), value_(value) {
    rows_.push_back({NoLabels()});
  }
  Status Fill(std::size_t, Cells& out) override {
    std::fill(out.begin(), out.end(), value_);
    return {};
  }

 private:
  const double value_;
};

// One row of cells that are there already; with labels, an element of a vector.
class CellsOperator final : public Operator {
 public:
  CellsOperator(Evaluation& evaluation, Cells cells, LabelsPtr labels = NoLabels())
      : Operator(evaluation, cells.size()), cells_(std::move(cells)) {
    rows_.push_back({std::move(labels)});
  }
  Status Fill(std::size_t, Cells& out) override {
    std::copy(cells_.begin(), cells_.end(), out.begin());
    return {};
  }

 private:
  const Cells cells_;
};

}  // namespace fettle::promql

// Aggregations that need no more than a few numbers a group and step: rows stream through.
#include <cmath>
#include <utility>

#include "rules/promql/grouping.h"
#include "rules/promql/mixed_aggregations.h"
#include "rules/promql/open.h"
#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

// Each kind of cell is empty at first, is given every present value of its group at its step, in
// order of the rows, and then says the outcome, or Absent().

struct SumCell {
  double sum = Absent();
  double lost = 0;
  void Add(double value) {
    if (IsAbsent(sum)) {
      sum = value;
      return;
    }
    CompensatedSum both{sum, lost};
    both.Add(value);
    sum = both.sum;
    lost = both.lost;
  }
  double Value() const { return IsAbsent(sum) ? sum : sum + lost; }
};

struct MeanCell {
  CompensatedMean mean;
  void Add(double value) { mean.Add(value); }
  double Value() const { return mean.count == 0 ? Absent() : mean.Value(); }
};

struct CountCell {
  double count = 0;
  void Add(double) { ++count; }
  double Value() const { return count == 0 ? Absent() : count; }
};

struct GroupCell {
  double one = Absent();
  void Add(double) { one = 1; }
  double Value() const { return one; }
};

struct MaxCell {
  double most = Absent();
  void Add(double value) {
    if (std::isnan(most) || most < value) most = value;  // an absent cell is not a number, too
  }
  double Value() const { return most; }
};

struct MinCell {
  double least = Absent();
  void Add(double value) {
    if (std::isnan(least) || least > value) least = value;
  }
  double Value() const { return least; }
};

template <bool kRoot>
struct VarianceCell {
  double count = 0;
  double mean = 0;
  double squares = 0;
  void Add(double value) {
    if (++count == 1) {
      mean = value;
      squares = std::isfinite(value) ? 0 : NaN();
      return;
    }
    const double delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
  }
  double Value() const {
    if (count == 0) return Absent();
    return kRoot ? std::sqrt(squares / count) : squares / count;
  }
};

template <typename Cell>
Result<OperatorPtr> Aggregate(Evaluation& evaluation, const AggregateExpr& aggregate,
                              const Grid& grid) {
  Result<OperatorPtr> child = Open(evaluation, *aggregate.inner, grid);
  if (!child) return tl::unexpected(child.error());
  if (AnyHistograms((*child)->rows())) {
    const TokenType op = aggregate.op;
    if (op == TokenType::kSum || op == TokenType::kAvg) {
      return OpenMixedSum(std::move(*child), aggregate);
    }
    // A histogram is something to be counted, but no number.
    if (op != TokenType::kCount && op != TokenType::kGroup) {
      child = NumbersOnly(std::move(*child), aggregate);
    }
  }
  Grouping grouping = GroupRows((*child)->rows(), aggregate.grouping, aggregate.without);
  const std::size_t size = grouping.groups.size() * grid.steps;
  const std::size_t weight = size * (sizeof(Cell) / sizeof(double));
  if (Status status = evaluation.Hold(weight); !status) return tl::unexpected(status.error());
  std::vector<Cell> cells(size);
  Evaluation::Scratch scratch(evaluation, grid.steps);
  for (std::size_t row = 0; row < (*child)->rows().size(); ++row) {
    const Evaluation::HistogramScope scope(evaluation);
    Status status = (*child)->Fill(row, *scratch);
    if (status) status = evaluation.Spend(grid.steps);
    if (!status) return tl::unexpected(status.error());
    Cell* const group = cells.data() + grouping.group_of[row] * grid.steps;
    const double* const values = scratch->data();
    for (std::size_t step = 0; step < grid.steps; ++step) {
      if (!IsAbsent(values[step])) group[step].Add(values[step]);
    }
  }
  std::vector<Cells> outcomes(grouping.groups.size());
  for (std::size_t group = 0; group < outcomes.size(); ++group) {
    outcomes[group].reserve(grid.steps);
    for (std::size_t step = 0; step < grid.steps; ++step) {
      outcomes[group].push_back(cells[group * grid.steps + step].Value());
    }
  }
  evaluation.Release(weight);
  return TableOperator::Make(evaluation, grid.steps, std::move(grouping.groups),
                             std::move(outcomes));
}

}  // namespace

Result<OperatorPtr> OpenAggregate(Evaluation& evaluation, const AggregateExpr& aggregate,
                                  const Grid& grid) {
  switch (aggregate.op) {
    case TokenType::kSum:
      return Aggregate<SumCell>(evaluation, aggregate, grid);
    case TokenType::kAvg:
      return Aggregate<MeanCell>(evaluation, aggregate, grid);
    case TokenType::kCount:
      return Aggregate<CountCell>(evaluation, aggregate, grid);
    case TokenType::kGroup:
      return Aggregate<GroupCell>(evaluation, aggregate, grid);
    case TokenType::kMax:
      return Aggregate<MaxCell>(evaluation, aggregate, grid);
    case TokenType::kMin:
      return Aggregate<MinCell>(evaluation, aggregate, grid);
    case TokenType::kStddev:
      return Aggregate<VarianceCell<true>>(evaluation, aggregate, grid);
    case TokenType::kStdvar:
      return Aggregate<VarianceCell<false>>(evaluation, aggregate, grid);
    default:
      return OpenRankedAggregate(evaluation, aggregate, grid);
  }
}

}  // namespace fettle::promql

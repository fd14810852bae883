#include "rules/promql/mixed_aggregations.h"

#include <optional>
#include <utility>
#include <vector>

#include "rules/promql/cell_arithmetic.h"
#include "rules/promql/grouping.h"
#include "rules/promql/histogram_mean.h"
#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

// One group at one step.
struct State {
  CompensatedMean numbers;
  CompensatedSum sum;
  std::optional<HistogramMean> histograms;
  bool incompatible = false;  // what came later was not looked at
};

class MixedSum {
 public:
  MixedSum(Operator& child, const AggregateExpr& aggregate)
      : child_(child),
        evaluation_(child.evaluation()),
        where_(aggregate.inner->span),
        mean_(aggregate.op == TokenType::kAvg),
        grouping_(GroupRows(child.rows(), aggregate.grouping, aggregate.without)) {}
  ~MixedSum() { evaluation_.Release(held_); }
  MixedSum(const MixedSum&) = delete;
  MixedSum& operator=(const MixedSum&) = delete;

  Result<OperatorPtr> Run() {
    const std::size_t steps = child_.steps();
    const std::size_t size = grouping_.groups.size() * steps;
    if (Status status = Hold(size * (sizeof(State) / sizeof(double))); !status) {
      return tl::unexpected(status.error());
    }
    states_.resize(size);
    for (std::size_t row = 0; row < child_.rows().size(); ++row) {
      if (Status status = AddRow(row); !status) return tl::unexpected(status.error());
    }
    std::vector<Cells> cells(grouping_.groups.size());
    for (std::size_t group = 0; group < cells.size(); ++group) {
      for (std::size_t step = 0; step < steps; ++step) {
        cells[group].push_back(Outcome(states_[group * steps + step]));
        grouping_.groups[group].histograms |= IsHistogramCell(cells[group].back());
      }
    }
    return TableOperator::Make(evaluation_, steps, std::move(grouping_.groups), std::move(cells));
  }

 private:
  Status Hold(std::size_t numbers) {
    if (Status status = evaluation_.Hold(numbers); !status) return status;
    held_ += numbers;
    return {};
  }

  Status AddRow(std::size_t row) {
    const std::size_t steps = child_.steps();
    const Evaluation::HistogramScope scope(evaluation_);
    Evaluation::Scratch cells(evaluation_, steps);
    Status status = child_.Fill(row, *cells);
    if (status) status = evaluation_.Spend(steps);
    if (!status) return status;
    State* const group = states_.data() + grouping_.group_of[row] * steps;
    for (std::size_t step = 0; step < steps; ++step) {
      const double cell = (*cells)[step];
      if (IsAbsent(cell) || group[step].incompatible) continue;
      if (!IsHistogramCell(cell)) {
        group[step].numbers.Add(cell);
        if (group[step].numbers.count == 1) {
          group[step].sum.sum = cell;
        } else {
          group[step].sum.Add(cell);
        }
      } else if (status = AddHistogram(*evaluation_.HistogramAt(cell), row, group[step]); !status) {
        return status;
      }
    }
    return {};
  }

  Status AddHistogram(const FloatHistogram& histogram, std::size_t row, State& state) {
    if (!state.histograms) {
      state.histograms.emplace(histogram, mean_);
      return Hold(histogram.Weight());
    }
    if (state.histograms->Add(histogram)) return evaluation_.Spend(histogram.Weight());
    state.incompatible = true;
    WarnOfMixedSchemas(evaluation_, where_, child_.rows()[row].Get(kMetricName));
    return {};
  }

  double Outcome(const State& state) {
    if (state.incompatible) return Absent();
    if (!state.histograms) {
      if (state.numbers.count == 0) return Absent();
      return mean_ ? state.numbers.Value() : state.sum.sum + state.sum.lost;
    }
    if (state.numbers.count > 0) {
      evaluation_.Warn(where_,
                       "PromQL warning: encountered a mix of histograms and floats for "
                       "aggregation");
      return Absent();
    }
    AnnotateSum(evaluation_, where_, state.histograms->outcome(), "aggregation");
    return evaluation_.Keep(state.histograms->Value());
  }

  Operator& child_;
  Evaluation& evaluation_;
  const Span where_;
  const bool mean_;
  Grouping grouping_;
  std::vector<State> states_;
  std::size_t held_ = 0;
};

class NumbersOperator final : public Operator {
 public:
  NumbersOperator(OperatorPtr child, const AggregateExpr& aggregate)
      : Operator(child->evaluation(), child->steps()),
        child_(std::move(child)),
        aggregate_(aggregate) {
    rows_ = child_->rows();
    for (Row& row : rows_) row.histograms = false;
  }
  Status Fill(std::size_t row, Cells& out) override {
    if (!child_->rows()[row].histograms) return child_->Fill(row, out);
    const Evaluation::HistogramScope scope(evaluation());
    if (Status status = child_->Fill(row, out); !status) return status;
    for (double& cell : out) {
      if (!IsHistogramCell(cell)) continue;
      cell = Absent();
      evaluation().Inform(
          aggregate_.inner->span,
          fmt::format("PromQL info: ignored histogram in {} aggregation", ToString(aggregate_.op)));
    }
    return {};
  }

 private:
  const OperatorPtr child_;
  const AggregateExpr& aggregate_;
};

}  // namespace

Result<OperatorPtr> OpenMixedSum(OperatorPtr child, const AggregateExpr& aggregate) {
  return MixedSum(*child, aggregate).Run();
}

OperatorPtr NumbersOnly(OperatorPtr child, const AggregateExpr& aggregate) {
  if (!AnyHistograms(child->rows())) return child;
  return std::make_unique<NumbersOperator>(std::move(child), aggregate);
}

}  // namespace fettle::promql

// Operators with a scalar on at least one side, and the unary minus.
#include <type_traits>
#include <utility>

#include "rules/promql/arithmetic.h"
#include "rules/promql/cell_arithmetic.h"
#include "rules/promql/map_operator.h"
#include "rules/promql/open.h"
#include "rules/promql/scalar_operators.h"

namespace fettle::promql {
namespace {

Result<OperatorPtr> OpenScalars(Evaluation& evaluation, const BinaryExpr& binary,
                                const Grid& grid) {
  Result<Cells> left = OpenScalar(evaluation, *binary.lhs, grid);
  if (!left) return tl::unexpected(left.error());
  const Result<Cells> right = OpenScalar(evaluation, *binary.rhs, grid);
  if (!right) return tl::unexpected(right.error());
  WithOperation(binary.op, [&](auto operation) {
    for (std::size_t i = 0; i < grid.steps; ++i) {
      (*left)[i] = static_cast<double>(operation((*left)[i], (*right)[i]));
    }
  });
  return OperatorPtr(std::make_unique<CellsOperator>(evaluation, std::move(*left)));
}

// The same where histograms are among the values.
class CellsWithScalar final : public Operator {
 public:
  CellsWithScalar(OperatorPtr vector, Cells scalar, const BinaryExpr& binary, bool scalar_left)
      : Operator(vector->evaluation(), vector->steps()),
        vector_(std::move(vector)),
        scalar_(std::move(scalar)),
        binary_(binary),
        scalar_left_(scalar_left) {
    rows_ = vector_->rows();
    const bool later = evaluation().options().delayed_name_removal;
    for (Row& row : rows_) {
      if (binary.return_bool) row.histograms = false;
      if (!ChangesMetric(binary.op) && !binary.return_bool) continue;
      (later ? row.drop_name : row.nameless) = true;
    }
  }
  Status Fill(std::size_t row, Cells& out) override {
    if (Status status = vector_->Fill(row, out); !status) return status;
    const CellArithmetic arithmetic(evaluation(), binary_);
    const bool filters = IsComparison(binary_.op) && !binary_.return_bool;
    for (std::size_t step = 0; step < steps(); ++step) {
      const double cell = out[step];
      if (IsAbsent(cell)) continue;
      out[step] = scalar_left_ ? arithmetic.Combine(scalar_[step], cell)
                               : arithmetic.Combine(cell, scalar_[step]);
      // A comparison answers with the vector's value, whichever side it is on.
      if (filters && scalar_left_ && !IsAbsent(out[step])) out[step] = cell;
    }
    return evaluation().Spend(steps());
  }

 private:
  const OperatorPtr vector_;
  const Cells scalar_;
  const BinaryExpr& binary_;
  const bool scalar_left_;
};

class NegatedOperator final : public Operator {
 public:
  explicit NegatedOperator(OperatorPtr child)
      : Operator(child->evaluation(), child->steps()), child_(std::move(child)) {
    rows_ = child_->rows();
    MarkNameless(evaluation(), rows_);
  }
  Status Fill(std::size_t row, Cells& out) override {
    if (Status status = child_->Fill(row, out); !status) return status;
    for (double& cell : out) {
      if (IsAbsent(cell)) continue;
      cell = IsHistogramCell(cell)
                 ? evaluation().Keep(Scaled(*HistogramPtr(evaluation().HistogramAt(cell)), -1))
                 : -cell;
    }
    return {};
  }

 private:
  const OperatorPtr child_;
};

// compute(value of the vector, scalar, outcome of the operation) by which side the scalar is on and
// what a comparison answers with.
Result<OperatorPtr> OpenWithScalar(Evaluation& evaluation, const BinaryExpr& binary,
                                   const Grid& grid) {
  const bool scalar_left = binary.lhs->type == ValueType::kScalar;
  Result<Cells> opened = OpenScalar(evaluation, scalar_left ? *binary.lhs : *binary.rhs, grid);
  if (!opened) return tl::unexpected(opened.error());
  Result<OperatorPtr> vector = Open(evaluation, scalar_left ? *binary.rhs : *binary.lhs, grid);
  if (!vector) return vector;
  if (IsTrim(binary.op) || AnyHistograms((*vector)->rows())) {
    return MergeSameLabels(std::make_unique<CellsWithScalar>(std::move(*vector), std::move(*opened),
                                                             binary, scalar_left),
                           Merge::kNamesDropped);
  }
  return WithOperation(binary.op, [&](auto operation) -> Result<OperatorPtr> {
    using Outcome = decltype(operation(0.0, 0.0));
    const auto apply = [operation, scalar_left, scalar = std::move(*opened)](std::size_t step,
                                                                             double v) {
      return scalar_left ? operation(scalar[step], v) : operation(v, scalar[step]);
    };
    if constexpr (std::is_same_v<Outcome, bool>) {
      if (!binary.return_bool) {
        return MapKeepingNames(std::move(*vector), [apply](std::size_t step, double v) {
          return apply(step, v) ? v : Absent();
        });
      }
    }
    return MapDroppingNames(std::move(*vector), [apply](std::size_t step, double v) {
      return static_cast<double>(apply(step, v));
    });
  });
}

}  // namespace

Result<OperatorPtr> OpenUnary(Evaluation& evaluation, const UnaryExpr& unary, const Grid& grid) {
  Result<OperatorPtr> inner = Open(evaluation, *unary.inner, grid);
  if (!inner || unary.op == TokenType::kAdd) return inner;
  if (AnyHistograms((*inner)->rows())) {
    return MergeSameLabels(std::make_unique<NegatedOperator>(std::move(*inner)),
                           Merge::kNamesDropped);
  }
  return MapDroppingNames(std::move(*inner), [](std::size_t, double v) { return -v; });
}

Result<OperatorPtr> OpenBinary(Evaluation& evaluation, const BinaryExpr& binary, const Grid& grid) {
  const Evaluation::HistogramUseScope scope(evaluation, {});
  const bool left = binary.lhs->type == ValueType::kVector;
  const bool right = binary.rhs->type == ValueType::kVector;
  if (left && right) {
    return IsSetOperator(binary.op) ? OpenSetOperation(evaluation, binary, grid)
                                    : OpenVectorMatch(evaluation, binary, grid);
  }
  return left || right ? OpenWithScalar(evaluation, binary, grid)
                       : OpenScalars(evaluation, binary, grid);
}

}  // namespace fettle::promql

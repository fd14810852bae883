// Operators with a scalar on at least one side, and the unary minus.
#include <type_traits>
#include <utility>

#include "rules/promql/arithmetic.h"
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

// compute(value of the vector, scalar, outcome of the operation) by which side the scalar is on and
// what a comparison answers with.
Result<OperatorPtr> OpenWithScalar(Evaluation& evaluation, const BinaryExpr& binary,
                                   const Grid& grid) {
  const bool scalar_left = binary.lhs->type == ValueType::kScalar;
  Result<Cells> opened = OpenScalar(evaluation, scalar_left ? *binary.lhs : *binary.rhs, grid);
  if (!opened) return tl::unexpected(opened.error());
  Result<OperatorPtr> vector = Open(evaluation, scalar_left ? *binary.rhs : *binary.lhs, grid);
  if (!vector) return vector;
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
  return MapDroppingNames(std::move(*inner), [](std::size_t, double v) { return -v; });
}

Result<OperatorPtr> OpenBinary(Evaluation& evaluation, const BinaryExpr& binary, const Grid& grid) {
  if (binary.op == TokenType::kTrimUpper || binary.op == TokenType::kTrimLower) {
    const std::string_view op = ToString(binary.op);
    evaluation.Inform(binary.span,
                      fmt::format("PromQL info: incompatible sample types encountered for binary "
                                  "operator {}: float {} float",
                                  Quote(op), op));
  }
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

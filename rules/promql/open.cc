#include "rules/promql/open.h"

#include <algorithm>
#include <utility>

#include "rules/promql/function_table.h"
#include "rules/promql/scalar_operators.h"

namespace fettle::promql {
namespace {

// Functions of the time they are asked at, whatever their arguments.
bool DependsOnTime(FunctionId id) {
  switch (id) {
    case FunctionId::kDaysInMonth:
    case FunctionId::kDayOfMonth:
    case FunctionId::kDayOfWeek:
    case FunctionId::kDayOfYear:
    case FunctionId::kHour:
    case FunctionId::kMinute:
    case FunctionId::kMonth:
    case FunctionId::kYear:
    case FunctionId::kPredictLinear:
    case FunctionId::kTime:
    case FunctionId::kTimestamp:
      return true;
    default:
      return false;
  }
}

// Computes one step and says it at all of them.
class RepeatOperator final : public Operator {
 public:
  RepeatOperator(OperatorPtr once, std::size_t steps)
      : Operator(once->evaluation(), steps), once_(std::move(once)) {
    rows_ = once_->rows();
  }
  Status Fill(std::size_t row, Cells& out) override {
    Evaluation::Scratch single(evaluation(), 1);
    if (Status status = once_->Fill(row, *single); !status) return status;
    std::fill(out.begin(), out.end(), single->front());
    return {};
  }

 private:
  const OperatorPtr once_;
};

}  // namespace

bool IsStepInvariant(const Expr& expr) {
  switch (expr.kind) {
    case Kind::kSelector:
      return As<VectorSelector>(expr)->when.pinned();
    case Kind::kSubquery:
      return As<SubqueryExpr>(expr)->when.pinned();
    case Kind::kCall:
      if (DependsOnTime(As<Call>(expr)->function->id)) return false;
      break;
    default:
      break;
  }
  const std::vector<const Expr*> children = Children(expr);
  return std::all_of(children.begin(), children.end(),
                     [](const Expr* child) { return IsStepInvariant(*child); });
}

Result<OperatorPtr> Open(Evaluation& evaluation, const Expr& expr, const Grid& grid) {
  if (Status status = evaluation.CheckDeadline(); !status) return tl::unexpected(status.error());
  const bool literal = expr.kind == Kind::kNumber || expr.kind == Kind::kParen;
  if (grid.steps > 1 && !literal && IsStepInvariant(expr)) {
    Result<OperatorPtr> once = Open(evaluation, expr, grid.Single());
    if (!once) return once;
    return OperatorPtr(std::make_unique<RepeatOperator>(std::move(*once), grid.steps));
  }
  switch (expr.kind) {
    case Kind::kNumber:
      return OperatorPtr(std::make_unique<ConstantOperator>(evaluation, grid.steps,
                                                            As<NumberLiteral>(expr)->value));
    case Kind::kParen:
      return Open(evaluation, *As<ParenExpr>(expr)->inner, grid);
    case Kind::kUnary:
      return OpenUnary(evaluation, *As<UnaryExpr>(expr), grid);
    case Kind::kBinary:
      return OpenBinary(evaluation, *As<BinaryExpr>(expr), grid);
    case Kind::kAggregate:
      return OpenAggregate(evaluation, *As<AggregateExpr>(expr), grid);
    case Kind::kCall:
      return OpenCall(evaluation, *As<Call>(expr), grid);
    case Kind::kSelector:
      return OpenSelector(evaluation, *As<VectorSelector>(expr), grid);
    default:
      return Fail("a {} cannot be evaluated here", ToString(expr.type));
  }
}

Result<Cells> OpenScalar(Evaluation& evaluation, const Expr& expr, const Grid& grid) {
  const Result<OperatorPtr> scalar = Open(evaluation, expr, grid);
  if (!scalar) return tl::unexpected(scalar.error());
  return FillScalar(**scalar);
}

void MarkNameless(const Evaluation& evaluation, std::vector<Row>& rows) {
  const bool later = evaluation.options().delayed_name_removal;
  for (Row& row : rows) (later ? row.drop_name : row.nameless) = true;
}

}  // namespace fettle::promql

// Function calls: which file's job each is, and the few that fit nowhere else.
#include <cmath>
#include <numbers>
#include <utility>

#include "rules/promql/absent.h"
#include "rules/promql/function_table.h"
#include "rules/promql/open.h"
#include "rules/promql/scalar_operators.h"
#include "rules/promql/statistics.h"
#include "rules/promql/window_functions.h"

namespace fettle::promql {
namespace {

Result<OperatorPtr> Constant(Evaluation& evaluation, const Grid& grid, double value) {
  return OperatorPtr(std::make_unique<ConstantOperator>(evaluation, grid.steps, value));
}

// The value of the only series, or NaN.
Result<OperatorPtr> OpenOnlyValue(Evaluation& evaluation, const Call& call, const Grid& grid) {
  const Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
  if (!child) return tl::unexpected(child.error());
  Cells cells(grid.steps, Absent());
  Evaluation::Scratch scratch(evaluation, grid.steps);
  for (std::size_t row = 0; row < (*child)->rows().size(); ++row) {
    if (Status status = (*child)->Fill(row, *scratch); !status) {
      return tl::unexpected(status.error());
    }
    for (std::size_t step = 0; step < grid.steps; ++step) {
      if (IsAbsent((*scratch)[step]) || IsHistogramCell((*scratch)[step])) continue;
      cells[step] = IsAbsent(cells[step]) ? (*scratch)[step] : NaN();
    }
  }
  // A second value made NaN of the first, and a third finds it there; none at all is NaN too.
  for (double& cell : cells) {
    if (IsAbsent(cell)) cell = NaN();
  }
  return OperatorPtr(std::make_unique<CellsOperator>(evaluation, std::move(cells)));
}

Result<OperatorPtr> OpenExtremeOf(Evaluation& evaluation, const Call& call, const Grid& grid) {
  Result<Cells> left = OpenScalar(evaluation, *call.arguments[0], grid);
  if (!left) return tl::unexpected(left.error());
  const Result<Cells> right = OpenScalar(evaluation, *call.arguments[1], grid);
  if (!right) return tl::unexpected(right.error());
  const auto choose = call.function->id == FunctionId::kMaxOf ? GoMax : GoMin;
  for (std::size_t i = 0; i < grid.steps; ++i) (*left)[i] = choose((*left)[i], (*right)[i]);
  return OperatorPtr(std::make_unique<CellsOperator>(evaluation, std::move(*left)));
}

}  // namespace

Result<OperatorPtr> OpenCall(Evaluation& evaluation, const Call& call, const Grid& grid) {
  const FunctionId id = call.function->id;
  const Evaluation::Query& query = evaluation.query();
  if (FindWindowFunction(id) != nullptr) return OpenRangeFunction(evaluation, call, grid);
  switch (id) {
    case FunctionId::kTime: {
      Cells cells(grid.steps);
      for (std::size_t i = 0; i < grid.steps; ++i) {
        cells[i] = static_cast<double>(grid.At(i)) / 1000;
      }
      return OperatorPtr(std::make_unique<CellsOperator>(evaluation, std::move(cells)));
    }
    case FunctionId::kPi:
      return Constant(evaluation, grid, std::numbers::pi);
    case FunctionId::kStart:
      return Constant(evaluation, grid, static_cast<double>(query.start) / 1000);
    case FunctionId::kEnd:
      return Constant(evaluation, grid, static_cast<double>(query.end) / 1000);
    case FunctionId::kStep:
      return Constant(evaluation, grid, static_cast<double>(query.step) / 1000);
    case FunctionId::kRange:
      return Constant(evaluation, grid, static_cast<double>(query.end - query.start) / 1000);
    case FunctionId::kMaxOf:
    case FunctionId::kMinOf:
      return OpenExtremeOf(evaluation, call, grid);
    case FunctionId::kVector:
      return Open(evaluation, *call.arguments[0], grid);
    case FunctionId::kScalar:
      return OpenOnlyValue(evaluation, call, grid);
    case FunctionId::kAbsent: {
      const Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
      if (!child) return tl::unexpected(child.error());
      return OpenAbsence(**child, AbsentLabels(*call.arguments[0]));
    }
    case FunctionId::kTimestamp:
      // Only a plain selector knows when its samples were taken.
      if (const auto* selector = As<VectorSelector>(Unwrap(*call.arguments[0]))) {
        return OpenTimestampOfSelector(evaluation, *selector, grid);
      }
      return OpenMath(evaluation, call, grid);
    case FunctionId::kStartTimestamp:
      if (const auto* selector = As<VectorSelector>(Unwrap(*call.arguments[0]))) {
        return OpenStartOfSelector(evaluation, *selector, grid);
      }
      return TableOperator::Make(evaluation, grid.steps, {}, {});
    case FunctionId::kInfo:
      return OpenInfo(evaluation, call, grid);
    case FunctionId::kLabelReplace:
    case FunctionId::kLabelJoin:
      return OpenLabelFunction(evaluation, call, grid);
    case FunctionId::kSort:
    case FunctionId::kSortDesc:
    case FunctionId::kSortByLabel:
    case FunctionId::kSortByLabelDesc:
      return OpenSort(evaluation, call, grid);
    case FunctionId::kHistogramQuantile:
    case FunctionId::kHistogramQuantiles:
    case FunctionId::kHistogramFraction:
      return OpenHistogramFunction(evaluation, call, grid);
    case FunctionId::kHistogramAvg:
    case FunctionId::kHistogramCount:
    case FunctionId::kHistogramSum:
    case FunctionId::kHistogramStddev:
    case FunctionId::kHistogramStdvar:
      return OpenHistogramFact(evaluation, call, grid);
    default:
      return OpenMath(evaluation, call, grid);
  }
}

}  // namespace fettle::promql

#include "rules/promql/absent.h"

#include <set>
#include <string>
#include <utility>

#include "rules/promql/scalar_operators.h"

namespace fettle::promql {

LabelsPtr AbsentLabels(const Expr& expr) {
  const Expr& inner = Unwrap(expr);
  const VectorSelector* selector = As<VectorSelector>(inner);
  if (const auto* matrix = As<MatrixSelector>(inner)) selector = matrix->selector;
  if (selector == nullptr) return NoLabels();
  Labels labels;
  std::set<std::string> seen;
  for (const Matcher& matcher : selector->matchers) {
    if (matcher.name() == kMetricName) continue;
    const bool first = matcher.type() == Matcher::Type::kEqual && !seen.contains(matcher.name());
    if (first) seen.insert(matcher.name());
    labels.Set(matcher.name(), first ? matcher.value() : "");
  }
  return std::make_shared<const Labels>(std::move(labels));
}

Result<OperatorPtr> OpenAbsence(Operator& of, LabelsPtr labels) {
  Cells cells(of.steps(), 1.0);
  Evaluation::Scratch scratch(of.evaluation(), of.steps());
  std::size_t missing = of.steps();
  for (std::size_t row = 0; row < of.rows().size() && missing > 0; ++row) {
    if (Status status = of.Fill(row, *scratch); !status) return tl::unexpected(status.error());
    for (std::size_t step = 0; step < of.steps(); ++step) {
      if (IsAbsent((*scratch)[step]) || IsAbsent(cells[step])) continue;
      cells[step] = Absent();
      --missing;
    }
  }
  return OperatorPtr(
      std::make_unique<CellsOperator>(of.evaluation(), std::move(cells), std::move(labels)));
}

}  // namespace fettle::promql

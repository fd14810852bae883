#include "rules/judge.h"

#include <fmt/format.h>

#include "rules/promql/ast.h"
#include "rules/promql/printer.h"

namespace fettle::rules {

Result<promql::ExprPtr> EngineJudge::Read(std::string_view expression) const {
  Result<promql::ExprPtr> expr = promql::Parse(expression, parser_);
  if (!expr) return expr;
  const promql::ValueType type = (*expr)->type;
  if (type != promql::ValueType::kVector && type != promql::ValueType::kScalar) {
    return Fail(Cause::kInvalid, "{}: an instant vector or a scalar is needed, not a {}",
                promql::LineAndColumn(expression, (*expr)->span.start), promql::ToString(type));
  }
  return expr;
}

Status EngineJudge::Check(std::string_view expression) const {
  const Result<promql::ExprPtr> expr = Read(expression);
  if (!expr) return tl::unexpected(expr.error());
  return {};
}

Result<std::vector<Sample>> EngineJudge::Ask(std::string_view expression, Time at,
                                             Millis timeout) const {
  const Result<promql::ExprPtr> expr = Read(expression);
  if (!expr) return tl::unexpected(expr.error());
  const BootTime deadline = deps_.clock.Now().boot + timeout;
  const Result<promql::Answer> answer = deps_.engine.Instant(**expr, at, deadline);
  if (!answer) return While(fmt::format("evaluating {}", expression), answer.error());
  std::vector<Sample> samples;
  if (answer->value.type == promql::ValueType::kScalar) {
    samples.push_back({Labels{}, answer->value.scalar, at});
  }
  for (const promql::Element& element : answer->value.vector) {
    if (element.histogram == nullptr) samples.push_back({*element.labels, element.value, at});
  }
  return samples;
}

std::string EngineJudge::Compared(std::string_view expression) const {
  const Result<promql::ExprPtr> expr = Read(expression);
  return expr ? ComparedIn(**expr) : "";
}

std::string ComparedIn(const promql::Expr& expression) {
  const promql::Expr* node = &expression;
  while (const auto* paren = promql::As<promql::ParenExpr>(*node)) node = paren->inner;
  const auto* binary = promql::As<promql::BinaryExpr>(*node);
  if (binary == nullptr || !promql::IsComparison(binary->op)) return "";
  return promql::Print(*binary->lhs);
}

}  // namespace fettle::rules

#include "rules/promql/ast.h"

#include <string_view>

namespace fettle::promql {

std::string_view ToString(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
    default:
      return "none";
  }
}

std::string LineAndColumn(std::string_view text, std::size_t offset) {
  if (text.empty()) return "unknown position";
  if (offset > text.size()) return "invalid position";
  std::size_t line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] != '\n') continue;
    ++line;
    line_start = i + 1;
  }
  return fmt::format("{}:{}", line, offset - line_start + 1);
}

std::vector<const Expr*> Children(const Expr& expr) {
  switch (expr.kind) {
    case Kind::kParen:
      return {As<ParenExpr>(expr)->inner.get()};
    case Kind::kUnary:
      return {As<UnaryExpr>(expr)->inner.get()};
    case Kind::kBinary: {
      const auto& binary = *As<BinaryExpr>(expr);
      return {binary.lhs.get(), binary.rhs.get()};
    }
    case Kind::kAggregate: {
      const auto& aggregate = *As<AggregateExpr>(expr);
      if (aggregate.parameter == nullptr) return {aggregate.inner.get()};
      return {aggregate.parameter.get(), aggregate.inner.get()};
    }
    case Kind::kCall: {
      std::vector<const Expr*> out;
      for (const ExprPtr& argument : As<Call>(expr)->arguments) out.push_back(argument.get());
      return out;
    }
    case Kind::kMatrix:
      return {As<MatrixSelector>(expr)->selector.get()};
    case Kind::kSubquery:
      return {As<SubqueryExpr>(expr)->inner.get()};
    default:
      return {};
  }
}

void Walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  visit(expr);
  for (const Expr* child : Children(expr)) Walk(*child, visit);
}

std::vector<const VectorSelector*> Selectors(const Expr& expr) {
  std::vector<const VectorSelector*> out;
  Walk(expr, [&](const Expr& node) {
    if (const auto* selector = As<VectorSelector>(node)) out.push_back(selector);
  });
  return out;
}

const Expr& Unwrap(const Expr& expr) {
  const Expr* inner = &expr;
  while (const auto* paren = As<ParenExpr>(*inner)) inner = paren->inner.get();
  return *inner;
}

}  // namespace fettle::promql

#include "rules/promql/rewrite.h"

#include <memory>
#include <utility>

namespace fettle::promql {

namespace {

// The node with what stands on it pinned, as far as it is copied; the rest is the old tree's.
const Expr* Pin(Tree& tree, const Expr* expr, std::int64_t at) {
  const auto pin = [at](When& when) {
    if (!when.timestamp) when.timestamp = at;
  };
  switch (expr->kind) {
    case Kind::kSelector: {
      auto* const copy = tree.Make<VectorSelector>(*As<VectorSelector>(expr));
      pin(copy->when);
      return copy;
    }
    case Kind::kMatrix: {
      auto* const copy = tree.Make<MatrixSelector>(*As<MatrixSelector>(expr));
      auto* const selector = tree.Make<VectorSelector>(*copy->selector);
      pin(selector->when);
      copy->selector = selector;
      return copy;
    }
    case Kind::kSubquery: {
      auto* const copy = tree.Make<SubqueryExpr>(*As<SubqueryExpr>(expr));
      pin(copy->when);
      return copy;
    }
    case Kind::kParen: {
      auto* const copy = tree.Make<ParenExpr>(*As<ParenExpr>(expr));
      copy->inner = Pin(tree, copy->inner, at);
      return copy;
    }
    case Kind::kUnary: {
      auto* const copy = tree.Make<UnaryExpr>(*As<UnaryExpr>(expr));
      copy->inner = Pin(tree, copy->inner, at);
      return copy;
    }
    case Kind::kBinary: {
      auto* const copy = tree.Make<BinaryExpr>(*As<BinaryExpr>(expr));
      copy->lhs = Pin(tree, copy->lhs, at);
      copy->rhs = Pin(tree, copy->rhs, at);
      return copy;
    }
    case Kind::kAggregate: {
      auto* const copy = tree.Make<AggregateExpr>(*As<AggregateExpr>(expr));
      copy->inner = Pin(tree, copy->inner, at);
      if (copy->parameter) copy->parameter = Pin(tree, copy->parameter, at);
      return copy;
    }
    case Kind::kCall: {
      auto* const copy = tree.Make<Call>(*As<Call>(expr));
      for (const Expr*& argument : copy->arguments) argument = Pin(tree, argument, at);
      return copy;
    }
    default:
      return expr;
  }
}

}  // namespace

ExprPtr PinSelectors(const ExprPtr& expr, std::int64_t at) {
  auto tree = std::make_shared<Tree>();
  tree->Keep(expr);
  const Expr* const pinned = Pin(*tree, expr.get(), at);
  return {std::move(tree), pinned};
}

}  // namespace fettle::promql

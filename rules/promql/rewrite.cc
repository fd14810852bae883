#include "rules/promql/rewrite.h"

#include <memory>

namespace fettle::promql {

ExprPtr PinSelectors(const ExprPtr& expr, std::int64_t at) {
  const auto pin = [at](When& when) {
    if (!when.timestamp) when.timestamp = at;
  };
  switch (expr->kind) {
    case Kind::kSelector: {
      auto copy = std::make_shared<VectorSelector>(*As<VectorSelector>(expr));
      pin(copy->when);
      return copy;
    }
    case Kind::kMatrix: {
      auto copy = std::make_shared<MatrixSelector>(*As<MatrixSelector>(expr));
      auto selector = std::make_shared<VectorSelector>(*copy->selector);
      pin(selector->when);
      copy->selector = std::move(selector);
      return copy;
    }
    case Kind::kSubquery: {
      auto copy = std::make_shared<SubqueryExpr>(*As<SubqueryExpr>(expr));
      pin(copy->when);
      return copy;
    }
    case Kind::kParen: {
      auto copy = std::make_shared<ParenExpr>(*As<ParenExpr>(expr));
      copy->inner = PinSelectors(copy->inner, at);
      return copy;
    }
    case Kind::kUnary: {
      auto copy = std::make_shared<UnaryExpr>(*As<UnaryExpr>(expr));
      copy->inner = PinSelectors(copy->inner, at);
      return copy;
    }
    case Kind::kBinary: {
      auto copy = std::make_shared<BinaryExpr>(*As<BinaryExpr>(expr));
      copy->lhs = PinSelectors(copy->lhs, at);
      copy->rhs = PinSelectors(copy->rhs, at);
      return copy;
    }
    case Kind::kAggregate: {
      auto copy = std::make_shared<AggregateExpr>(*As<AggregateExpr>(expr));
      copy->inner = PinSelectors(copy->inner, at);
      if (copy->parameter) copy->parameter = PinSelectors(copy->parameter, at);
      return copy;
    }
    case Kind::kCall: {
      auto copy = std::make_shared<Call>(*As<Call>(expr));
      for (ExprPtr& argument : copy->arguments) argument = PinSelectors(argument, at);
      return copy;
    }
    default:
      return expr;
  }
}

}  // namespace fettle::promql

#include "rules/lint_labels.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "rules/promql/function_table.h"

namespace fettle::rules {
namespace {

using promql::FunctionId;
using promql::TokenType;
using promql::ValueType;

const LabelReach kNone{.open = false, .names = {}};

std::string TextOfLiteral(const promql::Expr* expr) {
  const auto* literal = promql::As<promql::StringLiteral>(promql::Unwrap(*expr));
  return literal == nullptr ? "" : literal->value;
}

// Only those of `wanted` that `from` can have.
LabelReach Only(const LabelReach& from, const std::vector<std::string>& wanted) {
  LabelReach reach = kNone;
  for (const std::string& name : wanted) {
    if (from.CanHave(name)) reach.names.insert(name);
  }
  return reach;
}

LabelReach Union(const LabelReach& a, const LabelReach& b) {
  LabelReach out;
  if (!a.open && !b.open) {
    out = a;
    out.names.insert(b.names.begin(), b.names.end());
    return out;
  }
  // What neither can have.
  const std::set<std::string>& missing = a.open ? a.names : b.names;
  const LabelReach& other = a.open ? b : a;
  std::copy_if(missing.begin(), missing.end(), std::inserter(out.names, out.names.end()),
               [&](const std::string& name) { return !other.CanHave(name); });
  return out;
}

// absent(x): the labels that x asks for by equality.
LabelReach OfAbsent(const promql::Expr& argument) {
  LabelReach reach = kNone;
  const promql::Expr& inner = promql::Unwrap(argument);
  const auto* matrix = promql::As<promql::MatrixSelector>(inner);
  const auto* selector =
      matrix != nullptr ? matrix->selector : promql::As<promql::VectorSelector>(inner);
  if (selector == nullptr) return reach;
  for (const Matcher& matcher : selector->matchers) {
    if (matcher.type() == Matcher::Type::kEqual && matcher.name() != kMetricName) {
      reach.names.insert(matcher.name());
    }
  }
  return reach;
}

LabelReach OfAggregate(const promql::AggregateExpr& aggregate) {
  LabelReach inner = ReachOf(*aggregate.inner);
  switch (aggregate.op) {
    case TokenType::kTopK:
    case TokenType::kBottomK:
    case TokenType::kLimitK:
    case TokenType::kLimitRatio:
      return inner;
    default:
      break;
  }
  LabelReach reach = aggregate.without ? inner : Only(inner, aggregate.grouping);
  if (aggregate.without) {
    for (const std::string& name : aggregate.grouping) reach.Remove(name);
  }
  if (aggregate.op == TokenType::kCountValues) reach.Add(TextOfLiteral(aggregate.parameter));
  return reach;
}

LabelReach OfCall(const promql::Call& call) {
  const auto& arguments = call.arguments;
  switch (call.function->id) {
    case FunctionId::kAbsent:
    case FunctionId::kAbsentOverTime:
      return OfAbsent(*arguments[0]);
    case FunctionId::kScalar:
    case FunctionId::kVector:
    case FunctionId::kTime:
    case FunctionId::kPi:
      return kNone;
    case FunctionId::kInfo:
      return {};
    case FunctionId::kLabelReplace:
    case FunctionId::kLabelJoin: {
      LabelReach reach = ReachOf(*arguments[0]);
      reach.Add(TextOfLiteral(arguments[1]));
      return reach;
    }
    case FunctionId::kHistogramQuantile: {
      LabelReach reach = ReachOf(*arguments[1]);
      reach.Remove("le");
      return reach;
    }
    default:
      break;
  }
  for (const promql::Expr* const argument : arguments) {
    if (argument->type == ValueType::kVector || argument->type == ValueType::kMatrix) {
      return ReachOf(*argument);
    }
  }
  return kNone;
}

LabelReach OfBinary(const promql::BinaryExpr& binary) {
  const LabelReach lhs = ReachOf(*binary.lhs);
  const LabelReach rhs = ReachOf(*binary.rhs);
  if (binary.lhs->type == ValueType::kScalar) return rhs;
  if (binary.rhs->type == ValueType::kScalar) return lhs;
  if (binary.op == TokenType::kAnd || binary.op == TokenType::kUnless) return lhs;
  if (binary.op == TokenType::kOr) return Union(lhs, rhs);
  const promql::VectorMatching& matching = binary.matching;
  if (matching.cardinality != promql::Cardinality::kOneToOne) {
    LabelReach many = matching.cardinality == promql::Cardinality::kOneToMany ? rhs : lhs;
    for (const std::string& name : matching.include) many.Add(name);
    return many;
  }
  if (matching.on) return Only(lhs, matching.labels);
  LabelReach reach = lhs;
  for (const std::string& name : matching.labels) reach.Remove(name);
  return reach;
}

LabelReach OfSelector(const promql::VectorSelector& selector) {
  LabelReach reach;
  for (const Matcher& matcher : selector.matchers) {
    if (matcher.type() == Matcher::Type::kEqual && matcher.value().empty()) {
      reach.Remove(matcher.name());
    }
  }
  return reach;
}

}  // namespace

void LabelReach::Add(const std::string& name) {
  if (open) {
    names.erase(name);
  } else {
    names.insert(name);
  }
}

void LabelReach::Remove(const std::string& name) {
  if (open) {
    names.insert(name);
  } else {
    names.erase(name);
  }
}

LabelReach ReachOf(const promql::Expr& expr) {
  if (const auto* paren = promql::As<promql::ParenExpr>(expr)) return ReachOf(*paren->inner);
  if (const auto* unary = promql::As<promql::UnaryExpr>(expr)) return ReachOf(*unary->inner);
  if (const auto* selector = promql::As<promql::VectorSelector>(expr)) return OfSelector(*selector);
  if (const auto* matrix = promql::As<promql::MatrixSelector>(expr)) {
    return OfSelector(*matrix->selector);
  }
  if (const auto* subquery = promql::As<promql::SubqueryExpr>(expr)) {
    return ReachOf(*subquery->inner);
  }
  if (const auto* aggregate = promql::As<promql::AggregateExpr>(expr)) {
    return OfAggregate(*aggregate);
  }
  if (const auto* call = promql::As<promql::Call>(expr)) return OfCall(*call);
  if (const auto* binary = promql::As<promql::BinaryExpr>(expr)) return OfBinary(*binary);
  return kNone;
}

}  // namespace fettle::rules

#include "rules/promql/typecheck.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/promql/function_table.h"

namespace fettle::promql {
namespace {

using Found = std::optional<Complaint>;

template <typename... Args>
Found Complain(Span where, fmt::format_string<Args...> format, Args&&... args) {
  return Complaint{where, fmt::format(format, std::forward<Args>(args)...)};
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// "matrix" where messages say "range vector" elsewhere.
std::string_view ShortName(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "vector";
    case ValueType::kMatrix:
      return "matrix";
    default:
      return "none";
  }
}

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Found Check(const Expr& expr) const {
    switch (expr.kind) {
      case Kind::kAggregate:
        return CheckAggregate(*As<AggregateExpr>(expr));
      case Kind::kBinary:
        return CheckBinary(*As<BinaryExpr>(expr));
      case Kind::kCall:
        return CheckCall(*As<Call>(expr));
      case Kind::kParen:
        return Check(*As<ParenExpr>(expr)->inner);
      case Kind::kUnary:
        return CheckUnary(*As<UnaryExpr>(expr));
      case Kind::kSubquery:
        return CheckSubquery(*As<SubqueryExpr>(expr));
      case Kind::kMatrix:
        return Check(*As<MatrixSelector>(expr)->selector);
      case Kind::kSelector:
        return CheckSelector(*As<VectorSelector>(expr));
      default:
        return std::nullopt;
    }
  }

 private:
  // `context` says where it stands, if it comes to that.
  template <typename Context>
  Found Expect(const Expr& expr, ValueType want, const Context& context) const {
    if (Found found = Check(expr)) return found;
    if (expr.type == want) return std::nullopt;
    return Complain(expr.span, "expected type {} in {}, got {}", ToString(want), context(),
                    ToString(expr.type));
  }

  Found CheckAggregate(const AggregateExpr& expr) const {
    if (Found found =
            Expect(*expr.inner, ValueType::kVector, [] { return "aggregation expression"; })) {
      return found;
    }
    if (!TakesParameter(expr.op)) return std::nullopt;
    const ValueType want =
        expr.op == TokenType::kCountValues ? ValueType::kString : ValueType::kScalar;
    return Expect(*expr.parameter, want, [] { return "aggregation parameter"; });
  }

  // The operator between the operands, without the blanks around it.
  Span OperatorSpan(const BinaryExpr& expr) const {
    Span span{expr.lhs->span.end, expr.rhs->span.start};
    while (span.start < text_.size() && IsSpace(text_[span.start])) ++span.start;
    return span;
  }

  Found CheckBinary(const BinaryExpr& expr) const {
    if (Found found = Check(*expr.lhs)) return found;
    if (Found found = Check(*expr.rhs)) return found;
    const ValueType left = expr.lhs->type;
    const ValueType right = expr.rhs->type;
    const bool scalars = left == ValueType::kScalar && right == ValueType::kScalar;
    if (expr.return_bool && !IsComparison(expr.op)) {
      return Complain(OperatorSpan(expr), "bool modifier can only be used on comparison operators");
    }
    if (IsComparison(expr.op) && !expr.return_bool && scalars) {
      return Complain(OperatorSpan(expr), "comparisons between scalars must use BOOL modifier");
    }
    for (const std::string& label : expr.matching.labels) {
      const auto& include = expr.matching.include;
      if (expr.matching.on && std::find(include.begin(), include.end(), label) != include.end()) {
        return Complain(OperatorSpan(expr),
                        "label {} must not occur in ON and GROUP clause at once", Quote(label));
      }
    }
    for (const Expr* side : {expr.lhs, expr.rhs}) {
      const ValueType type = side->type;
      if (type != ValueType::kScalar && type != ValueType::kVector) {
        return Complain(side->span,
                        "binary expression must contain only scalar and instant vector types");
      }
    }
    return CheckMatching(expr, left == ValueType::kVector && right == ValueType::kVector);
  }

  static Found CheckMatching(const BinaryExpr& expr, bool vectors) {
    const VectorMatching& matching = expr.matching;
    const bool fills = matching.fill_left || matching.fill_right;
    if (!vectors) {
      if (!matching.labels.empty()) {
        return Complain(expr.span, "vector matching only allowed between instant vectors");
      }
      if (fills) {
        return Complain(expr.span,
                        "filling in missing series only allowed between instant vectors");
      }
      if (IsSetOperator(expr.op)) {
        return Complain(expr.span, "set operator {} not allowed in binary scalar expression",
                        Quote(ToString(expr.op)));
      }
      return std::nullopt;
    }
    if (!IsSetOperator(expr.op)) return std::nullopt;
    if (matching.cardinality != Cardinality::kManyToMany) {
      return Complain(expr.span, "no grouping allowed for {} operation", Quote(ToString(expr.op)));
    }
    if (fills) {
      return Complain(expr.span, "filling in missing series not allowed for set operators");
    }
    return std::nullopt;
  }

  Found CheckCount(const Call& call) const {
    const Function& function = *call.function;
    const auto given = static_cast<int>(call.arguments.size());
    const auto listed = static_cast<int>(function.arguments.size());
    if (function.variadic == 0) {
      if (given == listed) return std::nullopt;
      return Complain(call.span, "expected {} argument(s) in call to {}, got {}", listed,
                      Quote(function.name), given);
    }
    const int least = listed - 1;
    if (given < least) {
      return Complain(call.span, "expected at least {} argument(s) in call to {}, got {}", least,
                      Quote(function.name), given);
    }
    if (function.variadic > 0 && given > least + function.variadic) {
      return Complain(call.span, "expected at most {} argument(s) in call to {}, got {}",
                      least + function.variadic, Quote(function.name), given);
    }
    return std::nullopt;
  }

  Found CheckCall(const Call& call) const {
    if (Found found = CheckCount(call)) return found;
    const std::vector<ValueType>& types = call.function->arguments;
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
      const ValueType want = types[std::min(i, types.size() - 1)];
      const auto context = [&] {
        return fmt::format("call to function {}", Quote(call.function->name));
      };
      if (i == 1 && call.function->id == FunctionId::kInfo) {
        // Labels alone; they may match everything.
        const auto* labels = As<VectorSelector>(Unwrap(*call.arguments[1]));
        if (labels != nullptr && labels->name.empty()) continue;
        if (Found found = Expect(*call.arguments[i], want, context)) return found;
        return Complain(call.arguments[i]->span,
                        "expected label selectors only, got vector selector instead");
      }
      if (Found found = Expect(*call.arguments[i], want, context)) return found;
    }
    return std::nullopt;
  }

  Found CheckUnary(const UnaryExpr& expr) const {
    if (Found found = Check(*expr.inner)) return found;
    const ValueType type = expr.inner->type;
    if (type == ValueType::kScalar || type == ValueType::kVector) return std::nullopt;
    return Complain(
        expr.span,
        "unary expression only allowed on expressions of type scalar or instant vector, got {}",
        Quote(ToString(type)));
  }

  Found CheckSubquery(const SubqueryExpr& expr) const {
    if (Found found = Check(*expr.inner)) return found;
    if (expr.inner->type == ValueType::kVector) return std::nullopt;
    return Complain(expr.span, "subquery is only allowed on instant vector, got {} instead",
                    ShortName(expr.inner->type));
  }

  static Found CheckSelector(const VectorSelector& selector) {
    if (!selector.name.empty()) {
      // The last matcher is the name written before the braces.
      for (std::size_t i = 0; i + 1 < selector.matchers.size(); ++i) {
        const Matcher& matcher = selector.matchers[i];
        if (matcher.name() != kMetricName) continue;
        return Complain(selector.span, "metric name must not be set twice: {} or {}",
                        Quote(selector.name), Quote(matcher.value()));
      }
      return std::nullopt;
    }
    for (const Matcher& matcher : selector.matchers) {
      if (!matcher.Matches("")) return std::nullopt;
    }
    return Complain(selector.span, "vector selector must contain at least one non-empty matcher");
  }

  const std::string_view text_;
};

}  // namespace

std::optional<Complaint> CheckTypes(const Expr& expr, std::string_view text) {
  return Checker(text).Check(expr);
}

}  // namespace fettle::promql

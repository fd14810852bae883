#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "rules/lint.h"
#include "rules/lint_labels.h"
#include "rules/promql/function_table.h"
#include "rules/promql/printer.h"

namespace fettle::rules {
namespace {

using promql::FunctionId;
using promql::TokenType;
using promql::ValueType;

// The value of an expression of numbers alone, or of vector() around one.
std::optional<double> ConstantOf(const promql::Expr& expr) {
  const promql::Expr& inner = promql::Unwrap(expr);
  if (const auto* number = promql::As<promql::NumberLiteral>(inner)) return number->value;
  if (const auto* unary = promql::As<promql::UnaryExpr>(inner)) {
    const auto value = ConstantOf(*unary->inner);
    if (!value) return std::nullopt;
    return unary->op == TokenType::kSub ? -*value : *value;
  }
  if (const auto* call = promql::As<promql::Call>(inner)) {
    if (call->function->id == FunctionId::kVector) return ConstantOf(*call->arguments[0]);
    return std::nullopt;
  }
  const auto* binary = promql::As<promql::BinaryExpr>(inner);
  if (binary == nullptr) return std::nullopt;
  const auto lhs = ConstantOf(*binary->lhs);
  const auto rhs = ConstantOf(*binary->rhs);
  if (!lhs || !rhs) return std::nullopt;
  switch (binary->op) {
    case TokenType::kAdd:
      return *lhs + *rhs;
    case TokenType::kSub:
      return *lhs - *rhs;
    case TokenType::kMul:
      return *lhs * *rhs;
    case TokenType::kDiv:
      return *lhs / *rhs;
    default:
      return std::nullopt;
  }
}

// What values are left after `value op limit`.
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;

  void Above(double limit, bool open) {
    if (limit > low || (limit == low && open)) {
      low = limit;
      low_open = open;
    }
  }
  void Below(double limit, bool open) {
    if (limit < high || (limit == high && open)) {
      high = limit;
      high_open = open;
    }
  }
  void Restrict(TokenType op, double limit) {
    if (op == TokenType::kGreater || op == TokenType::kGreaterEqual) {
      Above(limit, op == TokenType::kGreater);
    } else if (op == TokenType::kLess || op == TokenType::kLessEqual) {
      Below(limit, op == TokenType::kLess);
    } else if (op == TokenType::kEqualEqual) {
      Above(limit, false);
      Below(limit, false);
    }
  }
  bool empty() const { return low > high || (low == high && (low_open || high_open)); }
};

TokenType Mirrored(TokenType op) {
  switch (op) {
    case TokenType::kLess:
      return TokenType::kGreater;
    case TokenType::kLessEqual:
      return TokenType::kGreaterEqual;
    case TokenType::kGreater:
      return TokenType::kLess;
    case TokenType::kGreaterEqual:
      return TokenType::kLessEqual;
    default:
      return op;
  }
}

// Of x > 1 < 5 == …: the values that pass all of them.
Interval Passing(const promql::Expr& expr) {
  const auto* binary = promql::As<promql::BinaryExpr>(promql::Unwrap(expr));
  if (binary == nullptr || !promql::IsComparison(binary->op) || binary->return_bool) {
    Interval all;
    if (const auto constant = ConstantOf(expr); constant && expr.type == ValueType::kVector) {
      all.Restrict(TokenType::kEqualEqual, *constant);
    }
    return all;
  }
  if (const auto limit = ConstantOf(*binary->rhs)) {
    Interval left = Passing(*binary->lhs);
    left.Restrict(binary->op, *limit);
    return left;
  }
  if (const auto limit = ConstantOf(*binary->lhs);
      limit && binary->rhs->type == ValueType::kVector) {
    Interval right = Passing(*binary->rhs);
    right.Restrict(Mirrored(binary->op), *limit);
    return right;
  }
  return {};
}

class ExprLinter {
 public:
  ExprLinter(const std::string& text, std::vector<ExprLint>& out) : text_(text), out_(out) {}

  void Look(const promql::Expr& expr) {
    if (const auto* selector = promql::As<promql::VectorSelector>(expr)) LookAt(*selector);
    if (const auto* binary = promql::As<promql::BinaryExpr>(expr)) LookAt(*binary);
    if (const auto* call = promql::As<promql::Call>(expr)) LookAt(*call);
  }

 private:
  void Say(const promql::Expr& where, const char* check, std::string_view what) {
    out_.push_back(
        {check, fmt::format("{}: {}", promql::LineAndColumn(text_, where.span.start), what)});
  }

  void LookAt(const promql::VectorSelector& selector) {
    bool named = false;
    for (const Matcher& matcher : selector.matchers) {
      named = named || (matcher.name() == kMetricName && !matcher.Matches(""));
      LookAt(selector, matcher);
    }
    if (!named) {
      Say(selector, "promql/selector",
          "a selector without the name of a metric reads every series there is");
    }
  }

  void LookAt(const promql::VectorSelector& selector, const Matcher& matcher) {
    const bool positive = matcher.type() == Matcher::Type::kRegexp;
    if (!positive && matcher.type() != Matcher::Type::kNotRegexp) return;
    const std::string& pattern = matcher.value();
    if (pattern.starts_with('^') || (pattern.ends_with('$') && !pattern.ends_with("\\$"))) {
      Say(selector, "promql/regexp",
          fmt::format("{} is anchored anyhow: ^ and $ can go", matcher.ToString()));
    } else if (pattern.find_first_of(R"(.*+?()[]{}|\^$)") == std::string::npos) {
      Say(selector, "promql/regexp",
          fmt::format("{} is no regular expression: {}{}{} is quicker", matcher.ToString(),
                      matcher.name(), positive ? "=" : "!=", Quote(pattern)));
    } else if (positive && pattern == ".*") {
      Say(selector, "promql/regexp",
          fmt::format("{} matches everything and can go", matcher.ToString()));
    } else if (!positive && pattern == ".*") {
      Say(selector, "promql/impossible", fmt::format("{} matches nothing", matcher.ToString()));
    }
  }

  void LookAt(const promql::BinaryExpr& binary) {
    const bool compares = promql::IsComparison(binary.op);
    const auto is_nan = [](const promql::Expr* side) {
      const auto value = ConstantOf(*side);
      return value && std::isnan(*value);
    };
    if (compares && binary.op != TokenType::kNotEqual &&
        (is_nan(binary.lhs) || is_nan(binary.rhs))) {
      Say(binary, "promql/impossible", "nothing compares with NaN; x != x finds it");
    } else if (compares && !binary.return_bool && Passing(binary).empty()) {
      Say(binary, "promql/impossible", fmt::format("no value can pass {}", promql::Print(binary)));
    }
    if (binary.lhs->type != ValueType::kVector || binary.rhs->type != ValueType::kVector) return;
    LookAtMatching(binary);
  }

  void LookAtMatching(const promql::BinaryExpr& binary) {
    const LabelReach lhs = ReachOf(*binary.lhs);
    const LabelReach rhs = ReachOf(*binary.rhs);
    const promql::VectorMatching& matching = binary.matching;
    if (matching.on) {
      for (const std::string& name : matching.labels) {
        if (lhs.CanHave(name) == rhs.CanHave(name)) continue;
        Say(binary, "promql/impossible",
            fmt::format("the {} side cannot have the label {}, so only series without it match",
                        lhs.CanHave(name) ? "right" : "left", Quote(name)));
      }
      return;
    }
    // Without on(), what one side must have and the other cannot keeps them apart; only labels
    // that are asked for by name are sure to be there.
    if (binary.op == TokenType::kOr) return;
    const auto apart = [&](const promql::Expr& side, const LabelReach& other, const char* which) {
      const auto* aggregate = promql::As<promql::AggregateExpr>(promql::Unwrap(side));
      if (aggregate == nullptr || aggregate->without || other.open) return;
      for (const std::string& name : aggregate->grouping) {
        const bool ignored = std::find(matching.labels.begin(), matching.labels.end(), name) !=
                             matching.labels.end();
        if (other.CanHave(name) || ignored) continue;
        Say(binary, "promql/impossible",
            fmt::format("the {} side has been aggregated without the label {} that the other side "
                        "keeps",
                        which, Quote(name)));
        return;
      }
    };
    apart(*binary.lhs, rhs, "right");
    apart(*binary.rhs, lhs, "left");
  }

  void LookAt(const promql::Call& call) {
    const FunctionId id = call.function->id;
    if (id != FunctionId::kRate && id != FunctionId::kIncrease && id != FunctionId::kIrate) return;
    const auto* subquery = promql::As<promql::SubqueryExpr>(promql::Unwrap(*call.arguments[0]));
    if (subquery == nullptr) return;
    const auto* aggregate = promql::As<promql::AggregateExpr>(promql::Unwrap(*subquery->inner));
    if (aggregate == nullptr || aggregate->op != TokenType::kSum) return;
    Say(call, "promql/rate",
        fmt::format("the {} of a sum takes the restart of one target for a reset of all; sum the "
                    "{} instead",
                    call.function->name, call.function->name));
  }

  const std::string& text_;
  std::vector<ExprLint>& out_;
};

}  // namespace

bool HasCondition(const promql::Expr& expr) {
  const promql::Expr& inner = promql::Unwrap(expr);
  if (const auto* binary = promql::As<promql::BinaryExpr>(inner)) {
    if (promql::IsComparison(binary->op)) {
      return !binary->return_bool || HasCondition(*binary->lhs) || HasCondition(*binary->rhs);
    }
    if (binary->op == TokenType::kUnless) return true;
    if (binary->op == TokenType::kOr) {
      return HasCondition(*binary->lhs) && HasCondition(*binary->rhs);
    }
    return HasCondition(*binary->lhs) || HasCondition(*binary->rhs);
  }
  if (const auto* selector = promql::As<promql::VectorSelector>(inner)) {
    return selector->name == "ALERTS";
  }
  if (const auto* call = promql::As<promql::Call>(inner)) {
    if (call->function->id == FunctionId::kAbsent ||
        call->function->id == FunctionId::kAbsentOverTime) {
      return true;
    }
  }
  const std::vector<const promql::Expr*> children = promql::Children(inner);
  return std::any_of(children.begin(), children.end(),
                     [](const promql::Expr* child) { return HasCondition(*child); });
}

std::vector<ExprLint> LintExpr(const promql::Expr& expr, const std::string& text) {
  std::vector<ExprLint> out;
  ExprLinter linter(text, out);
  promql::Walk(expr, [&](const promql::Expr& node) { linter.Look(node); });
  return out;
}

}  // namespace fettle::rules

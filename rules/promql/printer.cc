#include "rules/promql/printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "common/duration.h"
#include "common/number.h"
#include "rules/promql/function_table.h"

namespace fettle::promql {
namespace {

constexpr std::size_t kLineMax = 100;

std::string PrintDuration(Millis duration) {
  if (duration < Millis(0)) return "-" + FormatDuration(-duration);
  return FormatDuration(duration);
}

std::string PrintSeconds(double seconds, bool as_duration) {
  if (!as_duration) return FormatFloatFixed(seconds);
  return PrintDuration(Millis(static_cast<std::int64_t>(std::round(seconds * 1000))));
}

std::string PrintLabels(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) {
    if (!out.empty()) out += ", ";
    out += IsLabelName(label) ? label : Quote(label);
  }
  return "(" + out + ")";
}

std::string_view OperatorText(DurationExpr::Op op) {
  switch (op) {
    case DurationExpr::Op::kAdd:
      return "+";
    case DurationExpr::Op::kSub:
      return "-";
    case DurationExpr::Op::kMul:
      return "*";
    case DurationExpr::Op::kDiv:
      return "/";
    case DurationExpr::Op::kMod:
      return "%";
    default:
      return "^";
  }
}

std::string PrintLength(const DurationExpr& expr) {
  std::string out;
  switch (expr.op) {
    case DurationExpr::Op::kLiteral:
      out = PrintSeconds(expr.seconds, expr.written_as_duration);
      break;
    case DurationExpr::Op::kNegate:
      out = "-" + PrintLength(*expr.rhs);
      break;
    case DurationExpr::Op::kStep:
      out = "step()";
      break;
    case DurationExpr::Op::kRange:
      out = "range()";
      break;
    case DurationExpr::Op::kMin:
    case DurationExpr::Op::kMax:
      out = fmt::format("{}({}, {})", expr.op == DurationExpr::Op::kMin ? "min_of" : "max_of",
                        PrintLength(*expr.lhs), PrintLength(*expr.rhs));
      break;
    default:
      out = fmt::format("{} {} {}", PrintLength(*expr.lhs), OperatorText(expr.op),
                        PrintLength(*expr.rhs));
  }
  return expr.wrapped ? "(" + out + ")" : out;
}

std::string PrintLength(Millis literal, DurationPtr expr) {
  return expr == nullptr ? PrintDuration(literal) : PrintLength(*expr);
}

std::string_view PrintExtent(const VectorSelector& selector) {
  switch (selector.extent) {
    case Extent::kAnchored:
      return " anchored";
    case Extent::kSmoothed:
      return " smoothed";
    default:
      return "";
  }
}

std::string PrintWhen(const When& when) {
  std::string out;
  if (when.timestamp) {
    out += fmt::format(" @ {:.3f}", static_cast<double>(*when.timestamp) / 1000.0);
  } else if (when.edge != When::Edge::kNone) {
    out += when.edge == When::Edge::kStart ? " @ start()" : " @ end()";
  }
  if (when.offset_expr != nullptr || when.offset != Millis(0)) {
    out += " offset " + PrintLength(when.offset, when.offset_expr);
  }
  return out;
}

std::string PrintSelector(const VectorSelector& selector) {
  std::vector<std::string> matchers;
  for (const Matcher& matcher : selector.matchers) {
    const bool is_name = matcher.name() == kMetricName && matcher.type() == Matcher::Type::kEqual &&
                         matcher.value() == selector.name && !selector.name.empty();
    if (is_name) continue;
    const std::string& name = matcher.name();
    matchers.push_back((IsLabelName(name) ? name : Quote(name)) +
                       std::string(fettle::ToString(matcher.type())) + Quote(matcher.value()));
  }
  std::sort(matchers.begin(), matchers.end());
  if (matchers.empty()) return selector.name.empty() ? "{}" : selector.name;
  return fmt::format("{}{{{}}}", selector.name, fmt::join(matchers, ","));
}

std::string PrintMatching(const BinaryExpr& expr) {
  const VectorMatching& matching = expr.matching;
  if (expr.lhs->type != ValueType::kVector || expr.rhs->type != ValueType::kVector) return {};
  std::string out;
  const bool left = matching.cardinality == Cardinality::kManyToOne;
  const bool grouped = left || matching.cardinality == Cardinality::kOneToMany;
  if (!matching.labels.empty() || matching.on || grouped) {
    out += fmt::format(" {} {}", matching.on ? "on" : "ignoring", PrintLabels(matching.labels));
  }
  if (grouped) {
    out += fmt::format(" group_{} {}", left ? "left" : "right", PrintLabels(matching.include));
  }
  const auto fill = [&](std::string_view word, double value) {
    out += fmt::format(" {} ({})", word, FormatFloat(value));
  };
  if (matching.fill_left && matching.fill_right && *matching.fill_left == *matching.fill_right) {
    fill("fill", *matching.fill_left);
  } else {
    if (matching.fill_left) fill("fill_left", *matching.fill_left);
    if (matching.fill_right) fill("fill_right", *matching.fill_right);
  }
  return out;
}

// "== bool on (a)", "sum by (a) ": a node without its children.
std::string PrintOperator(const BinaryExpr& expr) {
  return fmt::format("{}{}{}", ToString(expr.op), expr.return_bool ? " bool" : "",
                     PrintMatching(expr));
}

std::string PrintOperator(const AggregateExpr& expr) {
  std::string out(ToString(expr.op));
  if (expr.without || !expr.grouping.empty()) {
    out += fmt::format(" {} {} ", expr.without ? "without" : "by", PrintLabels(expr.grouping));
  }
  return out;
}

std::string PrintBrackets(const SubqueryExpr& expr) {
  std::string step;
  if (expr.step_expr != nullptr || expr.step != Millis(0)) {
    step = PrintLength(expr.step, expr.step_expr);
  }
  return fmt::format("[{}:{}]{}", PrintLength(expr.range, expr.range_expr), step,
                     PrintWhen(expr.when));
}

std::string PrintAll(const std::vector<const Expr*>& exprs) {
  std::string out;
  for (const Expr* expr : exprs) out += (out.empty() ? "" : ", ") + Print(*expr);
  return out;
}

std::string Indent(int level) { return std::string(static_cast<std::size_t>(level) * 2, ' '); }

// One node a line where one line would be too long.
std::string Pretty(const Expr& expr, int level) {
  const std::string line = Print(expr);
  const std::string indent = Indent(level);
  if (const auto* unary = As<UnaryExpr>(expr)) {
    const std::string inner = Pretty(*unary->inner, level);
    return indent + std::string(ToString(unary->op)) + inner.substr(indent.size());
  }
  if (line.size() <= kLineMax) return indent + line;
  switch (expr.kind) {
    case Kind::kAggregate: {
      const auto& aggregate = *As<AggregateExpr>(expr);
      std::string parameter;
      if (aggregate.parameter) parameter = Pretty(*aggregate.parameter, level + 1) + ",\n";
      return fmt::format("{}{}(\n{}{}\n{})", indent, PrintOperator(aggregate), parameter,
                         Pretty(*aggregate.inner, level + 1), indent);
    }
    case Kind::kBinary: {
      const auto& binary = *As<BinaryExpr>(expr);
      return fmt::format("{}\n{}{}\n{}", Pretty(*binary.lhs, level + 1), indent,
                         PrintOperator(binary), Pretty(*binary.rhs, level + 1));
    }
    case Kind::kCall: {
      const auto& call = *As<Call>(expr);
      std::string arguments;
      for (const Expr* argument : call.arguments) {
        arguments += (arguments.empty() ? "" : ",\n") + Pretty(*argument, level + 1);
      }
      return fmt::format("{}{}(\n{}\n{})", indent, call.function->name, arguments, indent);
    }
    case Kind::kParen:
      return fmt::format("{}(\n{}\n{})", indent, Pretty(*As<ParenExpr>(expr)->inner, level + 1),
                         indent);
    case Kind::kSubquery: {
      const auto& subquery = *As<SubqueryExpr>(expr);
      return Pretty(*subquery.inner, level) + PrintBrackets(subquery);
    }
    default:
      return indent + line;
  }
}

}  // namespace

std::string Print(const Expr& expr) {
  switch (expr.kind) {
    case Kind::kNumber: {
      const auto& number = *As<NumberLiteral>(expr);
      return PrintSeconds(number.value, number.duration);
    }
    case Kind::kString:
      return Quote(As<StringLiteral>(expr)->value);
    case Kind::kParen:
      return "(" + Print(*As<ParenExpr>(expr)->inner) + ")";
    case Kind::kUnary: {
      const auto& unary = *As<UnaryExpr>(expr);
      return std::string(ToString(unary.op)) + Print(*unary.inner);
    }
    case Kind::kBinary: {
      const auto& binary = *As<BinaryExpr>(expr);
      return fmt::format("{} {} {}", Print(*binary.lhs), PrintOperator(binary), Print(*binary.rhs));
    }
    case Kind::kAggregate: {
      const auto& aggregate = *As<AggregateExpr>(expr);
      std::string parameter;
      if (aggregate.parameter) parameter = Print(*aggregate.parameter) + ", ";
      return fmt::format("{}({}{})", PrintOperator(aggregate), parameter, Print(*aggregate.inner));
    }
    case Kind::kCall: {
      const auto& call = *As<Call>(expr);
      return fmt::format("{}({})", call.function->name, PrintAll(call.arguments));
    }
    case Kind::kSelector: {
      const auto& selector = *As<VectorSelector>(expr);
      return fmt::format("{}{}{}", PrintSelector(selector), PrintExtent(selector),
                         PrintWhen(selector.when));
    }
    case Kind::kMatrix: {
      const auto& matrix = *As<MatrixSelector>(expr);
      return fmt::format("{}[{}]{}{}", PrintSelector(*matrix.selector),
                         PrintLength(matrix.range, matrix.range_expr),
                         PrintExtent(*matrix.selector), PrintWhen(matrix.selector->when));
    }
    case Kind::kSubquery: {
      const auto& subquery = *As<SubqueryExpr>(expr);
      return Print(*subquery.inner) + PrintBrackets(subquery);
    }
    case Kind::kDuration:
      return PrintLength(*As<DurationExpr>(expr));
  }
  return {};
}

std::string PrintPretty(const Expr& expr) { return Pretty(expr, 0); }

}  // namespace fettle::promql

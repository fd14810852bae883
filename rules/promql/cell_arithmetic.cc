#include "rules/promql/cell_arithmetic.h"

#include <type_traits>

#include "common/labels.h"
#include "rules/promql/arithmetic.h"

namespace fettle::promql {

bool IsTrim(TokenType op) { return op == TokenType::kTrimUpper || op == TokenType::kTrimLower; }

double CellArithmetic::Combine(double left, double right) const {
  const bool histogram_left = IsHistogramCell(left);
  const bool histogram_right = IsHistogramCell(right);
  if (!histogram_left && !histogram_right) return Numbers(left, right);
  if (histogram_left && histogram_right) {
    // Held here: what is kept meanwhile may move the list they are in.
    const HistogramPtr a = evaluation_.HistogramAt(left);
    const HistogramPtr b = evaluation_.HistogramAt(right);
    const bool equality =
        binary_.op == TokenType::kEqualEqual || binary_.op == TokenType::kNotEqual;
    if (!equality) return Histograms(*a, *b);
    return Compared(left, SameHistogram(*a, *b) == (binary_.op == TokenType::kEqualEqual));
  }
  const HistogramPtr histogram = evaluation_.HistogramAt(histogram_left ? left : right);
  const double number = histogram_left ? right : left;
  if (binary_.op == TokenType::kMul) return evaluation_.Keep(Scaled(*histogram, number));
  if (!histogram_left) return Incompatible("float", "histogram");
  switch (binary_.op) {
    case TokenType::kDiv:
      return evaluation_.Keep(Divided(*histogram, number));
    case TokenType::kTrimUpper:
      return evaluation_.Keep(TrimmedAbove(*histogram, number));
    case TokenType::kTrimLower:
      return evaluation_.Keep(TrimmedBelow(*histogram, number));
    default:
      return Incompatible("histogram", "float");
  }
}

double CellArithmetic::Numbers(double left, double right) const {
  if (IsTrim(binary_.op)) return Incompatible("float", "float");
  return WithOperation(binary_.op, [&](auto operation) {
    if constexpr (std::is_same_v<decltype(operation(0.0, 0.0)), bool>) {
      return Compared(left, operation(left, right));
    } else {
      return operation(left, right);
    }
  });
}

double CellArithmetic::Compared(double left, bool holds) const {
  if (binary_.return_bool) return holds ? 1 : 0;
  return holds ? left : Absent();
}

double CellArithmetic::Histograms(const FloatHistogram& left, const FloatHistogram& right) const {
  if (binary_.op == TokenType::kAdd) return Sum(left, right, false);
  if (binary_.op == TokenType::kSub) return Sum(left, right, true);
  return Incompatible("histogram", "histogram");
}

double CellArithmetic::Sum(const FloatHistogram& left, const FloatHistogram& right,
                           bool subtract) const {
  HistogramSum sum(left, HistogramSum::Precision::kPlain);
  const HistogramOutcome outcome = subtract ? sum.Subtract(right) : sum.Add(right);
  if (!outcome.compatible) {
    evaluation_.Warn(binary_.span,
                     fmt::format("PromQL warning: incompatible bucket layout encountered for "
                                 "binary operator {}",
                                 ToString(binary_.op)));
    return Absent();
  }
  AnnotateSum(evaluation_, binary_.span, outcome, subtract ? "subtraction" : "addition");
  if (subtract) sum.set_hint(FloatHistogram::ResetHint::kGauge);
  return evaluation_.Keep(sum.Total());
}

double CellArithmetic::Incompatible(std::string_view left, std::string_view right) const {
  const std::string_view op = ToString(binary_.op);
  evaluation_.Inform(binary_.span,
                     fmt::format("PromQL info: incompatible sample types encountered for binary "
                                 "operator {}: {} {} {}",
                                 Quote(op), left, op, right));
  return Absent();
}

void AnnotateSum(Evaluation& evaluation, Span where, const HistogramOutcome& outcome,
                 std::string_view operation) {
  if (outcome.resets_collide) {
    evaluation.Warn(where, fmt::format("PromQL warning: conflicting counter resets during "
                                       "histogram {}",
                                       operation));
  }
  if (outcome.bounds_reconciled) {
    evaluation.Inform(where, fmt::format("PromQL info: mismatched custom buckets were reconciled "
                                         "during {}",
                                         operation));
  }
}

void WarnOfMixedSchemas(Evaluation& evaluation, Span where, std::string_view metric) {
  evaluation.Warn(where, fmt::format("PromQL warning: vector contains a mix of histograms with "
                                     "exponential and custom buckets schemas for metric name {}",
                                     Quote(metric)));
}

}  // namespace fettle::promql

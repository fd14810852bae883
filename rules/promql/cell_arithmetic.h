// The binary operators on cells of which either may be a histogram: what the float paths of
// binary.cc and vector_match.cc leave to it.
#pragma once

#include <string_view>

#include "rules/promql/ast.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/histogram_arithmetic.h"
#include "rules/promql/row.h"

namespace fettle::promql {

// Whether the operator's outcome must be asked for here even if both sides are numbers: trimming,
// which is for histograms and says so.
bool IsTrim(TokenType op);

class CellArithmetic {
 public:
  CellArithmetic(Evaluation& evaluation, const BinaryExpr& binary)
      : evaluation_(evaluation), binary_(binary) {}

  // Both present. Absent() if they have no outcome, or a comparison filters it out; what is wrong
  // with the pair is annotated.
  double Combine(double left, double right) const;

 private:
  double Numbers(double left, double right) const;
  double Histograms(const FloatHistogram& left, const FloatHistogram& right) const;
  double Sum(const FloatHistogram& left, const FloatHistogram& right, bool subtract) const;
  double Compared(double left, bool holds) const;
  double Incompatible(std::string_view left, std::string_view right) const;

  Evaluation& evaluation_;
  const BinaryExpr& binary_;
};

// The annotations of adding histograms, at `where`, during "addition", "subtraction" or
// "aggregation".
void AnnotateSum(Evaluation& evaluation, Span where, const HistogramOutcome& outcome,
                 std::string_view operation);
// "…vector contains a mix of histograms with exponential and custom buckets…".
void WarnOfMixedSchemas(Evaluation& evaluation, Span where, std::string_view metric);

}  // namespace fettle::promql

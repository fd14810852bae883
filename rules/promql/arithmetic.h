// The binary operators on two numbers. Pure.
#pragma once

#include <cmath>
#include <functional>

#include "rules/promql/row.h"
#include "rules/promql/token.h"

namespace fettle::promql {

// Whether the outcome is no longer the left operand's metric: arithmetic.
inline bool ChangesMetric(TokenType op) { return op >= TokenType::kAdd && op <= TokenType::kAtan2; }

struct Modulo {
  double operator()(double a, double b) const { return std::fmod(a, b); }
};
struct Power {
  double operator()(double a, double b) const { return std::pow(a, b); }
};
struct ArcTangent {
  double operator()(double a, double b) const { return std::atan2(a, b); }
};
// Trimming is for histograms; two numbers have no outcome.
struct Nothing {
  double operator()(double, double) const { return Absent(); }
};

// Calls use(f) with f(left, right) -> double for arithmetic, f -> bool for comparisons.
template <typename Use>
auto WithOperation(TokenType op, const Use& use) {
  switch (op) {
    case TokenType::kAdd:
      return use(std::plus<double>());
    case TokenType::kSub:
      return use(std::minus<double>());
    case TokenType::kMul:
      return use(std::multiplies<double>());
    case TokenType::kDiv:
      return use(std::divides<double>());
    case TokenType::kMod:
      return use(Modulo());
    case TokenType::kPow:
      return use(Power());
    case TokenType::kAtan2:
      return use(ArcTangent());
    case TokenType::kEqualEqual:
      return use(std::equal_to<double>());
    case TokenType::kNotEqual:
      return use(std::not_equal_to<double>());
    case TokenType::kLess:
      return use(std::less<double>());
    case TokenType::kLessEqual:
      return use(std::less_equal<double>());
    case TokenType::kGreater:
      return use(std::greater<double>());
    case TokenType::kGreaterEqual:
      return use(std::greater_equal<double>());
    default:
      return use(Nothing());
  }
}

}  // namespace fettle::promql

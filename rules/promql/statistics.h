// Arithmetic that is compared bit for bit with Prometheus': compensated sums, quantiles, and Go's
// idea of minimum and maximum. Pure.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

namespace fettle::promql {

inline double NaN() { return std::numeric_limits<double>::quiet_NaN(); }
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Neumaier's variant of Kahan's sum. Needs -ffp-contract=off.
struct CompensatedSum {
  double sum = 0;
  double lost = 0;  // what `sum` is short of

  void Add(double value) {
    const double total = sum + value;
    if (std::isinf(total)) {
      lost = 0;
    } else if (std::abs(sum) >= std::abs(value)) {
      lost += (sum - total) + value;
    } else {
      lost += (value - total) + sum;
    }
    sum = total;
  }
  double Total() const { return std::isinf(sum) ? sum : sum + lost; }
};

// A mean by compensated sum, or, from where that overflows, incrementally.
struct CompensatedMean {
  CompensatedSum sum;
  double mean = 0;
  double count = 0;
  bool incremental = false;

  void Add(double value);
  double Value() const;
};

// Welford's variance (population), compensated.
struct CompensatedVariance {
  double count = 0;
  CompensatedSum mean;
  CompensatedSum squares;

  void Add(double value);
  double Value() const { return (squares.sum + squares.lost) / count; }
};

// Linear between neighbours; NaN sorts first. Reorders the values.
double Quantile(double q, std::vector<double>& values);

// NaN if either is; +0 is more than -0.
double GoMax(double a, double b);
double GoMin(double a, double b);

}  // namespace fettle::promql

// What a native histogram says: its buckets in order, quantiles, fractions, variance. Pure;
// formulas as in Prometheus' promql/quantile.go and functions.go (3.x).
#pragma once

#include <string>
#include <vector>

#include "common/histogram.h"

namespace fettle::promql {

struct NativeBucket {
  double lower = 0;
  double upper = 0;
  double count = 0;
  bool lower_inclusive = false;
  bool upper_inclusive = false;
};

// From the lowest to the highest, the zero bucket (if populated) between the negative and the
// positive ones, which do not reach into it.
std::vector<NativeBucket> AllBuckets(const FloatHistogram& histogram);

// Observations that are not a number are counted but in no bucket: what that did to an answer.
enum class NaNEffect { kNone, kResultIsNaN, kSkewed };
struct NativeAnswer {
  double value = 0;
  NaNEffect effect = NaNEffect::kNone;
};
NativeAnswer QuantileOf(double q, const FloatHistogram& histogram);
// kSkewed: they are in none of the fractions.
NativeAnswer FractionOf(double lower, double upper, const FloatHistogram& histogram);
// Of observations at the middles of their buckets.
double VarianceOf(const FloatHistogram& histogram);

// {count:3, sum:4.5, (1,2]:3}
std::string Show(const FloatHistogram& histogram);
// As the test language writes it: {{schema:1 count:3 buckets:[1 2]}}.
std::string ShowLiteral(const FloatHistogram& histogram);

}  // namespace fettle::promql

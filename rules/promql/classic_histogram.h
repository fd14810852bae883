// Quantiles and fractions of classic histograms: cumulative counts by upper bound. Pure; formulas
// as in Prometheus' promql/quantile.go (3.x).
#pragma once

#include <vector>

namespace fettle::promql {

struct Bucket {
  double upper_bound = 0;
  double count = 0;  // of observations up to the bound
};

struct BucketQuantile {
  double value = 0;
  bool forced_monotonic = false;  // a count was lower than one before it, by more than rounding
};

// The buckets are sorted by bound, and are changed. At least one.
BucketQuantile QuantileOf(double q, std::vector<Bucket>& buckets);
double FractionOf(double lower, double upper, std::vector<Bucket>& buckets);

}  // namespace fettle::promql

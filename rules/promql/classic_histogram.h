// Quantiles and fractions of classic histograms: cumulative counts by upper bound. Pure; formulas
// as in Prometheus' promql/quantile.go (3.x).
#pragma once

#include <vector>

namespace fettle::promql {

struct Bucket {
  double upper_bound = 0;
  double count = 0;  // of observations up to the bound
};

// Counts that were lower than one before them, by more than rounding, and were raised to it:
// between which upper bounds, and by how much at most.
struct Raised {
  bool any = false;
  double lowest = 0;
  double highest = 0;
  double most = 0;
};

struct BucketQuantile {
  double value = 0;
  Raised raised{};
};

// The buckets are sorted by bound, and are changed. At least one.
BucketQuantile QuantileOf(double q, std::vector<Bucket>& buckets);
double FractionOf(double lower, double upper, std::vector<Bucket>& buckets);

}  // namespace fettle::promql

#include "rules/promql/classic_histogram.h"

#include <algorithm>
#include <cmath>

#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

// What rounding may have done to counts that were added up in different orders.
constexpr double kSmallDelta = 1e-12;

void MergeEqualBounds(std::vector<Bucket>& buckets) {
  std::size_t last = 0;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper_bound == buckets[last].upper_bound) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
}

// Takes differences that are rounding for none, then every fall for none. What the falls were.
Raised ForceMonotonic(std::vector<Bucket>& buckets) {
  Raised raised;
  double before = buckets[0].count;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    const double count = buckets[i].count;
    if (count == before || std::isnan(count)) continue;
    if (std::abs(count - before) <= kSmallDelta * std::abs(before + count)) {
      buckets[i].count = before;
    } else if (count < before) {
      buckets[i].count = before;
      const double bound = buckets[i].upper_bound;
      raised = {true, raised.any ? std::min(raised.lowest, bound) : bound,
                raised.any ? std::max(raised.highest, bound) : bound,
                std::max(raised.most, before - count)};
    } else {
      before = count;
    }
  }
  return raised;
}

}  // namespace

BucketQuantile QuantileOf(double q, std::vector<Bucket>& buckets) {
  if (std::isnan(q)) return {NaN()};
  if (q < 0) return {-kInfinity};
  if (q > 1) return {kInfinity};
  if (buckets.back().upper_bound != kInfinity) return {NaN()};
  MergeEqualBounds(buckets);
  const Raised raised = ForceMonotonic(buckets);
  if (buckets.size() < 2) return {NaN()};
  const double observations = buckets.back().count;
  if (observations == 0) return {NaN()};
  double rank = q * observations;
  // Without comparing, a rank that is not a number is in the last bucket.
  const auto found =
      std::partition_point(buckets.begin(), buckets.end() - 1,
                           [&](const Bucket& bucket) { return !(bucket.count >= rank); });
  const auto index = static_cast<std::size_t>(found - buckets.begin());
  if (index == buckets.size() - 1) return {buckets[buckets.size() - 2].upper_bound, raised};
  if (index == 0 && buckets[0].upper_bound <= 0) return {buckets[0].upper_bound, raised};
  double start = 0;
  double count = buckets[index].count;
  if (index > 0) {
    start = buckets[index - 1].upper_bound;
    count -= buckets[index - 1].count;
    rank -= buckets[index - 1].count;
  }
  return {start + (buckets[index].upper_bound - start) * (rank / count), raised};
}

double FractionOf(double lower, double upper, std::vector<Bucket>& buckets) {
  if (buckets.back().upper_bound != kInfinity) return NaN();
  MergeEqualBounds(buckets);
  const double total = buckets.back().count;
  if (total == 0 || std::isnan(lower) || std::isnan(upper)) return NaN();
  if (lower >= upper) return 0;
  double rank = 0;
  double lower_rank = total;
  double upper_rank = total;
  bool lower_set = false;
  bool upper_set = false;
  double from = buckets[0].upper_bound > 0 ? 0 : -kInfinity;
  for (const Bucket& bucket : buckets) {
    const double to = bucket.upper_bound;
    const auto place = [&](double value, double& value_rank, bool& set) {
      if (set) return;
      if (from >= value) {
        value_rank = rank;
        set = true;
      } else if (to > value) {
        // Nothing is known of how an infinitely wide bucket is filled.
        value_rank = std::isinf(from) ? bucket.count
                                      : rank + (bucket.count - rank) * (value - from) / (to - from);
        set = true;
      }
    };
    place(lower, lower_rank, lower_set);
    place(upper, upper_rank, upper_set);
    if (lower_set && upper_set) break;
    rank = bucket.count;
    from = to;
  }
  return (std::min(upper_rank, total) - std::min(lower_rank, total)) / total;
}

}  // namespace fettle::promql

#include "rules/promql/native_histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/number.h"
#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

// Only one sign is present: zero is where the zero bucket ends on the other side.
void EndAtZero(const FloatHistogram& histogram, NativeBucket& bucket) {
  if (histogram.negative.counts.empty() && !histogram.positive.counts.empty()) bucket.lower = 0;
  if (histogram.positive.counts.empty() && !histogram.negative.counts.empty()) bucket.upper = 0;
}

// Where between the logarithms of the bounds a value is.
double LogarithmicPlace(const NativeBucket& bucket, double value) {
  const double lower = std::log2(std::abs(bucket.lower));
  const double upper = std::log2(std::abs(bucket.upper));
  const double at = std::log2(std::abs(value));
  if (value > 0) return (at - lower) / (upper - lower);
  return 1 - (at - upper) / (lower - upper);
}

double Within(const FloatHistogram& histogram, const NativeBucket& bucket, double fraction) {
  if (histogram.custom() || (bucket.lower <= 0 && bucket.upper >= 0)) {
    return bucket.lower + (bucket.upper - bucket.lower) * fraction;
  }
  const double lower = std::log2(std::abs(bucket.lower));
  const double upper = std::log2(std::abs(bucket.upper));
  if (bucket.lower > 0) return std::exp2(lower + (upper - lower) * fraction);
  return -std::exp2(upper + (lower - upper) * (1 - fraction));
}

// Go's %g.
std::string ShowNumber(double value) { return FormatFloat(value); }

}  // namespace

std::vector<NativeBucket> AllBuckets(const FloatHistogram& histogram) {
  std::vector<NativeBucket> out;
  out.reserve(histogram.negative.counts.size() + histogram.positive.counts.size() + 1);
  for (BucketCursor cursor(histogram.negative, histogram.schema); cursor.Next();) {
    const double lower = -UpperBound(histogram, cursor.index());
    const double upper = -UpperBound(histogram, cursor.index() - 1);
    out.push_back(
        {lower, std::min(upper, -histogram.zero_threshold), cursor.count(), lower<0, upper> 0});
  }
  std::reverse(out.begin(), out.end());
  if (histogram.zero_count > 0) {
    out.push_back(
        {-histogram.zero_threshold, histogram.zero_threshold, histogram.zero_count, true, true});
  }
  for (BucketCursor cursor(histogram.positive, histogram.schema); cursor.Next();) {
    double lower = UpperBound(histogram, cursor.index() - 1);
    const double upper = UpperBound(histogram, cursor.index());
    if (!histogram.custom()) lower = std::max(lower, histogram.zero_threshold);
    out.push_back({lower, upper, cursor.count(), histogram.custom() && cursor.index() == 0, true});
  }
  return out;
}

NativeAnswer QuantileOf(double q, const FloatHistogram& histogram) {
  if (q < 0) return {-kInfinity};
  if (q > 1) return {kInfinity};
  if (histogram.count == 0 || std::isnan(q)) return {NaN()};
  std::vector<NativeBucket> buckets = AllBuckets(histogram);
  const bool unsummed = std::isnan(histogram.sum);
  const bool forward = unsummed || q < 0.5;
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  double rank = (forward ? q : 1 - q) * histogram.count;
  NativeBucket bucket;
  double count = 0;
  std::size_t next = 0;
  while (next < buckets.size()) {
    bucket = buckets[next++];
    count += bucket.count;
    if (bucket.count != 0 && count >= rank) break;
  }
  if (!histogram.custom() && bucket.lower < 0 && bucket.upper > 0) {
    EndAtZero(histogram, bucket);
  } else if (histogram.custom() && bucket.lower == -kInfinity) {
    if (bucket.upper <= 0) return {bucket.upper};
    bucket.lower = 0;
  } else if (histogram.custom() && bucket.upper == kInfinity) {
    return {bucket.lower};
  }
  count = std::min(count, histogram.count);
  if (count < rank) {
    if (unsummed) return {NaN(), NaNEffect::kResultIsNaN};
    return {bucket.upper};
  }
  rank = forward ? rank - (count - bucket.count) : count - rank;
  NativeAnswer answer{Within(histogram, bucket, rank / bucket.count)};
  if (unsummed) {
    while (next < buckets.size()) count += buckets[next++].count;
    if (count < histogram.count) answer.effect = NaNEffect::kSkewed;
  }
  return answer;
}

NativeAnswer FractionOf(double lower, double upper, const FloatHistogram& histogram) {
  if (histogram.count == 0 || std::isnan(lower) || std::isnan(upper)) return {NaN()};
  if (lower >= upper) return {0};
  struct Edge {
    double value = 0;
    double rank = 0;
    bool set = false;
  };
  Edge from{lower};
  Edge to{upper};
  double rank = 0;
  double counted = 0;
  for (NativeBucket& bucket : AllBuckets(histogram)) {
    counted += bucket.count;
    const bool zero = bucket.lower <= 0 && bucket.upper >= 0;
    if (zero) EndAtZero(histogram, bucket);
    for (Edge* edge : {&from, &to}) {
      if (edge->set) continue;
      if (bucket.lower >= edge->value) {
        edge->rank = rank;
        edge->set = true;
      } else if (bucket.upper > edge->value) {
        if (!histogram.custom() && !zero) {
          edge->rank = rank + bucket.count * LogarithmicPlace(bucket, edge->value);
        } else if (bucket.lower == -kInfinity) {
          // Nothing is known of how an infinitely wide bucket is filled.
          edge->rank = bucket.count;
        } else {
          edge->rank =
              rank + bucket.count * (edge->value - bucket.lower) / (bucket.upper - bucket.lower);
        }
        edge->set = true;
      }
    }
    rank += bucket.count;
  }
  NativeAnswer answer;
  double count = histogram.count;
  if (std::isnan(histogram.sum)) {
    count = counted;
    if (counted < histogram.count) answer.effect = NaNEffect::kSkewed;
  }
  for (Edge* edge : {&from, &to}) {
    if (!edge->set || edge->rank > count) edge->rank = count;
  }
  answer.value = (to.rank - from.rank) / histogram.count;
  return answer;
}

double VarianceOf(const FloatHistogram& histogram) {
  const double mean = histogram.sum / histogram.count;
  CompensatedSum variance;
  for (const NativeBucket& bucket : AllBuckets(histogram)) {
    if (bucket.count == 0) continue;
    double middle = 0;
    if (histogram.custom()) {
      middle = (bucket.upper + bucket.lower) / 2.0;
    } else if (!(bucket.lower <= 0 && bucket.upper >= 0)) {
      middle = std::sqrt(bucket.upper * bucket.lower);
      if (bucket.upper < 0) middle = -middle;
    }
    const double delta = middle - mean;
    variance.Add(bucket.count * delta * delta);
  }
  return (variance.sum + variance.lost) / histogram.count;
}

std::string Show(const FloatHistogram& histogram) {
  std::string out =
      fmt::format("{{count:{}, sum:{}", ShowNumber(histogram.count), ShowNumber(histogram.sum));
  for (const NativeBucket& bucket : AllBuckets(histogram)) {
    if (bucket.count == 0) continue;
    out += fmt::format(", {}{},{}{}:{}", bucket.lower_inclusive ? '[' : '(',
                       ShowNumber(bucket.lower), ShowNumber(bucket.upper),
                       bucket.upper_inclusive ? ']' : ')', ShowNumber(bucket.count));
  }
  return out + "}";
}

std::string ShowLiteral(const FloatHistogram& histogram) {
  std::string out;
  const auto field = [&out](std::string_view name, const std::string& value) {
    out += fmt::format("{}{}:{}", out.empty() ? "" : " ", name, value);
  };
  const auto number = [&](std::string_view name, double value) {
    if (value != 0) field(name, ShowNumber(value));
  };
  const auto list = [](const std::vector<double>& values) {
    std::string text;
    for (const double value : values) text += (text.empty() ? "" : " ") + ShowNumber(value);
    return "[" + text + "]";
  };
  if (histogram.schema != 0) field("schema", fmt::to_string(histogram.schema));
  number("count", histogram.count);
  number("sum", histogram.sum);
  number("z_bucket", histogram.zero_count);
  number("z_bucket_w", histogram.zero_threshold);
  if (histogram.custom()) field("custom_values", list(histogram.custom_bounds));
  switch (histogram.hint) {
    case FloatHistogram::ResetHint::kReset:
      field("counter_reset_hint", "reset");
      break;
    case FloatHistogram::ResetHint::kNotReset:
      field("counter_reset_hint", "not_reset");
      break;
    case FloatHistogram::ResetHint::kGauge:
      field("counter_reset_hint", "gauge");
      break;
    default:
      break;
  }
  const auto side = [&](std::string_view prefix, const FloatHistogram::Buckets& buckets) {
    std::vector<double> counts;  // gaps filled
    std::int32_t first = 0;
    for (BucketCursor cursor(buckets, histogram.schema); cursor.Next();) {
      if (cursor.count() == 0) continue;
      if (counts.empty()) first = cursor.index();
      const auto place = static_cast<std::size_t>(cursor.index() - first);
      constexpr std::size_t kShownMax = 10'000;
      if (place >= kShownMax) break;
      counts.resize(place, 0);
      counts.push_back(cursor.count());
    }
    if (counts.empty()) return;
    if (first != 0) field(fmt::format("{}offset", prefix), fmt::to_string(first));
    field(fmt::format("{}buckets", prefix), list(counts));
  };
  side("", histogram.positive);
  side("n_", histogram.negative);
  return "{{" + out + "}}";
}

}  // namespace fettle::promql

// h </ x and h >/ x: what of a histogram is below or above a value.
#include <cmath>
#include <utility>

#include "rules/promql/histogram_arithmetic.h"
#include "rules/promql/native_histogram.h"

namespace fettle::promql {
namespace {

// Of a bucket, what is kept and where its observations are taken to be.
struct Part {
  double count = 0;
  double middle = 0;
};

class Trimmer {
 public:
  Trimmer(const FloatHistogram& histogram, double value, bool keep_below)
      : histogram_(histogram), value_(value), below_(keep_below) {}

  FloatHistogram Trim() {
    FloatHistogram out = histogram_;
    const bool positive = TrimSide(histogram_.positive, true, out.positive);
    const bool negative = TrimSide(histogram_.negative, false, out.negative);
    if (histogram_.zero_count > 0) {
      const Part part = OfZero(positive, negative);
      changed_ = changed_ || part.count != histogram_.zero_count;
      out.zero_count = part.count;
      Count(part);
    }
    if (!changed_) return out;
    out.count = count_;
    out.sum = sum_;
    Compact(out);
    return out;
  }

 private:
  void Count(const Part& part) {
    count_ += part.count;
    sum_ += part.middle * part.count;
  }

  // Whether any bucket is populated.
  bool TrimSide(const FloatHistogram::Buckets& from, bool positive, FloatHistogram::Buckets& to) {
    bool any = false;
    std::size_t at = 0;
    for (BucketCursor cursor(from, histogram_.schema); cursor.Next(); ++at) {
      if (cursor.count() == 0) continue;
      any = true;
      NativeBucket bucket{.lower = UpperBound(histogram_, cursor.index() - 1),
                          .upper = UpperBound(histogram_, cursor.index()),
                          .count = cursor.count()};
      if (!positive) {
        std::swap(bucket.lower, bucket.upper);
        bucket.lower = -bucket.lower;
        bucket.upper = -bucket.upper;
      }
      const Part part = Of(bucket, positive);
      Count(part);
      changed_ = changed_ || part.count != bucket.count;
      to.counts[at] = part.count;
    }
    return any;
  }

  Part Of(const NativeBucket& bucket, bool positive) const {
    const bool all = below_ ? bucket.upper <= value_ : bucket.lower >= value_;
    if (all) return {bucket.count, Middle(bucket.lower, bucket.upper, positive)};
    const bool none = below_ ? bucket.lower >= value_ : bucket.upper <= value_;
    if (none) return {};
    if (std::isinf(bucket.lower) || std::isinf(bucket.upper)) return OfInfinite(bucket);
    const double under = CountBelow(bucket, positive);
    if (below_) return {under, Middle(bucket.lower, value_, positive)};
    return {bucket.count - under, Middle(value_, bucket.upper, positive)};
  }

  // How such a bucket is filled is unknown: mostly it is dropped as a whole.
  Part OfInfinite(const NativeBucket& bucket) const {
    if (bucket.lower == -kInfinity) {
      if (below_) {
        if (value_ >= bucket.upper) return {bucket.count, 0};
        if (value_ > 0 && bucket.upper > 0 && bucket.upper != kInfinity) {
          return {bucket.count * value_ / bucket.upper, value_ / 2};
        }
        if (bucket.upper <= 0) return {bucket.count, value_};
        return {};
      }
      if (value_ <= bucket.lower) return {bucket.count, 0};
      if (value_ >= 0 && bucket.upper > value_ && bucket.upper != kInfinity) {
        return {bucket.count * (1 - value_ / bucket.upper), (value_ + bucket.upper) / 2};
      }
      return {};
    }
    if (!below_ && value_ >= bucket.lower) return {bucket.count, value_};
    return {};
  }

  double CountBelow(const NativeBucket& bucket, bool positive) const {
    if (histogram_.custom()) {
      return bucket.count * ((value_ - bucket.lower) / (bucket.upper - bucket.lower));
    }
    const double lower = std::log2(std::abs(bucket.lower));
    const double upper = std::log2(std::abs(bucket.upper));
    const double at = std::log2(std::abs(value_));
    return bucket.count *
           (positive ? (at - lower) / (upper - lower) : 1 - (at - upper) / (lower - upper));
  }

  double Middle(double lower, double upper, bool positive) const {
    if (std::isinf(lower)) {
      if (std::isinf(upper)) return 0;
      return upper > 0 ? upper / 2 : upper;
    }
    if (std::isinf(upper)) return lower;
    if (histogram_.custom()) return (lower + upper) / 2;
    const double geometric = std::sqrt(std::abs(lower * upper));
    return positive ? geometric : -geometric;
  }

  Part OfZero(bool positive, bool negative) const {
    double lower = -histogram_.zero_threshold;
    double upper = histogram_.zero_threshold;
    if (negative && !positive) upper = 0;
    if (positive && !negative) lower = 0;
    const bool above_all = value_ >= upper;
    const bool below_all = value_ <= lower;
    if (below_ ? below_all : above_all && !below_all) return {};
    if (below_ ? above_all : below_all) return {histogram_.zero_count, (lower + upper) / 2};
    const double kept = below_ ? value_ - lower : upper - value_;
    return {histogram_.zero_count * (kept / (upper - lower)),
            (value_ + (below_ ? lower : upper)) / 2};
  }

  const FloatHistogram& histogram_;
  const double value_;
  const bool below_;
  double count_ = 0;
  double sum_ = 0;
  bool changed_ = false;
};

}  // namespace

FloatHistogram TrimmedAbove(const FloatHistogram& histogram, double value) {
  return Trimmer(histogram, value, true).Trim();
}

FloatHistogram TrimmedBelow(const FloatHistogram& histogram, double value) {
  return Trimmer(histogram, value, false).Trim();
}

}  // namespace fettle::promql

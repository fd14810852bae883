// A native histogram: one sample that holds a whole distribution, in buckets that are exponential
// (their bounds are powers of 2^(2^-schema)) or custom (their upper bounds are listed). Counts are
// doubles and absolute, so that histograms can be added, averaged and divided.
//
// Prometheus' model/histogram/float_histogram.go is the source of the layout. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "common/result.h"

namespace fettle {

struct FloatHistogram {
  // Whether the counts began anew with this sample, as far as whoever stored it could tell.
  enum class ResetHint : std::uint8_t { kUnknown, kReset, kNotReset, kGauge };

  static constexpr std::int32_t kSchemaMin = -4;
  static constexpr std::int32_t kSchemaMax = 8;
  static constexpr std::int32_t kCustomSchema = -53;

  // `length` buckets in a row. The first span's offset is its first bucket's index; each other's is
  // the number of buckets left out before it.
  struct Span {
    std::int32_t offset = 0;
    std::uint32_t length = 0;
    bool operator==(const Span&) const = default;
  };
  // One side of zero. The spans' lengths add up to the number of counts.
  struct Buckets {
    std::vector<Span> spans;
    std::vector<double> counts;
  };

  ResetHint hint = ResetHint::kUnknown;
  std::int32_t schema = 0;
  double zero_threshold = 0;  // the zero bucket is [-zero_threshold, zero_threshold]
  double zero_count = 0;
  double count = 0;
  double sum = 0;  // StaleNaN() in a stale marker of other programs; the store has its own
  Buckets positive;
  Buckets negative;  // by absolute value
  // Upper bounds, ascending, without +Inf. Only with kCustomSchema, which has no zero bucket and no
  // negative side.
  std::vector<double> custom_bounds;

  bool custom() const { return schema == kCustomSchema; }
  // About how many numbers it takes in memory, for limits.
  std::size_t Weight() const;
};
using HistogramPtr = std::shared_ptr<const FloatHistogram>;

// The upper bound of bucket `index` on the positive side; the lower one is that of index - 1.
double UpperBound(const FloatHistogram& histogram, std::int32_t index);

// Walks the buckets of one side by ascending index, empty ones too, as if they were of a schema
// that is as coarse or coarser.
class BucketCursor {
 public:
  BucketCursor(const FloatHistogram::Buckets& buckets, std::int32_t schema,
               std::int32_t target_schema);
  BucketCursor(const FloatHistogram::Buckets& buckets, std::int32_t schema)
      : BucketCursor(buckets, schema, schema) {}

  // False at the end. Then, index() and count() of the bucket gone to.
  bool Next();
  std::int32_t index() const { return index_; }
  double count() const { return count_; }

 private:
  bool Step();  // to the next bucket as stored
  std::int32_t Target() const;

  const FloatHistogram::Buckets& buckets_;
  const std::int32_t shift_;
  std::size_t span_ = 0;
  std::uint32_t in_span_ = 0;
  std::size_t at_ = 0;
  std::int32_t stored_ = 0;
  bool ahead_ = false;
  std::int32_t index_ = 0;
  double count_ = 0;
};

// Collects buckets by ascending index into spans and counts.
class BucketBuilder {
 public:
  void Add(std::int32_t index, double count);
  FloatHistogram::Buckets Take() { return std::move(buckets_); }

 private:
  FloatHistogram::Buckets buckets_;
  std::int32_t next_ = 0;
};

// kInvalid unless the parts fit together: spans and counts, bounds and schema. What comes from
// outside is asked before it is used; the functions below rely on it.
Status ValidateLayout(const FloatHistogram& histogram);
// That, and no count is negative.
Status Validate(const FloatHistogram& histogram);

// Without empty buckets, and with as few spans as can be.
void Compact(FloatHistogram& histogram);

// The same buckets with the same counts (bit for bit), however the spans are cut; hints aside.
bool SameHistogram(const FloatHistogram& a, const FloatHistogram& b);

// Whether counting began anew between two samples of one series: a hint says so, a populated bucket
// is gone, or a count (not the sum) fell.
bool DetectReset(const FloatHistogram& current, const FloatHistogram& previous);

// The count of the zero bucket if its threshold were `threshold` (not less than it is), or more:
// where that ends within a populated bucket, the threshold is raised to that bucket's end.
struct ZeroBucket {
  double count = 0;
  double threshold = 0;
};
ZeroBucket WithLargerThreshold(const FloatHistogram& histogram, double threshold);

}  // namespace fettle

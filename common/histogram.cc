#include "common/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "common/check.h"

namespace fettle {
namespace {

// 2^(i/256) / 2 for i in [0, 256): the bounds of schema 8 within [0.5, 1).
const std::array<double, 256>& Fractions() {
  static const std::array<double, 256> fractions = [] {
    std::array<double, 256> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<double>(std::exp2(static_cast<long double>(i) / 256 - 1));
    }
    return out;
  }();
  return fractions;
}

double ExponentialBound(std::int32_t index, std::int32_t schema) {
  // The bucket that would end at 2^1024 ends where doubles do.
  constexpr double kMost = std::numeric_limits<double>::max();
  if (schema < 0) {
    const std::int64_t exponent = static_cast<std::int64_t>(index) << -schema;
    if (exponent == 1024) return kMost;
    return std::ldexp(1.0, static_cast<int>(std::clamp<std::int64_t>(exponent, -2'000, 2'000)));
  }
  const std::int32_t mask = (1 << schema) - 1;
  const auto fraction = static_cast<std::size_t>((index & mask) << (8 - schema));
  const std::int32_t exponent = (index >> schema) + 1;
  if (fraction == 0 && exponent == 1025) return kMost;
  return std::ldexp(Fractions()[fraction], exponent);
}

bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool SameBuckets(const FloatHistogram::Buckets& a, const FloatHistogram::Buckets& b) {
  BucketCursor left(a, 0);
  BucketCursor right(b, 0);
  for (;;) {
    const bool more = left.Next();
    if (more != right.Next()) return false;
    if (!more) return true;
    if (left.index() != right.index() || !SameBits(left.count(), right.count())) return false;
  }
}

void CompactSide(FloatHistogram::Buckets& buckets) {
  bool tidy = true;
  for (const double count : buckets.counts) tidy = tidy && count != 0;
  for (std::size_t i = 0; i < buckets.spans.size(); ++i) {
    tidy = tidy && buckets.spans[i].length > 0 && (i == 0 || buckets.spans[i].offset > 0);
  }
  if (tidy) return;
  BucketBuilder builder;
  for (BucketCursor cursor(buckets, 0); cursor.Next();) {
    if (cursor.count() != 0) builder.Add(cursor.index(), cursor.count());
  }
  buckets = builder.Take();
}

// A populated bucket of `previous` beyond the threshold is missing or less in `current`.
bool SideReset(const FloatHistogram& current, const FloatHistogram& previous, bool positive) {
  const auto& now = positive ? current.positive : current.negative;
  const auto& before = positive ? previous.positive : previous.negative;
  BucketCursor currents(now, current.schema);
  bool more = currents.Next();
  for (BucketCursor cursor(before, previous.schema, current.schema); cursor.Next();) {
    if (!current.custom() && UpperBound(current, cursor.index()) <= current.zero_threshold) {
      continue;
    }
    while (more && currents.index() < cursor.index()) more = currents.Next();
    const bool found = more && currents.index() == cursor.index();
    if (found ? currents.count() < cursor.count() : cursor.count() != 0) return true;
  }
  return false;
}

// Custom buckets: counts up to each bound that both have must not have fallen.
bool CustomReset(const FloatHistogram& current, const FloatHistogram& previous) {
  if (current.custom_bounds == previous.custom_bounds) return SideReset(current, previous, true);
  BucketCursor now(current.positive, current.schema);
  BucketCursor before(previous.positive, previous.schema);
  bool more_now = now.Next();
  bool more_before = before.Next();
  // The counts between one shared bound and the next.
  const auto take = [](BucketCursor& cursor, bool& more, std::size_t up_to) {
    double count = 0;
    while (more && static_cast<std::size_t>(cursor.index()) <= up_to) {
      count += cursor.count();
      more = cursor.Next();
    }
    return count;
  };
  std::size_t i = 0;
  std::size_t j = 0;
  for (;;) {
    const bool end_now = i == current.custom_bounds.size();
    const bool end_before = j == previous.custom_bounds.size();
    const double a = end_now ? std::numeric_limits<double>::infinity() : current.custom_bounds[i];
    const double b =
        end_before ? std::numeric_limits<double>::infinity() : previous.custom_bounds[j];
    if (a == b) {
      const double count = take(now, more_now, i);
      if (count < take(before, more_before, j)) return true;
    }
    if (end_now && end_before) return false;
    if (a <= b && !end_now) ++i;
    if (b <= a && !end_before) ++j;
  }
}

// Beyond any double: 2^1024 of schema 8 is bucket 262144.
constexpr std::int64_t kIndexMax = std::int64_t{1} << 20;

Status ValidateSide(std::string_view side, const FloatHistogram::Buckets& buckets,
                    std::int64_t buckets_max) {
  std::int64_t index = 0;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < buckets.spans.size(); ++i) {
    const FloatHistogram::Span& span = buckets.spans[i];
    if (i > 0 && span.offset < 0) {
      return Fail(Cause::kInvalid,
                  "{} side: span number {} with offset {}: histogram has a span "
                  "whose offset is negative",
                  side, i + 1, span.offset);
    }
    index += span.offset;
    if (index < -kIndexMax) {
      return Fail(Cause::kInvalid, "{} side: histogram has a bucket beyond its bounds", side);
    }
    index += static_cast<std::int64_t>(span.length);
    length += span.length;
  }
  if (length != buckets.counts.size()) {
    return Fail(Cause::kInvalid,
                "{} side: spans need {} buckets, have {} buckets: histogram spans "
                "specify different number of buckets than provided",
                side, length, buckets.counts.size());
  }
  if (index > buckets_max) {
    return Fail(Cause::kInvalid, "{} side: histogram has a bucket beyond its bounds", side);
  }
  return {};
}

Status ValidateCustom(const FloatHistogram& histogram) {
  double last = -std::numeric_limits<double>::infinity();
  for (const double bound : histogram.custom_bounds) {
    if (!(bound > last) || std::isinf(bound)) {
      return Fail(Cause::kInvalid,
                  "histogram custom bounds must be finite and in strictly "
                  "increasing order");
    }
    last = bound;
  }
  if (histogram.zero_count != 0 || histogram.zero_threshold != 0) {
    return Fail(Cause::kInvalid, "custom buckets: must have no zero bucket");
  }
  if (!histogram.negative.spans.empty() || !histogram.negative.counts.empty()) {
    return Fail(Cause::kInvalid, "custom buckets: must not have negative buckets");
  }
  if (!histogram.positive.spans.empty() && histogram.positive.spans[0].offset < 0) {
    return Fail(Cause::kInvalid, "histogram has a span whose offset is negative");
  }
  return ValidateSide("positive", histogram.positive,
                      static_cast<std::int64_t>(histogram.custom_bounds.size()) + 1);
}

}  // namespace

Status Validate(const FloatHistogram& histogram) {
  if (histogram.count < 0 || histogram.zero_count < 0) {
    return Fail(Cause::kInvalid, "histogram's observation count is negative");
  }
  for (const auto* side : {&histogram.positive, &histogram.negative}) {
    if (std::any_of(side->counts.begin(), side->counts.end(), [](double c) { return c < 0; })) {
      return Fail(Cause::kInvalid,
                  "{} side: histogram has a bucket whose observation count is "
                  "negative",
                  side == &histogram.positive ? "positive" : "negative");
    }
  }
  return ValidateLayout(histogram);
}

Status ValidateLayout(const FloatHistogram& histogram) {
  if (histogram.custom()) return ValidateCustom(histogram);
  if (histogram.schema < FloatHistogram::kSchemaMin ||
      histogram.schema > FloatHistogram::kSchemaMax) {
    return Fail(Cause::kInvalid,
                "histogram has an invalid schema, which must be between {} and {} for exponential "
                "buckets, or {} for custom buckets, got schema {}",
                FloatHistogram::kSchemaMin, FloatHistogram::kSchemaMax,
                FloatHistogram::kCustomSchema, histogram.schema);
  }
  if (!histogram.custom_bounds.empty()) {
    return Fail(Cause::kInvalid, "histogram with exponential schema must not have custom bounds");
  }
  if (!(histogram.zero_threshold >= 0)) {
    return Fail(Cause::kInvalid, "histogram's zero threshold is negative");
  }
  for (const auto* side : {&histogram.positive, &histogram.negative}) {
    const std::string_view name = side == &histogram.positive ? "positive" : "negative";
    if (Status status = ValidateSide(name, *side, kIndexMax); !status) return status;
  }
  return {};
}

std::size_t FloatHistogram::Weight() const {
  constexpr std::size_t kFixed = sizeof(FloatHistogram) / sizeof(double);
  return kFixed + positive.spans.size() + positive.counts.size() + negative.spans.size() +
         negative.counts.size() + custom_bounds.size();
}

double UpperBound(const FloatHistogram& histogram, std::int32_t index) {
  if (!histogram.custom()) return ExponentialBound(index, histogram.schema);
  if (index < 0) return -std::numeric_limits<double>::infinity();
  const auto at = static_cast<std::size_t>(index);
  return at < histogram.custom_bounds.size() ? histogram.custom_bounds[at]
                                             : std::numeric_limits<double>::infinity();
}

BucketCursor::BucketCursor(const FloatHistogram::Buckets& buckets, std::int32_t schema,
                           std::int32_t target_schema)
    : buckets_(buckets), shift_(schema - target_schema) {
  FETTLE_CHECK(shift_ >= 0);
}

std::int32_t BucketCursor::Target() const {
  return shift_ == 0 ? stored_ : ((stored_ - 1) >> shift_) + 1;
}

bool BucketCursor::Step() {
  if (at_ == 0 && in_span_ == 0 && span_ == 0) {
    if (buckets_.spans.empty()) return false;
    stored_ = buckets_.spans[0].offset;
  } else {
    ++stored_;
  }
  while (in_span_ >= buckets_.spans[span_].length) {
    if (span_ + 1 == buckets_.spans.size()) return false;
    in_span_ = 0;
    stored_ += buckets_.spans[++span_].offset;
  }
  if (at_ == buckets_.counts.size()) return false;
  ++in_span_;
  return true;
}

bool BucketCursor::Next() {
  if (!ahead_ && !Step()) return false;
  index_ = Target();
  count_ = buckets_.counts[at_++];
  ahead_ = false;
  while (shift_ != 0 && Step()) {
    if (Target() != index_) {
      ahead_ = true;
      break;
    }
    count_ += buckets_.counts[at_++];
  }
  return true;
}

void BucketBuilder::Add(std::int32_t index, double count) {
  if (buckets_.spans.empty() || index != next_) {
    buckets_.spans.push_back({buckets_.spans.empty() ? index : index - next_, 0});
  }
  ++buckets_.spans.back().length;
  buckets_.counts.push_back(count);
  next_ = index + 1;
}

void Compact(FloatHistogram& histogram) {
  CompactSide(histogram.positive);
  CompactSide(histogram.negative);
}

bool SameHistogram(const FloatHistogram& a, const FloatHistogram& b) {
  return a.schema == b.schema && SameBits(a.count, b.count) && SameBits(a.sum, b.sum) &&
         a.zero_threshold == b.zero_threshold && SameBits(a.zero_count, b.zero_count) &&
         SameBuckets(a.positive, b.positive) && SameBuckets(a.negative, b.negative) &&
         a.custom_bounds == b.custom_bounds;
}

bool DetectReset(const FloatHistogram& current, const FloatHistogram& previous) {
  using enum FloatHistogram::ResetHint;
  if (current.hint == kReset) return true;
  if (current.hint == kNotReset) return false;
  // Gauges are compared like counters: whoever asks for their resets is told so elsewhere.
  if (current.count < previous.count) return true;
  if (current.custom() != previous.custom()) return true;
  if (current.custom()) return CustomReset(current, previous);
  if (current.schema > previous.schema) return true;
  if (current.zero_threshold < previous.zero_threshold) return true;
  const ZeroBucket zero = WithLargerThreshold(previous, current.zero_threshold);
  // The new threshold is within a populated bucket.
  if (zero.threshold != current.zero_threshold) return true;
  if (current.zero_count < zero.count) return true;
  return SideReset(current, previous, true) || SideReset(current, previous, false);
}

ZeroBucket WithLargerThreshold(const FloatHistogram& histogram, double threshold) {
  if (threshold == histogram.zero_threshold) return {histogram.zero_count, threshold};
  FETTLE_CHECK(threshold > histogram.zero_threshold);
  for (bool again = true; again;) {
    again = false;
    double count = histogram.zero_count;
    for (const auto* side : {&histogram.positive, &histogram.negative}) {
      for (BucketCursor cursor(*side, histogram.schema); cursor.Next();) {
        if (UpperBound(histogram, cursor.index() - 1) >= threshold) break;
        count += cursor.count();
        const double upper = UpperBound(histogram, cursor.index());
        if (upper <= threshold) continue;
        if (cursor.count() != 0) {
          // What was added of the positive side goes less far than this.
          again = side == &histogram.negative;
          threshold = upper;
        }
        break;
      }
      if (again) break;
    }
    if (!again) return {count, threshold};
  }
  return {histogram.zero_count, threshold};
}

}  // namespace fettle

#include "common/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fettle {
namespace {

using Hint = FloatHistogram::ResetHint;

FloatHistogram Exponential(std::vector<FloatHistogram::Span> spans, std::vector<double> counts) {
  FloatHistogram h;
  h.positive = {std::move(spans), std::move(counts)};
  for (const double count : h.positive.counts) h.count += count;
  return h;
}

FloatHistogram Custom(std::vector<double> bounds, std::vector<double> counts) {
  FloatHistogram h = Exponential({{0, static_cast<std::uint32_t>(counts.size())}}, counts);
  h.schema = FloatHistogram::kCustomSchema;
  h.custom_bounds = std::move(bounds);
  return h;
}

TEST(HistogramTest, BoundsArePowersOfTheSchemasBase) {
  FloatHistogram h;
  EXPECT_EQ(UpperBound(h, 0), 1);
  EXPECT_EQ(UpperBound(h, -2), 0.25);
  EXPECT_EQ(UpperBound(h, 1024), std::numeric_limits<double>::max());
  h.schema = 3;
  EXPECT_EQ(UpperBound(h, 8), 2);
  EXPECT_DOUBLE_EQ(UpperBound(h, 1), std::pow(2, 0.125));
  EXPECT_DOUBLE_EQ(UpperBound(h, -1), std::pow(2, -0.125));
  h.schema = -2;
  EXPECT_EQ(UpperBound(h, 2), 256);
  const FloatHistogram custom = Custom({5, 10}, {1, 2, 3});
  EXPECT_EQ(UpperBound(custom, -1), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(UpperBound(custom, 1), 10);
  EXPECT_EQ(UpperBound(custom, 2), std::numeric_limits<double>::infinity());
}

TEST(HistogramTest, CompactingLeavesTheSameBucketsInFewerSpans) {
  FloatHistogram h = Exponential({{-2, 3}, {0, 2}, {1, 0}, {2, 2}}, {0, 1, 0, 2, 3, 0, 4});
  const FloatHistogram before = h;
  Compact(h);
  EXPECT_EQ(h.positive.counts, (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(h.positive.spans, (std::vector<FloatHistogram::Span>{{-1, 1}, {1, 2}, {4, 1}}));
  EXPECT_FALSE(SameHistogram(before, h));  // empty buckets are buckets
  FloatHistogram cut = Exponential({{-1, 1}, {1, 1}, {0, 1}, {1, 0}, {3, 1}}, {1, 2, 3, 4});
  EXPECT_TRUE(SameHistogram(cut, h));
  cut.sum = 1;
  EXPECT_FALSE(SameHistogram(cut, h));
}

TEST(HistogramTest, CoarserSchemasMergeNeighbours) {
  const FloatHistogram h = Exponential({{-3, 4}, {2, 1}}, {1, 2, 3, 4, 5});
  BucketBuilder merged;
  for (BucketCursor cursor(h.positive, 1, 0); cursor.Next();) {
    merged.Add(cursor.index(), cursor.count());
  }
  const FloatHistogram::Buckets out = merged.Take();
  EXPECT_EQ(out.counts, (std::vector<double>{3, 7, 5}));
  EXPECT_EQ(out.spans, (std::vector<FloatHistogram::Span>{{-1, 2}, {1, 1}}));
}

TEST(HistogramTest, ResetsAreFallsHintsAndLostBuckets) {
  const FloatHistogram before = Exponential({{0, 3}}, {1, 0, 2});
  FloatHistogram after = Exponential({{0, 4}}, {1, 1, 2, 1});
  EXPECT_FALSE(DetectReset(after, before));
  EXPECT_TRUE(DetectReset(before, after));
  after.hint = Hint::kReset;
  EXPECT_TRUE(DetectReset(after, before));
  EXPECT_TRUE(DetectReset(Exponential({{0, 1}, {1, 1}}, {9, 1}), before));
  EXPECT_TRUE(DetectReset(Exponential({{0, 1}}, {9}), before));
  FloatHistogram unknown = Exponential({{0, 1}}, {9});
  unknown.hint = Hint::kNotReset;
  EXPECT_FALSE(DetectReset(unknown, before));
  FloatHistogram finer = Exponential({{0, 8}}, {9, 9, 9, 9, 9, 9, 9, 9});
  finer.schema = 1;
  EXPECT_TRUE(DetectReset(finer, before));
  EXPECT_FALSE(DetectReset(Exponential({{-3, 8}}, {9, 9, 9, 9, 9, 99, 9, 9}), finer) &&
               DetectReset(Exponential({{-3, 8}}, {99, 99, 99, 99, 99, 99, 99, 99}), finer));
}

TEST(HistogramTest, ResetsOfCustomBucketsAreLookedForAtSharedBounds) {
  const FloatHistogram before = Custom({1, 2, 4}, {1, 2, 3, 4});
  EXPECT_FALSE(DetectReset(Custom({1, 2, 4}, {1, 2, 3, 5}), before));
  EXPECT_TRUE(DetectReset(Custom({1, 2, 4}, {1, 1, 9, 5}), before));
  EXPECT_FALSE(DetectReset(Custom({2, 4}, {3, 3, 5}), before));
  EXPECT_TRUE(DetectReset(Custom({2, 4}, {2, 9, 5}), before));
}

TEST(HistogramTest, AWiderZeroBucketTakesWholeBuckets) {
  FloatHistogram h = Exponential({{-2, 3}}, {1, 2, 4});  // (1/8,1/4] (1/4,1/2] (1/2,1]
  h.zero_count = 10;
  h.zero_threshold = 0.01;
  h.negative = {{{-2, 1}}, {5}};
  EXPECT_EQ(WithLargerThreshold(h, 0.01).count, 10);
  const ZeroBucket within = WithLargerThreshold(h, 0.3);
  EXPECT_EQ(within.threshold, 0.5);
  EXPECT_EQ(within.count, 18);
  const ZeroBucket negative = WithLargerThreshold(h, 0.2);
  EXPECT_EQ(negative.threshold, 0.25);
  EXPECT_EQ(negative.count, 16);
}

TEST(HistogramTest, WhatDoesNotFitTogetherIsRefused) {
  EXPECT_TRUE(Validate(Exponential({{-2, 3}, {1, 1}}, {1, 2, 4, 1})));
  EXPECT_TRUE(Validate(Custom({1, 2}, {1, 2, 3})));
  EXPECT_FALSE(Validate(Exponential({{-2, 3}}, {1, 2})));
  EXPECT_FALSE(Validate(Exponential({{0, 1}, {-1, 1}}, {1, 2})));
  EXPECT_FALSE(Validate(Exponential({{0, 1}}, {-1})));
  EXPECT_FALSE(Validate(Custom({1, 2}, {1, 2, 3, 4})));
  EXPECT_FALSE(Validate(Custom({2, 1}, {1, 2, 3})));
  FloatHistogram h;
  h.schema = 9;
  EXPECT_EQ(Validate(h).error().message,
            "histogram has an invalid schema, which must be between -4 and 8 for exponential "
            "buckets, or -53 for custom buckets, got schema 9");
  h.schema = 0;
  h.zero_threshold = std::nan("");
  EXPECT_FALSE(Validate(h));
}

}  // namespace
}  // namespace fettle

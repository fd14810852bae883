#include "rules/promql/features.h"

#include <gtest/gtest.h>

namespace fettle::promql {
namespace {

TEST(FeaturesTest, NamesAreThoseOfPrometheus) {
  const Result<Features> none = ParseFeatures({});
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->parser.experimental_functions);
  const Result<Features> some =
      ParseFeatures({"promql-experimental-functions,promql-delayed-name-removal",
                     "use-start-timestamps", "native-histograms"});
  ASSERT_TRUE(some);
  EXPECT_TRUE(some->parser.experimental_functions);
  EXPECT_FALSE(some->parser.extended_ranges);
  const EngineOptions options = some->On({.samples_max = 7});
  EXPECT_EQ(options.samples_max, 7U);
  EXPECT_TRUE(options.delayed_name_removal);
  EXPECT_TRUE(options.start_timestamps);
  EXPECT_FALSE(options.type_and_unit_labels);
}

TEST(FeaturesTest, AnUnknownNameIsRefusedWithThoseThatAreKnown) {
  const Result<Features> wrong = ParseFeatures({"type-and-unit-labels,promql"});
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().message.starts_with(
      "unknown feature \"promql\"; known are promql-experimental-functions, "));
}

}  // namespace
}  // namespace fettle::promql

#include "rules/promql/window_lanes.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

namespace fettle::promql {
namespace {

std::uint64_t Bits(double value) { return std::bit_cast<std::uint64_t>(value); }

// Windows of a random series: sliding by one sample, by less, and anywhere.
struct World {
  explicit World(unsigned kind) : random(kind) {
    for (int i = 0; i < 300; ++i) {
      const double size = std::pow(10, static_cast<double>(random() % 9));
      values.push_back((std::generate_canonical<double, 53>(random) - 0.4) * size);
    }
    for (std::uint32_t step = 0; step < 203; ++step) {
      const auto anywhere = static_cast<std::uint32_t>(random() % 200);
      begins.push_back(kind == 0 ? step : kind == 1 ? step / 3 : anywhere);
      const auto length = static_cast<std::uint32_t>(kind == 0 ? 60 : random() % 70);
      ends.push_back(begins.back() + length);
    }
  }
  WindowSpans spans() const { return {values, begins, ends}; }

  std::mt19937 random;
  std::vector<double> values;
  std::vector<std::uint32_t> begins;
  std::vector<std::uint32_t> ends;
};

class WindowLanesTest : public testing::TestWithParam<unsigned> {};

TEST_P(WindowLanesTest, SumsEachWindowAsItWouldBeAlone) {
  const World world(GetParam());
  ASSERT_TRUE(SumsStayFinite(world.values));
  std::vector<CompensatedSum> sums(world.begins.size());
  std::vector<CompensatedSum> means(world.begins.size());
  SumWindows(world.spans(), false, sums);
  SumWindows(world.spans(), true, means);
  for (std::size_t step = 0; step < sums.size(); ++step) {
    CompensatedSum sum;
    CompensatedMean mean;
    for (std::uint32_t i = world.begins[step]; i < world.ends[step]; ++i) {
      sum.Add(world.values[i]);
      mean.Add(world.values[i]);
    }
    if (mean.count == 0) continue;
    EXPECT_EQ(Bits(sums[step].Total()), Bits(sum.Total())) << step;
    EXPECT_EQ(Bits(CompensatedMean{.sum = means[step], .count = mean.count}.Value()),
              Bits(mean.Value()))
        << step;
  }
}

TEST_P(WindowLanesTest, SmoothsEachWindowAsItWouldBeAlone) {
  const World world(GetParam());
  const std::vector<double> smoothing(world.begins.size(), 0.3);
  const std::vector<double> trending(world.begins.size(), 0.6);
  std::vector<double> together(world.begins.size());
  SmoothWindows(world.spans(), smoothing, trending, together);
  for (std::size_t step = 0; step < together.size(); ++step) {
    const std::uint32_t begin = world.begins[step];
    if (world.ends[step] - begin < 2) continue;
    double before = 0;
    double now = world.values[begin];
    double trend = world.values[begin + 1] - now;
    for (std::uint32_t i = begin + 1; i < world.ends[step]; ++i) {
      const double x = 0.3 * world.values[i];
      if (i > begin + 1) trend = 0.6 * (now - before) + (1 - 0.6) * trend;
      const double y = (1 - 0.3) * (now + trend);
      before = now;
      now = x + y;
    }
    EXPECT_EQ(Bits(together[step]), Bits(now)) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, WindowLanesTest, testing::Values(0U, 1U, 2U));

TEST(WindowLanesTest, KnowsWhatMayOverflow) {
  EXPECT_FALSE(SumsStayFinite(std::vector<double>{1, 1e300}));
  EXPECT_FALSE(SumsStayFinite(std::vector<double>{1, -HUGE_VAL}));
  EXPECT_FALSE(SumsStayFinite(std::vector<double>{std::nan(""), 1}));
}

}  // namespace
}  // namespace fettle::promql

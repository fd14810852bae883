// Goal: a dump that lost its largest table is seen; noise, growth and small files are not.
#include "receivers/backups/size_anomaly.h"

#include <gtest/gtest.h>

namespace fettle::receivers::backups {
namespace {

constexpr double kMiB = 1024 * 1024;

std::vector<double> Around(double base, int count, double newest) {
  std::vector<double> sizes;
  for (int i = 0; i < count; ++i) sizes.push_back(base * (1 + 0.01 * ((i * 7) % 5 - 2)));
  sizes.push_back(newest);
  return sizes;
}

TEST(SizeAnomalyTest, SeesWhatShrankOrSwelled) {
  const auto half = JudgeSize(Around(1000 * kMiB, 28, 400 * kMiB), 0.5);
  ASSERT_TRUE(half);
  EXPECT_TRUE(half->low);
  EXPECT_NEAR(half->deviation_ratio, -0.6, 0.02);
  EXPECT_TRUE(JudgeSize(Around(1000 * kMiB, 28, 700 * kMiB), 0.5)->low) << "far outside the usual";
  EXPECT_TRUE(JudgeSize(Around(1000 * kMiB, 28, 5000 * kMiB), 0.5)->high);
}

TEST(SizeAnomalyTest, LeavesNoiseGrowthAndSmallFilesAlone) {
  const auto usual = JudgeSize(Around(1000 * kMiB, 28, 1015 * kMiB), 0.5);
  EXPECT_FALSE(usual->low || usual->high);
  std::vector<double> growing;
  for (int i = 0; i < 29; ++i) growing.push_back((1000 + 10 * i) * kMiB);
  const auto next = JudgeSize(growing, 0.5);
  EXPECT_FALSE(next->low || next->high);
  const auto tiny = JudgeSize(Around(2000, 28, 100), 0.5);
  EXPECT_FALSE(tiny->low) << "less than a MiB is nothing";
  EXPECT_FALSE(JudgeSize(Around(1000 * kMiB, 4, 1), 0.5)) << "too few to judge by";
}

TEST(SizeAnomalyTest, OneOddSetDoesNotHideTheNext) {
  auto sizes = Around(1000 * kMiB, 20, 10 * kMiB);
  sizes.push_back(10 * kMiB);
  EXPECT_TRUE(JudgeSize(sizes, 0.5)->low);
}

}  // namespace
}  // namespace fettle::receivers::backups

#include "common/number.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

namespace fettle {
namespace {

struct Case {
  double value;
  const char* shortest;
  const char* fixed;
};
const std::vector<Case> kCases = {
    {0, "0", "0"},
    {-0.0, "-0", "-0"},
    {1, "1", "1"},
    {-1.5, "-1.5", "-1.5"},
    {0.1, "0.1", "0.1"},
    {0.0001, "0.0001", "0.0001"},
    {0.00001, "1e-05", "0.00001"},
    {100'000, "100000", "100000"},
    {999'999, "999999", "999999"},
    {1'000'000, "1e+06", "1000000"},
    {123'456'789, "1.23456789e+08", "123456789"},
    {1.7976e9, "1.7976e+09", "1797600000"},
    {-999'999, "-999999", "-999999"},
    {-1e15, "-1e+15", "-1000000000000000"},
    {999'999'999'999'999, "9.99999999999999e+14", "999999999999999"},
    {1e21, "1e+21", "1000000000000000000000"},
    {9223372036854775808.0, "9.223372036854776e+18", "9223372036854776000"},
    {1.2345e20, "1.2345e+20", "123450000000000000000"},
    {1234.5, "1234.5", "1234.5"},
    {-0.00012, "-0.00012", "-0.00012"},
    {1e-10, "1e-10", "0.0000000001"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {1e100, "1e+100", nullptr},
    {5e-324, "5e-324", nullptr},
    {std::numeric_limits<double>::max(), "1.7976931348623157e+308", nullptr},
    {std::numeric_limits<double>::infinity(), "+Inf", "+Inf"},
    {-std::numeric_limits<double>::infinity(), "-Inf", "-Inf"},
    {std::nan(""), "NaN", "NaN"},
};

TEST(NumberTest, PrintsAsGoDoes) {
  for (const Case& c : kCases) {
    EXPECT_EQ(FormatFloat(c.value), c.shortest);
    if (c.fixed != nullptr) {
      EXPECT_EQ(FormatFloatFixed(c.value), c.fixed);
    }
  }
}

TEST(NumberTest, ReadsBackTheSame) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(std::strtod(FormatFloat(value).c_str(), nullptr), value);
    EXPECT_EQ(std::strtod(FormatFloatFixed(value).c_str(), nullptr), value);
  }
}

TEST(NumberTest, PrintsTheLongestFixedTexts) {
  EXPECT_EQ(FormatFloatFixed(-std::numeric_limits<double>::max()).size(), 310U);
  EXPECT_EQ(FormatFloatFixed(-5e-324).size(), 327U);
}

}  // namespace
}  // namespace fettle

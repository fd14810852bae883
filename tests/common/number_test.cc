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

std::string Sample(double value) {
  char text[kSampleTextMax];
  return {text, PrintSample(value, text)};
}

TEST(NumberTest, PrintsSamplesAsTheQueryApiDoes) {
  EXPECT_EQ(Sample(1e-6), "0.000001");
  EXPECT_EQ(Sample(9.5e-7), "9.5e-07");
  EXPECT_EQ(Sample(-1e21), "-1e+21");
  EXPECT_EQ(Sample(9007199254740993.0), "9007199254740992");
  std::mt19937_64 random(7);
  std::vector<double> values = {100'000'000, 0.12345678901234566, 99999999.00000001};
  for (const Case& c : kCases) values.push_back(c.value);
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(std::bit_cast<double>(random()));
    values.push_back(std::ldexp(static_cast<double>(random()), -static_cast<int>(random() % 84)));
    values.push_back(static_cast<double>(random() % 1'000'000) / 100);
  }
  for (const double value : values) {
    const double size = std::abs(value);
    const bool exponent = std::isfinite(value) && size != 0 && (size < 1e-6 || size >= 1e21);
    ASSERT_EQ(Sample(value), exponent ? FormatFloat(value) : FormatFloatFixed(value));
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

#include "rules/samples/column.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "common/sample.h"

namespace fettle::rules {
namespace {

std::span<const std::uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// How many bytes they took.
std::size_t ExpectBack(const std::vector<double>& column) {
  std::string packed;
  PackNumbers(column, packed);
  std::vector<double> read(column.size());
  ColumnReader reader(Bytes(packed));
  EXPECT_TRUE(reader.Numbers(read));
  EXPECT_TRUE(reader.empty());
  for (std::size_t i = 0; i < column.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read[i]), std::bit_cast<std::uint64_t>(column[i]))
        << "number " << i << " of " << column.size();
  }
  return packed.size();
}

std::size_t ExpectBack(const std::vector<std::int64_t>& column) {
  std::string packed;
  PackIntegers(column, packed);
  std::vector<std::int64_t> read(column.size());
  ColumnReader reader(Bytes(packed));
  EXPECT_TRUE(reader.Integers(read));
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(read, column);
  return packed.size();
}

TEST(ColumnTest, EverySpecialNumberComesBackBitForBit) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> special = {0.0,
                                       -0.0,
                                       1,
                                       -1,
                                       0.1,
                                       -12.75,
                                       9007199254740992.0,
                                       -9007199254740991.0,
                                       1e308,
                                       -1e-308,
                                       std::numeric_limits<double>::denorm_min(),
                                       inf,
                                       -inf,
                                       std::numeric_limits<double>::quiet_NaN(),
                                       StaleNaN()};
  ExpectBack(special);
  for (const double one : special) {
    ExpectBack(std::vector<double>{one});
    ExpectBack(std::vector<double>(100, one));
    std::vector<double> among(100, 12.5);
    among[37] = one;
    ExpectBack(among);
  }
}

TEST(ColumnTest, IntegersAtTheEndsOfTheirRangeComeBack) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  ExpectBack(std::vector<std::int64_t>{});
  ExpectBack(std::vector<std::int64_t>{kMin});
  ExpectBack(std::vector<std::int64_t>{kMin, kMax, 0, kMax, kMin, -1, 1});
  std::vector<std::int64_t> column(kColumnRowsMax, 5);
  column.front() = kMax;
  column.back() = kMin;
  ExpectBack(column);
}

TEST(ColumnTest, CostsWhatTheHeaderPromises) {
  std::mt19937_64 random(1);
  std::vector<double> constant(120, 7.25), counter, gauge, reset, gone;
  double count = 0;
  for (int i = 0; i < 120; ++i) {
    counter.push_back(count += static_cast<double>(random() % 2'000));
    gauge.push_back(static_cast<double>(random() % 100'000) / 100);
    reset.push_back(i < 60 ? 1e9 + i : i);
    gone.push_back(i == 60 ? StaleNaN() : 3.5);
  }
  EXPECT_LE(ExpectBack(constant), 8U);
  EXPECT_LE(ExpectBack(counter), 120U * 11 / 8 + 12);
  EXPECT_LE(ExpectBack(gauge), 120U * 17 / 8 + 12);
  EXPECT_LE(ExpectBack(reset), 24U) << "one that is far from the others is kept apart";
  EXPECT_LE(ExpectBack(gone), 20U);
}

TEST(ColumnTest, WhateverIsPackedComesBack) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2'000; ++round) {
    std::vector<double> column(1 + random() % 120);
    const auto kind = random() % 6;
    const double power = std::pow(10, static_cast<double>(random() % 14));
    double value = static_cast<double>(random() % 1'000'000);
    for (double& number : column) {
      if (kind == 0) value = std::bit_cast<double>(random());
      if (kind == 1) value = static_cast<double>(random() % 1'000'000) / power;
      if (kind == 2) value += std::generate_canonical<double, 53>(random) - 0.5;
      if (kind == 3) value = -std::floor(value / 3);
      if (kind == 4) value = static_cast<double>(static_cast<float>(random() % 1000) / 7);
      if (kind == 5) value = std::ldexp(static_cast<double>(random() % 4096), -10);
      number = random() % 50 == 0 ? StaleNaN() : value;
    }
    ExpectBack(column);
    std::vector<std::int64_t> integers(1 + random() % 120);
    const auto shift = random() % 64;
    for (std::int64_t& number : integers) {
      number = static_cast<std::int64_t>(random()) >> (random() % 20 == 0 ? 0 : shift);
    }
    ExpectBack(integers);
  }
}

TEST(ColumnTest, NoiseIsReadWithinItsBytesOrRefused) {
  std::mt19937_64 random(3);
  std::vector<double> into(64);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint8_t> bytes(random() % 60);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    if (!bytes.empty() && round % 2 == 0) bytes[0] &= 0x3f;
    ColumnReader reader(bytes);
    (void)reader.Numbers(std::span(into).first(random() % 65));
  }
}

}  // namespace
}  // namespace fettle::rules

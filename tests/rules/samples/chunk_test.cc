#include "rules/samples/chunk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "common/sample.h"

namespace fettle::rules {
namespace {

struct Written {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  ChunkWriter writer;
  ChunkPtr chunk;
};

Written Write(const std::vector<std::pair<std::int64_t, double>>& samples,
              std::uint32_t capacity = 8192) {
  Written out;
  out.chunk = ChunkPtr(Chunk::New(samples.front().first, capacity));
  for (const auto& [time, value] : samples) {
    if (!out.chunk->Append(out.writer, time, value)) break;
    out.times.push_back(time);
    out.values.push_back(value);
  }
  return out;
}

void ExpectReadsBack(const Written& written) {
  std::vector<std::int64_t> times(written.times.size());
  std::vector<double> values(written.values.size());
  const std::size_t read =
      written.chunk->Read(written.writer.samples, std::numeric_limits<std::int64_t>::min(),
                          std::numeric_limits<std::int64_t>::max(), times.data(), values.data());
  ASSERT_EQ(read, written.times.size());
  EXPECT_EQ(times, written.times);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint64_t>(values[i]),
              std::bit_cast<std::uint64_t>(written.values[i]))
        << "sample " << i;
  }
}

TEST(ChunkTest, ReadsBackEverySpecialValueBitForBit) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<std::pair<std::int64_t, double>> samples;
  std::int64_t time = -5'000;
  for (const double value : {0.0,
                             -0.0,
                             1.0,
                             -1.0,
                             127.0,
                             128.0,
                             -129.0,
                             32768.0,
                             8388608.0,
                             2147483648.0,
                             1e15,
                             9007199254740992.0,
                             -9007199254740991.0,
                             0.1,
                             1e308,
                             -1e-308,
                             std::numeric_limits<double>::denorm_min(),
                             inf,
                             -inf,
                             std::numeric_limits<double>::quiet_NaN(),
                             StaleNaN(),
                             3.0,
                             3.0}) {
    samples.emplace_back(time += 15'000, value);
  }
  ExpectReadsBack(Write(samples));
}

TEST(ChunkTest, ReadsBackIrregularTimes) {
  std::vector<std::pair<std::int64_t, double>> samples;
  std::int64_t time = 0;
  for (const std::int64_t step : {1, 1, 127, 128, 40'000, 8'388'608, 1 << 30, 1, 15'000, 15'001}) {
    samples.emplace_back(time += step, 1);
  }
  samples.emplace_back(time += std::int64_t{1} << 40, 2);
  samples.emplace_back(time + 1, 2);
  ExpectReadsBack(Write(samples));
}

TEST(ChunkTest, CostsWhatTheHeaderPromises) {
  std::vector<std::pair<std::int64_t, double>> constant, counter, noise;
  std::mt19937_64 random(1);
  double count = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const std::int64_t time = i * 15'000;
    constant.emplace_back(time, 1);
    counter.emplace_back(time, count += static_cast<double>(random() % 100));
    noise.emplace_back(time, static_cast<double>(random()) / 7.0);
  }
  EXPECT_LE(Write(constant).writer.bytes, 200U + 8);
  EXPECT_LE(Write(counter).writer.bytes, 2 * 200U + 16);
  EXPECT_LE(Write(noise).writer.bytes, 9 * 200U + 16);
}

TEST(ChunkTest, ReadsOnlyTheTimeAndTheSamplesAskedFor) {
  const Written written = Write({{10, 1}, {20, 2}, {30, 3}, {40, 4}});
  std::int64_t times[4];
  double values[4];
  ASSERT_EQ(written.chunk->Read(4, 10, 30, times, values), 2U);
  EXPECT_EQ(times[0], 20);
  EXPECT_EQ(values[1], 3);
  EXPECT_EQ(written.chunk->Read(2, 0, 100, times, values), 2U);
  EXPECT_EQ(written.chunk->Read(4, 40, 100, times, values), 0U);
}

TEST(ChunkTest, RefusesWhenFullAndLosesNothing) {
  std::vector<std::pair<std::int64_t, double>> samples;
  for (std::int64_t i = 0; i < 100; ++i) samples.emplace_back(i * 7, 0.1 * static_cast<double>(i));
  const Written written = Write(samples, 128);
  EXPECT_LT(written.times.size(), 100U);
  EXPECT_GT(written.times.size(), 10U);
  ExpectReadsBack(written);

  std::vector<std::pair<std::int64_t, double>> many;
  for (std::int64_t i = 0; i < 1000; ++i) many.emplace_back(i, 1);
  EXPECT_EQ(Write(many).times.size(), Chunk::kSamplesMax);
}

TEST(ChunkTest, ACopyInFewerBytesReadsTheSame) {
  Written written = Write({{10, 1.5}, {20, 2.25}, {30, -3}});
  written.chunk = written.chunk->Copy(written.writer.bytes, written.writer.bytes);
  EXPECT_EQ(written.chunk->capacity(), written.writer.bytes);
  ExpectReadsBack(written);
}

class ChunkStoryTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ChunkStoryTest, ReadsBackWhateverWasWritten) {
  std::mt19937_64 random(GetParam());
  for (int round = 0; round < 50; ++round) {
    std::vector<std::pair<std::int64_t, double>> samples;
    auto time = static_cast<std::int64_t>(random() % 1'000'000'000'000);
    double value = 0;
    for (int i = 0; i < 240; ++i) {
      time += 1 + static_cast<std::int64_t>(random() >> (random() % 64) >> 20);
      switch (random() % 6) {
        case 0:
          break;
        case 1:
          value += static_cast<double>(random() % 1000);
          break;
        case 2:
          value = -std::floor(value / 3);
          break;
        case 3:
          value = std::bit_cast<double>(random());
          break;
        case 4:
          value = std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) ^
                                        (random() >> (random() % 64)));
          break;
        default:
          value = static_cast<double>(random() % 10'000) / 100;
          break;
      }
      samples.emplace_back(time, value);
    }
    ExpectReadsBack(Write(samples));
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, ChunkStoryTest, testing::Range<std::uint64_t>(1, 9));

TEST(ChunkTest, IsRestoredFromItsBytesAndGoesOn) {
  std::mt19937_64 random(5);
  std::vector<std::pair<std::int64_t, double>> samples;
  for (int i = 0; i < 200; ++i) {
    const double noise = std::bit_cast<double>(random());
    samples.emplace_back(i * 15'000 + static_cast<std::int64_t>(random() % 3), i % 3 ? i : noise);
  }
  const Written written = Write(samples);
  const ChunkWriter& writer = written.writer;
  const std::span<const std::uint8_t> bytes = written.chunk->Bytes(writer.bytes);
  const auto restored = RestoreChunk(written.chunk->first_time(), writer.samples, bytes);
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->writer.last_time, writer.last_time);
  EXPECT_EQ(restored->writer.last_delta, writer.last_delta);
  EXPECT_EQ(restored->writer.bytes, writer.bytes);
  Written again = written;
  again.chunk = restored->chunk;
  ExpectReadsBack(again);
  EXPECT_FALSE(RestoreChunk(0, writer.samples + 1, bytes));
  EXPECT_FALSE(RestoreChunk(0, writer.samples - 1, bytes));
  EXPECT_FALSE(RestoreChunk(0, writer.samples, bytes.first(bytes.size() - 1)));
  EXPECT_FALSE(RestoreChunk(0, 0, {}));
}

TEST(ChunkTest, APackedOneReadsTheSameInFewerBytes) {
  std::mt19937_64 random(7);
  std::vector<std::pair<std::int64_t, double>> samples;
  for (int i = 0; i < 120; ++i) {
    const std::int64_t late = i == 70 ? 45'000 : static_cast<std::int64_t>(random() % 5);
    const std::int64_t before = samples.empty() ? 0 : samples.back().first;
    samples.emplace_back(before + 15'000 + late, static_cast<double>(random() % 1'000) / 4);
  }
  Written written = Write(samples);
  const ChunkWriter whole = written.writer;
  written.chunk = Chunk::Pack(written.times, written.values, whole.bytes);
  ASSERT_TRUE(written.chunk);
  EXPECT_TRUE(written.chunk->packed());
  EXPECT_LT(written.chunk->capacity(), whole.bytes / 2);
  ExpectReadsBack(written);
  std::vector<std::int64_t> times(120);
  std::vector<double> values(120);
  const std::int64_t from = written.times[9];
  ASSERT_EQ(written.chunk->Read(120, from, written.times[19], times.data(), values.data()), 10U);
  EXPECT_EQ(times[0], written.times[10]);
  EXPECT_EQ(values[9], written.values[19]);
  EXPECT_EQ(written.chunk->Read(120, from, from, times.data(), values.data()), 0U);

  const auto bytes = written.chunk->Bytes(written.chunk->capacity());
  const auto restored = RestorePacked(written.chunk->first_time(), 120, bytes);
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->writer.last_time, written.times.back());
  EXPECT_EQ(restored->writer.last_value, written.values.back());
  EXPECT_FALSE(RestorePacked(0, 119, bytes));
  EXPECT_FALSE(RestorePacked(0, 120, bytes.first(bytes.size() - 1)));
  EXPECT_FALSE(Chunk::Pack(written.times, written.values, bytes.size() - 1)) << "not worth it";
}

// Whatever bytes are given: refused, or read within them.
TEST(ChunkTest, RestoresNothingFromNoise) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint8_t> bytes(random() % 40);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const auto count = static_cast<std::uint32_t>(random() % 12);
    const auto restore = round % 2 == 0 ? RestoreChunk : RestorePacked;
    if (const auto restored = restore(static_cast<std::int64_t>(random()), count, bytes)) {
      std::vector<std::int64_t> times(count);
      std::vector<double> values(count);
      restored->chunk->Read(count, std::numeric_limits<std::int64_t>::min(),
                            std::numeric_limits<std::int64_t>::max(), times.data(), values.data());
      EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
    }
  }
}

}  // namespace
}  // namespace fettle::rules

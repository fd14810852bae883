#include "rules/samples/samples.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "rules/samples/histogram_cell.h"
#include "rules/samples/selection.h"

namespace fettle::rules {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Time At(std::int64_t second) { return TimeFromMillis(second * 1000); }

Matcher Match(Matcher::Type type, std::string name, std::string value) {
  return *Matcher::Make(type, std::move(name), std::move(value));
}
Matcher Equal(std::string name, std::string value) {
  return Match(Matcher::Type::kEqual, std::move(name), std::move(value));
}

// A store and short words for what is done to it.
struct Shelf {
  explicit Shelf(SampleStoreOptions options = {}) : store(options) {}
  Status Put(const Labels& labels, std::int64_t second, double value,
             Origin origin = Origin::kCollector) {
    return store.Append({{{labels, value, At(second)}}, origin});
  }
  // "labels:value@second value@second"
  std::vector<std::string> Find(const Matchers& matchers, std::int64_t from = -1'000,
                                std::int64_t to = 1'000'000) const {
    std::vector<std::string> out;
    const Selection found = store.Select(matchers, At(from), At(to));
    SampleColumns samples;
    for (std::size_t i = 0; i < found.size(); ++i) {
      found.Read(i, from * 1000, to * 1000, samples);
      std::string line = found.labels(i)->ToString() + ":";
      for (std::size_t j = 0; j < samples.times.size(); ++j) {
        line += fmt::format(" {}@{}", samples.values[j], samples.times[j] / 1000);
      }
      out.push_back(line);
    }
    return out;
  }
  SampleStore store;
};

using Lines = std::vector<std::string>;

TEST(SamplesTest, GivesBackWhatWasAppendedInOrderOfCreation) {
  Shelf shelf;
  ASSERT_TRUE(shelf.Put({{"__name__", "up"}, {"job", "b"}}, 10, 1));
  ASSERT_TRUE(shelf.Put({{"__name__", "up"}, {"job", "a"}}, 10, 0));
  ASSERT_TRUE(shelf.Put({{"__name__", "up"}, {"job", "b"}}, 20, 3));
  EXPECT_EQ(shelf.Find({Equal("__name__", "up")}),
            (Lines{R"(up{job="b"}: 1@10 3@20)", R"(up{job="a"}: 0@10)"}));
}

TEST(SamplesTest, SelectsByEveryKindOfMatcher) {
  Shelf shelf;
  for (const std::string job : {"api", "web", "db"}) {
    for (const std::string zone : {"", "a", "b"}) {
      ASSERT_TRUE(shelf.Put({{"__name__", "up"}, {"job", job}, {"zone", zone}}, 1, 1));
    }
  }
  ASSERT_TRUE(shelf.Put({{"__name__", "down"}, {"job", "api"}}, 1, 1));
  const auto count = [&](const Matchers& matchers) { return shelf.Find(matchers).size(); };
  using enum Matcher::Type;
  EXPECT_EQ(count({}), 10U);
  EXPECT_EQ(count({Equal("__name__", "up")}), 9U);
  EXPECT_EQ(count({Equal("__name__", "up"), Equal("job", "web")}), 3U);
  EXPECT_EQ(count({Equal("job", "api"), Equal("zone", "")}), 2U);
  EXPECT_EQ(count({Equal("job", "nobody")}), 0U);
  EXPECT_EQ(count({Equal("absent", "")}), 10U);
  EXPECT_EQ(count({Match(kNotEqual, "job", "web")}), 7U);
  EXPECT_EQ(count({Match(kNotEqual, "zone", "")}), 6U);
  EXPECT_EQ(count({Match(kRegexp, "job", "a.*|db")}), 7U);
  EXPECT_EQ(count({Match(kRegexp, "zone", "a|")}), 7U);
  EXPECT_EQ(count({Match(kNotRegexp, "zone", "a|b")}), 4U);
  EXPECT_EQ(count({Equal("__name__", "up"), Match(kNotRegexp, "job", "w.b"),
                   Match(kRegexp, "zone", "[ab]")}),
            4U);
}

TEST(SamplesTest, SelectsOnlySeriesWithSamplesInTheTimeAskedFor) {
  Shelf shelf;
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 10, 1));
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 20, 2));
  EXPECT_EQ(shelf.Find({}, 10, 20), (Lines{R"({a="1"}: 2@20)"}));
  EXPECT_EQ(shelf.Find({}, 20, 30), Lines{});
  EXPECT_EQ(shelf.Find({}, 0, 9), Lines{});
  EXPECT_EQ(shelf.Find({}, 0, 10), (Lines{R"({a="1"}: 1@10)"}));
}

TEST(SamplesTest, RefusesByNameAndKeepsTheRest) {
  Shelf shelf({.series_max = 2, .labels_per_series_max = 3, .label_bytes_max = 5});
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 10, 1));
  const auto refusal = [&](const Labels& labels, std::int64_t second, double value) {
    const Status status = shelf.Put(labels, second, value);
    return status ? "taken" : status.error().message;
  };
  EXPECT_EQ(refusal({{"a", "1"}}, 9, 1),
            R"(storing {a="1"} at 9000: out of order: the series has a newer sample)");
  EXPECT_EQ(refusal({{"a", "1"}}, 10, 2),
            R"(storing {a="1"} at 10000: duplicate: the series has another value at this time)");
  EXPECT_EQ(refusal({{"a", "1"}}, 10, 1), "taken");  // known already
  EXPECT_EQ(refusal({}, 10, 1),
            "storing {} at 10000: invalid: a series needs labels, a sample a time within reach");
  EXPECT_FALSE(shelf.Put({{"a", "9"}}, std::numeric_limits<std::int64_t>::max() / 2000, 1));
  EXPECT_EQ(refusal({{"a", "123456"}}, 10, 1),
            R"(storing {a="123456"} at 10000: label limit: 3 labels, 5 bytes each)");
  EXPECT_EQ(
      refusal({{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}}, 10, 1),
      R"(storing {a="1", b="1", c="1", d="1"} at 10000: label limit: 3 labels, 5 bytes each)");
  ASSERT_TRUE(shelf.Put({{"b", "1"}}, 10, 1));
  const Status full = shelf.Put({{"c", "1"}}, 10, 1);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().cause, Cause::kLimit);
  EXPECT_EQ(full.error().message, R"(storing {c="1"} at 10000: series limit: 2 series)");

  const Status mixed =
      shelf.store.Append({{{Labels{{"c", "1"}}, 1, At(20)}, {Labels{{"a", "1"}}, 5, At(20)}}});
  EXPECT_FALSE(mixed);
  EXPECT_EQ(shelf.Find({Equal("a", "1")}), (Lines{R"({a="1"}: 1@10 5@20)"}));
  EXPECT_EQ(shelf.store.stats().refused, 8U);
  EXPECT_EQ(shelf.store.stats().appended, 3U);
}

TEST(SamplesTest, KeepsStaleMarkersAmongTheSamples) {
  Shelf shelf;
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 10, 1));
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 20, StaleNaN()));
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 20, StaleNaN()));
  const auto last = shelf.store.Latest({{"a", "1"}});
  ASSERT_TRUE(last);
  EXPECT_TRUE(IsStaleNaN(last->value));
  EXPECT_EQ(last->at, At(20));
  const Selection found = shelf.store.Select({}, At(0), At(30));
  EXPECT_TRUE(IsStaleNaN(found.Last(0)->value));
}

TEST(SamplesTest, ReadsAcrossManyChunks) {
  Shelf shelf;
  std::mt19937_64 random(3);
  std::map<std::int64_t, double> expected;
  for (std::int64_t second = 0; second < 30'000; second += 10) {
    const double value = static_cast<double>(random()) / 3.0;
    expected[second * 1000] = value;
    ASSERT_TRUE(shelf.Put({{"a", "1"}}, second, value));
  }
  for (int round = 0; round < 200; ++round) {
    const auto from = static_cast<std::int64_t>(random() % 31'000'000) - 500'000;
    const auto to = from + static_cast<std::int64_t>(random() % 10'000'000);
    const Selection found = shelf.store.Select({}, TimeFromMillis(from), TimeFromMillis(to));
    SampleColumns samples;
    if (!found.empty()) found.Read(0, from, to, samples);
    std::vector<std::int64_t> times;
    std::vector<double> values;
    for (auto at = expected.upper_bound(from); at != expected.end() && at->first <= to; ++at) {
      times.push_back(at->first);
      values.push_back(at->second);
    }
    ASSERT_EQ(samples.times, times) << from << " " << to;
    ASSERT_EQ(samples.values, values);
  }
}

TEST(SamplesTest, ForgetsWhatIsOlderThanTheRetention) {
  Shelf shelf({.retention = hours(1)});
  for (std::int64_t second = 0; second < 7200; second += 10) {
    ASSERT_TRUE(shelf.Put({{"a", "1"}}, second, static_cast<double>(second) / 7));
  }
  ASSERT_TRUE(shelf.Put({{"a", "2"}}, 100, 1));
  ASSERT_TRUE(shelf.Put({{"b", "2"}}, 7190, 1));
  const std::size_t before = shelf.store.stats().samples;
  shelf.store.Expire(At(7200));
  const SampleStore::Stats after = shelf.store.stats();
  EXPECT_EQ(after.series, 2U);
  EXPECT_LT(after.samples, before - 200);
  EXPECT_GE(after.samples, 361U);
  EXPECT_EQ(shelf.Find({Equal("a", "2")}), Lines{});
  EXPECT_EQ(shelf.store.LabelValues("a", {}, At(0), At(7200), 0), Lines{"1"});
  const Status old = shelf.Put({{"z", "1"}}, 3599, 1);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().message, R"(storing {z="1"} at 3599000: too old: beyond the retention)");
  ASSERT_TRUE(shelf.Put({{"a", "2"}}, 7201, 4));  // comes back as a new series
  EXPECT_EQ(shelf.Find({Equal("a", "2")}), (Lines{R"({a="2"}: 4@7201)"}));
  shelf.store.Expire(At(20'000));
  EXPECT_EQ(shelf.store.stats().series, 0U);
  EXPECT_EQ(shelf.store.stats().chunk_bytes, 0U);
  EXPECT_EQ(shelf.store.newest(), std::nullopt);
}

TEST(SamplesTest, TellsWhichEventSeriesChanged) {
  Shelf shelf;
  Lines news;
  shelf.store.OnEventChange([&](std::span<const LabelsPtr> changed, Time newest) {
    for (const LabelsPtr& labels : changed) news.push_back(labels->ToString());
    EXPECT_EQ(newest, shelf.store.newest());
    EXPECT_FALSE(shelf.Find({}).empty());  // readable, and no lock is held
  });
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 10, 1, Origin::kScrape));
  EXPECT_EQ(news, Lines{});
  ASSERT_TRUE(shelf.Put({{"e", "1"}}, 10, 1, Origin::kEvent));
  ASSERT_TRUE(shelf.Put({{"e", "1"}}, 20, 1, Origin::kEvent));
  ASSERT_TRUE(shelf.Put({{"e", "1"}}, 30, 0, Origin::kEvent));
  ASSERT_TRUE(shelf.Put({{"e", "1"}}, 40, StaleNaN(), Origin::kEvent));
  ASSERT_TRUE(shelf.Put({{"e", "1"}}, 50, StaleNaN(), Origin::kEvent));
  EXPECT_FALSE(shelf.Put({{"e", "1"}}, 49, 3, Origin::kEvent));
  EXPECT_EQ(news, (Lines{R"({e="1"})", R"({e="1"})", R"({e="1"})"}));
}

TEST(SamplesTest, ListsNamesAndValues) {
  Shelf shelf;
  ASSERT_TRUE(shelf.Put({{"__name__", "up"}, {"job", "b"}}, 10, 1));
  ASSERT_TRUE(shelf.Put({{"__name__", "up"}, {"job", "a"}}, 20, 1));
  ASSERT_TRUE(shelf.Put({{"__name__", "x"}, {"zone", "z"}}, 20, 1));
  const Time from = At(0);
  const Time to = At(100);
  EXPECT_EQ(shelf.store.LabelNames({}, from, to, 0), (Lines{"__name__", "job", "zone"}));
  EXPECT_EQ(shelf.store.LabelNames({Equal("__name__", "x")}, from, to, 0),
            (Lines{"__name__", "zone"}));
  EXPECT_EQ(shelf.store.LabelValues("job", {}, from, to, 0), (Lines{"a", "b"}));
  EXPECT_EQ(shelf.store.LabelValues("job", {}, from, to, 1), (Lines{"a"}));
  EXPECT_EQ(shelf.store.LabelValues("job", {}, At(15), to, 0), (Lines{"a"}));
  EXPECT_EQ(shelf.store.newest(), At(20));
  EXPECT_EQ(shelf.store.oldest(), At(10));
}

// What one batch brings is seen whole or not at all, and a selection reads the same however long it
// is kept.
TEST(SamplesTest, ReadersAndAnAppenderDoNotDisturbEachOther) {
  Shelf shelf;
  constexpr int kSeries = 20;
  constexpr std::int64_t kSteps = 2'000;
  std::atomic<bool> done = false;
  std::jthread appender([&] {
    for (std::int64_t step = 0; step < kSteps; ++step) {
      SampleBatch batch;
      for (int i = 0; i < kSeries; ++i) {
        batch.samples.push_back(
            {Labels{{"i", std::to_string(i)}}, static_cast<double>(step) / 3, At(step)});
      }
      EXPECT_TRUE(shelf.store.Append(batch));
    }
    done = true;
  });
  SampleColumns samples;
  while (!done) {
    const Selection found = shelf.store.Select({}, At(-1), At(kSteps));
    std::size_t length = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      found.Read(i, -1'000, kSteps * 1000, samples);
      if (i == 0) length = samples.times.size();
      ASSERT_EQ(samples.times.size(), length);
      ASSERT_EQ(samples.values.back(), static_cast<double>(length - 1) / 3);
    }
  }
}

TEST(SamplesTest, ClearForgetsEverything) {
  Shelf shelf;
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 10, 1));
  shelf.store.Clear();
  EXPECT_EQ(shelf.Find({}), Lines{});
  ASSERT_TRUE(shelf.Put({{"a", "1"}}, 5, 2));
  EXPECT_EQ(shelf.Find({}), (Lines{R"({a="1"}: 2@5)"}));
}

// One bucket with so many observations.
HistogramPtr Bucket(double count, FloatHistogram::ResetHint hint = {}) {
  FloatHistogram h;
  h.hint = hint;
  h.count = count;
  h.positive = {{{0, 1}}, {count}};
  return std::make_shared<const FloatHistogram>(std::move(h));
}

TEST(SamplesTest, HistogramsStandAmongNumbersAndKnowTheirResets) {
  Shelf shelf;
  const Labels labels = {{"a", "1"}};
  const auto put = [&](std::int64_t second, double value, HistogramPtr histogram) {
    return shelf.store.Append({{{labels, value, At(second), std::move(histogram)}}}).has_value();
  };
  using enum FloatHistogram::ResetHint;
  EXPECT_TRUE(put(1, 5, nullptr));
  for (const double count : {3, 4, 2, 2}) {
    EXPECT_TRUE(put(static_cast<std::int64_t>(shelf.store.stats().samples) + 1, 0, Bucket(count)));
  }
  EXPECT_TRUE(put(6, 0, Bucket(1, kGauge)));
  EXPECT_TRUE(put(7, StaleNaN(), nullptr));
  EXPECT_TRUE(put(8, 0, Bucket(9)));
  EXPECT_TRUE(put(9, std::bit_cast<double>(kHistogramCellBits), nullptr));
  EXPECT_FALSE(put(8, 0, Bucket(9)));
  const Selection found = shelf.store.Select({}, At(0), At(100));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.histograms(0));
  SampleColumns samples;
  found.Read(0, 0, 100'000, samples);
  EXPECT_EQ(samples.times.size(), 9U);
  EXPECT_TRUE(samples.starts.empty());
  EXPECT_EQ(samples.values[0], 5);
  EXPECT_TRUE(IsStaleNaN(samples.values[6]));
  EXPECT_FALSE(IsHistogramCell(samples.values[8]));  // a NaN of the sender's is a plain one
  std::vector<FloatHistogram::ResetHint> hints;
  for (const double value : samples.values) {
    if (IsHistogramCell(value)) hints.push_back(samples.histograms[HistogramPlace(value)]->hint);
  }
  EXPECT_EQ(hints, (std::vector{kUnknown, kNotReset, kUnknown, kNotReset, kGauge, kUnknown}));
}

TEST(SamplesTest, StartsOfCountingAreKeptWhereTheyAreKnown) {
  Shelf shelf;
  const Labels labels = {{"a", "1"}};
  ASSERT_TRUE(shelf.Put(labels, 1, 1));
  ASSERT_TRUE(shelf.store.Append({{{labels, 2, At(2), nullptr, At(1)}}}));
  ASSERT_TRUE(shelf.Put(labels, 3, 3));
  SampleColumns samples;
  shelf.store.Select({}, At(0), At(100)).Read(0, 0, 100'000, samples);
  EXPECT_EQ(samples.values, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(samples.starts, (std::vector<std::int64_t>{0, 1'000, 0}));
}

}  // namespace
}  // namespace fettle::rules

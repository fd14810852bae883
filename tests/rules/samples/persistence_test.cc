#include <gtest/gtest.h>

#include <map>
#include <random>

#include "rules/samples/samples.h"
#include "rules/samples/selection.h"
#include "rules/samples/shelves.h"
#include "tests/support/faulty_files.h"
#include "tests/support/recorded_log.h"

namespace fettle::rules {
namespace {

using std::chrono::hours;

Time At(std::int64_t second) { return TimeFromMillis(1'767'225'600'000 + second * 1000); }

// A disk, a store upon it, and short words for what befalls them.
struct Cellar {
  Cellar() { Begin(); }
  // The process ends without a word and begins again.
  void Restart(Time now = At(0)) {
    // kill -9: a copy of the disk as it is, before the store's own end could tidy up.
    FaultyFiles& old = *disk;
    auto left = std::make_unique<FaultyFiles>();
    for (const auto& [name, content] : old.Contents()) {
      auto file = left->Mount()->Create(name);
      ASSERT_TRUE((*file)->Append(content));
    }
    store.reset();
    disk = std::move(left);
    Begin(now);
  }
  void Begin(Time now = At(0)) {
    metrics = std::make_unique<Metrics>();
    store = std::make_unique<SampleStore>(SampleStoreOptions{}, metrics.get());
    ASSERT_TRUE(store->Persist({.files = disk->Mount(),
                                .log = log.For("samples"),
                                .now = now,
                                .log_bytes_min = log_bytes_min,
                                .thread = false}));
  }
  void Put(const std::string& name, std::int64_t second, double value) {
    ASSERT_TRUE(Write({{{{"__name__", name}, {"job", "j"}}, value, At(second)}}));
  }
  // As a remote write does: acknowledged when this returns.
  Status Write(const std::vector<Sample>& samples) {
    Status taken = store->Append({samples});
    // Append does not wait; an empty lasting write waits for all before it.
    if (!taken) return taken;
    return store->Write({}, {.origin = Origin::kRemoteWrite, .lasting = true});
  }
  std::string Find() const {
    std::map<std::string, std::string> lines;
    const Selection all = store->Select({}, At(-1'000'000), At(1'000'000));
    SampleColumns samples;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all.Read(i, ToMillis(At(-1'000'000)), ToMillis(At(1'000'000)), samples);
      std::string& line = lines[std::string(all.labels(i)->Get("__name__"))];
      for (std::size_t j = 0; j < samples.times.size(); ++j) {
        const double value = samples.values[j];
        line += fmt::format(" {}@{}", IsStaleNaN(value) ? "stale" : fmt::format("{}", value),
                            (samples.times[j] - ToMillis(At(0))) / 1000);
      }
    }
    std::string out;
    for (const auto& [name, line] : lines) out += name + ":" + line + "\n";
    return out;
  }
  double Shown(const std::string& name, const Labels& labels = {}) const {
    for (const MetricFamily& family : metrics->Collect()) {
      for (const MetricPoint& point : family.points) {
        if (family.name == name && point.labels == labels) return point.value;
      }
    }
    return -1;
  }
  double Damaged(const std::string& part) const {
    return Shown("fettle_samples_replay_damaged_total", {{"part", part}});
  }
  std::string Only(const std::string& stem) const {
    std::string found;
    for (const auto& [name, content] : disk->Contents()) {
      if (name.starts_with(stem)) found = name;
    }
    return found;
  }

  std::unique_ptr<FaultyFiles> disk = std::make_unique<FaultyFiles>();
  RecordedLog log;
  std::uint64_t log_bytes_min = 0;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<SampleStore> store;
};

TEST(PersistenceTest, ARestartBringsBackEverythingAcknowledged) {
  Cellar cellar;
  cellar.Put("up", 1, 1);
  cellar.Put("up", 2, 0.5);
  cellar.Put("other", 2, -7);
  cellar.Put("up", 3, StaleNaN());
  const std::string before = cellar.Find();
  cellar.Restart();
  EXPECT_EQ(cellar.Find(), before);
  EXPECT_EQ(before, "other: -7@2\nup: 1@1 0.5@2 stale@3\n");
  EXPECT_EQ(cellar.Shown("fettle_samples_replayed"), 4);
  cellar.Put("up", 4, 2);
  cellar.Restart();
  EXPECT_EQ(cellar.Find(), "other: -7@2\nup: 1@1 0.5@2 stale@3 2@4\n");
  EXPECT_FALSE(cellar.store->Append({{{{{"__name__", "up"}, {"job", "j"}}, 9, At(3)}}}))
      << "what is out of order stays so";
}

TEST(PersistenceTest, HistogramsAndStartsComeBackToo) {
  Cellar cellar;
  auto histogram = std::make_shared<FloatHistogram>();
  histogram->schema = 3;
  histogram->count = 5.5;
  histogram->sum = 12.25;
  histogram->zero_threshold = 0.001;
  histogram->zero_count = 1;
  histogram->positive = {{{-2, 2}, {1, 1}}, {1, 2.5, 1}};
  auto more = std::make_shared<FloatHistogram>(*histogram);
  more->count = 6.5;
  more->positive.counts[0] = 2;
  const Labels labels = {{"__name__", "h"}, {"job", "j"}};
  ASSERT_TRUE(cellar.Write({{labels, 0, At(1), histogram}, {labels, 0, At(2), more}}));
  ASSERT_TRUE(cellar.Write({{labels, StaleNaN(), At(3)}, {labels, 4, At(4), nullptr, At(-5)}}));
  const auto check = [&](const std::string& when) {
    const Selection found = cellar.store->Select({}, At(0), At(10));
    SampleColumns samples;
    found.Read(0, ToMillis(At(0)), ToMillis(At(10)), samples);
    ASSERT_EQ(samples.histograms.size(), 2U) << when;
    EXPECT_TRUE(SameHistogram(*samples.histograms[0], *histogram)) << when;
    EXPECT_TRUE(SameHistogram(*samples.histograms[1], *more)) << when;
    EXPECT_EQ(samples.histograms[1]->hint, FloatHistogram::ResetHint::kNotReset) << when;
    EXPECT_TRUE(IsStaleNaN(samples.values[2])) << when;
    EXPECT_EQ(samples.values[3], 4) << when;
    EXPECT_EQ(samples.starts[3], ToMillis(At(-5))) << when;
  };
  check("at first");
  cellar.Restart();
  check("from the log");
  cellar.log_bytes_min = 1;
  cellar.Restart();
  cellar.store->TurnForTest();
  EXPECT_NE(cellar.Only("snapshot-"), "");
  cellar.Restart();
  check("from a snapshot");
}

// Histograms over hours, with what ends a run and what changes a layout among them.
TEST(PersistenceTest, ManyHistogramsComeBackAsTheyWere) {
  Cellar cellar;
  std::mt19937_64 random(11);
  const Labels labels = {{"__name__", "h"}, {"job", "j"}};
  std::vector<HistogramPtr> written;
  FloatHistogram now{.zero_threshold = 0.001, .positive = {{{0, 3}}, {0, 0, 0}}};
  std::int64_t second = 0;
  for (int i = 0; i < 400; ++i) {
    if (i == 90) now.positive = {{{0, 3}, {2, 1}}, {9e4, 9e4, 9e4, 0}};
    if (i == 200) now = {.schema = -1, .negative = {{{-3, 2}}, {0, -0.5}}};
    for (auto* side : {&now.positive, &now.negative}) {
      for (double& count : side->counts) count += static_cast<double>(random() % 9);
    }
    now.sum += static_cast<double>(random() % 1'000) / 8;
    now.count += i % 150 == 0 ? -now.count : 7;
    if (i % 130 == 0) written.push_back(nullptr);
    written.push_back(std::make_shared<FloatHistogram>(now));
    if (i % 130 == 0) {
      ASSERT_TRUE(cellar.Write({{labels, StaleNaN(), At(++second)}}));
    }
    ASSERT_TRUE(cellar.Write({{labels, 0, At(++second), written.back()}}));
  }
  const auto check = [&](const std::string& when) {
    const Selection found = cellar.store->Select({}, At(0), At(1'000));
    ASSERT_EQ(found.size(), 1U) << when;
    SampleColumns samples;
    found.Read(0, ToMillis(At(0)), ToMillis(At(1'000)), samples);
    ASSERT_EQ(samples.times.size(), written.size()) << when;
    std::size_t next = 0;
    for (std::size_t i = 0; i < written.size(); ++i) {
      EXPECT_EQ(samples.times[i], ToMillis(At(static_cast<std::int64_t>(i) + 1))) << when;
      if (written[i] == nullptr) {
        EXPECT_TRUE(IsStaleNaN(samples.values[i])) << when << i;
      } else {
        ASSERT_TRUE(SameHistogram(*samples.histograms[next++], *written[i])) << when << i;
      }
    }
  };
  check("at first");
  EXPECT_LT(cellar.store->stats().chunk_bytes, 400U * 60);
  cellar.Restart();
  check("from the log");
  cellar.log_bytes_min = 1;
  cellar.Restart();
  cellar.store->TurnForTest();
  cellar.Restart();
  check("from a snapshot");
}

TEST(PersistenceTest, ExemplarsAndMetadataComeBackToo) {
  Cellar cellar;
  const Labels series = {{"__name__", "up"}, {"job", "j"}};
  const auto remark = [&](std::int64_t second, double value, const std::string& help) {
    const auto remarked = cellar.store->Remark(
        {{series, {{{"trace_id", "abc"}}, value, At(second)}}},
        {{.name = "up", .type = MetricType::kGauge, .help = help, .unit = "1"}});
    ASSERT_TRUE(cellar.Write({}));
    EXPECT_EQ(remarked.kept, 1U);
  };
  const auto check = [&](const std::string& when, std::size_t count, const std::string& help) {
    const auto found = cellar.store->shelves().exemplars.Find({{}}, At(0), At(100));
    ASSERT_EQ(found.size(), 1U) << when;
    EXPECT_EQ(found[0].series, series) << when;
    ASSERT_EQ(found[0].exemplars.size(), count) << when;
    EXPECT_EQ(found[0].exemplars[0].labels.ToString(), "{trace_id=\"abc\"}") << when;
    EXPECT_EQ(found[0].exemplars[0].value, 0.25) << when;
    EXPECT_EQ(found[0].exemplars[0].at, At(1)) << when;
    const std::vector<MetricMetadata> known = cellar.store->shelves().metadata.All();
    ASSERT_EQ(known.size(), 1U) << when;
    EXPECT_EQ(known[0].type, MetricType::kGauge) << when;
    EXPECT_EQ(known[0].help, help) << when;
    EXPECT_EQ(known[0].unit, "1") << when;
  };
  remark(1, 0.25, "Whether.");
  cellar.Restart();
  check("from the log", 1, "Whether.");
  remark(2, 0.5, "Whether it is.");
  cellar.log_bytes_min = 1;
  cellar.Restart();
  cellar.store->TurnForTest();
  EXPECT_NE(cellar.Only("snapshot-"), "");
  cellar.Restart();
  check("from a snapshot", 2, "Whether it is.");
}

TEST(PersistenceTest, ATornTailIsCutAndCounted) {
  for (std::size_t cut = 1; cut < 40; ++cut) {
    Cellar cellar;
    cellar.Put("up", 1, 1);
    cellar.Put("up", 2, 2.5);
    const std::string name = cellar.Only("log-");
    std::string& content = cellar.disk->At(name);
    if (cut >= content.size()) break;
    content.resize(content.size() - cut);
    cellar.Restart();
    const std::string found = cellar.Find();
    EXPECT_TRUE(found == "up: 1@1\n" || found.empty()) << cut << found;
    EXPECT_EQ(cellar.Damaged("segment"), 0) << cut;
    cellar.Put("up", 3, 3);
    cellar.Restart();
    EXPECT_NE(cellar.Find().find("3@3"), std::string::npos) << cut;
    EXPECT_EQ(cellar.Damaged("torn tail"), 0) << "cut once, whole from then on";
  }
}

TEST(PersistenceTest, ADamagedSegmentCostsItsRestAndNothingElse) {
  Cellar cellar;
  cellar.Put("a", 1, 1);
  cellar.Put("a", 2, 2);
  cellar.Put("b", 2, 2);
  cellar.disk->At(cellar.Only("log-"))[70] ^= 1;
  cellar.Restart();
  EXPECT_EQ(cellar.Damaged("segment"), 1);
  EXPECT_NE(cellar.Find().find("a: 1@1"), std::string::npos) << cellar.Find();
  EXPECT_EQ(cellar.Find().find("b:"), std::string::npos);
  cellar.Put("b", 3, 3);
  cellar.Put("a", 3, 3);
  cellar.Restart();
  EXPECT_NE(cellar.Find().find("b: 3@3"), std::string::npos) << cellar.Find();
}

TEST(PersistenceTest, SnapshotsBoundTheDiskAndTheReplay) {
  Cellar cellar;
  cellar.log_bytes_min = 2'000;
  cellar.Restart();
  std::uint64_t most = 0;
  for (int second = 1; second <= 2'000; ++second) {
    cellar.Put("counter", second, second);
    cellar.Put("gauge", second, second % 7 / 3.0);
    cellar.store->TurnForTest();
    most = std::max(most, cellar.disk->Bytes());
  }
  EXPECT_GT(cellar.Shown("fettle_samples_snapshots_total"), 3);
  // 4,000 samples of 3 to 9 bytes: a snapshot, and a log as long at most, and one append more.
  EXPECT_LT(most, 60'000U);
  const std::string before = cellar.Find();
  cellar.Restart();
  EXPECT_EQ(cellar.Find(), before);
  EXPECT_EQ(cellar.Damaged("snapshot"), 0);
}

TEST(PersistenceTest, ADamagedSnapshotCostsTheSeriesOfOneFrame) {
  Cellar cellar;
  cellar.log_bytes_min = 1;
  cellar.Restart();
  std::vector<Sample> many;
  for (int i = 0; i < 1'000; ++i) {
    many.push_back({{{"__name__", fmt::format("m{}", i)}}, 1, At(1)});
  }
  ASSERT_TRUE(cellar.Write(many));
  cellar.store->TurnForTest();
  std::string& snapshot = cellar.disk->At(cellar.Only("snapshot-"));
  snapshot[snapshot.size() / 2] ^= 1;
  cellar.Restart();
  EXPECT_EQ(cellar.Damaged("snapshot"), 1);
  EXPECT_EQ(cellar.store->stats().series, 744U) << "256 series are one frame";
}

TEST(PersistenceTest, AFullDiskDegradesToMemoryAndRecovers) {
  Cellar cellar;
  cellar.Put("up", 1, 1);
  cellar.disk->LeaveRoomFor(10);
  cellar.Put("up", 2, 2);
  cellar.Put("up", 3, 3);
  cellar.store->TurnForTest();
  EXPECT_EQ(cellar.Shown("fettle_samples_log_degraded"), 1);
  EXPECT_EQ(cellar.Find(), "up: 1@1 2@2 3@3\n") << "memory goes on";
  EXPECT_TRUE(cellar.log.Contains("kept in memory alone"));
  cellar.store->TurnForTest(true);
  EXPECT_EQ(cellar.Shown("fettle_samples_log_degraded"), 1) << "the disk is still full";
  cellar.disk->Heal();
  cellar.store->TurnForTest(true);
  EXPECT_EQ(cellar.Shown("fettle_samples_log_degraded"), 0);
  cellar.Put("up", 4, 4);
  cellar.Restart();
  EXPECT_EQ(cellar.Find(), "up: 1@1 2@2 3@3 4@4\n");
  EXPECT_EQ(cellar.Damaged("segment") + cellar.Damaged("torn tail"), 0);
}

// Whichever change of the disk fails: memory loses nothing, and once it is healed, a restart loses
// nothing either.
TEST(PersistenceTest, LosesNothingWhicheverChangeOfTheDiskFails) {
  for (int nth = 1; nth < 60; ++nth) {
    Cellar cellar;
    cellar.log_bytes_min = 150;
    cellar.Restart();
    cellar.disk->FailNth(nth);
    for (int second = 1; second <= 12; ++second) {
      cellar.Put("up", second, second / 3.0);
      cellar.store->TurnForTest(second % 3 == 0);
    }
    cellar.disk->Heal();
    cellar.store->TurnForTest(true);
    EXPECT_EQ(cellar.Shown("fettle_samples_log_degraded"), 0) << nth;
    const std::string before = cellar.Find();
    EXPECT_EQ(std::count(before.begin(), before.end(), '@'), 12) << nth;
    cellar.Restart();
    EXPECT_EQ(cellar.Find(), before) << nth;
  }
}

// What was synced survives a power cut, wherever it comes; what comes back has no gaps.
TEST(PersistenceTest, APowerCutCostsOnlyWhatWasNotSynced) {
  for (int last = 1; last < 30; ++last) {
    Cellar cellar;
    cellar.log_bytes_min = 300;
    cellar.Restart();
    int synced = 0;
    for (int second = 1; second <= last; ++second) {
      cellar.Put("up", second, second);
      if (second % 4 > 0) continue;
      cellar.store->TurnForTest();
      synced = second;
    }
    cellar.disk->CutPower();
    cellar.Restart();
    std::string expected = synced > 0 ? "up:" : "";
    for (int second = 1; second <= synced; ++second) {
      expected += fmt::format(" {}@{}", second, second);
    }
    if (synced > 0) expected += "\n";
    EXPECT_EQ(cellar.Find(), expected) << last;
  }
}

TEST(PersistenceTest, RetentionHoldsAtReplay) {
  Cellar cellar;
  cellar.Put("old", 1, 1);
  cellar.Put("both", 1, 1);
  cellar.Put("both", 80'000, 2);
  cellar.Restart(At(0) + hours(24) + Millis(10'000));
  EXPECT_EQ(cellar.Find(), "both: 2@80000\n");
}

TEST(PersistenceTest, SeriesThatWentAndCameAreNamedAnew) {
  Cellar cellar;
  for (std::int64_t round = 0; round < 20; ++round) {
    const std::int64_t second = round * 100'000;
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(cellar.Write({{{{"__name__", fmt::format("m{}_{}", round, i)}}, 1, At(second)}}));
    }
    cellar.Put("stays", second, static_cast<double>(round));
    cellar.store->Expire(At(second + 1'000));
  }
  cellar.Restart(At(19 * 100'000));
  EXPECT_EQ(cellar.store->stats().series, 301U);
  EXPECT_EQ(cellar.store->Latest({{"__name__", "stays"}, {"job", "j"}})->value, 19);
}

}  // namespace
}  // namespace fettle::rules

// The cost model. Goal: an amount anybody can check with a pocket calculator, that survives
// restarts, new months and clocks put back, and never passes off the unpriced as free.
#include "exporter/collectors/cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"
#include "exporter/collectors/s3_prices.h"
#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kGb = 1024LL * 1024 * 1024;
const std::string kMtd = "fettle_cost_month_to_date_usd";

// A month of 30 days, so that a day is a thirtieth.
struct Fixture {
  explicit Fixture(const std::string& now = "2026-06-01T00:00:00Z",
                   CostConfig c = {.region = "us-east-1"})
      : clock(*ParseRfc3339(now)), config(std::move(c)) {
    Restart();
  }
  void Restart() {
    collector = std::make_unique<CostCollector>(
        CostCollector::Deps{.store = store,
                            .log = log.For("cost"),
                            .usage = {[this] { return usage; }, [] { return std::nullopt; }}},
        config);
  }
  void Holds(std::map<std::string, std::int64_t> bytes) {
    usage = S3Usage{"b", std::move(bytes), {}};
  }
  std::vector<MetricFamily> Collect() {
    const auto families = collector->Collect({clock.Now(), clock.Now().boot + Millis(1'000)});
    EXPECT_TRUE(families.has_value()) << families.error().message;
    return *families;
  }
  double Value(const std::string& name) {
    for (const MetricFamily& family : Collect()) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }
  ManualClock clock;
  MemoryStore store{clock};
  RecordedLog log;
  CostConfig config;
  std::optional<S3Usage> usage;
  std::unique_ptr<CostCollector> collector;
};

TEST(CostTest, AHundredGigabytesForAMonthCostWhatThePageSays) {
  Fixture f;
  f.Holds({{"STANDARD", 100 * kGb}});
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 0);
  EXPECT_DOUBLE_EQ(f.Value("fettle_cost_forecast_month_usd"), 2.30);
  f.clock.Pass(std::chrono::days(15));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
  EXPECT_DOUBLE_EQ(f.Value("fettle_cost_forecast_month_usd"), 2.30);
  EXPECT_THAT(LinesOf(f.Collect(), kMtd),
              ElementsAre("fettle_cost_month_to_date_usd{service=\"s3\", source=\"model\"} 1.15"));
}

TEST(CostTest, CountsEachClassAtItsPriceAndEachStretchAtItsSize) {
  Fixture f;
  f.Holds({{"STANDARD", 10 * kGb}, {"GLACIER", 1'000 * kGb}});
  f.Collect();
  f.clock.Pass(std::chrono::days(10));
  f.Collect();
  f.Holds({{"STANDARD", 20 * kGb}});
  f.clock.Pass(std::chrono::days(10));
  EXPECT_NEAR(f.Value(kMtd), (0.23 + 3.6) / 3 + 0.46 / 3, 1e-9);
  EXPECT_NEAR(f.Value("fettle_cost_forecast_month_usd"), (0.23 + 3.6) / 3 + 0.46 * 2 / 3, 1e-9);
}

TEST(CostTest, WhatWasBeforeTheFirstLookIsTakenToHaveBeenAsNow) {
  Fixture f("2026-06-16T00:00:00Z");
  f.Holds({{"STANDARD", 100 * kGb}});
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
}

TEST(CostTest, GoesOnAfterARestart) {
  Fixture f;
  f.Holds({{"STANDARD", 100 * kGb}});
  f.clock.Pass(std::chrono::days(6));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 0.46);
  f.Holds({{"STANDARD", 200 * kGb}});
  f.Restart();
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 0.46);
  f.clock.Pass(std::chrono::days(3));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 0.46 + 0.46);
}

TEST(CostTest, ShowsWhatWasKeptEvenBeforeTheFirstInventory) {
  Fixture f;
  f.Holds({{"STANDARD", 100 * kGb}});
  f.clock.Pass(std::chrono::days(15));
  f.Collect();
  f.usage.reset();
  f.Restart();
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
  EXPECT_EQ(f.Value("fettle_cost_forecast_month_usd"), -1);
  Fixture fresh;
  EXPECT_THAT(fresh.Collect(), IsEmpty());
}

TEST(CostTest, ANewMonthBeginsAtItsFirstMoment) {
  Fixture f("2026-06-30T00:00:00Z");
  f.Holds({{"STANDARD", 310 * kGb}});
  f.Collect();
  f.clock.Pass(std::chrono::days(2));  // July 2nd, and July has 31 days
  EXPECT_NEAR(f.Value(kMtd), 310 * 0.023 / 31, 1e-9);
  EXPECT_EQ(f.Value("fettle_cost_data_through_timestamp_seconds"), ToSeconds(f.clock.Now().wall));
}

TEST(CostTest, AClockPutBackCountsNothingTwice) {
  Fixture f("2026-06-16T00:00:00Z");
  f.Holds({{"STANDARD", 100 * kGb}});
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
  f.clock.StepWall(-std::chrono::days(5));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
  f.clock.Pass(std::chrono::days(5));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
  f.clock.StepWall(-std::chrono::days(30));  // into May: June's sum is not May's
  EXPECT_EQ(f.Value(kMtd), -1);
  f.clock.StepWall(std::chrono::days(30));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
}

TEST(CostTest, SaysWhatItHasNoPriceFor) {
  Fixture f("2026-06-16T00:00:00Z",
            {.region = "eu-central-1", .usd_per_gb_month = {{"REDUCED", 1}}});
  f.Holds({{"DEEP_ARCHIVE", 5 * kGb}, {"REDUCED", 2 * kGb}, {"GLACIER", 0}});
  EXPECT_THAT(LinesOf(f.Collect(), "fettle_cost_unpriced_bytes"),
              ElementsAre("fettle_cost_unpriced_bytes{service=\"s3\", "
                          "storage_class=\"DEEP_ARCHIVE\"} 5368709120"));
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1);
}

TEST(CostTest, AnUnreadableRecordIsToldAndCountedAnew) {
  Fixture f("2026-06-16T00:00:00Z");
  Batch batch;
  batch.writes.push_back({Record{.kind = CostCollector::kRecordKind, .id = "s3", .body = "{}"}});
  ASSERT_TRUE(CommitAndWait(f.store, batch).has_value());
  f.Holds({{"STANDARD", 100 * kGb}});
  EXPECT_DOUBLE_EQ(f.Value(kMtd), 1.15);
  EXPECT_TRUE(f.log.Contains("cannot be read"));
}

TEST(CostTest, PricesHaveDates) {
  const Time now = *ParseRfc3339("2026-06-16T00:00:00Z");
  EXPECT_EQ(S3PricePerGbMonth("us-east-1", "STANDARD", now), 0.023);
  EXPECT_EQ(S3PricePerGbMonth("eu-central-1", "STANDARD", now), 0.0245);
  EXPECT_EQ(S3PricePerGbMonth("us-east-1", "STANDARD", Time{}), std::nullopt);
  EXPECT_EQ(S3PricePerGbMonth("moon-1", "STANDARD", now), std::nullopt);
}

TEST(CostTest, ReadsItsConfigurationAndComplains) {
  const auto read = [](const std::string& text) {
    return ReadText(text, [](yaml::Mapping& exporter) { return ReadCostConfig(exporter); });
  };
  const auto [config, complaints] = read(
      "cost: {s3_prices: {region: eu-central-1, usd_per_gb_month: {GLACIER: 0.0045}}, interval: "
      "5m}");
  EXPECT_EQ(complaints, "");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->region, "eu-central-1");
  EXPECT_EQ(config->usd_per_gb_month.at("GLACIER"), 0.0045);
  EXPECT_FALSE(read("{}").first.has_value());
  EXPECT_EQ(read("cost: {s3_prices: {usd_per_gb_month: {STANDARD: 0.01}}}").second, "");
  const auto wrong = [&read](const std::string& text) { return read(text).second; };
  EXPECT_THAT(wrong("cost: {s3_prices: {region: eu-central}}"),
              HasSubstr("there is no price table for region \"eu-central\", did you mean "
                        "\"eu-central-1\"? (or write usd_per_gb_month)"));
  EXPECT_THAT(wrong("cost: {}"), HasSubstr("\"s3_prices\" or \"budgets\" is needed"));
  EXPECT_THAT(wrong("cost: {s3_prices: {usd_per_gb_month: {A: -1}}}"),
              HasSubstr("A must be a number of dollars"));
  EXPECT_THAT(wrong("cost: {s3_prices: {region: us-east-1}, explorer: {}, budgets: []}"),
              HasSubstr("explorer is not supported by this version"));
}

}  // namespace
}  // namespace fettle::exporter

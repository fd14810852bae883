// Budgets: what is shown of a limit, and that the unknown is not taken for nothing spent.
#include "exporter/collectors/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_judge.h"
#include "tests/support/manual_clock.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;

const std::vector<BudgetConfig> kBudgets = {{"gpu", 500, {{"source", "events"}, {"kind", "gpu"}}},
                                            {"s3", 40, {{"service", "s3"}}}};

struct Fixture {
  std::vector<std::string> Shown() {
    std::vector<std::string> lines;
    const auto families = collector.Collect({clock.Now(), clock.Now().boot + Millis(1'000)});
    if (!families) return {families.error().message};
    for (const MetricFamily& family : *families) {
      for (const MetricPoint& point : family.points) {
        lines.push_back(
            fmt::format("{} {} {}", family.name, point.labels.Get("budget"), point.value));
      }
    }
    return lines;
  }
  ManualClock clock;
  FakeJudge judge;
  BudgetCollector collector{judge, kBudgets};
};

TEST(BudgetTest, ShowsWhatIsSpentOfTheLimit) {
  Fixture f;
  f.judge.Value(R"(sum(fettle_cost_month_to_date_usd{kind="gpu",source="events"}))", 125);
  f.judge.Value(R"(sum(fettle_cost_month_to_date_usd{service="s3"}))", 10);
  f.judge.Value(R"(sum(fettle_cost_forecast_month_usd{bound="mean",service="s3"}))", 44);
  f.judge.Value(R"(min(fettle_cost_data_through_timestamp_seconds{service="s3"}))", 1767220000);
  EXPECT_THAT(f.Shown(),
              ElementsAre("fettle_budget_limit_usd gpu 500", "fettle_budget_limit_usd s3 40",
                          "fettle_budget_spent_usd gpu 125", "fettle_budget_spent_usd s3 10",
                          "fettle_budget_used_ratio gpu 0.25", "fettle_budget_used_ratio s3 0.25",
                          "fettle_budget_data_through_timestamp_seconds gpu 1767225600",
                          "fettle_budget_data_through_timestamp_seconds s3 1767220000",
                          "fettle_budget_forecast_ratio s3 1.1"));
}

TEST(BudgetTest, TheUnknownIsAbsent) {
  Fixture f;
  EXPECT_THAT(f.Shown(),
              ElementsAre("fettle_budget_limit_usd gpu 500", "fettle_budget_limit_usd s3 40",
                          "fettle_budget_spent_usd gpu 0", "fettle_budget_used_ratio gpu 0",
                          "fettle_budget_data_through_timestamp_seconds gpu 1767225600"))
      << "no event has come, so nothing was spent; of S3 nothing is known";
  f.judge.Break("the samples burn");
  EXPECT_THAT(f.Shown(), ElementsAre("asking what was spent: the samples burn"));
}

}  // namespace
}  // namespace fettle::exporter

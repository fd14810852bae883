#include "rules/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"
#include "rules/promql/engine.h"
#include "rules/samples/samples.h"
#include "tests/support/manual_clock.h"

namespace fettle::rules {
namespace {

using testing::ElementsAre;

const Time kBegin = TimeFromMillis(1'767'225'600'000);

class ReplayTest : public testing::Test {
 protected:
  // One sample a minute from the beginning on.
  void Put(const Labels& labels, const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Time at = kBegin + std::chrono::minutes(i);
      ASSERT_TRUE(samples_.Append({.samples = {{labels, values[i], at}}}));
    }
  }
  // "minute what labels" of each event.
  std::vector<std::string> Run(const std::string& rules, int length) {
    yaml::Complaints complaints;
    const auto groups = ReadRules(rules, "f", complaints);
    EXPECT_EQ(complaints.ToString(), "");
    std::vector<std::string> lines;
    const auto totals = Replay(
        query_, samples_, groups,
        {.from = kBegin,
         .to = kBegin + std::chrono::minutes(length),
         .evaluation_interval = std::chrono::minutes(1),
         .external_labels = {{"site", "x"}}},
        [&lines](const ReplayEvent& event) {
          const auto minute = std::chrono::floor<std::chrono::minutes>(event.at - kBegin).count();
          lines.push_back(fmt::format("{} {} {}{}", minute, ToString(event.what),
                                      event.labels.ToString(), event.error));
        });
    EXPECT_TRUE(totals.has_value()) << totals.error().message;
    evaluations_ = totals ? totals->evaluations : 0;
    return lines;
  }

  ManualClock clock_;
  SampleStore samples_{{.retention = std::chrono::hours(24 * 365)}};
  promql::Engine engine_{{.samples = samples_, .clock = clock_}, {}};
  EngineQuery query_{engine_};
  std::size_t evaluations_ = 0;
};

TEST_F(ReplayTest, AlertsGoThroughTheirStates) {
  Put({{"__name__", "a"}}, {0, 1, 1, 1, 1, 0, 0, 1, 0, 0});
  EXPECT_THAT(Run("groups: [{name: g, rules: [{alert: A, expr: a == 1, for: 2m}]}]", 10),
              ElementsAre("1 pending {alertname=\"A\", site=\"x\"}",
                          "3 firing {alertname=\"A\", site=\"x\"}",
                          "5 resolved {alertname=\"A\", site=\"x\"}",
                          "7 pending {alertname=\"A\", site=\"x\"}",
                          "8 gone {alertname=\"A\", site=\"x\"}"));
  EXPECT_EQ(evaluations_, 10U);
}

TEST_F(ReplayTest, RulesSeeWhatRulesBeforeThemMade) {
  Put({{"__name__", "a"}}, {1, 2, 3, 4, 5});
  EXPECT_THAT(Run(R"(
groups:
- name: g
  rules:
  - {record: double, expr: a * 2}
  - {alert: Large, expr: double > 7}
  - {alert: Seen, expr: 'ALERTS{alertname="Large"}'}
)",
                  5),
              ElementsAre("3 firing {alertname=\"Large\", site=\"x\"}",
                          "3 firing {alertname=\"Seen\", alertstate=\"firing\", site=\"x\"}"));
}

TEST_F(ReplayTest, AFailureIsSaidOnce) {
  Put({{"__name__", "a"}, {"x", "1"}}, {1, 1, 1});
  Put({{"__name__", "a"}, {"x", "2"}}, {1, 1, 1});
  const auto lines = Run("groups: [{name: g, rules: [{alert: A, expr: a, labels: {x: same}}]}]", 3);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], testing::HasSubstr("same labelset after applying alert labels"));
}

TEST_F(ReplayTest, TooMuchIsRefused) {
  yaml::Complaints complaints;
  const auto groups = ReadRules(
      "groups: [{name: g, interval: 100ms, rules: [{alert: A, expr: a}]}]", "f", complaints);
  const auto totals = Replay(query_, samples_, groups,
                             {.from = kBegin, .to = kBegin + std::chrono::hours(24 * 365)},
                             [](const ReplayEvent&) {});
  ASSERT_FALSE(totals.has_value());
  EXPECT_EQ(totals.error().cause, Cause::kLimit);
}

}  // namespace
}  // namespace fettle::rules

#include "rules/explain.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/json.h"
#include "rules/samples/samples.h"
#include "tests/rules/rule_town.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;

class ExplainTest : public testing::Test, public RuleTown {
 protected:
  Json Ask(const std::string& parameters) {
    HttpRequest request;
    request.url = "/api/fettle/v1/rules" + parameters;
    const HttpResponse response =
        ServeExplained(manager(), {.query = query, .clock = clock}, request);
    EXPECT_EQ(response.status, 200);
    return (*Json::Parse(response.body))["rules"];
  }
  std::string Why() { return Ask("").Items().at(0)["why"].StringOr(""); }
};

TEST_F(ExplainTest, SaysWhyARuleIsNotFiring) {
  Load("groups: [{name: g, rules: [{alert: Down, expr: down > 5, for: 1m}]}]");
  EXPECT_EQ(Why(), "it has not been evaluated yet");
  query.SetUnknown("down > 5");
  Pass(15s);
  EXPECT_EQ(Why(), "no series was ever found for down");
  query.Set("down > 5", {});
  Pass(15s);
  EXPECT_EQ(Why(), "the condition is true for none of the 1 samples it read");
  query.SetUnknown("down > 5");
  Pass(15s);
  EXPECT_EQ(Why(), "its selectors find no series now");
  query.Set("down > 5", {{{{"job", "a"}}, 6}});
  Pass(15s);
  EXPECT_EQ(Why().substr(0, 28), "the condition is true since ");
  Pass(75s);
  EXPECT_EQ(Why(), "");
  query.SetAnswer("down > 5", [](Time) -> Result<RuleAnswer> {
    return Fail(Cause::kTimeout, "it took too long");
  });
  Pass(15s);
  EXPECT_EQ(Why(), "its last evaluation failed: it took too long");
}

TEST_F(ExplainTest, ShowsWhatWasReadAndWhatIsCompared) {
  Load("groups: [{name: g, rules: [{alert: Down, expr: down > 5}, {record: r, expr: a}]}]");
  query.Set("down > 5", {});
  query.Set("down", {{{{"job", "a"}}, 3}, {{{"job", "b"}}, 4}});
  Pass(45s);
  const std::vector<Json> one = Ask("?rule_name[]=Down").Items();
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0]["compares"].StringOr(""), "down");
  ASSERT_EQ(one[0]["values"].Items().size(), 2U);
  EXPECT_EQ(one[0]["values"].Items()[0]["value"].StringOr(""), "4");
  EXPECT_EQ(one[0]["values"].Items()[0]["labels"]["job"].StringOr(""), "b");
  EXPECT_EQ(one[0]["samplesRead"].NumberOr(0), 1);
  EXPECT_EQ(one[0]["evaluations"].Items().size(), 3U);
  EXPECT_EQ(one[0]["selectors"].Items().at(0)["selector"].StringOr(""), "down");
  EXPECT_TRUE(one[0]["selectors"].Items().at(0)["everFound"].BoolOr(false));
  EXPECT_EQ(Ask("").Items().size(), 2U);
  EXPECT_EQ(Ask("?rule_group[]=other").Items().size(), 0U);
  EXPECT_EQ(Ask("?dead=true").Items().size(), 1U);
}

TEST_F(ExplainTest, DeadRulesAreShownAsAMetricUntilTheirSeriesCome) {
  Load("groups: [{name: g, rules: [{alert: Down, expr: down > 5}, {record: r, expr: vector(1)}]}]");
  query.SetUnknown("down > 5");
  Pass(9min);
  EXPECT_FALSE(HasMetric("fettle_rule_dead"));
  Pass(2min);
  EXPECT_EQ(Metric("fettle_rule_dead"), 1);
  EXPECT_TRUE(log.Contains("can never say anything"));
  // An edit elsewhere in the group does not begin it anew.
  Load("groups: [{name: g, rules: [{alert: Down, expr: down > 5}]}]");
  EXPECT_EQ(Metric("fettle_rule_dead"), 1);
  query.Set("down > 5", {});
  Pass(15s);
  EXPECT_FALSE(HasMetric("fettle_rule_dead"));
  query.SetUnknown("x");
  Load("groups: [{name: g, rules: [{alert: Else, expr: x}]}]");
  Pass(11min);
  EXPECT_EQ(Metric("fettle_rule_dead"), 1);
  Load("groups: []");
  Pass(1min);
  EXPECT_FALSE(HasMetric("fettle_rule_dead"));
}

TEST_F(ExplainTest, AnAnnotationMayTellTheValueAtTheEnd) {
  Load(R"(groups:
- name: g
  rules:
  - alert: Full
    expr: used > 5
    labels: {disk: "{{ $labels.dev }}"}
    annotations:
      plain: "{{ $value }}"
      end: "{{ if $resolved }}again {{ $value }} on {{ $labels.dev }}{{ else }}{{ $value }}{{ end }}"
)");
  query.Set("used > 5", {{{{"dev", "a"}}, 8}, {{{"dev", "b"}}, 9}});
  query.Set("used", {{{{"dev", "a"}}, 8}, {{{"dev", "b"}}, 9}});
  Pass(15s);
  ASSERT_EQ(alerts.batches.size(), 1U);
  EXPECT_EQ(alerts.batches[0].alerts.at(0).annotations.Get("end"),
            alerts.batches[0].alerts.at(0).annotations.Get("plain"));
  alerts.batches.clear();
  query.Set("used > 5", {});
  query.Set("used", {{{{"dev", "a"}}, 2}});  // b is gone
  Pass(15s);
  ASSERT_EQ(alerts.batches.size(), 1U);
  ASSERT_EQ(alerts.batches[0].alerts.size(), 2U);
  for (const Alert& alert : alerts.batches[0].alerts) {
    const bool found = alert.labels.Get("disk") == "a";
    EXPECT_EQ(alert.annotations.Get("plain"), found ? "8" : "9");
    EXPECT_EQ(alert.annotations.Get("end"), found ? "again 2 on a" : "again 9 on b");
  }
}

// The real store: what a selector finds now is counted.
TEST(ExplainSeriesTest, CountsTheSeriesThatAreThere) {
  ManualClock clock;
  SampleStore samples({});
  const Time now = clock.Now().wall;
  ASSERT_TRUE(samples.Append({{{{{"__name__", "a"}, {"i", "1"}}, 1, now - 1min},
                               {{{"__name__", "a"}, {"i", "2"}}, 1, now - 10min}},
                              Origin::kCollector}));
  const promql::Engine engine({.samples = samples, .clock = clock}, {});
  const EngineQuery query(engine, &samples);
  const Matchers a = promql::ParseSelector("a").value();
  EXPECT_EQ(query.CountSeries(a, now - 5min, now), 1U);
  EXPECT_EQ(query.CountSeries(a, RuleQuery::kEver, now), 2U);
  EXPECT_EQ(query.CountSeries(promql::ParseSelector("b").value(), RuleQuery::kEver, now), 0U);
}

}  // namespace
}  // namespace fettle::rules

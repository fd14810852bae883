// Objectives become rules under sloth's names, and the rules say what they should of made-up
// traffic.
#include "rules/slo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules/promql/engine.h"
#include "rules/samples/samples.h"
#include "tests/support/manual_clock.h"

namespace fettle::rules {
namespace {

using testing::ElementsAre;

std::vector<SloSpec> Read(const std::string& yaml) {
  yaml::Complaints complaints;
  const auto node = yaml::Load(yaml, "f", complaints);
  std::vector<SloSpec> slos;
  {
    yaml::Mapping mapping(*node, "rules", complaints);
    slos = ReadSlos(mapping, {});
  }
  EXPECT_EQ(complaints.ToString(), "");
  return slos;
}

constexpr char kApi[] = R"(
slos:
- name: requests
  service: api
  objective: 99.9
  bad: 'sum(rate(requests_total{code=~"5.."}[$window]))'
  total: 'sum(rate(requests_total[{{.window}}]))'
  labels: {owner: x}
  alerting: {labels: {team: y}, ticket_alert: {labels: {severity: info}}}
)";

TEST(SloTest, HasSlothsNamesAndLabels) {
  const std::vector<GroupSpec> groups = SloGroups(Read(kApi).front());
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].name, "sloth-slo-sli-recordings-api-requests");
  std::vector<std::string> names;
  for (const GroupSpec& group : groups) {
    for (const RuleSpec& rule : group.rules) names.push_back(rule.name);
  }
  EXPECT_THAT(names,
              ElementsAre("slo:sli_error:ratio_rate5m", "slo:sli_error:ratio_rate30m",
                          "slo:sli_error:ratio_rate1h", "slo:sli_error:ratio_rate2h",
                          "slo:sli_error:ratio_rate6h", "slo:sli_error:ratio_rate1d",
                          "slo:sli_error:ratio_rate3d", "slo:sli_error:ratio_rate30d",
                          "slo:objective:ratio", "slo:error_budget:ratio", "slo:time_period:days",
                          "slo:current_burn_rate:ratio", "slo:period_burn_rate:ratio",
                          "slo:period_error_budget_remaining:ratio", "sloth_slo_info",
                          "ApiRequestsHighErrorRate", "ApiRequestsHighErrorRate"));
  EXPECT_EQ(groups[0].rules[0].expr,
            "(sum(rate(requests_total{code=~\"5..\"}[5m])))\n/\n(sum(rate(requests_total[5m])))");
  EXPECT_EQ(groups[0].rules[0].labels,
            (std::map<std::string, std::string>{{"owner", "x"},
                                                {"sloth_id", "api-requests"},
                                                {"sloth_service", "api"},
                                                {"sloth_slo", "requests"},
                                                {"sloth_window", "5m"}}));
  EXPECT_EQ(groups[1].rules[1].expr, "vector(1-0.9990000000000001)");
  const std::string us =
      "{sloth_id=\"api-requests\", sloth_service=\"api\", sloth_slo=\"requests\"}";
  EXPECT_EQ(groups[2].rules[0].expr,
            "(\n  max(slo:sli_error:ratio_rate5m" + us +
                " > (14.4 * 0.0009999999999999432)) without (sloth_window)\n  and\n"
                "  max(slo:sli_error:ratio_rate1h" +
                us +
                " > (14.4 * 0.0009999999999999432)) without (sloth_window)\n)\nor\n(\n"
                "  max(slo:sli_error:ratio_rate30m" +
                us +
                " > (6 * 0.0009999999999999432)) without (sloth_window)\n  and\n"
                "  max(slo:sli_error:ratio_rate6h" +
                us + " > (6 * 0.0009999999999999432)) without (sloth_window)\n)");
  EXPECT_EQ(groups[2].rules[0].labels.at("severity"), "page");
  EXPECT_EQ(groups[2].rules[1].labels.at("severity"), "info");
  EXPECT_EQ(groups[2].rules[1].labels.at("sloth_severity"), "ticket");
  EXPECT_EQ(groups[2].rules[1].labels.at("team"), "y");
  EXPECT_EQ(groups[2].rules[0].annotations.at("title"),
            "(page) {{$labels.sloth_service}} {{$labels.sloth_slo}} SLO error budget burn rate is "
            "too fast.");
}

TEST(SloTest, AlertsCanBeLeftOutAndWindowsChosen) {
  const SloSpec slo = Read(R"(
slos:
- name: api
  objective: 99
  window: 28d
  error_ratio: 'avg(avg_over_time(errors[$window]))'
  alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}
)")
                          .front();
  const std::vector<GroupSpec> groups = SloGroups(slo);
  EXPECT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].rules.back().name, "slo:sli_error:ratio_rate28d");
}

// Ten requests a second, of which some fail; the rules are evaluated once, in order.
class BurningSlo {
 public:
  explicit BurningSlo(double failing) {
    for (int minute = 0; minute <= 60; ++minute) {
      Put({{"__name__", "requests_total"}, {"code", "200"}}, minute * 600 * (1 - failing), minute);
      Put({{"__name__", "requests_total"}, {"code", "500"}}, minute * 600 * failing, minute);
    }
    for (const GroupSpec& group : SloGroups(Read(kApi).front())) {
      for (const RuleSpec& rule : group.rules) Evaluate(rule);
    }
  }
  double Value(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? -1 : found->second;
  }
  std::vector<std::string> firing;

 private:
  void Put(const Labels& labels, double value, int minute) {
    ASSERT_TRUE(samples_.Append(
        {.samples = {{labels, value, clock_.Now().wall + std::chrono::minutes(minute)}}}));
  }
  void Evaluate(const RuleSpec& rule) {
    const Time now = clock_.Now().wall + std::chrono::minutes(60);
    const auto answer = engine_.Instant(*rule.tree, now, BootTime::max());
    ASSERT_TRUE(answer.has_value()) << rule.name << answer.error().message;
    for (const promql::Element& element : answer->value.vector) {
      if (rule.kind == RuleSpec::Kind::kAlerting) {
        firing.push_back(rule.labels.at("sloth_severity"));
        continue;
      }
      Labels labels = *element.labels;
      labels.Set(kMetricName, rule.name);
      for (const auto& [name, value] : rule.labels) labels.Set(name, value);
      values_[rule.name] = element.value;
      ASSERT_TRUE(samples_.Append({.samples = {{labels, element.value, now}}}));
    }
  }
  ManualClock clock_;
  SampleStore samples_{{}};
  promql::Engine engine_{{.samples = samples_, .clock = clock_}, {}};
  std::map<std::string, double> values_;
};

TEST(SloTest, ABudgetThatBurnsPagesAndOneThatDoesNotIsQuiet) {
  const BurningSlo bad(0.02);
  EXPECT_NEAR(bad.Value("slo:sli_error:ratio_rate5m"), 0.02, 1e-9);
  EXPECT_NEAR(bad.Value("slo:current_burn_rate:ratio"), 20, 1e-6);
  EXPECT_NEAR(bad.Value("slo:period_error_budget_remaining:ratio"), -19, 1e-6);
  EXPECT_EQ(bad.Value("slo:time_period:days"), 30);
  EXPECT_THAT(bad.firing, ElementsAre("page", "ticket"));
  const BurningSlo slow(0.004);
  EXPECT_THAT(slow.firing, ElementsAre("ticket"));
  const BurningSlo good(0.0005);
  EXPECT_NEAR(good.Value("slo:period_error_budget_remaining:ratio"), 0.5, 1e-6);
  EXPECT_THAT(good.firing, testing::IsEmpty());
}

}  // namespace
}  // namespace fettle::rules

#include "rules/manager.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/rules/rule_town.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

class RuleManagerTest : public testing::Test, protected RuleTown {
 protected:
  // One alerting rule on `down`, evaluated every 15 s.
  void LoadDown(const std::string& more = "") {
    Load("groups: [{name: g, rules: [{alert: Down, expr: down" + (more.empty() ? "" : ", " + more) +
         "}]}]");
  }
  std::string State() const { return std::string(ToString(Rule().state)); }
};

TEST_F(RuleManagerTest, WaitsForTheNextSlotAndThenKeepsToIt) {
  LoadDown();
  EXPECT_TRUE(query.TakeAsked().empty());
  Pass(15s);
  auto asked = query.TakeAsked();
  ASSERT_EQ(asked.size(), 1U);
  const Slots slots("f", "g", 15s);
  const Time first = asked[0].at;
  EXPECT_EQ(first, Slots::ToTime(slots.AtOrBefore(Slots::ToNanos(clock.Now().wall))));
  Pass(45s);
  asked = query.TakeAsked();
  ASSERT_EQ(asked.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(asked[i].at, first + (i + 1) * 15s);
  }
}

TEST_F(RuleManagerTest, FiresTellsAndResolves) {
  LoadDown("for: 30s, labels: {severity: page}");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(30s);
  EXPECT_EQ(State(), "pending");
  EXPECT_EQ(TakeTold(), Lines{});
  Pass(30s);
  EXPECT_EQ(State(), "firing");
  const Lines told = TakeTold();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].starts_with("firing Down{job=\"api\", severity=\"page\"} ")) << told[0];
  query.Set("down", {});
  Pass(15s);
  EXPECT_EQ(State(), "inactive");
  EXPECT_EQ(TakeTold().size(), 1U);
}

TEST_F(RuleManagerTest, RulesOfAGroupSeeWhatTheEarlierOnesWrote) {
  Load(R"(groups: [{name: g, rules: [
    {record: "a:b", expr: a, labels: {x: "1"}},
    {alert: High, expr: 'a:b > 1'}]}])");
  query.Set("a", {{{{"__name__", "a"}, {"job", "api"}}, 2}});
  std::size_t written_before = 99;
  query.SetAnswer("a:b > 1", [&](Time) -> Result<RuleAnswer> {
    written_before = samples.Batches().size();
    return RuleAnswer{};
  });
  Pass(15s);
  EXPECT_EQ(written_before, 1U);
  EXPECT_EQ(samples.TakeLines(), Lines{R"(a:b{job="api", x="1"} 2)"});
}

TEST_F(RuleManagerTest, WritesAlertsAsSeriesAndEndsThem) {
  LoadDown("for: 15s");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  const Lines pending = samples.TakeLines();
  ASSERT_EQ(pending.size(), 2U);
  EXPECT_TRUE(pending[0].starts_with("ALERTS_FOR_STATE{"));
  EXPECT_EQ(pending[1], R"(ALERTS{alertname="Down", alertstate="pending", job="api"} 1)");
  Pass(15s);
  const Lines firing = samples.TakeLines();
  ASSERT_EQ(firing.size(), 3U);
  EXPECT_EQ(firing[1], R"(ALERTS{alertname="Down", alertstate="firing", job="api"} 1)");
  EXPECT_EQ(firing[2], R"(ALERTS{alertname="Down", alertstate="pending", job="api"} stale)");
  query.Set("down", {});
  Pass(15s);
  const Lines over = samples.TakeLines();
  ASSERT_EQ(over.size(), 2U);
  EXPECT_TRUE(over[0].ends_with(" stale"));
  EXPECT_TRUE(over[1].ends_with(" stale"));
}

TEST_F(RuleManagerTest, MarksVanishedSeriesOfRecordingRulesStale) {
  Load("groups: [{name: g, rules: [{record: r, expr: a}]}]");
  query.Set("a", {{{{"i", "1"}}, 1}, {{{"i", "2"}}, 2}});
  Pass(15s);
  EXPECT_EQ(samples.TakeLines().size(), 2U);
  query.Set("a", {{{{"i", "2"}}, 2}});
  Pass(15s);
  EXPECT_EQ(samples.TakeLines(), (Lines{R"(r{i="2"} 2)", R"(r{i="1"} stale)"}));
}

TEST_F(RuleManagerTest, AsksAndWritesEarlierByTheQueryOffset) {
  Load("groups: [{name: g, query_offset: 10s, rules: [{record: r, expr: a}]}]");
  query.Set("a", {{{}, 1}});
  Pass(15s);
  const Slots slots("f", "g", 15s);
  const Time slot = Slots::ToTime(slots.AtOrBefore(Slots::ToNanos(clock.Now().wall)));
  EXPECT_EQ(query.TakeAsked()[0].at, slot - 10s);
  EXPECT_EQ(samples.Batches()[0].samples[0].at, slot - 10s);
}

TEST_F(RuleManagerTest, AFailedQueryChangesNothingAndSaysSoOnce) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(State(), "firing");
  query.SetAnswer("down", [](Time) -> Result<RuleAnswer> {
    return Fail(Cause::kTimeout, "query timed out in expression evaluation");
  });
  samples.TakeLines();
  Pass(30s);
  EXPECT_EQ(State(), "firing");
  EXPECT_EQ(Rule().status.health, RuleHealth::kErr);
  EXPECT_EQ(Rule().status.last_error, "query timed out in expression evaluation");
  EXPECT_EQ(samples.TakeLines(), Lines{});
  EXPECT_EQ(Metric("prometheus_rule_evaluation_failures_total"), 2);
  int said = 0;
  for (const std::string& line : log.Lines())
    said += line.find("evaluating a rule failed") != std::string::npos;
  EXPECT_EQ(said, 1);
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(Rule().status.health, RuleHealth::kOk);
  EXPECT_EQ(Rule().status.last_error, "");
}

TEST_F(RuleManagerTest, ALimitOfSeriesWritesNothing) {
  Load("groups: [{name: g, limit: 1, rules: [{record: r, expr: a}]}]");
  query.Set("a", {{{{"i", "1"}}, 1}, {{{"i", "2"}}, 2}});
  Pass(15s);
  EXPECT_EQ(samples.TakeLines(), Lines{});
  EXPECT_EQ(Rule().status.last_error, "exceeded limit of 1 with 2 series");
}

TEST_F(RuleManagerTest, TwoSeriesAlikeAreAnError) {
  Load("groups: [{name: g, rules: [{record: r, expr: a, labels: {i: x}}]}]");
  query.Set("a", {{{{"i", "1"}}, 1}, {{{"i", "2"}}, 2}});
  Pass(15s);
  EXPECT_EQ(Rule().status.last_error,
            "vector contains metrics with the same labelset after applying rule labels");
}

TEST_F(RuleManagerTest, CountsWhatASlowEvaluationMissed) {
  LoadDown();
  hands_held = true;
  Pass(15s);
  EXPECT_EQ(hands.Waiting(), 1U);
  Pass(60s);
  EXPECT_EQ(hands.Waiting(), 1U);  // one at a time
  hands_held = false;
  Settle();
  // The slots of the 60 s before: three were missed, the last is evaluated at once.
  EXPECT_EQ(Metric("prometheus_rule_group_iterations_missed_total"), 3);
  EXPECT_EQ(Metric("prometheus_rule_group_iterations_total"), 5);
  EXPECT_EQ(query.TakeAsked().size(), 2U);
}

TEST_F(RuleManagerTest, WithoutAHandItWaitsForTheNextSlot) {
  LoadDown();
  hands.queue_max = 0;
  Pass(30s);
  EXPECT_TRUE(query.TakeAsked().empty());
  EXPECT_EQ(Metric("prometheus_rule_group_iterations_missed_total"), 2);
  EXPECT_TRUE(log.Contains("no hand is free"));
  hands.queue_max = 10;
  Pass(15s);
  EXPECT_EQ(query.TakeAsked().size(), 1U);
}

TEST_F(RuleManagerTest, AClockPutBackBeginsAnew) {
  LoadDown();
  Pass(30s);
  query.TakeAsked();
  clock.StepWall(-1h);
  Pass(45s);
  const auto asked = query.TakeAsked();
  ASSERT_GE(asked.size(), 1U);
  EXPECT_LE(asked.back().at, clock.Now().wall);
  EXPECT_TRUE(log.Contains("the clock was put back"));
}

TEST_F(RuleManagerTest, AClockPutForwardSkipsWhatCannotBeEvaluatedAnyMore) {
  LoadDown();
  Pass(30s);
  query.TakeAsked();
  clock.StepWall(1h);
  Pass(15s);
  const auto asked = query.TakeAsked();
  ASSERT_GE(asked.size(), 1U);
  ASSERT_LE(asked.size(), 2U);
  EXPECT_GT(asked[0].at, clock.Now().wall - 30s);
  EXPECT_GE(Metric("prometheus_rule_group_iterations_missed_total"), 239);
}

TEST_F(RuleManagerTest, TellsAgainWhatTheReceiversDidNotTake) {
  LoadDown();
  alerts.answer = Fail(Cause::kUnavailable, "the alert log is full");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(TakeTold().size(), 1U);
  alerts.answer = {};
  Pass(15s);
  EXPECT_EQ(TakeTold().size(), 1U);
  Pass(15s);
  EXPECT_EQ(TakeTold().size(), 0U);
  EXPECT_EQ(Metric("fettle_rule_alerts_unsent_total"), 1);
}

TEST_F(RuleManagerTest, AddsExternalLabelsToWhatItTells) {
  options.external_labels = {{"site", "fra1"}};
  options.external_url = "http://fettle:9911";
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  ASSERT_EQ(alerts.batches.size(), 1U);
  const Alert& alert = alerts.batches[0].alerts.at(0);
  EXPECT_EQ(alert.labels.Get("site"), "fra1");
  EXPECT_EQ(alert.generator_url, "http://fettle:9911/graph?g0.expr=down&g0.tab=1");
  EXPECT_EQ(samples.TakeLines().at(1),
            R"(ALERTS{alertname="Down", alertstate="firing", job="api"} 1)");
}

TEST_F(RuleManagerTest, TemplatesMayAsk) {
  LoadDown(R"(annotations: {now: "{{ with query \"other\" }}{{ . | first | value }}{{ end }}",
                            bad: "{{ query \"(\" }}"})");
  query.Set("down", {{{{"job", "api"}}, 1}});
  query.Set("other", {{{}, 42}});
  Pass(15s);
  const Labels& annotations = alerts.batches.at(0).alerts.at(0).annotations;
  EXPECT_EQ(annotations.Get("now"), "42");
  EXPECT_NE(annotations.Get("bad").find("parse error"), std::string::npos);
  EXPECT_EQ(Metric("prometheus_template_text_expansions_total"), 2);
  EXPECT_EQ(Metric("prometheus_template_text_expansion_failures_total"), 1);
}

TEST_F(RuleManagerTest, SaysHowItsGroupsAreDoing) {
  Load("groups: [{name: b, interval: 30s, rules: [{alert: A, expr: down}]}, {name: a}]");
  query.Set("down", {{{{"job", "api"}}, 0.5}});
  Pass(30s);
  const std::vector<GroupView> views = manager().View();
  ASSERT_EQ(views.size(), 2U);
  EXPECT_EQ(views[0].name, "a");
  EXPECT_EQ(views[1].interval, 30s);
  ASSERT_EQ(views[1].rules.size(), 1U);
  const RuleView& rule = views[1].rules[0];
  EXPECT_EQ(rule.status.health, RuleHealth::kOk);
  EXPECT_EQ(rule.status.samples_read, 1U);
  EXPECT_EQ(rule.status.returned, 1U);
  ASSERT_EQ(rule.alerts.size(), 1U);
  EXPECT_EQ(rule.alerts[0].value, 0.5);
  EXPECT_EQ(Metric("prometheus_rule_group_rules"), 1);
  EXPECT_EQ(Metric("prometheus_rule_group_interval_seconds"), 45);
  EXPECT_GT(Metric("prometheus_rule_group_last_evaluation_timestamp_seconds"), 1.7e9);
  EXPECT_EQ(Metric("prometheus_rule_group_duration_seconds"), 3);
}

// Reloads.

TEST_F(RuleManagerTest, AnUnchangedGroupGoesOnUndisturbed) {
  LoadDown("for: 1m");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(40s);
  const std::size_t asked = query.TakeAsked().size();
  EXPECT_GE(asked, 2U);
  LoadDown("for: 1m");
  EXPECT_EQ(State(), "pending");
  Pass(50s);
  EXPECT_EQ(State(), "firing");
}

TEST_F(RuleManagerTest, AChangedGroupKeepsTheAlertsOfTheSameRules) {
  Load("groups: [{name: g, rules: [{alert: Down, expr: down, for: 1m}]}]");
  query.Set("down", {{{{"job", "api"}}, 1}});
  query.Set("down > 0", {{{{"job", "api"}}, 1}});
  Pass(60s);
  EXPECT_EQ(State(), "pending");
  Load(
      "groups: [{name: g, rules: [{alert: New, expr: new}, {alert: Down, expr: down > 0, for: "
      "1m}]}]");
  EXPECT_EQ(Rule(1).state, AlertState::kPending);
  Pass(15s);
  EXPECT_EQ(Rule(1).state, AlertState::kFiring);
}

TEST_F(RuleManagerTest, ARuleThatIsGoneEndsItsSeriesAndItsAlerts) {
  Load("groups: [{name: g, rules: [{alert: Down, expr: down}, {record: r, expr: down}]}]");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(store.All("rule_alert").size(), 1U);
  samples.TakeLines();
  Load("groups: [{name: g, rules: [{alert: Other, expr: other}]}]");
  EXPECT_EQ(store.All("rule_alert").size(), 0U);
  Pass(15s);
  const Lines lines = samples.TakeLines();
  ASSERT_EQ(lines.size(), 3U);
  for (const std::string& line : lines) EXPECT_TRUE(line.ends_with(" stale")) << line;
}

TEST_F(RuleManagerTest, AGroupThatIsGoneEndsItsSeriesTwoIntervalsLater) {
  Load("groups: [{name: g, rules: [{record: r, expr: a}]}]");
  query.Set("a", {{{}, 1}});
  Pass(15s);
  samples.TakeLines();
  const Time removed = clock.Now().wall;
  Load("groups: []");
  EXPECT_TRUE(manager().View().empty());
  Pass(29s);
  EXPECT_EQ(samples.TakeLines(), Lines{});
  Pass(1s);
  ASSERT_EQ(samples.Batches().size(), 1U);
  EXPECT_EQ(samples.Batches()[0].samples[0].at, removed);
  EXPECT_EQ(samples.TakeLines(), Lines{"r stale"});
  EXPECT_FALSE(HasMetric("prometheus_rule_group_rules"));
}

TEST_F(RuleManagerTest, AReloadDuringAnEvaluationWaitsForItsEnd) {
  LoadDown("for: 1m");
  bool reloaded = false;
  query.SetAnswer("down", [&](Time) -> Result<RuleAnswer> {
    if (!std::exchange(reloaded, true)) {
      // Twice, so that the second replaces one that has not begun.
      LoadDown("for: 2m");
      LoadDown("for: 3m");
      EXPECT_TRUE(Rule().alerts.empty());
    }
    RuleAnswer answer;
    answer.vector.push_back({std::make_shared<const Labels>(), 1, nullptr});
    return answer;
  });
  Pass(15s);
  EXPECT_EQ(Rule().spec.hold, 3min);
  EXPECT_EQ(State(), "pending");
  EXPECT_EQ(query.TakeAsked().size(), 1U);
  Pass(1min);
  // Only one group is left that asks.
  EXPECT_EQ(query.TakeAsked().size(), 4U);
}

TEST_F(RuleManagerTest, AReloadBeforeAHandCameToItEvaluatesNothingOfTheOldGroup) {
  LoadDown();
  hands_held = true;
  Pass(15s);
  Load("groups: [{name: g, rules: [{alert: Other, expr: other}]}]");
  hands_held = false;
  Settle();
  EXPECT_TRUE(query.TakeAsked().empty());
  Pass(15s);
  EXPECT_EQ(query.TakeAsked().at(0).text, "other");
}

TEST_F(RuleManagerTest, ALongerForMakesAFiringAlertPendingAgain) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(State(), "firing");
  LoadDown("for: 10m");
  Pass(15s);
  EXPECT_EQ(State(), "pending");
}

TEST_F(RuleManagerTest, NewExternalLabelsReachEveryGroup) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  options.external_labels = {{"site", "fra2"}};
  LoadDown();
  EXPECT_EQ(State(), "firing");
  alerts.batches.clear();
  Pass(90s);
  EXPECT_EQ(alerts.batches.at(0).alerts.at(0).labels.Get("site"), "fra2");
}

TEST_F(RuleManagerTest, StopsWhenNothingIsUnderWay) {
  LoadDown();
  hands_held = true;
  Pass(15s);
  bool stopped = false;
  manager().Stop(clock.Now(), [&](const Moment&) { stopped = true; });
  EXPECT_FALSE(stopped);
  hands_held = false;
  Settle();
  EXPECT_TRUE(stopped);
  query.TakeAsked();
  Pass(1min);
  EXPECT_TRUE(query.TakeAsked().empty());
}

// Restarts.

TEST_F(RuleManagerTest, AFiringAlertSurvivesARestartWithItsBeginning) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  const Lines before = TakeTold();
  ASSERT_EQ(before.size(), 1U);
  EXPECT_FALSE(HasMetric("prometheus_rule_group_last_restore_duration_seconds"));
  Restart(20s);
  LoadDown();
  EXPECT_TRUE(HasMetric("prometheus_rule_group_last_restore_duration_seconds"));
  EXPECT_EQ(State(), "firing");
  Pass(15s);
  EXPECT_EQ(TakeTold(), before);  // told again, as the same alert
}

TEST_F(RuleManagerTest, ARememberedAlertIsNotOverBeforeThereIsData) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  TakeTold();
  query.SetUnknown("down");
  Restart();
  LoadDown();
  Pass(10min);
  EXPECT_EQ(State(), "firing");
  query.Set("down", {});  // now it is known to be up
  Pass(15s);
  EXPECT_EQ(State(), "inactive");
}

TEST_F(RuleManagerTest, ARememberedAlertIsOverAtTheSecondEvaluationAtTheEarliest) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  query.Set("down", {});
  Restart();
  LoadDown();
  Pass(15s);
  EXPECT_EQ(State(), "firing");
  Pass(15s);
  EXPECT_EQ(State(), "inactive");
}

TEST_F(RuleManagerTest, ARememberedAlertOfARuleThatNeedsNoDataDoesNotWaitForAny) {
  const std::string rule = "groups: [{name: g, rules: [{alert: Late, expr: vector(1) > 0}]}]";
  Load(rule);
  query.Set("vector(1) > 0", {{{}, 1}});
  Pass(15s);
  query.SetUnknown("vector(1) > 0");
  Restart();
  Load(rule);
  Pass(30s);
  EXPECT_EQ(State(), "inactive");
}

TEST_F(RuleManagerTest, ARememberedAlertIsGivenUpAfterAnHourWithoutData) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  query.SetUnknown("down");
  Restart();
  LoadDown();
  Pass(62min);
  EXPECT_EQ(State(), "inactive");
}

TEST_F(RuleManagerTest, APendingAlertGoesOnWhereItWasLastWatched) {
  LoadDown("for: 5m");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(4min);
  EXPECT_EQ(State(), "pending");
  Restart(10min);
  LoadDown("for: 5m");
  EXPECT_EQ(State(), "pending");
  Pass(30s);
  EXPECT_EQ(State(), "pending");  // the ten minutes do not count
  Pass(100s);
  EXPECT_EQ(State(), "firing");
}

TEST_F(RuleManagerTest, APendingAlertIsForgottenIfNobodyWatchedForAnHour) {
  LoadDown("for: 5m");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(4min);
  Restart(2h);
  LoadDown("for: 5m");
  EXPECT_EQ(State(), "inactive");
  EXPECT_TRUE(store.All("rule_alert").empty());
}

TEST_F(RuleManagerTest, KeepFiringForSurvivesARestart) {
  LoadDown("keep_firing_for: 5m");
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  query.Set("down", {});
  Pass(1min);
  EXPECT_EQ(State(), "firing");
  Restart();
  LoadDown("keep_firing_for: 5m");
  Pass(3min);
  EXPECT_EQ(State(), "firing");
  Pass(90s);
  EXPECT_EQ(State(), "inactive");
}

TEST_F(RuleManagerTest, AlertsOfRulesThatAreGoneAfterARestartAreForgotten) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(store.All("rule_alert").size(), 1U);
  Restart();
  Load("groups: [{name: g, rules: [{alert: Other, expr: down}]}]");
  EXPECT_EQ(store.All("rule_alert").size(), 0U);
}

TEST_F(RuleManagerTest, ABrokenRecordIsForgottenAndSaidSo) {
  Batch batch;
  batch.writes.push_back({{.kind = "rule_alert", .id = "x", .key = "f;g", .body = "not json"}});
  store.Commit(std::move(batch), [](const Status&) {});
  Restart();
  LoadDown();
  EXPECT_TRUE(store.All("rule_alert").empty());
  EXPECT_TRUE(log.Contains("cannot be read"));
}

TEST_F(RuleManagerTest, RestoreSaysWhyItCouldNotRead) {
  store.FailReads({"disk on fire", Cause::kUnavailable});
  const Status restored = manager().Restore(clock.Now());
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().message, "reading when rules were last watched: disk on fire");
}

TEST_F(RuleManagerTest, ATransitionThatCouldNotBeStoredIsStoredAtTheNextEvaluation) {
  LoadDown();
  store.FailCommits({"disk full", Cause::kUnavailable});
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  EXPECT_EQ(State(), "firing");
  EXPECT_EQ(TakeTold().size(), 1U);
  EXPECT_TRUE(store.All("rule_alert").empty());
  store.Heal();
  Pass(15s);
  EXPECT_EQ(store.All("rule_alert").size(), 1U);
  EXPECT_EQ(Metric("fettle_rule_state_commit_failures_total"), 1);
}

TEST_F(RuleManagerTest, StoresTransitionsAndNeverEvaluations) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  Pass(15s);
  const int commits = store.Commits();
  Pass(40s);
  EXPECT_EQ(store.Commits(), commits);
}

TEST_F(RuleManagerTest, IsRememberedBeforeItIsTold) {
  LoadDown();
  query.Set("down", {{{{"job", "api"}}, 1}});
  store.HoldCommits();
  Pass(15s);
  // Both are on their way without waiting, in this order.
  EXPECT_EQ(store.Waiting(), 1U);
  EXPECT_EQ(TakeTold().size(), 1U);
}

}  // namespace
}  // namespace fettle::rules

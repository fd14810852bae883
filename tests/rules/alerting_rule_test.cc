#include "rules/alerting_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "common/duration.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

promql::Element Element(Labels labels, double value = 1) {
  return {std::make_shared<const Labels>(std::move(labels)), value, nullptr};
}

RuleSpec Spec(Millis hold = 0s, Millis keep_firing_for = 0s) {
  RuleSpec spec;
  spec.name = "Down";
  spec.expr = "up==0";
  spec.tree = promql::Parse(spec.expr).value();
  spec.hold = hold;
  spec.keep_firing_for = keep_firing_for;
  return spec;
}

// One rule, evaluated every 15 s at made-up moments.
class AlertingRuleTest : public testing::Test {
 protected:
  void Load(const RuleSpec& spec) {
    auto next = std::make_unique<AlertingRule>(spec, world_);
    if (rule_ != nullptr) {
      for (const auto& [hash, alert] : rule_->active()) next->Restore(alert);
    }
    rule_ = std::move(next);
  }
  AlertingRule::Outcome Evaluate(const promql::Vector& answer, bool hold_restored = false) {
    AlertingRule::Expansion expansion = rule_->Expand(
        answer, BindFunctions(now_, [](const std::string&) { return promql::Vector{}; }));
    AlertingRule::Turn turn{.at = now_, .query_offset = offset_, .limit = limit_};
    turn.hold_restored = hold_restored;
    return rule_->Advance(std::move(expansion.candidates), turn);
  }
  // Evaluates once a letter, 15 s apart: x if the condition holds, . if not. Gives the alert's
  // state after each: - none, p pending, F firing, R resolved.
  std::string Play(const std::string& conditions) {
    std::string states;
    for (const char c : conditions) {
      if (c == ' ') continue;
      Evaluate(c == 'x' ? promql::Vector{Element({{"job", "api"}})} : promql::Vector{});
      states += Look();
      now_ += 15s;
    }
    return states;
  }
  char Look() const {
    if (rule_->active().empty()) return '-';
    switch (rule_->active().begin()->second.state) {
      case AlertState::kPending:
        return 'p';
      case AlertState::kFiring:
        return 'F';
      case AlertState::kInactive:
        return 'R';
    }
    return '?';
  }
  const ActiveAlert& Only() const { return rule_->active().begin()->second; }

  RuleWorld world_ = RuleWorld::Make("http://fettle:9911", {{"site", "fra1"}, {"job", "other"}});
  std::unique_ptr<AlertingRule> rule_;
  Time now_ = *ParseRfc3339("2026-01-01T00:00:00Z");
  Millis offset_{0};
  int limit_ = 0;
};

TEST_F(AlertingRuleTest, WithoutForAnAlertFiresAtOnce) {
  Load(Spec());
  EXPECT_EQ(Play(".xx.."), "-FFRR");
}

TEST_F(AlertingRuleTest, WithForItIsPendingUntilTheTimeIsOver) {
  Load(Spec(30s));
  EXPECT_EQ(Play("xxxx."), "ppFFR");
}

TEST_F(AlertingRuleTest, AForBelowTheIntervalFiresAtTheNextEvaluation) {
  Load(Spec(1s));
  EXPECT_EQ(Play("xx."), "pFR");
}

TEST_F(AlertingRuleTest, APendingAlertWhoseConditionEndsIsForgottenAndBeginsAnew) {
  Load(Spec(30s));
  EXPECT_EQ(Play("xx.xxx"), "pp-ppF");
}

TEST_F(AlertingRuleTest, AResolvedAlertIsKeptForFifteenMinutes) {
  Load(Spec());
  EXPECT_EQ(Play("x."), "FR");
  const Time resolved = *Only().resolved_at;
  now_ = resolved + 15min;
  EXPECT_EQ(Play("."), "R");
  EXPECT_EQ(Play("."), "-");
}

TEST_F(AlertingRuleTest, AResolvedAlertThatComesBackIsANewOne) {
  Load(Spec(15s));
  EXPECT_EQ(Play("xx."), "pFR");
  const Time first = *Only().fired_at;
  EXPECT_EQ(Play("xx"), "pF");
  EXPECT_GT(*Only().fired_at, first);
  EXPECT_FALSE(Only().resolved_at);
}

TEST_F(AlertingRuleTest, KeepsFiringForAWhile) {
  Load(Spec(0s, 30s));
  EXPECT_EQ(Play("x..."), "FFFR");
  EXPECT_EQ(Play("x.x..."), "FFFFFR");
}

TEST_F(AlertingRuleTest, KeepFiringForDoesNotKeepWhatWasOnlyPending) {
  Load(Spec(1min, 1min));
  EXPECT_EQ(Play("xx."), "pp-");
}

TEST_F(AlertingRuleTest, ALongerForMakesAFiringAlertPendingAgain) {
  Load(Spec());
  EXPECT_EQ(Play("xx"), "FF");
  Load(Spec(1min));
  EXPECT_EQ(Play("xxx"), "ppF");
}

TEST_F(AlertingRuleTest, SetsTheMomentsOfEachTransition) {
  Load(Spec(15s, 15s));
  const Time begin = now_;
  Play("xx..");
  EXPECT_EQ(Only().active_at, begin);
  EXPECT_EQ(Only().fired_at, begin + 15s);
  EXPECT_EQ(Only().keep_firing_since, begin + 30s);
  EXPECT_EQ(Only().resolved_at, begin + 45s);
}

TEST_F(AlertingRuleTest, LabelsOfTheRuleWinOverThoseOfTheResultAndTheNameOverAll) {
  RuleSpec spec = Spec();
  spec.labels = {{"severity", "page"},
                 {"job", "{{ $labels.job | toUpper }}"},
                 {"gone", ""},
                 {"alertname", "Else"},
                 {"value", "{{ $value }}"}};
  spec.annotations = {
      {"summary", "{{ $labels.__name__ }} of {{ .Labels.job }} at {{ $externalLabels.site }}"},
      {"plain", "text"}};
  Load(spec);
  Evaluate({Element({{"__name__", "up"}, {"job", "api"}, {"gone", "x"}}, 0.5)});
  EXPECT_EQ(
      Only().labels,
      (Labels{{"alertname", "Down"}, {"job", "API"}, {"severity", "page"}, {"value", "0.5"}}));
  EXPECT_EQ(Only().annotations, (std::map<std::string, std::string>{
                                    {"summary", "up of api at fra1"}, {"plain", "text"}}));
}

TEST_F(AlertingRuleTest, AFailingTemplateSaysSoInItsPlace) {
  RuleSpec spec = Spec();
  spec.annotations = {{"bad", "{{ humanize \"one\" }}"}, {"good", "fine"}};
  Load(spec);
  const AlertingRule::Expansion expansion = rule_->Expand({Element({})}, {});
  EXPECT_EQ(expansion.expanded, 1U);
  EXPECT_EQ(expansion.failures.size(), 1U);
  const std::string text(expansion.candidates[0].annotations.at("bad"));
  EXPECT_TRUE(
      text.starts_with("<error expanding template: error executing template __alert_Down: "))
      << text;
  EXPECT_EQ(expansion.candidates[0].annotations.at("good"), "fine");
}

TEST_F(AlertingRuleTest, ValueAndAnnotationsFollowTheResult) {
  RuleSpec spec = Spec();
  spec.annotations = {{"now", "{{ $value }}"}};
  Load(spec);
  Evaluate({Element({}, 1)});
  Evaluate({Element({}, 2)});
  EXPECT_EQ(Only().value, 2);
  EXPECT_EQ(Only().annotations.at("now"), "2");
  Evaluate({});
  EXPECT_EQ(Only().value, 2);
}

TEST_F(AlertingRuleTest, TwoElementsAlikeChangeNothing) {
  RuleSpec spec = Spec();
  spec.labels = {{"job", "same"}};
  Load(spec);
  Evaluate({Element({{"job", "a"}})});
  now_ += 15s;
  const auto outcome = Evaluate({Element({{"job", "a"}}), Element({{"job", "b"}})});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message,
            "vector contains metrics with the same labelset after applying alert labels");
  EXPECT_TRUE(outcome.changes.empty());
  EXPECT_EQ(Look(), 'F');
}

TEST_F(AlertingRuleTest, MoreAlertsThanTheLimitForgetThemAll) {
  limit_ = 2;
  Load(Spec(1min));
  EXPECT_FALSE(Evaluate({Element({{"a", "1"}}), Element({{"a", "2"}})}).error);
  const auto outcome =
      Evaluate({Element({{"a", "1"}}), Element({{"a", "2"}}), Element({{"a", "3"}})});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "exceeded limit of 2 with 3 alerts");
  EXPECT_TRUE(rule_->active().empty());
  EXPECT_TRUE(outcome.samples.empty());
  EXPECT_EQ(outcome.changes.size(), 3U);
  for (const auto& [hash, change] : outcome.changes) EXPECT_FALSE(change);
}

Lines SampleLines(const AlertingRule::Outcome& outcome) {
  Lines lines;
  for (const Sample& sample : outcome.samples) {
    lines.push_back(sample.labels.ToString() + " " +
                    std::to_string(static_cast<long>(sample.value)) + " @" +
                    FormatRfc3339(sample.at).substr(11, 8));
  }
  return lines;
}

TEST_F(AlertingRuleTest, GivesItsAlertsAsSeries) {
  offset_ = 5s;
  Load(Spec(15s));
  EXPECT_EQ(SampleLines(Evaluate({Element({{"job", "api"}})})),
            (Lines{R"(ALERTS_FOR_STATE{alertname="Down", job="api"} 1767225600 @23:59:55)",
                   R"(ALERTS{alertname="Down", alertstate="pending", job="api"} 1 @23:59:55)"}));
  now_ += 15s;
  EXPECT_EQ(SampleLines(Evaluate({Element({{"job", "api"}})})),
            (Lines{R"(ALERTS_FOR_STATE{alertname="Down", job="api"} 1767225600 @00:00:10)",
                   R"(ALERTS{alertname="Down", alertstate="firing", job="api"} 1 @00:00:10)"}));
  now_ += 15s;
  EXPECT_EQ(SampleLines(Evaluate({})), Lines{});
}

TEST_F(AlertingRuleTest, RemembersTransitionsAndNothingElse) {
  Load(Spec(15s));
  const promql::Vector present = {Element({{"job", "api"}})};
  const auto changes = [&](const promql::Vector& answer) {
    Lines lines;
    for (const auto& [hash, alert] : Evaluate(answer).changes) {
      lines.emplace_back(alert ? ToString(alert->state) : "forgotten");
    }
    now_ += 15s;
    return lines;
  };
  EXPECT_EQ(changes(present), Lines{"pending"});
  EXPECT_EQ(changes(present), Lines{"firing"});
  EXPECT_EQ(changes(present), Lines{});
  EXPECT_EQ(changes({}), Lines{"inactive"});
  EXPECT_EQ(changes({}), Lines{});
  now_ += 16min;
  EXPECT_EQ(changes({}), Lines{"forgotten"});
}

TEST_F(AlertingRuleTest, TellsNewsAtOnceAndRepeatsItAfterTheDelay) {
  Load(Spec());
  const auto told = [&](const promql::Vector& answer) {
    Evaluate(answer);
    const auto sending = rule_->TakeUnsent(now_, 15s, 1min);
    now_ += 15s;
    return sending.alerts.size();
  };
  const promql::Vector present = {Element({{"job", "api"}})};
  std::vector<std::size_t> counts;
  for (int i = 0; i < 7; ++i) counts.push_back(told(present));
  // Sent at 0; the delay of a minute is over at 75 s.
  EXPECT_EQ(counts, (std::vector<std::size_t>{1, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(told({}), 1U);
  EXPECT_EQ(told({}), 0U);
}

TEST_F(AlertingRuleTest, SaysWhenAnAlertBeganAndWhenItEndsIfNothingMoreIsHeard) {
  Load(Spec(15s));
  const Time begin = now_;
  Play("x");
  EXPECT_TRUE(rule_->TakeUnsent(now_, 15s, 1min).alerts.empty());
  Evaluate({Element({{"job", "api"}})});
  const auto sending = rule_->TakeUnsent(now_, 15s, 1min);
  ASSERT_EQ(sending.alerts.size(), 1U);
  const Alert& alert = sending.alerts[0];
  // External labels only where the alert has none of that name.
  EXPECT_EQ(alert.labels, (Labels{{"alertname", "Down"}, {"job", "api"}, {"site", "fra1"}}));
  EXPECT_EQ(alert.starts_at, begin + 15s);
  EXPECT_EQ(alert.ends_at, begin + 15s + 4min);
  EXPECT_EQ(alert.generator_url, "http://fettle:9911/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
  now_ += 15s;
  Evaluate({});
  const auto resolved = rule_->TakeUnsent(now_, 15s, 1min);
  ASSERT_EQ(resolved.alerts.size(), 1U);
  EXPECT_EQ(resolved.alerts[0].starts_at, begin + 15s);
  EXPECT_EQ(resolved.alerts[0].ends_at, now_);
}

TEST_F(AlertingRuleTest, WhatCouldNotBeDeliveredIsToldAgain) {
  Load(Spec());
  Evaluate({Element({{"job", "api"}})});
  const auto sending = rule_->TakeUnsent(now_, 15s, 1min);
  now_ += 15s;
  EXPECT_TRUE(rule_->TakeUnsent(now_, 15s, 1min).alerts.empty());
  rule_->Unsend(sending.fingerprints);
  rule_->Unsend({12345});
  EXPECT_EQ(rule_->TakeUnsent(now_, 15s, 1min).alerts.size(), 1U);
}

TEST_F(AlertingRuleTest, ARememberedAlertWaitsForDataBeforeItIsOver) {
  Load(Spec());
  Play("x");
  const Result<ActiveAlert> remembered = ActiveAlertFromJson(*Json::Parse(ToJson(Only())));
  ASSERT_TRUE(remembered);
  rule_ = nullptr;
  Load(Spec());
  rule_->Restore(*remembered);
  Evaluate({}, true);
  EXPECT_EQ(Look(), 'F');
  Evaluate({}, false);
  EXPECT_EQ(Look(), 'R');
}

TEST_F(AlertingRuleTest, ARememberedAlertThatIsSeenAgainGoesOn) {
  Load(Spec(15s, 30s));
  Play("xx.");
  EXPECT_EQ(Look(), 'F');
  const ActiveAlert before = Only();
  const Result<ActiveAlert> remembered = ActiveAlertFromJson(*Json::Parse(ToJson(before)));
  ASSERT_TRUE(remembered);
  EXPECT_EQ(remembered->labels, before.labels);
  EXPECT_EQ(remembered->keep_firing_since, before.keep_firing_since);
  EXPECT_EQ(remembered->fired_at, before.fired_at);
  EXPECT_EQ(remembered->value, before.value);
  rule_ = nullptr;
  Load(Spec(15s, 30s));
  rule_->Restore(*remembered);
  const auto outcome = Evaluate({Element({{"job", "api"}})}, true);
  EXPECT_EQ(Only().fired_at, before.fired_at);
  EXPECT_FALSE(Only().restored);
  EXPECT_FALSE(Only().keep_firing_since);
  EXPECT_EQ(outcome.changes.size(), 1U);
}

TEST_F(AlertingRuleTest, TheStateOfARuleIsTheHighestOfItsAlerts) {
  Load(Spec(15s));
  EXPECT_EQ(rule_->state(), AlertState::kInactive);
  Evaluate({Element({{"a", "1"}})});
  EXPECT_EQ(rule_->state(), AlertState::kPending);
  now_ += 15s;
  Evaluate({Element({{"a", "1"}}), Element({{"a", "2"}})});
  EXPECT_EQ(rule_->state(), AlertState::kFiring);
}

TEST(ActiveAlertTest, ABrokenRecordIsRefused) {
  for (const char* const text :
       {"{}", R"({"state":"odd","active_at":1,"labels":{}})", R"({"state":"firing","labels":{}})",
        R"({"state":"firing","active_at":1,"labels":[]})"}) {
    EXPECT_FALSE(ActiveAlertFromJson(*Json::Parse(text))) << text;
  }
}

TEST(ActiveAlertTest, AValueThatIsNoNumberSurvives) {
  ActiveAlert alert;
  alert.value = std::nan("");
  const Result<ActiveAlert> read = ActiveAlertFromJson(*Json::Parse(ToJson(alert)));
  ASSERT_TRUE(read);
  EXPECT_TRUE(std::isnan(read->value));
}

}  // namespace
}  // namespace fettle::rules

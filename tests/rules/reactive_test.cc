// Reactive rules: an event is judged in milliseconds, a storm of them costs little.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/reactive_index.h"
#include "tests/rules/rule_town.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

class ReactiveTest : public testing::Test, protected RuleTown {
 protected:
  ReactiveTest() {
    Load(R"(groups: [{name: g, rules: [
      {alert: Unhealthy, expr: 'health{state="unhealthy"} == 1'},
      {alert: Slow, expr: 'health{state="unhealthy"} == 1', for: 1m},
      {record: copy, expr: health}]}])");
    Pass(20s);
    query.TakeAsked();
    samples.TakeLines();
  }
  static Labels Health(const std::string& state = "unhealthy", const std::string& name = "web") {
    return {{"__name__", "health"}, {"state", state}, {"container", name}};
  }
  void Break() { query.Set(kExpr, {{{{"container", "web"}}, 1}}); }
  void Mend() { query.Set(kExpr, {}); }

  static constexpr const char* kExpr = "health{state=\"unhealthy\"} == 1";
};

TEST_F(ReactiveTest, AChangeIsJudgedAtOnceByTheRulesWithoutForThatSelectIt) {
  Break();
  const Time now = clock.Now().wall;
  Change({Health()});
  const auto asked = query.TakeAsked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].at, now);
  EXPECT_EQ(TakeTold(), Lines{"firing Unhealthy{container=\"web\"} " + Clock(now)});
  EXPECT_EQ(Rule(0).state, AlertState::kFiring);
  EXPECT_EQ(Rule(1).state, AlertState::kInactive);
  EXPECT_EQ(Metric("fettle_rule_reactive_evaluations_total"), 1);
  EXPECT_EQ(Metric("fettle_rule_reactive_delay_seconds"), 1);
}

TEST_F(ReactiveTest, ItWritesNoSamplesAndMovesNoSlot) {
  Break();
  Change({Health()});
  EXPECT_EQ(samples.TakeLines(), Lines{});
  query.TakeAsked();
  const Slots slots("f", "g", 15s);
  const auto next = slots.AtOrBefore(Slots::ToNanos(clock.Now().wall)) + slots.interval();
  Pass(15s);
  const auto asked = query.TakeAsked();
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0].at, Slots::ToTime(next));
  const Lines lines = samples.TakeLines();
  EXPECT_EQ(lines.at(1),
            R"(ALERTS{alertname="Unhealthy", alertstate="firing", container="web"} 1)");
}

TEST_F(ReactiveTest, TheEndOfAnAlertIsToldAtOnceToo) {
  Break();
  Change({Health()});
  TakeTold();
  Pass(1s);
  Mend();
  Change({Health()});
  EXPECT_EQ(TakeTold().at(0).substr(0, 8), "resolved");
}

TEST_F(ReactiveTest, WhatNoRuleSelectsWakesNothing) {
  Change({Health("healthy"), {{"__name__", "other"}}, {{"state", "unhealthy"}}});
  EXPECT_TRUE(query.TakeAsked().empty());
  EXPECT_EQ(Metric("fettle_rule_reactive_evaluations_total"), 0);
}

TEST_F(ReactiveTest, ChangesThatFollowAreGatheredForATenthOfASecond) {
  Change({Health()});
  EXPECT_EQ(query.TakeAsked().size(), 1U);
  for (int i = 0; i < 9; ++i) {
    Pass(10ms);
    Change({Health("unhealthy", "c" + std::to_string(i))});
  }
  EXPECT_EQ(query.TakeAsked().size(), 0U);
  Pass(10ms);
  EXPECT_EQ(query.TakeAsked().size(), 1U);
  Pass(500ms);
  EXPECT_EQ(query.TakeAsked().size(), 0U);
}

TEST_F(ReactiveTest, ItRestsTenTimesAsLongAsItTook) {
  query.SetAnswer(kExpr, [&](Time) -> Result<RuleAnswer> {
    clock.Pass(50ms);
    return RuleAnswer{};
  });
  Change({Health()});
  Pass(10ms);
  Change({Health()});
  query.TakeAsked();
  Pass(430ms);
  EXPECT_EQ(query.TakeAsked().size(), 0U);
  Pass(20ms);
  EXPECT_EQ(query.TakeAsked().size(), 1U);
}

TEST_F(ReactiveTest, AThousandFlappingProbesCostTenEvaluationsASecond) {
  for (int i = 0; i < 1'000; ++i) {
    Change({Health("unhealthy", "c" + std::to_string(i))});
    Pass(1ms);
  }
  EXPECT_LE(query.TakeAsked().size(), 11U);
}

TEST_F(ReactiveTest, AChangeDuringAnEvaluationIsJudgedAfterIt) {
  bool changed = false;
  query.SetAnswer(kExpr, [&](Time) -> Result<RuleAnswer> {
    if (!std::exchange(changed, true)) {
      manager().OnEventChange(std::vector{std::make_shared<const Labels>(Health())});
    }
    return RuleAnswer{};
  });
  Change({Health()});
  EXPECT_EQ(query.TakeAsked().size(), 1U);
  Pass(100ms);
  EXPECT_EQ(query.TakeAsked().size(), 1U);
}

TEST_F(ReactiveTest, ADueSlotComesFirstSoThatTimeNeverRunsBackwards) {
  const Slots slots("f", "g", 15s);
  const auto next = slots.AtOrBefore(Slots::ToNanos(clock.Now().wall)) + slots.interval();
  // The slot is due, but its timer has not run yet.
  clock.Pass(
      std::chrono::ceil<Micros>(std::chrono::nanoseconds(next - Slots::ToNanos(clock.Now().wall))) +
      5ms);
  manager().OnEventChange(std::vector{std::make_shared<const Labels>(Health())});
  Settle();
  const auto asked = query.TakeAsked();
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_EQ(asked[0].at, Slots::ToTime(next));
  EXPECT_EQ(asked[3].at, clock.Now().wall);
}

TEST_F(ReactiveTest, AChangeThatIsNewerThanTheBrainsClockIsSeenNonetheless) {
  // The brain looked at its clock, then the change came, then the brain took it.
  const Moment looked = clock.Now();
  clock.Pass(3ms);
  manager().OnEventChange(std::vector{std::make_shared<const Labels>(Health())});
  brain->RunUntil(looked);
  hands.Work();
  EXPECT_EQ(query.TakeAsked().at(0).at, clock.Now().wall);
}

// What came within one millisecond has stamps of its own, the later ones ahead of the clock.
TEST_F(ReactiveTest, AChangeIsJudgedAtItsOwnTimeIfThatIsALittleAhead) {
  const std::vector<LabelsPtr> changed{std::make_shared<const Labels>(Health())};
  const Time now = clock.Now().wall;
  manager().OnEventChange(changed, now + 1ms);
  manager().OnEventChange(changed, now + 2ms);
  Settle();
  EXPECT_EQ(query.TakeAsked().at(0).at, now + 2ms);
  Pass(150ms);
  query.TakeAsked();
  manager().OnEventChange(changed, clock.Now().wall + 1h);
  Settle();
  EXPECT_EQ(query.TakeAsked().at(0).at, clock.Now().wall) << "no clock is so wrong";
}

TEST_F(ReactiveTest, TooManyChangesToLookAtWakeEveryReactiveRule) {
  std::vector<LabelsPtr> many(RuleManager::kChangesMax + 1,
                              std::make_shared<const Labels>(Labels{{"__name__", "other"}}));
  manager().OnEventChange(many);
  Settle();
  EXPECT_EQ(query.TakeAsked().size(), 1U);
}

TEST_F(ReactiveTest, WithoutAFreeHandItTriesAgainSoon) {
  hands.queue_max = 0;
  Change({Health()});
  EXPECT_EQ(query.TakeAsked().size(), 0U);
  hands.queue_max = 10;
  Pass(100ms);
  EXPECT_EQ(query.TakeAsked().size(), 1U);
}

TEST_F(ReactiveTest, AfterAReloadTheNewRulesReact) {
  Load("groups: [{name: h, rules: [{alert: Other, expr: other > 0}]}]");
  Change({Health()});
  EXPECT_TRUE(query.TakeAsked().empty());
  Change({{{"__name__", "other"}}});
  EXPECT_EQ(query.TakeAsked().size(), 1U);
}

TEST(ReactiveIndexTest, FindsRulesByEverySelectorOfTheirs) {
  yaml::Complaints complaints;
  const auto groups = ReadRules(R"(groups: [{name: g, rules: [
      {alert: A, expr: 'a{x="1"} and on() b'},
      {alert: B, expr: 'increase(c[5m]) > 0 or {x=~"2|3"}'},
      {alert: C, expr: 'a', for: 1s},
      {record: d, expr: 'a'}]},
      {name: late, query_offset: 5s, rules: [{alert: D, expr: a}]}])",
                                "f", complaints);
  ReactiveIndex index;
  for (std::size_t i = 0; i < groups.size(); ++i) index.Add(i, groups[i]);
  using Found = std::map<std::size_t, std::set<std::size_t>>;
  const auto find = [&](Labels labels) {
    const std::vector<LabelsPtr> changed = {std::make_shared<const Labels>(std::move(labels))};
    return index.Find(changed);
  };
  EXPECT_EQ(find({{"__name__", "a"}, {"x", "1"}}), (Found{{0, {0}}}));
  EXPECT_EQ(find({{"__name__", "a"}, {"x", "2"}}), (Found{{0, {1}}}));
  EXPECT_EQ(find({{"__name__", "b"}}), (Found{{0, {0}}}));
  EXPECT_EQ(find({{"__name__", "c"}}), (Found{{0, {1}}}));
  EXPECT_EQ(find({{"__name__", "e"}}), Found{});
  EXPECT_EQ(find({{"x", "3"}}), (Found{{0, {1}}}));
  EXPECT_EQ(index.All(), (Found{{0, {0, 1}}}));
}

}  // namespace
}  // namespace fettle::rules

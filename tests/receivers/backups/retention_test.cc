// Goal: whatever has happened, the last good set stays, what a person holds stays, and what the
// rules want is kept. Method: tables for the rules; every short history there is; 10^5 random ones;
// and years of daily backups under the policies of the shipped example.
#include "receivers/backups/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "common/duration.h"
#include "receivers/backups/config.h"
#include "tests/support/seeded_random.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const RetentionFacts kFine{.recent_success = true, .listing_complete = true};
constexpr auto kDay = std::chrono::hours(24);

Time At(const std::string& text) { return *ParseRfc3339(text); }

std::vector<std::string> Removed(Time now, const std::vector<RetainedSet>& sets,
                                 const RetentionPolicy& policy) {
  return PlanRetention(now, sets, policy, kFine).Removals();
}

// A set of each night, named by its day.
std::vector<RetainedSet> Nightly(const std::string& last, int count) {
  std::vector<RetainedSet> sets;
  for (int i = count - 1; i >= 0; --i) {
    const Time at = At(last + "T02:15:00Z") - i * kDay;
    sets.push_back({.id = FormatRfc3339(at).substr(0, 10), .at = at, .level = 3});
  }
  return sets;
}

TEST(RetentionTest, KeepsTheLastOfEachDayWeekAndMonth) {
  RetentionPolicy policy{.daily = 2, .weekly = 2, .monthly = 2, .apply = true};
  const auto plan =
      PlanRetention(At("2026-03-11T12:00:00Z"), Nightly("2026-03-11", 60), policy, kFine);
  std::vector<std::string> kept;
  for (const auto& one : plan.decisions) {
    if (one.keep) kept.push_back(one.id);
  }
  // A Wednesday and the day before; Sunday ends the ISO week before; February's last.
  EXPECT_THAT(kept, ElementsAre("2026-02-28", "2026-03-08", "2026-03-10", "2026-03-11"));
  EXPECT_EQ(plan.slots.size(), 3U);
  EXPECT_EQ(plan.blocked, Blocked::kBreaker) << "56 at once";
}

TEST(RetentionTest, CountsSlotsThatExistSoThatAnOutageErasesNothing) {
  std::vector<RetainedSet> sets = Nightly("2026-01-10", 10);
  const RetentionPolicy policy{.daily = 7};
  // Half a year later nothing new has come.
  EXPECT_EQ(Removed(At("2026-07-01T00:00:00Z"), sets, policy).size(), 3U);
}

TEST(RetentionTest, DaysAreThoseOfItsTimeZone) {
  std::vector<RetainedSet> sets = {{.id = "a", .at = At("2026-01-01T22:30:00Z")},
                                   {.id = "b", .at = At("2026-01-01T23:30:00Z")}};
  RetentionPolicy policy{.daily = 7};
  const Time now = At("2026-02-01T00:00:00Z");
  EXPECT_THAT(Removed(now, sets, policy), ElementsAre("a"));
  policy.timezone = "Europe/Berlin";
  EXPECT_THAT(Removed(now, sets, policy), IsEmpty()) << "half past midnight is another day";
}

TEST(RetentionTest, WhatIsNotGoodFillsNoSlotAndGoesOnlyBehindABetterOne) {
  std::vector<RetainedSet> sets = Nightly("2026-01-10", 4);
  sets[3].good = false;
  const RetentionPolicy policy{.daily = 2};
  const Time now = At("2026-03-01T00:00:00Z");
  EXPECT_THAT(Removed(now, sets, policy), ElementsAre("2026-01-07"))
      << "the newest is not good, and no newer good one is there";
  sets[0].good = false;
  sets[3].good = true;
  EXPECT_THAT(Removed(now, sets, policy), ElementsAre("2026-01-07", "2026-01-08"));
  for (RetainedSet& set : sets) set.good = false;
  EXPECT_THAT(Removed(now, sets, policy), IsEmpty());
}

TEST(RetentionTest, MaxAgeAloneKeepsAllThatIsYounger) {
  RetentionPolicy policy;
  policy.max_age = 30 * kDay;
  const auto sets = Nightly("2026-03-11", 60);
  EXPECT_EQ(Removed(At("2026-03-11T12:00:00Z"), sets, policy).size(), 30U);
  // Long after the last one, the last one stays.
  EXPECT_EQ(Removed(At("2027-03-11T12:00:00Z"), sets, policy).size(), 59U);
}

TEST(RetentionTest, HeldYoungAndNewerThanTheNewestRestoredStay) {
  std::vector<RetainedSet> sets = Nightly("2026-01-10", 10);
  sets[0].held = true;
  sets[4].level = 4;
  const RetentionPolicy policy{.keep_last = 1};
  EXPECT_THAT(Removed(At("2026-03-01T00:00:00Z"), sets, policy),
              ElementsAre("2026-01-02", "2026-01-03", "2026-01-04"));
  EXPECT_THAT(PlanRetention(At("2026-01-02T12:00:00Z"), sets, policy, kFine).decisions.at(1).reason,
              HasSubstr("min_age"));
}

TEST(RetentionTest, NothingIsRemovedWhileAnythingIsDoubtful) {
  const auto sets = Nightly("2026-01-10", 10);
  RetentionPolicy policy{.daily = 8, .apply = true};
  const Time now = At("2026-01-20T00:00:00Z");
  const auto blocked = [&](RetentionFacts facts) {
    return ToString(PlanRetention(now, sets, policy, facts).blocked);
  };
  EXPECT_EQ(blocked(kFine), "none");
  EXPECT_EQ(blocked({.recent_success = true}), "listing");
  EXPECT_EQ(blocked({.listing_complete = true}), "no_success");
  EXPECT_EQ(blocked({true, true, false}), "clock");
  EXPECT_EQ(blocked({true, true, true, true}), "drill");
  policy.apply = false;
  EXPECT_EQ(blocked(kFine), "dry_run");
  policy.apply = true;
  policy.daily = 1;
  const RetentionPlan big = PlanRetention(now, sets, policy, kFine);
  EXPECT_EQ(ToString(big.blocked), "breaker");
  EXPECT_EQ(blocked({true, true, true, false, big.hash}), "none") << "a person approved this plan";
  EXPECT_EQ(blocked({true, true, true, false, "another"}), "breaker");
  policy.delete_max = 100;
  EXPECT_EQ(blocked(kFine), "breaker") << "nine of ten are too large a share";
  policy.share_max = 1;
  EXPECT_EQ(blocked(kFine), "none");
  policy = {};
  EXPECT_EQ(blocked(kFine), "no_policy");
}

TEST(RetentionTest, OneAtATimeIsAlwaysAllowed) {
  const auto sets = Nightly("2026-01-10", 2);
  const RetentionPolicy policy{.daily = 1, .apply = true};
  EXPECT_EQ(PlanRetention(At("2026-01-20T00:00:00Z"), sets, policy, kFine).blocked, Blocked::kNone);
}

// What must hold of every plan.
void CheckPlan(Time now, const std::vector<RetainedSet>& sets, const RetentionPolicy& policy) {
  const RetentionPlan plan = PlanRetention(now, sets, policy, kFine);
  const auto removals = plan.Removals();
  const std::set<std::string> gone(removals.begin(), removals.end());
  ASSERT_EQ(plan.decisions.size(), sets.size());
  const std::string last = LastGood(sets);
  ASSERT_FALSE(gone.contains(last)) << "the last good one";
  std::vector<RetainedSet> left;
  bool good_left = false;
  for (const RetainedSet& set : sets) {
    if (!gone.contains(set.id)) {
      left.push_back(set);
      good_left = good_left || set.good;
      continue;
    }
    ASSERT_FALSE(set.held);
    ASSERT_LE(set.at, now - policy.min_age);
  }
  ASSERT_EQ(good_left, !last.empty());
  // Carried out, it wants nothing more.
  ASSERT_THAT(PlanRetention(now, left, policy, kFine).Removals(), IsEmpty());
}

TEST(RetentionTest, EveryShortHistoryKeepsItsLastGoodSet) {
  // Each set is one of six kinds, a while after the one before: all of it, up to four sets.
  struct Kind {
    bool good;
    int level;
    bool held;
  };
  constexpr std::array kKinds = {Kind{false, 1, false}, Kind{false, 3, true}, Kind{true, 1, false},
                                 Kind{true, 3, false},  Kind{true, 5, false}, Kind{true, 2, true}};
  constexpr std::array<int, 3> kGaps = {0, 1, 40};
  constexpr int kChoices = static_cast<int>(kKinds.size() * kGaps.size());
  RetentionPolicy by_age;
  by_age.max_age = 30 * kDay;
  const std::array policies = {RetentionPolicy{.keep_last = 1}, by_age,
                               RetentionPolicy{.daily = 1, .monthly = 2}};
  int histories = 0;
  for (int length = 0, all = 1; length <= 3; ++length, all *= kChoices) {
    for (int code = 0; code < all; ++code) {
      std::vector<RetainedSet> sets;
      Time at = At("2026-01-01T02:00:00Z");
      for (int i = 0, rest = code; i < length; ++i, rest /= kChoices) {
        const auto choice = static_cast<std::size_t>(rest % kChoices);
        const Kind& kind = kKinds[choice / kGaps.size()];
        at += kGaps[choice % kGaps.size()] * kDay;
        sets.push_back({std::to_string(i), at, kind.good, kind.level, kind.held});
      }
      for (const auto after : {0, 3, 100}) {
        for (const RetentionPolicy& policy : policies) CheckPlan(at + after * kDay, sets, policy);
      }
      if (testing::Test::HasFatalFailure()) FAIL() << "history " << code;
      ++histories;
    }
  }
  EXPECT_EQ(histories, 1 + 18 + 18 * 18 + 18 * 18 * 18);
}

TEST(RetentionTest, AHundredThousandRandomHistoriesKeepTheirLastGoodSet) {
  SeededRandom random;
  const auto below = [&random](std::uint64_t n) { return static_cast<int>(random.Next() % n); };
  for (int history = 0; history < 100'000; ++history) {
    RetentionPolicy policy{.keep_last = below(3),
                           .daily = below(8),
                           .weekly = below(5),
                           .monthly = below(4),
                           .yearly = below(2)};
    if (below(3) == 0) policy.max_age = (1 + below(100)) * kDay;
    if (below(4) == 0) policy.timezone = below(2) == 0 ? "Europe/Berlin" : "Pacific/Apia";
    policy.min_age = below(3) * kDay;
    Time now = At("2026-03-01T00:00:00Z") + below(400) * kDay;
    std::vector<RetainedSet> sets;
    for (int i = below(10); i > 0; --i) {
      // Gaps, several a day, and a clock that was set back or years ahead.
      now += std::chrono::hours(below(60)) + (below(10) == 0 ? 30 * kDay : 0 * kDay);
      if (below(40) == 0) now += (below(2) == 0 ? -90 : 900) * kDay;
      sets.push_back({std::to_string(i), now, below(4) != 0, below(6), below(12) == 0});
    }
    CheckPlan(now, sets, policy);
    if (testing::Test::HasFatalFailure()) FAIL() << "history " << history;
    if (history % 10 != 0) continue;
    // A further good set frees at most one place of each rule and of each thing that is always
    // kept.
    const auto before = PlanRetention(now, sets, policy, kFine).Removals();
    sets.push_back({"new", std::max(now, sets.empty() ? now : sets.back().at) + 1h, true, 3});
    const auto after = PlanRetention(now, sets, policy, kFine).Removals();
    const int rules = (policy.keep_last > 0) + (policy.daily > 0) + (policy.weekly > 0) +
                      (policy.monthly > 0) + (policy.yearly > 0);
    const int not_good = static_cast<int>(
        std::count_if(sets.begin(), sets.end(), [](const RetainedSet& set) { return !set.good; }));
    ASSERT_LE(static_cast<int>(after.size()),
              static_cast<int>(before.size()) + rules + 3 + not_good)
        << history;
    // And the order in which a place lists them is nothing to it.
    std::reverse(sets.begin(), sets.end());
    ASSERT_EQ(PlanRetention(now, sets, policy, kFine).Removals(), after);
  }
}

class ShippedExampleTest : public testing::Test {
 protected:
  ShippedExampleTest() {
    yaml::Complaints complaints;
    const auto node =
        yaml::LoadFile(std::string(FETTLE_SOURCE) + "/deploy/retention.example.yml", complaints);
    Connections connections;
    connections.postgres["leads"] = {};
    connections.s3["aws"] = {};
    yaml::Mapping mapping(*node->Find("receivers"), "receivers", complaints);
    jobs_ = ReadBackups(mapping, connections);
    EXPECT_EQ(complaints.ToString(), "");
  }
  // What is left after so many nights, each with its backup and its retention.
  std::vector<std::string> After(const std::string& job, int nights) {
    const auto at = std::find_if(jobs_.begin(), jobs_.end(),
                                 [&](const JobSpec& one) { return one.name == job; });
    EXPECT_NE(at, jobs_.end());
    std::vector<RetainedSet> sets;
    for (const RetainedSet& tonight : Nightly("2026-11-20", nights)) {
      sets.push_back(tonight);
      const auto plan = PlanRetention(tonight.at + 10min, sets, at->retention, kFine);
      EXPECT_EQ(ToString(plan.blocked), "none") << tonight.id;
      for (const std::string& id : plan.Removals()) {
        std::erase_if(sets, [&](const RetainedSet& set) { return set.id == id; });
      }
    }
    std::vector<std::string> left;
    for (const RetainedSet& set : sets) left.push_back(set.id);
    return left;
  }
  std::vector<JobSpec> jobs_;
};

TEST_F(ShippedExampleTest, SevenDaysAMonthOfWeeksAndAYearOfMonths) {
  EXPECT_THAT(After("dumps-gfs", 800),
              ElementsAre("2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30",
                          "2026-05-31", "2026-06-30", "2026-07-31", "2026-08-31", "2026-09-30",
                          "2026-10-25", "2026-10-31", "2026-11-01", "2026-11-08", "2026-11-14",
                          "2026-11-15", "2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19",
                          "2026-11-20"));
}

TEST_F(ShippedExampleTest, ThirtyAndNinetyDays) {
  EXPECT_EQ(After("files-30d", 200).size(), 30U) << "the thirty-first is ten minutes too old";
  EXPECT_EQ(After("dumps-90d", 300).size(), 90U);
}

}  // namespace
}  // namespace fettle::receivers::backups

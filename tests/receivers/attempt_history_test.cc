// What cooldown, backoff and attempt windows count, also across restarts and clocks that are set.
#include "receivers/attempt_history.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;

class AttemptHistoryTest : public testing::Test {
 protected:
  Attempt Make(const std::string& id, const std::string& instance = "web-1", int pass = 0) {
    Attempt attempt{.id = id, .incident = "i-" + id, .repair = "heal", .target = "web"};
    attempt.instance = instance;
    attempt.kind = "restart";
    attempt.pass = pass;
    attempt.intent_at = clock_.Now().wall;
    attempt.intent_boot = clock_.Now().boot;
    return attempt;
  }
  Attempt Begin(const std::string& id, const std::string& instance = "web-1") {
    const Attempt attempt = Make(id, instance);
    history_.Begin(attempt, clock_.Now());
    return attempt;
  }
  int Count(Millis span, const std::string& instance = "web-1", Time released = Time{}) {
    return history_.Count("heal", "web", instance, span, released, clock_.Now());
  }
  int Strikes() { return history_.Strikes("heal", "web", Time{}, clock_.Now()); }

  ManualClock clock_;
  AttemptHistory history_;
};

TEST_F(AttemptHistoryTest, CountsAttemptsOfOneInstanceInAWindow) {
  Begin("a");
  clock_.Pass(30min);
  Begin("b");
  Begin("c", "web-2");
  EXPECT_EQ(Count(1h), 2);
  EXPECT_EQ(Count(1h, "web-2"), 1);
  EXPECT_EQ(Count(1h, "db-1"), 0);
  EXPECT_EQ(history_.CountAll(1h, clock_.Now()), 3);
  EXPECT_EQ(history_.UntilOneLeaves("heal", "web", "web-1", 1h, Time{}, clock_.Now()), 30min);
  EXPECT_EQ(history_.UntilOneLeaves(1h, clock_.Now()), 30min);
  clock_.Pass(30min);
  EXPECT_EQ(Count(1h), 1) << "the window is open at its far end";
  EXPECT_EQ(history_.CountAll(1h, clock_.Now()), 2);
  clock_.Pass(1h);
  EXPECT_EQ(Count(1h), 0);
  EXPECT_EQ(history_.UntilOneLeaves(1h, clock_.Now()), 0ms);
}

TEST_F(AttemptHistoryTest, WhatWasBeforeARetryByAPersonDoesNotCount) {
  Begin("a");
  clock_.Pass(1min);
  const Time released = clock_.Now().wall;
  EXPECT_EQ(Count(1h, "web-1", released), 0);
  EXPECT_EQ(history_.Last("heal", "web", released), nullptr);
  EXPECT_EQ(history_.Strikes("heal", "web", released, clock_.Now()), 0);
  Begin("b");
  EXPECT_EQ(Count(1h, "web-1", released), 1);
  EXPECT_EQ(history_.Last("heal", "web", released)->attempt, "b");
}

TEST_F(AttemptHistoryTest, WhatCalledNothingAndWhatOnlyTellsDoNotCount) {
  history_.Cancel(Begin("a"));
  EXPECT_EQ(Count(1h), 0);
  EXPECT_EQ(history_.CountAll(1h, clock_.Now()), 0);
  Attempt escalation = Make("b");
  escalation.kind = "escalate";
  history_.Begin(escalation, clock_.Now());
  history_.Restore(escalation, clock_.Now());
  Attempt cancelled = Make("c");
  cancelled.state = AttemptState::kCancelled;
  history_.Restore(cancelled, clock_.Now());
  EXPECT_EQ(history_.size(), 0U);
  history_.End(Make("unknown"), clock_.Now());
  history_.Verified(Make("unknown"), clock_.Now());
  history_.Cancel(Make("unknown"));
  EXPECT_EQ(history_.size(), 0U);
}

TEST_F(AttemptHistoryTest, StrikesGrowUntilItWasWellForLongEnough) {
  for (int i = 1; i <= 3; ++i) {
    const Attempt attempt = Begin(std::to_string(i));
    history_.End(attempt, clock_.Now());
    clock_.Pass(1min);
    EXPECT_EQ(Strikes(), i);
  }
  const Attempt good = Begin("good");
  history_.Verified(good, clock_.Now());
  clock_.Pass(AttemptHistory::kResetAfter - 1ms);
  EXPECT_EQ(Strikes(), 4);
  clock_.Pass(1ms);
  EXPECT_EQ(Strikes(), 0);
  Begin("next");
  EXPECT_EQ(Strikes(), 1) << "and the next trouble begins anew";
}

TEST_F(AttemptHistoryTest, APassOverSeveralReplicasIsOneStrike) {
  for (const char* instance : {"web-1", "web-2", "web-3"}) {
    Attempt attempt = Make(instance, instance, 7);
    attempt.incident = "i-1";
    history_.Begin(attempt, clock_.Now());
  }
  EXPECT_EQ(Strikes(), 1);
}

TEST_F(AttemptHistoryTest, BackoffDoublesUpToItsMaximumAndJitters) {
  EXPECT_EQ(AttemptHistory::Backoff(0, "a"), 0ms);
  for (int strikes = 1; strikes <= 40; ++strikes) {
    const double whole = std::min(10'000.0 * std::exp2(std::min(strikes - 1, 20)), 600'000.0);
    const auto wait = static_cast<double>(AttemptHistory::Backoff(strikes, "a").count());
    EXPECT_GE(wait, 0.8 * whole) << strikes;
    EXPECT_LE(wait, 1.2 * whole) << strikes;
  }
  const std::string one = "5c1be1f0a1b2c3d4-1";
  EXPECT_EQ(AttemptHistory::Backoff(3, one), AttemptHistory::Backoff(3, one));
  EXPECT_NE(AttemptHistory::Backoff(3, one), AttemptHistory::Backoff(3, "a07e44190b5d6c22-1"));
}

TEST_F(AttemptHistoryTest, ARestartOfTheProcessForgetsNothingAndAWallClockThatIsSetMovesNothing) {
  Attempt attempt = Begin("a");
  attempt.ended_at = clock_.Now().wall + 5s;
  attempt.verified = true;
  attempt.verified_at = clock_.Now().wall + 10s;
  clock_.Pass(30min);
  for (const Millis step : {Millis(0), Millis(10h), Millis(-10h)}) {
    clock_.StepWall(step);
    AttemptHistory next;
    next.Restore(attempt, clock_.Now());
    EXPECT_EQ(next.Count("heal", "web", "web-1", 1h, Time{}, clock_.Now()), 1) << step.count();
    EXPECT_EQ(next.UntilOneLeaves("heal", "web", "web-1", 1h, Time{}, clock_.Now()), 30min);
    const AttemptHistory::Entry* last = next.Last("heal", "web", Time{});
    ASSERT_NE(last, nullptr);
    EXPECT_EQ(clock_.Now().boot - *last->ended, 30min - 5s);
    EXPECT_EQ(clock_.Now().boot - *last->verified, 30min - 10s);
    clock_.StepWall(-step);
  }
}

// After a boot of the machine the boot clock begins anew, and only the wall clock is left: it is
// believed less an hour, and never less than the uptime.
TEST_F(AttemptHistoryTest, AcrossABootTheWallClockIsBelievedLessAnHour) {
  const Attempt attempt = Begin("a");
  const auto count = [&](Millis wall_passed, Millis uptime, Millis span) {
    const Moment now{attempt.intent_at + wall_passed, BootTime(uptime)};
    AttemptHistory next;
    next.Restore(attempt, now);
    return next.Count("heal", "web", "web-1", span, Time{}, now);
  };
  EXPECT_EQ(count(90min, 1min, 1h), 1) << "90 minutes by the wall may be half an hour";
  EXPECT_EQ(count(2h + 1min, 1min, 1h), 0);
  EXPECT_EQ(count(-5h, 1min, 1h), 1) << "the wall clock was set back";
  EXPECT_EQ(count(-5h, 59min, 59min), 0) << "the uptime has passed for certain";
}

TEST_F(AttemptHistoryTest, ForgetsWhatNoWindowCanCount) {
  Begin("a");
  clock_.Pass(kWindowSpanMax);
  Begin("b");
  history_.Forget(clock_.Now());
  EXPECT_EQ(history_.size(), 2U);
  clock_.Pass(1ms);
  history_.Forget(clock_.Now());
  EXPECT_EQ(history_.size(), 1U);
  EXPECT_EQ(Count(kWindowSpanMax), 1);
}

}  // namespace
}  // namespace fettle::receivers

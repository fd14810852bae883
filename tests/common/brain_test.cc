#include "common/brain.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/manual_clock.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;

class BrainTest : public testing::Test {
 protected:
  Brain::Task Say(std::string word) {
    return [this, word](const Moment&) { said_.push_back(word); };
  }
  void Pass(Micros d) {
    clock_.Pass(d);
    brain_.RunUntil(clock_.Now());
  }
  BootTime In(Micros d) { return clock_.Now().boot + d; }

  ManualClock clock_;
  Brain brain_;
  std::vector<std::string> said_;
};

using Words = std::vector<std::string>;

TEST_F(BrainTest, RunsTimersInDeadlineOrderThenAsTheyWereSet) {
  brain_.At(In(2s), Say("late"));
  brain_.At(In(1s), Say("first"));
  brain_.At(In(1s), Say("second"));
  Pass(1s);
  EXPECT_EQ(said_, (Words{"first", "second"}));
  Pass(1s);
  EXPECT_EQ(said_, (Words{"first", "second", "late"}));
}

TEST_F(BrainTest, ForgetsACancelledTimer) {
  const Brain::Ticket ticket = brain_.At(In(1s), Say("never"));
  brain_.Cancel(ticket);
  brain_.Cancel(ticket);
  brain_.Cancel({});
  Pass(5s);
  EXPECT_EQ(said_, Words{});
  EXPECT_EQ(brain_.NextDeadline(), std::nullopt);
}

TEST_F(BrainTest, RunsWhatATaskAddsInTheSameTurn) {
  brain_.At(In(0s), [this](const Moment& now) {
    said_.emplace_back("one");
    brain_.At(now.boot, Say("two"));
    brain_.Finish(Say("three"));
  });
  Pass(0s);
  EXPECT_EQ(said_, (Words{"one", "three", "two"}));
}

TEST_F(BrainTest, RefusesDoorsBeyondItsMailboxButNeverCompletions) {
  for (std::size_t i = 0; i < Brain::kMailboxMax; ++i) ASSERT_TRUE(brain_.Post([](const Moment&) {}));
  EXPECT_FALSE(brain_.Post(Say("refused")));
  brain_.Finish(Say("finished"));
  Pass(0s);
  EXPECT_EQ(said_, Words{"finished"});
  EXPECT_TRUE(brain_.Post(Say("again")));
}

TEST_F(BrainTest, AnswersACallOnTheCallersThreadWhenNobodyRuns) {
  const Result<int> answer = brain_.Call(1s, [](const Moment&) { return 42; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, 42);
}

TEST_F(BrainTest, AnswersCallsFromOtherThreadsWhileItRuns) {
  SystemClock clock;
  std::jthread thread([&](std::stop_token stop) { brain_.Run(clock, stop); });
  for (int i = 0; i < 100; ++i) {
    const Result<int> answer = brain_.Call(10s, [i](const Moment&) { return i; });
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, i);
  }
}

TEST_F(BrainTest, SaysHowLateATimerRan) {
  brain_.At(In(1s), Say("x"));
  Pass(3s);
  EXPECT_EQ(brain_.Lag(), 2s);
}

}  // namespace
}  // namespace fettle

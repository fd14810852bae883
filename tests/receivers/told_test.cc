#include "receivers/told.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"

namespace fettle::receivers {
namespace {

using testing::SizeIs;

using namespace std::chrono_literals;

const Time kNow = TimeFromMillis(1'767'225'600'000);

ToldEntry Entry(GroupState state, Millis age) { return {kNow - age, std::move(state), {}, {}}; }

TEST(WhyTellTest, DecidesAsAlertmanagerDoes) {
  struct Case {
    std::string name;
    std::optional<ToldEntry> entry;
    GroupState state;
    bool send_resolved;
    Reason want;
  };
  const Case cases[] = {
      {"never told, firing", {}, {{1}, {}}, true, Reason::kFirst},
      {"never told, only resolved", {}, {{}, {1}}, true, Reason::kNothingNew},
      {"the same", Entry({{1, 2}, {}}, 1min), {{1, 2}, {}}, true, Reason::kNothingNew},
      {"a new one", Entry({{1}, {}}, 1min), {{1, 2}, {}}, true, Reason::kNewAlerts},
      {"fires again after all was over", Entry({{}, {1}}, 1min), {{1}, {}}, true, Reason::kFirst},
      {"one is over", Entry({{1, 2}, {}}, 1min), {{1}, {2}}, true, Reason::kSomeResolved},
      {"one is over, not wanted",
       Entry({{1, 2}, {}}, 1min),
       {{1}, {2}},
       false,
       Reason::kNothingNew},
      {"one is over, told already", Entry({{1}, {2}}, 1min), {{1}, {2}}, true, Reason::kNothingNew},
      {"one is gone", Entry({{1, 2}, {}}, 1min), {{1}, {}}, true, Reason::kNothingNew},
      {"all are over", Entry({{1}, {}}, 1min), {{}, {1}}, true, Reason::kAllResolved},
      {"all are over, not wanted", Entry({{1}, {}}, 1min), {{}, {1}}, false, Reason::kAllResolved},
      {"over and never heard of", Entry({{}, {1}}, 1min), {{}, {2}}, true, Reason::kNothingNew},
      {"time to repeat", Entry({{1}, {}}, 4h + 1ms), {{1}, {}}, true, Reason::kRepeat},
      {"exactly the interval", Entry({{1}, {}}, 4h), {{1}, {}}, true, Reason::kNothingNew},
      {"nothing to repeat", Entry({{}, {1}}, 5h), {{}, {1}}, true, Reason::kNothingNew},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(WhyTell(c.entry ? &*c.entry : nullptr, c.state, 4h, c.send_resolved, kNow), c.want)
        << c.name;
  }
  EXPECT_EQ(ToString(Reason::kSomeResolved), "some alerts resolved");
}

class ToldTest : public testing::Test {
 protected:
  ToldTest() { Boot(); }
  void Boot() {
    told_.reset();
    brain_.emplace();
    told_.emplace(Told::Deps{*brain_, store_, metrics_, log_.For("told")}, Told::Options{});
    ASSERT_TRUE(told_->Restore(clock_.Now()));
  }
  void Record(const Ear& ear, Millis repeat = 4h) {
    ToldEntry entry{clock_.Now().wall, {{1, 0xffffffffffffffff}, {2}}, {{"ts", "1.5"}}, {}};
    bool told = false;
    told_->Record(ear, std::move(entry), repeat,
                  [&](const Status&, const Moment&) { told = true; });
    brain_->RunUntil(clock_.Now());
    EXPECT_TRUE(told);
  }
  void Pass(Micros d) {
    clock_.Pass(d);
    brain_->RunUntil(clock_.Now());
  }
  ManualClock clock_;
  MemoryStore store_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  std::optional<Brain> brain_;
  std::optional<Told> told_;
  const Ear ear_{"{}:{}", "people", "webhook", 0};
};

TEST_F(ToldTest, RemembersOverARestart) {
  Record(ear_);
  Boot();
  const ToldEntry* entry = told_->Find(ear_);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->at, clock_.Now().wall);
  EXPECT_EQ(entry->state.firing, (std::vector<std::uint64_t>{1, 0xffffffffffffffff}));
  EXPECT_EQ(entry->state.resolved, std::vector<std::uint64_t>{2});
  EXPECT_EQ(entry->data.at("ts"), "1.5");
}

TEST_F(ToldTest, EveryEarHasItsOwnEntry) {
  Record(ear_);
  for (const Ear& other :
       {Ear{"{}:{a=\"b\"}", "people", "webhook", 0}, Ear{"{}:{}", "others", "webhook", 0},
        Ear{"{}:{}", "people", "slack", 0}, Ear{"{}:{}", "people", "webhook", 1}}) {
    EXPECT_EQ(told_->Find(other), nullptr);
  }
}

TEST_F(ToldTest, GroupKeysMayBeLongerThanAnIdOfTheStore) {
  Ear ear = ear_;
  ear.group_key = std::string(100'000, 'x');
  Record(ear);
  Boot();
  EXPECT_NE(told_->Find(ear), nullptr);
}

TEST_F(ToldTest, AnEntryLivesTwiceTheRepeatIntervalButNotForEver) {
  Record(ear_, 1h);
  Record({"long", "people", "webhook", 0}, 1000h);
  Pass(119min);
  EXPECT_NE(told_->Find(ear_), nullptr);
  Pass(16min);
  EXPECT_EQ(told_->Find(ear_), nullptr);
  EXPECT_THAT(store_.All("told"), SizeIs(1));
  for (int hour = 0; hour < 121; ++hour) Pass(1h);
  EXPECT_THAT(store_.All("told"), SizeIs(0));
}

TEST_F(ToldTest, WhatCannotBeStoredIsKnownToThisProcess) {
  store_.FailCommits(Error{"disk full", Cause::kUnavailable});
  Record(ear_);
  EXPECT_NE(told_->Find(ear_), nullptr);
  EXPECT_TRUE(log_.Contains("a restart may repeat it"));
  store_.Heal();
  Boot();
  EXPECT_EQ(told_->Find(ear_), nullptr);
}

}  // namespace
}  // namespace fettle::receivers

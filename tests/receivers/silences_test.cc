#include "receivers/silences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using namespace std::chrono_literals;
using State = Silence::State;

class SilencesTest : public testing::Test {
 protected:
  SilencesTest() { Boot(); }
  void Boot() {
    silences_.reset();
    brain_.emplace();
    silences_.emplace(Silences::Deps{*brain_, store_, random_, metrics_, log_.For("silences")},
                      options_);
    ASSERT_TRUE(silences_->Restore(clock_.Now()));
  }
  Silence Make(const std::string& matchers, Millis from, Millis to) {
    Silence silence;
    silence.matchers = ParseMatchers(matchers).value();
    silence.starts_at = now() + from;
    silence.ends_at = now() + to;
    silence.created_by = "me";
    silence.comment = "because";
    return silence;
  }
  Result<std::string> Set(Silence silence) {
    Result<std::string> id = Fail("nobody answered");
    silences_->Set(std::move(silence), [&id](Result<std::string> answer) { id = answer; });
    brain_->RunUntil(clock_.Now());
    return id;
  }
  Status Expire(const std::string& id) {
    Status status = Fail("nobody answered");
    silences_->Expire(id, [&status](Status answer) { status = answer; });
    brain_->RunUntil(clock_.Now());
    return status;
  }
  std::vector<std::string> Quieting(const Labels& labels) {
    return silences_->Quieting(labels.Fingerprint(), labels, now());
  }
  State StateOf(const std::string& id) { return silences_->Find(id)->StateAt(now()); }
  Time now() { return clock_.Now().wall; }
  void Pass(Micros d) {
    clock_.Pass(d);
    brain_->RunUntil(clock_.Now());
  }

  ManualClock clock_;
  MemoryStore store_{clock_};
  SeededRandom random_;
  Metrics metrics_;
  RecordedLog log_;
  Silences::Options options_;
  std::optional<Brain> brain_;
  std::optional<Silences> silences_;
};

const Labels kAlert{{"alertname", "A"}, {"host", "x"}};

TEST_F(SilencesTest, ASilenceHoldsWhatItMatchesWhileItIsActive) {
  const std::string id = Set(Make("alertname=A", 1min, 10min)).value();
  EXPECT_EQ(StateOf(id), State::kPending);
  EXPECT_THAT(Quieting(kAlert), IsEmpty());
  Pass(1min);
  EXPECT_THAT(Quieting(kAlert), ElementsAre(id));
  EXPECT_THAT(Quieting({{"alertname", "B"}}), IsEmpty());
  Pass(9min);
  EXPECT_EQ(StateOf(id), State::kExpired);
  EXPECT_THAT(Quieting(kAlert), IsEmpty());
}

TEST_F(SilencesTest, NewSilencesAreComparedWithAlertsThatWereAskedForBefore) {
  EXPECT_THAT(Quieting(kAlert), IsEmpty());
  const std::string first = Set(Make("alertname=A", 0ms, 1h)).value();
  EXPECT_THAT(Quieting(kAlert), ElementsAre(first));
  const std::string second = Set(Make("host=~\"x|y\"", 0ms, 1h)).value();
  EXPECT_THAT(Quieting(kAlert), testing::UnorderedElementsAre(first, second));
  ASSERT_TRUE(Expire(first));
  EXPECT_THAT(Quieting(kAlert), ElementsAre(second));
}

TEST_F(SilencesTest, ASilenceCountsOnlyOnceItIsStored) {
  store_.HoldCommits();
  std::optional<std::string> id;
  silences_->Set(Make("alertname=A", 0ms, 1h), [&](Result<std::string> r) { id = *r; });
  brain_->RunUntil(clock_.Now());
  EXPECT_FALSE(id);
  EXPECT_THAT(Quieting(kAlert), IsEmpty());
  store_.ReleaseCommits();
  brain_->RunUntil(clock_.Now());
  ASSERT_TRUE(id);
  EXPECT_THAT(Quieting(kAlert), ElementsAre(*id));
  store_.FailNth(1, Error{"disk full", Cause::kUnavailable});
  EXPECT_EQ(Set(Make("host=x", 0ms, 1h)).error().message, "disk full");
  EXPECT_THAT(Quieting(kAlert), SizeIs(1));
}

TEST_F(SilencesTest, WhatWasAnsweredIsThereAfterACrash) {
  const std::string id = Set(Make("alertname=A", 0ms, 1h)).value();
  const std::string over = Set(Make("host=x", 0ms, 1h)).value();
  ASSERT_TRUE(Expire(over));
  store_.Crash();
  store_.Restart();
  Boot();
  EXPECT_THAT(Quieting(kAlert), ElementsAre(id));
  const auto silence = silences_->Find(id);
  EXPECT_EQ(silence->created_by, "me");
  EXPECT_EQ(silence->comment, "because");
  EXPECT_EQ(silence->matchers, ParseMatchers("alertname=A").value());
  EXPECT_EQ(StateOf(over), State::kExpired);
}

TEST_F(SilencesTest, RefusesInAlertmanagersWords) {
  struct Case {
    Silence silence;
    Cause cause;
    std::string message;
  };
  Silence unknown = Make("a=b", 0ms, 1h);
  unknown.id = "nope";
  Silence none = Make("", 0ms, 1h);
  Silence long_one = Make("a=b", 0ms, 1h);
  long_one.comment = std::string(70'000, 'x');
  const Case cases[] = {
      {Make("a=b", 1h, 1min), Cause::kInvalid, "start time must be before end time"},
      {Make("a=b", -2h, -1h), Cause::kInvalid, "end time can't be in the past"},
      {none, Cause::kInvalid, "invalid silence: at least one matcher required"},
      {Make("a=~\".*\"", 0ms, 1h), Cause::kInvalid,
       "invalid silence: matcher set 0: at least one matcher must not match the empty string"},
      {unknown, Cause::kNotFound, "silence not found"},
      {long_one, Cause::kLimit, "silence exceeded maximum size: 70004 bytes (limit: 65536 bytes)"},
  };
  for (const Case& c : cases) {
    const auto id = Set(c.silence);
    ASSERT_FALSE(id) << c.message;
    EXPECT_EQ(id.error().message, c.message);
    EXPECT_EQ(id.error().cause, c.cause);
  }
  EXPECT_EQ(Expire("nope").error().cause, Cause::kNotFound);
  options_.silences_max = 1;
  Boot();
  ASSERT_TRUE(Set(Make("a=b", 0ms, 1h)));
  EXPECT_EQ(Set(Make("a=c", 0ms, 1h)).error().cause, Cause::kLimit);
}

TEST_F(SilencesTest, TheSameMatchersAreChangedInPlace) {
  Silence silence = Make("alertname=A", 0ms, 1h);
  silence.id = Set(silence).value();
  silence.starts_at = silences_->Find(silence.id)->starts_at;
  Pass(10min);
  silence.ends_at = now() + 2h;
  silence.comment = "longer";
  EXPECT_EQ(Set(silence).value(), silence.id);
  EXPECT_EQ(silences_->Find(silence.id)->ends_at, now() + 2h);
  EXPECT_THAT(silences_->All(), SizeIs(1));
}

TEST_F(SilencesTest, OtherMatchersMakeANewOneAndEndTheOld) {
  Silence silence = Make("alertname=A", 0ms, 1h);
  silence.id = Set(silence).value();
  Silence other = Make("alertname=B", 0ms, 1h);
  other.id = silence.id;
  const std::string id = Set(other).value();
  EXPECT_NE(id, silence.id);
  EXPECT_EQ(StateOf(silence.id), State::kExpired);
  EXPECT_EQ(StateOf(id), State::kActive);
  EXPECT_THAT(Quieting(kAlert), IsEmpty());
}

TEST_F(SilencesTest, AnExpiredOneIsReplacedByANewOne) {
  Silence silence = Make("alertname=A", 0ms, 1h);
  silence.id = Set(silence).value();
  ASSERT_TRUE(Expire(silence.id));
  ASSERT_TRUE(Expire(silence.id)) << "over already is fine";
  silence.ends_at = now() + 1h;
  EXPECT_NE(Set(silence).value(), silence.id);
}

TEST_F(SilencesTest, APendingOneThatIsExpiredNeverWas) {
  const std::string id = Set(Make("alertname=A", 1h, 2h)).value();
  ASSERT_TRUE(Expire(id));
  EXPECT_EQ(StateOf(id), State::kExpired);
  Pass(90min);
  EXPECT_THAT(Quieting(kAlert), IsEmpty());
}

TEST_F(SilencesTest, AStartInThePastIsNow) {
  const std::string id = Set(Make("alertname=A", -1h, 1h)).value();
  EXPECT_EQ(silences_->Find(id)->starts_at, now());
}

TEST_F(SilencesTest, ExpiredOnesAreForgottenAfterTheRetention) {
  Set(Make("alertname=A", 0ms, 1h)).value();
  const std::string live = Set(Make("alertname=A", 0ms, 1000h)).value();
  for (int hour = 0; hour < 120; ++hour) Pass(1h);
  EXPECT_THAT(silences_->All(), SizeIs(2));
  Pass(2h);
  EXPECT_THAT(silences_->All(), SizeIs(1));
  EXPECT_THAT(store_.All("silence"), SizeIs(1));
  EXPECT_THAT(Quieting(kAlert), ElementsAre(live));
}

TEST_F(SilencesTest, ChangesAreMadeOneAfterTheOther) {
  Silence silence = Make("alertname=A", 0ms, 1h);
  silence.id = Set(silence).value();
  store_.HoldCommits();
  std::vector<std::string> order;
  silences_->Expire(silence.id, [&](const Status&) { order.push_back("expired"); });
  silences_->Set(silence, [&](const Result<std::string>& id) {
    order.push_back(*id == silence.id ? "changed" : "new");
  });
  brain_->RunUntil(clock_.Now());
  EXPECT_EQ(store_.Waiting(), 1u);
  store_.ReleaseCommits();
  brain_->RunUntil(clock_.Now());
  EXPECT_THAT(order, ElementsAre("expired", "new")) << "the second sees what the first did";
}

}  // namespace
}  // namespace fettle::receivers

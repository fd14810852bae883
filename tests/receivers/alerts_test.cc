#include "receivers/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using namespace std::chrono_literals;

// Writes down what it hears: "+a" fires, "-a" is resolved.
class Listener final : public AlertConsumer {
 public:
  void Consider(const LiveAlert& alert, const Moment& now) override {
    heard.push_back((alert.alert.ResolvedAt(now.wall) ? "-" : "+") +
                    std::string(alert.alert.labels.Get("alertname")));
  }
  bool Needs(std::uint64_t) const override { return needs_all; }
  std::vector<std::string> Take() { return std::exchange(heard, {}); }
  std::vector<std::string> heard;
  bool needs_all = false;
};

class AlertsTest : public testing::Test {
 protected:
  AlertsTest() { Boot(); }

  // A process begins: with what the store has, and nothing else.
  void Boot() {
    hands_.Drop();
    brain_.emplace();
    alerts_.emplace(Alerts::Deps{*brain_, hands_, store_, clock_, metrics_, log_.For("alerts")},
                    options_);
    ASSERT_TRUE(alerts_->Restore(clock_.Now()));
    listener_.heard.clear();
    alerts_->Subscribe(listener_, clock_.Now());
  }
  void Pass(Micros duration) {
    clock_.Pass(duration);
    Settle();
  }
  void Settle() {
    do {
      brain_->RunUntil(clock_.Now());
    } while (hands_.Work() > 0);
  }
  Status Post(std::vector<Alert> alerts, AlertSource source = AlertSource::kApi) {
    std::optional<Status> status;
    alerts_->Post({source, std::move(alerts)}, [&](Status s) { status = std::move(s); });
    Settle();
    return status ? *status : Status(Fail("nobody was told"));
  }
  Alert Named(const std::string& name, Millis age = 0ms, std::optional<Millis> ends = {}) {
    const Time now = clock_.Now().wall;
    return {Labels{{"alertname", name}}, {}, now - age, ends ? now + *ends : Time{}, ""};
  }
  Alert Resolved(const std::string& name, Millis age) { return Named(name, age, 0ms); }
  std::shared_ptr<const LiveAlert> Find(const std::string& name) {
    return alerts_->Find(Labels{{"alertname", name}}.Fingerprint());
  }
  bool Firing(const std::string& name) {
    const auto live = Find(name);
    return live != nullptr && !live->alert.ResolvedAt(clock_.Now().wall);
  }

  ManualClock clock_;
  MemoryStore store_{clock_};
  InlineHands hands_;
  Metrics metrics_;
  RecordedLog log_;
  Alerts::Options options_;
  std::optional<Brain> brain_;
  Listener listener_;
  std::optional<Alerts> alerts_;
};

TEST_F(AlertsTest, TellsOfAnAlertOnlyOnceItIsStored) {
  store_.HoldCommits();
  bool answered = false;
  alerts_->Post({AlertSource::kApi, {Named("a")}},
                [&](const Status& s) { answered = s.has_value(); });
  Settle();
  EXPECT_FALSE(answered);
  EXPECT_THAT(listener_.heard, IsEmpty());
  store_.CommitWaiting();
  EXPECT_TRUE(answered);
  Settle();
  EXPECT_THAT(listener_.Take(), ElementsAre("+a"));
}

TEST_F(AlertsTest, WhoeverAsksAfterTheAnswerFindsTheAlert) {
  std::size_t found = 0;
  alerts_->Post({AlertSource::kApi, {Named("a")}}, [&](const Status&) {
    brain_->Finish([&](const Moment&) { found = alerts_->Snapshot()->alerts.size(); });
  });
  Settle();
  EXPECT_EQ(found, 1u);
}

TEST_F(AlertsTest, TellsOfEveryChange) {
  ASSERT_TRUE(Post({Named("a"), Named("b")}));
  EXPECT_THAT(listener_.Take(), ElementsAre("+a", "+b"));
  Pass(1min);
  ASSERT_TRUE(Post({Named("a", 1min)}));
  EXPECT_THAT(listener_.Take(), ElementsAre("+a"));
  ASSERT_TRUE(Post({Resolved("a", 1min)}));
  EXPECT_THAT(listener_.Take(), ElementsAre("-a"));
}

TEST_F(AlertsTest, AnAlertNobodyRepeatsIsOver) {
  ASSERT_TRUE(Post({Named("a")}));
  Pass(4min + 59s);
  EXPECT_THAT(listener_.Take(), ElementsAre("+a"));
  Pass(1s);
  EXPECT_THAT(listener_.Take(), ElementsAre("-a"));
  EXPECT_FALSE(Find("a")->times_out) << "the end is a stored fact now";
}

TEST_F(AlertsTest, ARepeatedAlertIsNotOver) {
  ASSERT_TRUE(Post({Named("a")}));
  for (int minute = 1; minute <= 20; ++minute) {
    Pass(1min);
    ASSERT_TRUE(Post({Named("a", 1min * minute)}));
  }
  EXPECT_EQ(std::count(listener_.heard.begin(), listener_.heard.end(), "-a"), 0);
  EXPECT_EQ(Find("a")->alert.starts_at, clock_.Now().wall - 20min);
}

TEST_F(AlertsTest, AnEndTheSenderGaveComesByItself) {
  ASSERT_TRUE(Post({Named("a", 0ms, 90s)}));
  Pass(89s);
  EXPECT_THAT(listener_.Take(), ElementsAre("+a"));
  Pass(1s);
  EXPECT_THAT(listener_.Take(), ElementsAre("-a"));
  Boot();
  EXPECT_THAT(listener_.Take(), ElementsAre("-a")) << "it was stored";
}

TEST_F(AlertsTest, AnAlertOfTheWebhookLivesUntilResolvedOrTooOld) {
  ASSERT_TRUE(Post({Named("a"), Named("b")}, AlertSource::kWebhook));
  Pass(1h);
  ASSERT_TRUE(Post({Resolved("a", 1h)}, AlertSource::kWebhook));
  EXPECT_FALSE(Firing("a"));
  Pass(3h + 59min);
  EXPECT_TRUE(Firing("b"));
  Pass(1min);
  EXPECT_FALSE(Firing("b"));
}

TEST_F(AlertsTest, ARepeatThatRacesWithTheTimeOutWins) {
  ASSERT_TRUE(Post({Named("a")}));
  listener_.heard.clear();
  store_.HoldCommits();
  clock_.Pass(5min);
  alerts_->Post({AlertSource::kApi, {Named("a", 5min)}}, [](const Status&) {});
  brain_->RunUntil(clock_.Now());  // the time-out is on its way behind the repeat
  EXPECT_EQ(store_.Waiting(), 2u);
  store_.ReleaseCommits();
  Settle();
  EXPECT_TRUE(Firing("a"));
  EXPECT_THAT(listener_.heard, ElementsAre("+a"));
}

TEST_F(AlertsTest, ATimeOutThatCannotBeStoredIsTriedAgain) {
  ASSERT_TRUE(Post({Named("a")}));
  listener_.heard.clear();
  store_.FailCommits(Error{"disk full", Cause::kUnavailable});
  Pass(6min);
  EXPECT_THAT(listener_.heard, IsEmpty());
  EXPECT_TRUE(log_.Contains("could not store that alerts ended"));
  store_.Heal();
  Pass(30s);
  EXPECT_THAT(listener_.Take(), ElementsAre("-a"));
}

TEST_F(AlertsTest, StoresTheValidAlertsOfABatchAndNamesTheOthers) {
  const Status status = Post({Named("a"), Alert{}, Named("b", 0ms, -1min), Named("c")});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().cause, Cause::kInvalid);
  EXPECT_EQ(status.error().message,
            "at least one label pair required\nstart time must be before end time");
  EXPECT_THAT(listener_.Take(), ElementsAre("+a", "+c"));
}

TEST_F(AlertsTest, AFailedStoreMeansThatNothingWasHeard) {
  store_.FailNth(1, Error{"disk full", Cause::kUnavailable});
  const Status status = Post({Named("a")});
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().retryable());
  EXPECT_THAT(listener_.heard, IsEmpty());
  ASSERT_TRUE(Post({Named("a")}));
  EXPECT_THAT(listener_.Take(), ElementsAre("+a"));
}

TEST_F(AlertsTest, ARestartKnowsWhatWasAnswered) {
  ASSERT_TRUE(Post({Named("a", 1min), Named("b")}));
  ASSERT_TRUE(Post({Resolved("b", 0ms)}));
  ASSERT_TRUE(Post({Named("c", 0ms, 10min)}, AlertSource::kWebhook));
  Boot();
  EXPECT_THAT(listener_.Take(), testing::UnorderedElementsAre("+a", "-b", "+c"));
  EXPECT_EQ(Find("a")->alert.starts_at, clock_.Now().wall - 1min);
  EXPECT_EQ(Find("c")->source, AlertSource::kWebhook);
}

TEST_F(AlertsTest, AfterADowntimeSendersGetTheirTimeToRepeat) {
  ASSERT_TRUE(Post({Named("a")}));
  clock_.Pass(1h);  // nobody is there
  Boot();
  EXPECT_TRUE(Firing("a"));
  Pass(5min);
  EXPECT_FALSE(Firing("a"));
}

TEST_F(AlertsTest, ATimeOutThatHappenedIsNotForgottenByARestart) {
  ASSERT_TRUE(Post({Named("a")}));
  Pass(6min);
  Boot();
  EXPECT_THAT(listener_.Take(), ElementsAre("-a"));
}

// Prometheus gives each alert an end some minutes ahead, and moves it when it repeats the alert.
TEST_F(AlertsTest, AnEndAheadIsNoneIfItsSenderCouldNotMoveIt) {
  ASSERT_TRUE(Post({Named("a", 0ms, 4min)}));
  clock_.Pass(1h);
  Boot();
  EXPECT_TRUE(Firing("a"));
  ASSERT_TRUE(Post({Named("a", 1h, 4min)}));
  EXPECT_EQ(Find("a")->alert.ends_at, clock_.Now().wall + 4min) << "its sender's word again";
  Pass(4min);
  EXPECT_FALSE(Firing("a"));
}

TEST_F(AlertsTest, AnEndInThePastIsOneAfterADowntimeToo) {
  ASSERT_TRUE(Post({Named("a", 10min, 4min)}));
  ASSERT_TRUE(Post({Resolved("a", 10min)}));
  clock_.Pass(1h);
  Boot();
  EXPECT_FALSE(Firing("a"));
}

TEST_F(AlertsTest, ResolvedAlertsAreForgottenUnlessSomebodyNeedsThem) {
  ASSERT_TRUE(Post({Named("a"), Named("b", 0ms, 10h)}));
  Pass(10min);
  listener_.needs_all = true;
  Pass(30min);
  EXPECT_NE(Find("a"), nullptr);
  listener_.needs_all = false;
  Pass(30min);
  EXPECT_EQ(Find("a"), nullptr);
  EXPECT_NE(Find("b"), nullptr);
}

TEST_F(AlertsTest, ASnapshotIsBuiltOnceAVersionAndSorted) {
  ASSERT_TRUE(Post({Named("a"), Named("b"), Named("c")}));
  const auto snapshot = alerts_->Look(1s).value();
  EXPECT_THAT(snapshot->alerts, SizeIs(3));
  EXPECT_TRUE(
      std::is_sorted(snapshot->alerts.begin(), snapshot->alerts.end(),
                     [](const auto& x, const auto& y) { return x->fingerprint < y->fingerprint; }));
  EXPECT_EQ(alerts_->Snapshot(), snapshot);
  ASSERT_TRUE(Post({Named("d")}));
  EXPECT_NE(alerts_->Snapshot(), snapshot);
  EXPECT_THAT(snapshot->alerts, SizeIs(3)) << "whoever holds the old one is not disturbed";
}

TEST_F(AlertsTest, AtTheLimitNewAlertsAreRefusedAndKnownOnesHeard) {
  options_.alerts_max = 3;
  Boot();
  ASSERT_TRUE(Post({Named("a"), Named("b")}));
  const Status status = Post({Resolved("a", 0ms), Named("c"), Named("d")});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().cause, Cause::kLimit);
  EXPECT_FALSE(Firing("a"));
  EXPECT_TRUE(Firing("c"));
  EXPECT_EQ(Find("d"), nullptr);
  EXPECT_EQ(metrics_.Counter("fettle_alerts_refused_total", "").Value(), 1);
  // The resolved one makes room.
  Pass(10s);
  EXPECT_TRUE(Post({Named("d")}));
  EXPECT_TRUE(Firing("d"));
}

TEST_F(AlertsTest, AnUnsubscribedConsumerHearsNothing) {
  alerts_->Unsubscribe(listener_);
  ASSERT_TRUE(Post({Named("a")}));
  EXPECT_THAT(listener_.heard, IsEmpty());
}

// ---- what is stored -----------------------------------------------------------------------------

class AlertLogTest : public AlertsTest {
 protected:
  // An alert with so much to say that a few of them make the store fold.
  Alert Big(int number) {
    Alert alert = Named("big" + std::to_string(number));
    alert.annotations = Labels{{"text", std::string(100'000, 'x')}};
    return alert;
  }
};

TEST_F(AlertLogTest, OnePostIsOneRecord) {
  ASSERT_TRUE(Post({Named("a"), Named("b"), Named("c")}));
  EXPECT_THAT(store_.All("alerts"), SizeIs(1));
  ASSERT_TRUE(Post({Named("a")}));
  EXPECT_THAT(store_.All("alerts"), SizeIs(2));
}

TEST_F(AlertLogTest, AHugePostIsSeveralRecordsOfOneTransaction) {
  std::vector<Alert> alerts;
  for (int i = 0; i < 25; ++i) alerts.push_back(Big(i));
  const int before = store_.Commits();
  ASSERT_TRUE(Post(alerts));
  EXPECT_EQ(store_.Commits(), before + 1);
  EXPECT_THAT(store_.All("alerts"), SizeIs(3));
  Boot();
  EXPECT_THAT(alerts_->Snapshot()->alerts, SizeIs(25));
}

TEST_F(AlertLogTest, PostingsAreFoldedIntoBucketsWhenTheyWeighTooMuch) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Post({Big(i % 10)}));
  EXPECT_LT(store_.All("alerts").size(), 60u);
  EXPECT_THAT(store_.All("alerts_live"), SizeIs(testing::AllOf(testing::Gt(0u), testing::Le(10u))));
  EXPECT_GE(metrics_.Counter("fettle_alerts_folds_total", "", {{"result", "success"}}).Value(), 1);
  Boot();
  EXPECT_THAT(alerts_->Snapshot()->alerts, SizeIs(10));
}

TEST_F(AlertLogTest, AFoldThatFailsIsTriedAgainLater) {
  hands_.queue_max = 0;  // all hands are busy
  for (int i = 0; i < 45; ++i) ASSERT_TRUE(Post({Big(i % 10)}));
  EXPECT_TRUE(log_.Contains("could not fold stored alerts"));
  hands_.queue_max = 100;
  ASSERT_TRUE(Post({Named("a")}));
  EXPECT_THAT(store_.All("alerts_live"), SizeIs(0));
  Pass(60s);
  ASSERT_TRUE(Post({Named("a")}));
  EXPECT_GT(store_.All("alerts_live").size(), 0u);
}

TEST_F(AlertLogTest, WhatWasErasedFromABucketDoesNotComeBack) {
  for (int i = 0; i < 45; ++i) ASSERT_TRUE(Post({Big(i % 10)}));
  ASSERT_GT(store_.All("alerts_live").size(), 0u);
  Pass(6min);   // all of them time out …
  Pass(30min);  // … and are forgotten
  ASSERT_THAT(alerts_->Snapshot()->alerts, SizeIs(0));
  for (int i = 100; i < 150; ++i) ASSERT_TRUE(Post({Big(i % 3 + 100)}));
  Boot();
  EXPECT_EQ(Find("big0"), nullptr);
  EXPECT_NE(Find("big101"), nullptr);
}

TEST_F(AlertLogTest, AStoreThatCannotBeReadStopsTheStart) {
  store_.FailReads(Error{"no such table", Cause::kFailed});
  Alerts other({*brain_, hands_, store_, clock_, metrics_, log_.For("alerts")}, options_);
  const Status status = other.Restore(clock_.Now());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "restoring alerts: no such table");
}

// A crash at the Nth commit, for every N: what was answered is there afterwards, and an alert that
// was answered as resolved does not fire again.
TEST_F(AlertLogTest, NothingAnsweredIsLostWhereverItCrashes) {
  for (const Kept kept : {Kept::kNo, Kept::kYes}) {
    for (int nth = 1;; ++nth) {
      MemoryStore store(clock_);
      Brain brain;
      InlineHands hands;
      Metrics metrics;
      std::map<std::string, bool> answered;  // by name: does it fire
      bool crashed = false;
      {
        Alerts alerts({brain, hands, store, clock_, metrics, log_.For("alerts")}, options_);
        ASSERT_TRUE(alerts.Restore(clock_.Now()));
        store.CrashAtNth(nth, kept);
        for (int i = 0; i < 60 && !store.Crashed(); ++i) {
          const bool resolve = i % 5 == 4;
          Alert alert = Big(resolve ? i - 1 : i);
          if (resolve) alert.ends_at = clock_.Now().wall;
          const std::string name(alert.labels.Get("alertname"));
          alerts.Post({AlertSource::kApi, {alert}}, [&](const Status& s) {
            if (s) answered[name] = !resolve;
          });
          clock_.Pass(1s);
          do {
            brain.RunUntil(clock_.Now());
          } while (hands.Work() > 0 && !store.Crashed());
        }
        crashed = store.Crashed();
      }
      if (!crashed) break;
      store.Restart();
      Brain second_brain;
      Alerts second({second_brain, hands, store, clock_, metrics, log_.For("alerts")}, options_);
      ASSERT_TRUE(second.Restore(clock_.Now()));
      for (const auto& [name, fires] : answered) {
        const auto live = second.Find(Labels{{"alertname", name}}.Fingerprint());
        ASSERT_NE(live, nullptr) << name << " after a crash at commit " << nth;
        // The one that was on its way when the process died may or may not be there.
        if (live->alert.ResolvedAt(clock_.Now().wall) == fires) {
          EXPECT_EQ(kept, Kept::kYes) << name << " after a crash at commit " << nth;
        }
      }
    }
  }
}

}  // namespace
}  // namespace fettle::receivers

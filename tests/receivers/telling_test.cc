// When people are told, of what, and when not: hours of town life, in milliseconds.
#include "receivers/telling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/town.h"

namespace fettle::receivers {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using namespace std::chrono_literals;

Result<HttpResponse> Status500() { return TextResponse(500, "try later"); }
Result<HttpResponse> Status400() { return TextResponse(400, "no"); }

// ---- groups in time -----------------------------------------------------------------------------

TEST(TellingTest, WaitsForTheGroupBeforeItSpeaks) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(29s);
  town.Fire("DiskSlow");
  EXPECT_EQ(town.Sent(), Lines{});
  town.Pass(1s);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull+DiskSlow"});
}

TEST(TellingTest, AGroupSpeaksAgainOnlyWhenSomethingIsNew) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(30s);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
  town.Pass(20min);
  EXPECT_EQ(town.Sent(), Lines{});
  town.Fire("DiskSlow");
  town.Pass(5min);
  EXPECT_EQ(town.Sent(), Lines{"25m30s DiskFull+DiskSlow"}) << "at the group's next turn";
}

TEST(TellingTest, ARePostOfTheSameIsNoNews) {
  Town town;
  town.Fire("DiskFull");
  for (int minute = 0; minute < 60; ++minute) {
    town.Pass(1min);
    town.Fire("DiskFull");
  }
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
}

TEST(TellingTest, RepeatsAfterTheRepeatIntervalRoundedUpToATurn) {
  Town town(R"(
global: {resolve_timeout: 1000h}
route: {receiver: people, group_wait: 30s, group_interval: 5m, repeat_interval: 12m}
receivers: [{name: people, webhook_configs: [{url: "http://town/people"}]}]
)");
  town.Fire("DiskFull");
  town.Pass(40min);
  EXPECT_EQ(town.Sent(), (Lines{"30s DiskFull", "15m30s DiskFull", "30m30s DiskFull"}));
}

TEST(TellingTest, EqualIntervalsRepeatEverySecondTurn) {
  Town town(R"(
global: {resolve_timeout: 1000h}
route: {receiver: people, group_wait: 0s, group_interval: 5m, repeat_interval: 5m}
receivers: [{name: people, webhook_configs: [{url: "http://town/people"}]}]
)");
  town.Fire("DiskFull");
  town.Pass(30min);
  EXPECT_EQ(town.Sent(), (Lines{"0s DiskFull", "10m DiskFull", "20m DiskFull", "30m DiskFull"}));
}

TEST(TellingTest, TellsOfTheEndOnce) {
  Town town;
  town.Fire("DiskFull");
  town.Fire("DiskSlow");
  town.Pass(2min);
  town.Resolve("DiskFull");
  town.Pass(4min);
  EXPECT_EQ(town.Sent(), (Lines{"30s DiskFull+DiskSlow", "5m30s -DiskFull+DiskSlow"}));
  town.Resolve("DiskSlow");
  town.Pass(1h);
  EXPECT_EQ(town.Sent(), Lines{"10m30s -DiskSlow"});
}

TEST(TellingTest, WhatEndsBeforeTheFirstTurnIsNeverHeardOf) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(10s);
  town.Resolve("DiskFull");
  town.Pass(1h);
  EXPECT_EQ(town.Sent(), Lines{});
  EXPECT_THAT(town.telling().Groups(), IsEmpty());
}

TEST(TellingTest, AnEmptiedGroupIsGoneAndANewOneWaitsAgain) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(1min);
  town.Resolve("DiskFull");
  town.Pass(5min);
  EXPECT_EQ(town.Sent(), (Lines{"30s DiskFull", "5m30s -DiskFull"}));
  town.Fire("DiskFull");
  town.Pass(30s);
  EXPECT_EQ(town.Sent(), Lines{"6m30s DiskFull"}) << "not at the old group's next turn";
}

TEST(TellingTest, AnOldAlertDoesNotWait) {
  Town town;
  Alert old{Labels{{"alertname", "Old"}}, {}, town.now() - 1h, Time{}, ""};
  ASSERT_TRUE(town.Post({AlertSource::kApi, {old}}));
  EXPECT_EQ(town.Sent(), Lines{"0s Old"});
}

TEST(TellingTest, AnOldAlertDoesNotHurryAGroupThatIsThere) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(10s);
  Alert old{Labels{{"alertname", "Old"}}, {}, town.now() - 1h, Time{}, ""};
  ASSERT_TRUE(town.Post({AlertSource::kApi, {old}}));
  EXPECT_EQ(town.Sent(), Lines{});
  town.Pass(20s);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull+Old"});
}

TEST(TellingTest, AnAlertThatTimesOutIsToldAsResolved) {
  Town town(R"(
route: {receiver: people, group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: people, webhook_configs: [{url: "http://town/people"}]}]
)");
  town.Fire("DiskFull");
  town.Pass(11min);
  EXPECT_EQ(town.Sent(), (Lines{"30s DiskFull", "5m30s -DiskFull"}));
}

TEST(TellingTest, ARefireDuringATellingIsNotLost) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(1min);
  town.Resolve("DiskFull");
  // While the end is being told, it fires again.
  town.AnswerOf("people", [&town] {
    town.AnswerOf("people", nullptr);
    town.alerts().Post(
        {AlertSource::kApi, {{Labels{{"alertname", "DiskFull"}}, {}, Time{}, Time{}, ""}}},
        [](const Status&) {});
    return TextResponse(200, "");
  });
  town.Pass(10min);
  EXPECT_EQ(town.Sent(), (Lines{"30s DiskFull", "5m30s -DiskFull", "10m30s DiskFull"}));
}

// ---- routes -------------------------------------------------------------------------------------

constexpr const char* kTwoTeams = R"(
global: {resolve_timeout: 1000h}
route:
  receiver: people
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  routes:
  - {matchers: ['team="db"'], receiver: db, group_by: [alertname, disk], continue: true}
  - {matchers: ['team=~"db|web"'], receiver: web}
receivers:
- {name: people, webhook_configs: [{url: "http://town/people"}]}
- {name: db, webhook_configs: [{url: "http://town/db"}]}
- {name: web, webhook_configs: [{url: "http://town/web"}]}
)";

TEST(TellingTest, RoutesByMatchersAndGoesOnWhereToldTo) {
  Town town(kTwoTeams);
  town.Fire("Slow", {{"team", "db"}});
  town.Fire("Down", {{"team", "web"}});
  town.Fire("Odd");
  town.Pass(10s);
  EXPECT_THAT(town.Sent(), testing::UnorderedElementsAre("10s db Slow", "10s web Slow",
                                                         "10s web Down", "10s Odd"));
}

TEST(TellingTest, GroupsByTheLabelsOfTheRoute) {
  Town town(kTwoTeams);
  town.Fire("Slow", {{"team", "db"}, {"disk", "a"}, {"host", "1"}});
  town.Fire("Slow", {{"team", "db"}, {"disk", "a"}, {"host", "2"}});
  town.Fire("Slow", {{"team", "db"}, {"disk", "b"}});
  town.Pass(10s);
  EXPECT_THAT(town.Sent(), testing::UnorderedElementsAre("10s db Slow+Slow", "10s db Slow",
                                                         "10s web Slow+Slow+Slow"));
}

TEST(TellingTest, EveryReceiverHasAMemoryOfItsOwn) {
  Town town(kTwoTeams);
  town.AnswerOf("db", Status500);
  town.Fire("Slow", {{"team", "db"}});
  town.Pass(3min);
  EXPECT_EQ(town.Sent(), Lines{"10s web Slow"}) << "told once, whatever db answers";
  town.AnswerOf("db", nullptr);
  town.Pass(2min);
  EXPECT_THAT(town.Sent(), ElementsAre(HasSubstr("db Slow")));
}

TEST(TellingTest, IntegrationsOfOneReceiverAreToldSideBySide) {
  Town town(R"(
global: {resolve_timeout: 1000h}
route: {receiver: both, group_wait: 0s, group_interval: 1m, repeat_interval: 1h}
receivers:
- {name: both, webhook_configs: [{url: "http://town/one"}, {url: "http://town/two", send_resolved: false}]}
)");
  town.AnswerOf("one", Status500);
  town.Fire("DiskFull");
  town.Pass(2min);
  EXPECT_EQ(town.Sent(), Lines{"0s two DiskFull"});
  town.AnswerOf("one", nullptr);
  town.Pass(1min);
  EXPECT_THAT(town.Sent(), ElementsAre(HasSubstr("one DiskFull")));
}

TEST(TellingTest, AReceiverWithoutIntegrationsHearsNothing) {
  Town town(R"(
route: {receiver: nobody, group_wait: 0s}
receivers: [{name: nobody}]
)");
  town.Fire("DiskFull");
  town.Pass(1h);
  EXPECT_EQ(town.Sent(), Lines{});
}

TEST(TellingTest, SendResolvedFalseLeavesTheEndOut) {
  Town town(R"(
global: {resolve_timeout: 1000h}
route: {receiver: people, group_wait: 0s, group_interval: 1m, repeat_interval: 1h}
receivers: [{name: people, webhook_configs: [{url: "http://town/people", send_resolved: false}]}]
)");
  town.Fire("A");
  town.Fire("B");
  town.Pass(1min);
  EXPECT_EQ(town.Sent(), (Lines{"0s A", "1m A+B"}));
  town.Resolve("A");
  town.Pass(5min);
  EXPECT_EQ(town.Sent(), Lines{}) << "fewer is no news";
  town.Resolve("B");
  town.Pass(5min);
  EXPECT_EQ(town.Sent(), Lines{});
  town.Fire("B");
  town.Pass(1min);
  EXPECT_THAT(town.Sent(), ElementsAre(HasSubstr(" B"))) << "it is known that nothing fired";
}

// ---- reasons to stay quiet ----------------------------------------------------------------------

constexpr const char* kInhibiting = R"(
global: {resolve_timeout: 1000h}
route: {receiver: people, group_by: [alertname], group_wait: 0s, group_interval: 1m, repeat_interval: 4h}
receivers: [{name: people, webhook_configs: [{url: "http://town/people"}]}]
inhibit_rules:
- {source_matchers: ['severity="critical"'], target_matchers: ['severity="warning"'], equal: [host]}
)";

TEST(TellingTest, AFiringSourceKeepsItsTargetsQuiet) {
  Town town(kInhibiting);
  town.Fire("HostDown", {{"severity", "critical"}, {"host", "a"}});
  town.Fire("Slow", {{"severity", "warning"}, {"host", "a"}});
  town.Fire("Slow", {{"severity", "warning"}, {"host", "b"}});
  town.Pass(5min);
  EXPECT_EQ(town.Sent(), (Lines{"0s HostDown", "1m Slow"}));
  town.Resolve("HostDown", {{"severity", "critical"}, {"host", "a"}});
  town.Pass(1min);
  EXPECT_THAT(town.Sent(), testing::UnorderedElementsAre("6m -HostDown", "6m Slow+Slow"));
}

TEST(TellingTest, ASilencedSourceStillInhibits) {
  Town town(kInhibiting);
  ASSERT_TRUE(town.Silence("alertname=\"HostDown\"", 1h));
  town.Fire("HostDown", {{"severity", "critical"}, {"host", "a"}});
  town.Fire("Slow", {{"severity", "warning"}, {"host", "a"}});
  town.Pass(30min);
  EXPECT_EQ(town.Sent(), Lines{});
}

TEST(TellingTest, ASilenceHoldsWhileItLasts) {
  Town town;
  ASSERT_TRUE(town.Silence("alertname=~\"Disk.*\"", 12min));
  town.Fire("DiskFull");
  town.Fire("Hot");
  town.Pass(10min);
  EXPECT_EQ(town.Sent(), Lines{"30s Hot"});
  town.Pass(6min);
  EXPECT_EQ(town.Sent(), Lines{"15m30s DiskFull+Hot"});
}

TEST(TellingTest, AnExpiredSilenceHoldsNothing) {
  Town town;
  const auto id = town.Silence("alertname=\"DiskFull\"", 12h);
  ASSERT_TRUE(id);
  town.Fire("DiskFull");
  town.Pass(10min);
  ASSERT_TRUE(town.Unsilence(*id));
  town.Pass(5min);
  EXPECT_EQ(town.Sent(), Lines{"10m30s DiskFull"});
}

TEST(TellingTest, MuteAndActiveHoursHoldTheRoute) {
  // The town begins on a Thursday at midnight, UTC.
  Town town(R"(
global: {resolve_timeout: 1000h}
route:
  receiver: people
  group_wait: 0s
  group_interval: 30m
  routes:
  - {matchers: ['kind="muted"'], receiver: muted, mute_time_intervals: [nights]}
  - {matchers: ['kind="active"'], receiver: active, active_time_intervals: [mornings, evenings]}
receivers:
- {name: people}
- {name: muted, webhook_configs: [{url: "http://town/muted"}]}
- {name: active, webhook_configs: [{url: "http://town/active"}]}
time_intervals:
- {name: nights, time_intervals: [{times: [{start_time: "00:00", end_time: "06:00"}]}]}
- {name: mornings, time_intervals: [{times: [{start_time: "08:00", end_time: "10:00"}]}]}
- {name: evenings, time_intervals: [{times: [{start_time: "20:00", end_time: "22:00"}], weekdays: [friday]}]}
)");
  town.Fire("M", {{"kind", "muted"}});
  town.Fire("A", {{"kind", "active"}});
  town.Pass(5h + 59min);
  EXPECT_EQ(town.Sent(), Lines{});
  town.Pass(3h);
  EXPECT_EQ(town.Sent(), (Lines{"6h muted M", "8h active A"}));
}

TEST(TellingTest, SaysWhyARepairShouldStayQuiet) {
  Town town(kInhibiting);
  const Labels target{{"alertname", "Slow"}, {"severity", "warning"}, {"host", "a"}};
  EXPECT_EQ(town.telling().Why(target, town.clock().Now()), std::nullopt);
  const auto id = town.Silence("alertname=\"Slow\"", 1h);
  ASSERT_TRUE(id);
  EXPECT_EQ(town.telling().Why(target, town.clock().Now()), "silenced by " + *id);
  town.Fire("HostDown", {{"severity", "critical"}, {"host", "a"}});
  const Labels source{{"alertname", "HostDown"}, {"severity", "critical"}, {"host", "a"}};
  EXPECT_EQ(town.telling().Why(target, town.clock().Now()),
            "inhibited by " + source.FingerprintHex());
  EXPECT_FALSE(town.telling().InTimeInterval("nights", town.clock().Now()));
}

TEST(TellingTest, AlertsOfTheWebhookAreToldOnlyIfWanted) {
  const Alert alert{Labels{{"alertname", "Theirs"}}, {}, Time{}, Time{}, ""};
  Town quiet;
  ASSERT_TRUE(quiet.Post({AlertSource::kWebhook, {alert}}));
  quiet.Pass(1h);
  EXPECT_EQ(quiet.Sent(), Lines{});
  Telling::Options options;
  options.tell_webhook = true;
  Town loud(Town::kConfig, options);
  ASSERT_TRUE(loud.Post({AlertSource::kWebhook, {alert}}));
  loud.Pass(1h);
  EXPECT_EQ(loud.Sent(), Lines{"30s Theirs"});
}

// ---- receivers that fail ------------------------------------------------------------------------

TEST(TellingTest, TriesAgainWithGrowingWaitsUntilItIsTheGroupsTurnAgain) {
  Town town;
  town.AnswerOf("people", Status500);
  town.Fire("DiskFull");
  town.Pass(30s);
  EXPECT_EQ(town.Tries("people"), 1);
  town.Pass(10s);
  EXPECT_THAT(town.Tries("people"), testing::AllOf(testing::Ge(5), testing::Le(9)));
  town.Pass(4min + 49s);
  // Simulated for Alertmanager: 14 to 18, 15.4 in the mean.
  EXPECT_THAT(town.Tries("people"), testing::AllOf(testing::Ge(12), testing::Le(20)));
  town.AnswerOf("people", nullptr);
  town.Pass(1s);
  EXPECT_THAT(town.Sent(), ElementsAre("5m30s DiskFull"));
}

TEST(TellingTest, ARefusalIsTriedOnceATurn) {
  Town town;
  town.AnswerOf("people", Status400);
  town.Fire("DiskFull");
  town.Pass(12min);
  EXPECT_EQ(town.Tries("people"), 3);
  EXPECT_EQ(
      town.metrics()
          .Counter(
              "alertmanager_notifications_failed_total", "",
              {{"integration", "webhook"}, {"receiver_name", "people"}, {"reason", "clientError"}})
          .Value(),
      3);
  EXPECT_TRUE(town.log().Contains("unexpected status code 400: no"));
}

TEST(TellingTest, AnEndThatCouldNotBeToldIsToldLater) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(1min);
  town.AnswerOf("people", Status500);
  town.Resolve("DiskFull");
  town.Pass(2h);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
  town.AnswerOf("people", nullptr);
  town.Pass(5min);
  EXPECT_THAT(town.Sent(), ElementsAre(HasSubstr("-DiskFull")));
}

TEST(TellingTest, ALostConnectionIsTriedAgain) {
  Town town;
  town.AnswerOf("people", [&town]() -> Result<HttpResponse> {
    town.AnswerOf("people", nullptr);
    return Fail(Cause::kUnavailable, "connection refused");
  });
  town.Fire("DiskFull");
  town.Pass(32s);
  EXPECT_THAT(town.Sent(), ElementsAre(AnyOf("30s250ms DiskFull", HasSubstr("30s"))));
  EXPECT_EQ(town.Tries("people"), 2);
}

// ---- reload, crash ------------------------------------------------------------------------------

TEST(TellingTest, AReloadDoesNotRepeatAndCountsItsTurnsAnew) {
  Town town;
  town.Fire("DiskFull");
  town.Pass(2min);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
  town.Reload(Town::kConfig);
  EXPECT_EQ(town.Sent(), Lines{});
  town.Fire("DiskSlow");
  town.Pass(1h);
  EXPECT_EQ(town.Sent(), Lines{"7m DiskFull+DiskSlow"}) << "5m after the reload";
}

TEST(TellingTest, AReloadTellsTheNewReceiver) {
  Town town;
  town.Fire("Slow", {{"team", "db"}});
  town.Pass(1min);
  town.Sent();
  town.Reload(kTwoTeams);
  town.Pass(1s);
  EXPECT_THAT(town.Sent(), testing::UnorderedElementsAre("1m db Slow", "1m web Slow"));
}

TEST(TellingTest, WhatIsBeingToldDuringAReloadIsToldOnce) {
  Town town;
  town.Fire("DiskFull");
  town.AnswerOf("people", [&town] {
    town.AnswerOf("people", nullptr);
    // In the middle of the request the configuration changes.
    yaml::Complaints complaints;
    auto plan = MakePlan(*ReadAlertmanagerConfig(Town::kConfig, "town.yml", complaints),
                         {town, "Alertmanager/0.33.1"});
    town.brain().Finish([&town, plan](const Moment& now) { town.telling().Use(*plan, now); });
    town.brain().RunUntil(town.clock().Now());
    return TextResponse(200, "");
  });
  town.Pass(10min);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
}

TEST(TellingTest, ARestartRepeatsNothingAndForgetsNothing) {
  Town town;
  town.Fire("DiskFull");
  town.Fire("DiskSlow");
  town.Pass(1min);
  ASSERT_TRUE(town.Silence("alertname=\"Hot\"", 10h));
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull+DiskSlow"});
  town.Restart();
  town.Fire("Hot");
  town.Pass(1h);
  EXPECT_EQ(town.Sent(), Lines{});
  town.Resolve("DiskSlow");
  town.Restart();
  town.Pass(1min);
  EXPECT_THAT(town.Sent(), ElementsAre(HasSubstr("DiskFull+-DiskSlow")))
      << "an end that nobody was told of survives the restart";
}

TEST(TellingTest, AfterADowntimeNothingIsSaidToBeOverThatNobodySaidIsOver) {
  Town town(R"(
route: {receiver: people, group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: people, webhook_configs: [{url: "http://town/people"}]}]
)");
  town.Fire("DiskFull");
  town.Pass(1min);
  EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
  town.store().Crash();
  town.clock().Pass(1h);
  town.Restart();
  town.Pass(1min);
  town.Fire("DiskFull");
  town.Pass(4min);
  EXPECT_EQ(town.Sent(), Lines{});
}

TEST(TellingTest, NobodyIsToldBeforeTheStartDelayIsOver) {
  Telling::Options options;
  options.start_delay = 2min;
  Town town(Town::kConfig, options);
  Alert old{Labels{{"alertname", "Old"}}, {}, town.now() - 1h, Time{}, ""};
  ASSERT_TRUE(town.Post({AlertSource::kApi, {old}}));
  town.Pass(1min);
  town.Fire("New");
  town.Pass(59s);
  EXPECT_EQ(town.Sent(), Lines{});
  town.Pass(1s);
  EXPECT_EQ(town.Sent(), Lines{"2m New+Old"});
}

// ---- telling for repairs ------------------------------------------------------------------------

class TellerTest : public testing::Test {
 protected:
  Status Tell(const std::string& receiver, Millis timeout = 1min) {
    std::optional<Status> answer;
    const Alert alert{Labels{{"alertname", "RepairFailed"}}, {}, town_.now(), Time{}, ""};
    town_.telling().Tell(receiver, "incident/1", {alert}, timeout,
                         [&answer](Status status, const Moment&) { answer = std::move(status); });
    town_.Settle();
    for (int second = 0; second < 120 && !answer; ++second) town_.Pass(1s);
    return answer ? *answer : Status(Fail("nobody answered"));
  }
  Town town_{kTwoTeams};
};

TEST_F(TellerTest, TellsAReceiverAtOncePastRoutesAndGroups) {
  EXPECT_TRUE(town_.telling().Knows("db"));
  EXPECT_FALSE(town_.telling().Knows("nobody"));
  ASSERT_TRUE(Tell("db"));
  EXPECT_EQ(town_.Sent(), Lines{"0s db RepairFailed"});
  EXPECT_THAT(town_.Bodies().back(), HasSubstr(R"("groupKey":"incident/1")"));
  ASSERT_TRUE(Tell("db")) << "an escalation is told whenever it is asked for";
  EXPECT_THAT(town_.Sent(), SizeIs(1));
}

TEST_F(TellerTest, TriesAgainUntilTheTimeout) {
  town_.AnswerOf("db", Status500);
  const Status failed = Tell("db", 20s);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("telling db/webhook[0]: given up after"));
  EXPECT_EQ(town_.age(), 20s);
  EXPECT_GT(town_.Tries("db"), 3);
}

TEST_F(TellerTest, AnUnknownReceiverIsAnError) {
  const Status failed = Tell("nobody");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().cause, Cause::kNotFound);
}

}  // namespace
}  // namespace fettle::receivers

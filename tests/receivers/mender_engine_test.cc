// What the engine and its operators do, and what the mender does about it.
#include "receivers/mender.h"
#include "tests/receivers/workshop.h"

namespace fettle::receivers {
namespace {

// One web container that is sick, and no alert yet.
class MenderEngineTest : public testing::Test {
 protected:
  void SickWeb(Workshop& shop) {
    shop.engine.AddService("shop", "web");
    shop.Boot();
    shop.engine.TurnUnhealthy("shop-web-1");
  }
  void Heals(Workshop& shop, const std::string& container = "shop-web-1") {
    shop.engine.TurnHealthy(container);
    shop.Pass(31s);
  }
};

// --- the engine ------------------------------------------------------------------------------

TEST_F(MenderEngineTest, WhoeverIsBeingStoppedIsLeftAlone_D02) {
  Workshop shop;
  shop.engine.AddService("shop", "web");
  shop.Boot();
  shop.engine.SomebodyBeginsToStop("shop-web-1");
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Fire("WebDown");
  shop.Pass(60s);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed operator_intent");
  shop.engine.StopEnds("shop-web-1", 137);
  shop.Pass(1h);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed operator_intent");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kExited);
}

TEST_F(MenderEngineTest, AStopThatArrivesAfterTheDecisionStillCounts) {
  Workshop shop;
  SickWeb(shop);
  shop.store.HoldCommits();
  shop.mender().Consider({.alert = {.labels = {{"alertname", "WebDown"}},
                                    .starts_at = shop.clock.Now().wall,
                                    .ends_at = shop.clock.Now().wall + 1h},
                          .fingerprint = 1},
                         shop.clock.Now());
  shop.Settle();
  shop.engine.SomebodyBeginsToStop("shop-web-1");
  shop.Settle();
  shop.store.ReleaseCommits();
  shop.Settle();
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 cancelled"));
}

TEST_F(MenderEngineTest, APausedContainerIsLeftAlone_D03_D04) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.Pause("shop-web-1");
  shop.Fire("WebDown");
  shop.Pass(5min);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed operator_intent");
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kPaused);
  shop.engine.Unpause("shop-web-1");
  shop.Pass(5s);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed in_transition");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.engine.TurnUnhealthy("shop-web-1");  // the next probe says so
  shop.Pass(2s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderEngineTest, ARestartThatTheEngineDidNotSurviveIsCompletedByAStart_D05) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("restart",
                       Fault{Error{"connection reset", Cause::kUnavailable}, Happens::kHalf});
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.acting().WorkOne();
  shop.engine.GoDown();
  shop.LetAct();
  shop.Pass(5min);
  shop.engine.ComeUp();
  shop.Pass(5s);
  EXPECT_THAT(shop.engine.Acts(), testing::Contains("start shop-web-1"));
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done"));
}

TEST_F(MenderEngineTest, FiveStubbornContainersAreRestartedSideBySide_D07) {
  std::string text = "guards: {concurrent: 5}\ntargets:\n";
  for (int i = 1; i <= 6; ++i) {
    text += fmt::format("- {{name: w{0}, docker: {{project: shop, service: w{0}}}}}\n", i);
  }
  text +=
      "repairs:\n- {name: heal, matchers: ['alertname=\"Down\"'], target: {label: service}, "
      "mode: auto, actions: [{restart: {}}]}\n";
  Workshop shop(text);
  for (int i = 1; i <= 6; ++i) shop.engine.AddService("shop", fmt::format("w{}", i));
  shop.Boot();
  shop.acting_waits = true;
  for (int i = 1; i <= 6; ++i) {
    shop.engine.TurnUnhealthy(fmt::format("shop-w{}-1", i));
    shop.Fire({.labels = Labels{{"alertname", "Down"}, {"service", fmt::format("w{}", i)}}});
  }
  EXPECT_EQ(shop.acting().Waiting(), 5u);
  EXPECT_EQ(shop.StateOf("heal", "w6"), "suppressed concurrent");
  EXPECT_EQ(shop.Metric("fettle_repair_calls_under_way"), 5);
  shop.LetAct();  // and the sixth goes as soon as one is done
  EXPECT_EQ(shop.engine.Acts().size(), 6u);
}

TEST_F(MenderEngineTest, AClientTimeOutIsNoFailure_D08) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("restart", TimesOut(Happens::kLater));
  shop.Fire("WebDown");
  shop.Pass(8s);
  EXPECT_EQ(shop.StateOf("heal-web"), "acting");
  shop.engine.LetHappen();
  shop.Pass(1s);
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done"));
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderEngineTest, ACallThatLeftNoTraceIsMadeOnceMoreAndNeverAgain) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailAll("restart", TimesOut(Happens::kNever));
  shop.Fire("WebDown");
  shop.Pass(19s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  shop.Pass(2s);
  EXPECT_EQ(shop.engine.Acts().size(), 2u);
  shop.Pass(25s);
  EXPECT_EQ(shop.engine.Acts().size(), 2u);
  EXPECT_EQ(shop.Attempts("heal-web")[0], "restart shop-web-1 failed");
  EXPECT_EQ(shop.Find("heal-web")->attempts[0].reissues, 1);
}

TEST_F(MenderEngineTest, WhatSomebodyElseRestartedIsNotRestartedAgain_D09) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.engine.SomebodyRestarts("shop-web-1");
  shop.LetAct();
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 converged"));
  EXPECT_EQ(shop.engine.Starts("shop-web-1"), 1);
}

TEST_F(MenderEngineTest, AContainerStartedByHandAfterTheAlertGetsAChance) {
  Workshop shop;
  SickWeb(shop);
  shop.Pass(1s);
  shop.engine.SomebodyRestarts("shop-web-1");
  shop.engine.Edit("shop-web-1", [](Container& c) { c.health = ContainerHealth::kNone; });
  shop.Fire({.labels = Labels{{"alertname", "WebDown"}}, .starts_at = shop.clock.Now().wall - 1s});
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed in_transition");
  shop.Pass(11s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderEngineTest, ARecreatedContainerIsLookedForAgain_D10) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.Pass(1s);
  shop.engine.Recreate("shop-web-1");
  shop.engine.TurnHealthy("shop-web-1");
  shop.LetAct();
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 gone"));
  shop.Pass(5s);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed in_transition");  // the new one is young
  shop.Resolve("WebDown");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
}

TEST_F(MenderEngineTest, AnswersOfTheEngineAreToldApart_D11) {
  struct Case {
    Error error;
    const char* attempt;
  };
  const Case cases[] = {
      {{"no such container", Cause::kNotFound}, "restart shop-web-1 gone"},
      {{"marked for removal", Cause::kConflict}, "restart shop-web-1 failed"},
      {{"forbidden by the proxy", Cause::kDenied}, "restart shop-web-1 failed"},
      {{"cannot join network of a non running container", Cause::kFailed},
       "restart shop-web-1 failed"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.error.message);
    Workshop shop;
    SickWeb(shop);
    shop.engine.FailNext("restart", Fault{each.error, Happens::kNever});
    shop.Fire("WebDown");
    EXPECT_EQ(shop.Attempts("heal-web")[0], each.attempt);
    EXPECT_EQ(shop.engine.Acts().size(), 1u);
  }
}

TEST_F(MenderEngineTest, ARefusedRestartThatLeftItStoppedIsStartedAgain) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("restart", Fault{Error{"port is already allocated"}, Happens::kHalf});
  shop.Fire("WebDown");
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10", "start shop-web-1"));
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done"));
}

TEST_F(MenderEngineTest, AStoppedContainerIsStartedWheneverTheEngineCanAgain_D33) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("restart", Fault{Error{"no space left on device"}, Happens::kHalf});
  shop.engine.FailAll("start", Fault{Error{"no space left on device"}, Happens::kNever});
  shop.Fire("WebDown");
  shop.Pass(3min);
  EXPECT_EQ(shop.Attempts("heal-web")[0], "restart shop-web-1 failed");
  EXPECT_EQ(shop.StateOf("heal-web"), "escalated");
  ASSERT_EQ(shop.teller().told.size(), 1u);
  EXPECT_THAT(std::string(shop.teller().told[0].alerts[0].annotations.Get("description")),
              HasSubstr("no space left on device"));
  // A person asks again after making room: the stopped container counts as ours.
  shop.engine.Heal();
  ASSERT_TRUE(shop.Tell(Mender::Command::kRetry, "heal-web").has_value());
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
}

TEST_F(MenderEngineTest, TwoRepairsNeverActOnOneContainerAtOnce_D12) {
  Workshop shop(std::string(kHealWeb) +
                "- {name: other, matchers: ['alertname=\"WebSlow\"'], target: web, mode: auto, "
                "actions: [{restart: {}}]}\n");
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.Fire("WebSlow");
  EXPECT_EQ(shop.StateOf("other"), "suppressed target_busy");
  EXPECT_EQ(shop.acting().Waiting(), 1u);
  shop.LetAct();
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderEngineTest, WhatTheEngineRestartsByItselfIsLeftToIt_D13) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.Edit("shop-web-1", [](Container& c) { c.state = ContainerState::kRestarting; });
  shop.Fire("WebDown");
  shop.Pass(10min);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed in_transition");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
}

TEST_F(MenderEngineTest, AnEndWithExitCodeZeroIsNoFailure_D15) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.Die("shop-web-1", 0);
  shop.Fire("WebDown");
  shop.Pass(10min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed operator_intent");
}

TEST_F(MenderEngineTest, ACrashThatTheEngineDoesNotMendIsStarted) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.Die("shop-web-1", 1);
  shop.Fire("WebDown");
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("start shop-web-1"));
}

TEST_F(MenderEngineTest, AfterAGapInTheEventsAnExitedContainerCountsAsStoppedOnPurpose) {
  for (const std::string policy : {"unless-stopped", "always"}) {
    Workshop shop;
    shop.hears_events = false;
    shop.engine.Add(
        {.name = "shop-web-1",
         .labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}},
         .restart_policy = policy});
    shop.Boot();
    shop.engine.SomebodyStops("shop-web-1");
    shop.engine.Edit("shop-web-1", [](Container& c) { c.exit_code = 1; });
    shop.Fire("WebDown");
    shop.Pass(1min);
    EXPECT_EQ(shop.StateOf("heal-web"), "suppressed operator_intent") << policy;
  }
}

TEST_F(MenderEngineTest, OneOffHookAndRemovedContainersAreNobodysTarget_D16) {
  const std::map<std::string, std::string> service{{"com.docker.compose.project", "shop"},
                                                   {"com.docker.compose.service", "web"}};
  for (const std::string extra : {"com.docker.compose.oneoff", "com.docker.compose.hook", ""}) {
    Workshop shop;
    FakeContainer container{.name = "shop-web-run-1", .labels = service};
    container.health = ContainerHealth::kUnhealthy;
    if (extra.empty()) {
      container.auto_remove = true;
    } else {
      container.labels[extra] = "True";
    }
    shop.engine.Add(container);
    shop.Boot();
    shop.Fire("WebDown");
    shop.Pass(2min);
    EXPECT_THAT(shop.engine.Acts(), IsEmpty()) << extra;
  }
}

TEST_F(MenderEngineTest, OnlyTheSickReplicaIsRestarted_D17) {
  Workshop shop;
  for (int i = 1; i <= 3; ++i) shop.engine.AddService("shop", "web", i);
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-web-2");
  shop.Fire("WebDown");
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-2 t=10"));
  Heals(shop, "shop-web-2");
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderEngineTest, SickReplicasAreRestartedOneAfterTheOther_D18) {
  Workshop shop;
  for (int i = 1; i <= 3; ++i) shop.engine.AddService("shop", "web", i);
  shop.Boot();
  for (int i = 1; i <= 3; ++i) shop.engine.TurnUnhealthy(fmt::format("shop-web-{}", i));
  shop.Fire("WebDown");
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(shop.engine.Acts().size(), static_cast<std::size_t>(i));
    shop.engine.TurnHealthy(fmt::format("shop-web-{}", i));
    shop.Pass(1s);
  }
  shop.Pass(31s);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10", "restart shop-web-2 t=10",
                                              "restart shop-web-3 t=10"));
}

TEST_F(MenderEngineTest, ReplicasThatLookWellAreRolledKeepingEnoughHealthy) {
  Workshop shop(R"(
targets: [{name: web, docker: {project: shop, service: web}}]
repairs:
- {name: heal-web, matchers: ['alertname="WebDown"'], target: web, mode: auto,
   guards: {min_healthy: 2}, verify: {expr: 'ok'}, actions: [{restart: {}}]}
)");
  for (int i = 1; i <= 3; ++i) shop.engine.AddService("shop", "web", i);
  shop.Boot();
  shop.engine.Edit("shop-web-3", [](Container& c) { c.health = ContainerHealth::kStarting; });
  shop.Fire("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed blast_radius");
  shop.engine.TurnHealthy("shop-web-3");
  shop.Pass(3s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  shop.Pass(10s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);  // until the first is healthy again
  for (int i = 1; i <= 3; ++i) {
    shop.engine.TurnHealthy(fmt::format("shop-web-{}", i));
    shop.Pass(2s);
  }
  EXPECT_EQ(shop.engine.Acts().size(), 3u);
  shop.judge.Say("ok", true);
  shop.Pass(31s);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
}

TEST_F(MenderEngineTest, AnAlertThatNamesItsContainerMeansThatOne) {
  Workshop shop;
  for (int i = 1; i <= 3; ++i) shop.engine.AddService("shop", "web", i);
  shop.Boot();
  shop.Fire({.labels = Labels{{"alertname", "WebDown"}, {"container", "shop-web-3"}}});
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-3 t=10"));
}

TEST_F(MenderEngineTest, AnEngineThatCannotBeAskedHoldsOnlyItsOwnTargets_D25) {
  Workshop shop(std::string(kHealWeb) +
                "- {name: tidy, matchers: ['alertname=\"Full\"'], mode: auto, "
                "actions: [{exec: {argv: [/bin/true]}}]}\n");
  SickWeb(shop);
  shop.engine.FailAll("list", TimesOut(Happens::kNever));
  shop.Fire("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed engine_unavailable");
  shop.Fire("Full");
  EXPECT_THAT(shop.Attempts("tidy"), ElementsAre("exec done"));
  shop.engine.Heal();
  shop.Pass(3s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderEngineTest, ANameThatAnotherProjectTookIsNotTheTarget_D34) {
  Workshop shop(R"(
targets: [{name: web, docker: {project: shop, service: web}}]
repairs: [{name: heal-web, matchers: ['alertname="WebDown"'], target: web, mode: auto, actions: [{restart: {}}]}]
)");
  shop.engine.Add(
      {.name = "shop-web-1",
       .labels = {{"com.docker.compose.project", "other"}, {"com.docker.compose.service", "web"}},
       .health = ContainerHealth::kUnhealthy});
  shop.Boot();
  shop.Fire({.labels = Labels{{"alertname", "WebDown"}, {"container", "shop-web-1"}}});
  shop.Pass(5min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
}

}  // namespace
}  // namespace fettle::receivers

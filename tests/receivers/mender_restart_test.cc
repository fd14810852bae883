// The mender's own end and beginning, its store, its clock and its switches.
#include "receivers/mender.h"
#include "tests/receivers/workshop.h"

namespace fettle::receivers {
namespace {

// One web container that is sick, and no alert yet.
class MenderRestartTest : public testing::Test {
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

// --- own process and store -------------------------------------------------------------------

TEST_F(MenderRestartTest, NothingIsDoneThatCannotBeStored_S03) {
  Workshop shop;
  SickWeb(shop);
  shop.store.HoldCommits();
  shop.mender().Consider({.alert = {.labels = {{"alertname", "WebDown"}},
                                    .starts_at = shop.clock.Now().wall,
                                    .ends_at = shop.clock.Now().wall + 1h},
                          .fingerprint = 1},
                         shop.clock.Now());
  shop.store.FailCommits(Error{"input/output error", Cause::kFailed});
  shop.store.ReleaseCommits();
  shop.Pass(1min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_GT(shop.Metric("fettle_repair_store_errors_total"), 5);
  shop.store.Heal();
  shop.Pass(2s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderRestartTest, AnOutcomeThatCannotBeStoredIsStoredLaterAndNothingIsCalledAgain) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.store.FailCommits(Error{"input/output error", Cause::kFailed});
  shop.LetAct();
  shop.Pass(10s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  shop.store.Heal();
  shop.Pass(2s);
  EXPECT_EQ(ToAttempt(shop.store.All("attempt").front())->state, AttemptState::kDone);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderRestartTest, AWallClockThatIsSetMovesNoLimit_S04) {
  for (const Millis step : {Millis(3'600'000), Millis(-3'600'000)}) {
    Workshop shop;
    SickWeb(shop);
    shop.Fire("WebDown");
    Heals(shop);
    shop.Resolve("WebDown");
    shop.clock.StepWall(step);
    shop.engine.TurnUnhealthy("shop-web-1");
    shop.Fire("WebDown");
    EXPECT_EQ(shop.engine.Acts().size(), 1u) << step.count();
    shop.Pass(20s);
    EXPECT_EQ(shop.engine.Acts().size(), 1u) << step.count();
    // And none is lost: a beginning before the last end is believed once messages cannot overtake
    // each other any more.
    shop.Pass(5min);
    shop.Fire("WebDown");
    EXPECT_EQ(shop.engine.Acts().size(), 2u) << step.count();
  }
}

TEST_F(MenderRestartTest, BootHoldEndsWithTheFirstInventoryOrAfterTenSeconds) {
  Workshop shop;
  shop.inventory_at_boot = false;
  SickWeb(shop);
  shop.Fire("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed boot_hold");
  EXPECT_EQ(shop.Metric("fettle_repair_boot_hold"), 1);
  shop.Pass(5s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.ReadInventory();
  shop.Settle();
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.Metric("fettle_repair_boot_hold"), 0);

  Workshop deaf;
  deaf.inventory_at_boot = false;
  SickWeb(deaf);
  deaf.Fire("WebDown");
  deaf.Pass(Mender::kBootHoldMax);
  EXPECT_EQ(deaf.engine.Acts().size(), 1u);
}

TEST_F(MenderRestartTest, FinishingAHalfDoneRestartWaitsForNoBootHoldSilenceOrMode) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("restart", Fault{Error{"reset", Cause::kUnavailable}, Happens::kHalf});
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.acting().WorkOne();
  shop.Crash();
  shop.acting_waits = false;
  shop.quiet.silenced["WebDown"] = "silenced by 17";
  shop.inventory_at_boot = false;
  shop.Boot();
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
  EXPECT_THAT(shop.engine.Acts(), testing::Contains("start shop-web-1"));
}

TEST_F(MenderRestartTest, AHalfDoneRestartOfARepairThatIsGoneIsFinishedToo_S12) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("restart", Fault{Error{"reset", Cause::kUnavailable}, Happens::kHalf});
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.acting().WorkOne();
  shop.Crash();
  shop.acting_waits = false;
  shop.Configure("targets: [{name: web, docker: {project: shop, service: web}}]\n");
  shop.Boot();
  shop.Pass(2s);
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
  EXPECT_EQ(shop.StateOf("heal-web"), "closed removed");
}

TEST_F(MenderRestartTest, TheKillSwitchEndsNothingAndBeginsNothing_S13) {
  const TempDir dir;
  const std::string stop = dir / "STOP";
  std::string text = kHealWeb;
  text.replace(text.find("/nonexistent/STOP"), 17, stop);
  Workshop shop(text);
  shop.engine.AddService("shop", "web");
  shop.engine.AddService("shop", "api");
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.engine.FailNext("restart", TimesOut(Happens::kLater));
  shop.Fire("WebDown");
  dir.Write("STOP", "");
  shop.engine.LetHappen();
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Pass(2min);  // the call ends, its verification fails, and the ladder stands still
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed kill_switch");
  std::filesystem::remove(stop);
  shop.Pass(1min);
  EXPECT_EQ(shop.StateOf("heal-web"), "escalated");
}

TEST_F(MenderRestartTest, EndingWhileACallIsUnderWayLeavesItsIntentForTheNextProcess_S20) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.acting().WorkOne();  // the engine has done it, and nobody noted the outcome
  shop.Crash();
  EXPECT_EQ(ToAttempt(shop.store.All("attempt").front())->state, AttemptState::kIntent);
  shop.acting_waits = false;
  shop.Boot();
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done"));
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.engine.Starts("shop-web-1"), 1);
}

TEST_F(MenderRestartTest, AnIntentWhoseCallWasNeverMadeIsMadeAfterTheGracePeriod) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.Crash();
  shop.acting_waits = false;
  shop.Boot();
  shop.Pass(19s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.Pass(2s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done"));
}

TEST_F(MenderRestartTest, AnIntentWhoseAlertHasEndedMeanwhileIsDropped) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  shop.Crash();
  shop.acting_waits = false;
  shop.Boot();
  shop.engine.TurnHealthy("shop-web-1");
  shop.Resolve("WebDown");
  shop.Pass(1min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(shop.StateOf("heal-web"), "closed recovered");
}

TEST_F(MenderRestartTest, ClosedIncidentsAreListedAfterARestartTheLatestFirst) {
  Workshop shop(std::string(kHealWeb) +
                "- {name: tidy, matchers: ['alertname=\"Full\"'], mode: auto, verify: {hold: 0s}, "
                "actions: [{exec: {argv: [/bin/true]}}]}\n");
  shop.Boot();
  for (const char* container : {"a", "b"}) {
    const Workshop::Said said{.labels = Labels{{"alertname", "Full"}, {"container", container}}};
    shop.Fire(said);
    shop.Pass(2s);
    shop.Resolve(said);
    shop.Pass(2min);
  }
  const std::vector<Mender::View> before = shop.mender().Closed();
  ASSERT_EQ(before.size(), 2u);
  shop.Crash();
  shop.Boot();
  const std::vector<Mender::View> after = shop.mender().Closed();
  ASSERT_EQ(after.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after[i].incident.id, before[i].incident.id);
    EXPECT_EQ(after[i].incident.outcome, "repaired");
    EXPECT_EQ(after[i].attempts.size(), 1u);
    EXPECT_FALSE(after[i].incident.timeline.empty());
  }
}

TEST_F(MenderRestartTest, ARepairThatMostlyDoesNotHelpWaitsForApprovalAlsoAfterARestart_V13) {
  const std::string config =
      "repairs:\n- {name: tidy, matchers: ['alertname=\"Full\"'], mode: auto, "
      "guards: {cooldown: 0s, attempts: [100/1h], flapping: off}, "
      "verify: {expr: ok, within: 1s, hold: 0s}, actions: [{exec: {argv: [/bin/true]}, attempts: "
      "100}]}\nguards: {attempts: [1000/1h]}\n";
  Workshop shop(config);
  shop.Boot();
  shop.Fire("Full");
  shop.Pass(3h);
  EXPECT_EQ(shop.StateOf("tidy"), "suppressed approval");
  EXPECT_EQ(shop.Attempts("tidy").size(), Mender::kJudged);
  EXPECT_EQ(shop.Metric("fettle_repair_mode", {{"repair", "tidy"}, {"mode", "approve"}}), 1);
  shop.Crash();
  shop.Boot();
  EXPECT_TRUE(shop.mender().IsDemoted("tidy"));
  shop.judge.Say("ok", true);
  ASSERT_TRUE(shop.Tell(Mender::Command::kApprove, "tidy"));
  shop.Pass(5s);
  EXPECT_EQ(shop.StateOf("tidy"), "held") << "a person may still let it try";
  shop.Reconfigure(config);
  EXPECT_FALSE(shop.mender().IsDemoted("tidy")) << "somebody has looked after it";
}

}  // namespace
}  // namespace fettle::receivers

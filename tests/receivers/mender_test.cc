// The mender on fakes: one thread, a clock that stands still, a store and an engine in memory.
// Names in brackets are the cases of the chaos table that a test stands for.
#include "receivers/mender.h"

#include "tests/receivers/workshop.h"

namespace fettle::receivers {
namespace {

// One web container that is sick, and no alert yet.
class MenderTest : public testing::Test {
 protected:
  void SickWeb(Workshop& shop) {
    shop.engine.AddService("shop", "web");
    shop.Boot();
    shop.engine.TurnUnhealthy("shop-web-1");
  }
  // Healthy after any restart by its own check, while the expression says otherwise.
  void StubbornWeb(Workshop& shop) {
    shop.engine.Add(
        {.name = "shop-web-1",
         .labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}},
         .health = ContainerHealth::kHealthy,
         .heals_when_started = true});
    shop.Boot();
  }
  void Heals(Workshop& shop, const std::string& container = "shop-web-1") {
    shop.engine.TurnHealthy(container);
    shop.Pass(31s);
  }
};

TEST_F(MenderTest, RestartsASickContainerAtOnceAndVerifiesIt) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("WebDown");
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  EXPECT_EQ(shop.StateOf("heal-web"), "verifying");
  shop.engine.TurnHealthy("shop-web-1");
  shop.Pass(1s);
  EXPECT_EQ(shop.StateOf("heal-web"), "holding");
  shop.Pass(30s);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
  shop.Resolve("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "closed repaired");
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done helped"));
  EXPECT_EQ(shop.engine.Starts("shop-web-1"), 1);
  EXPECT_THAT(shop.AuditTrail(),
              ElementsAre("intent", "outcome done", "verified", "closed repaired"));
}

TEST_F(MenderTest, CommitsTheIntentBeforeTheCallAndTheOutcomeAfterIt) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  shop.Fire("WebDown");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  ASSERT_EQ(shop.store.All("attempt").size(), 1u);
  const Attempt intent = *ToAttempt(shop.store.All("attempt").front());
  EXPECT_EQ(intent.state, AttemptState::kIntent);
  EXPECT_EQ(intent.identity.at("started_at"), shop.engine.Inspect("shop-web-1")->started_at_raw);
  shop.LetAct();
  EXPECT_EQ(ToAttempt(shop.store.All("attempt").front())->state, AttemptState::kDone);
}

TEST_F(MenderTest, InspectsTheContainerOnceMoreRightBeforeTheCall) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("WebDown");
  const std::vector<std::string> calls = shop.engine.Calls();
  const auto restart = std::find(calls.begin(), calls.end(), "restart shop-web-1 t=10");
  ASSERT_NE(restart, calls.end());
  EXPECT_THAT(*(restart - 1), HasSubstr("inspect"));
}

// --- triggers --------------------------------------------------------------------------------

TEST_F(MenderTest, ActsOnceHoweverOftenTheGroupIsPostedAgain_W01) {
  Workshop shop;
  SickWeb(shop);
  for (int i = 0; i < 20; ++i) {
    shop.Fire("WebDown");
    if (i == 0) shop.engine.TurnHealthy("shop-web-1");
    shop.Pass(10s);
  }
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
}

TEST_F(MenderTest, ASlowActionIsNotRepeatedByRepostsMeanwhile_W03) {
  Workshop shop;
  SickWeb(shop);
  shop.acting_waits = true;
  for (int i = 0; i < 10; ++i) {
    shop.Fire("WebDown");
    shop.Pass(30s);
    EXPECT_EQ(shop.acting().Waiting(), 1u);
  }
  shop.LetAct();
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderTest, AnAlertThatCannotBeStoredIsRefusedAndMendsOnceLater_W04) {
  Workshop shop;
  SickWeb(shop);
  shop.store.FailCommits(Error{"no space left on device", Cause::kUnavailable});
  EXPECT_EQ(shop.TryFire("WebDown").error().cause, Cause::kUnavailable);
  shop.Pass(10s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.store.Heal();
  shop.Fire("WebDown");
  shop.Pass(1s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderTest, TheSameAlertFromTwoSendersIsOneTrigger_W05) {
  Workshop shop;
  SickWeb(shop);
  const Labels labels{{"alertname", "WebDown"}};
  shop.Fire({.labels = labels, .source = AlertSource::kWebhook});
  shop.Fire({.labels = labels, .source = AlertSource::kApi});
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.Find("heal-web")->incident.triggers.size(), 1u);
}

TEST_F(MenderTest, TenThousandAlertsAreOneIncidentAndBounded_W06) {
  Workshop shop;
  SickWeb(shop);
  const auto began = std::chrono::steady_clock::now();
  AlertBatch batch{AlertSource::kWebhook, {}};
  for (int i = 0; i < 10'000; ++i) {
    Alert alert;
    alert.labels = {{"alertname", "WebDown"}, {"instance", fmt::format("web-{}", i)}};
    alert.starts_at = shop.clock.Now().wall;
    batch.alerts.push_back(std::move(alert));
  }
  ASSERT_TRUE(shop.Post(std::move(batch)).has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);  // an unoptimised build, shared cores
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  const auto view = shop.Find("heal-web");
  EXPECT_EQ(view->incident.triggers.size(), Incident::kTriggersMax);
  EXPECT_EQ(view->incident.triggers_dropped, 9'900);
}

TEST_F(MenderTest, AnEndThatOvertakesItsBeginningLeavesNothingToDo_W09) {
  Workshop shop;
  SickWeb(shop);
  const Workshop::Said said{.labels = {{"alertname", "WebDown"}},
                            .starts_at = shop.clock.Now().wall - 10s};
  shop.Resolve(said);
  shop.mender().Consider({.alert = {.labels = said.labels,
                                    .starts_at = *said.starts_at,
                                    .ends_at = shop.clock.Now().wall + 1h},
                          .fingerprint = said.labels.Fingerprint()},
                         shop.clock.Now());
  shop.Pass(60s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
}

TEST_F(MenderTest, TwoEpisodesWithinASecondAreMendedOnce_W10) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("WebDown");
  shop.Pass(500ms);
  shop.Resolve("WebDown");
  shop.Pass(500ms);
  shop.Fire("WebDown");
  Heals(shop);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
}

TEST_F(MenderTest, ABeginningThatMovesIsTheSameIncident_W11) {
  Workshop shop;
  SickWeb(shop);
  const Labels labels{{"alertname", "WebDown"}};
  shop.Fire("WebDown");
  shop.Pass(7s);
  shop.Fire({.labels = labels, .starts_at = shop.clock.Now().wall});
  Heals(shop);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.All().size(), 1u);
}

TEST_F(MenderTest, HostileLabelsChooseNothing_W14) {
  Workshop shop(R"(
targets: [{name: web, docker: {project: shop, service: web}}, {name: any, docker: {label: fettle.mend}}]
repairs:
- {name: by-label, matchers: ['alertname="X"'], target: {label: container}, mode: auto, actions: [{restart: {}}]}
- {name: by-service, matchers: ['alertname="X"'], target: any, mode: auto, actions: [{restart: {}}]}
)");
  shop.engine.AddService("shop", "web");
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-web-1");
  const std::string values[] = {"$(reboot)",
                                ";rm -rf /",
                                "a\nb",
                                std::string("a\0b", 3),
                                "../web",
                                "{{ . }}",
                                "${jndi:x}",
                                "web ",
                                "WEB",
                                "*",
                                "",
                                "/",
                                "shop/../web",
                                std::string(100'000, 'x')};
  for (const std::string& value : values) {
    shop.Fire({.labels = Labels{{"alertname", "X"},
                                {"container", value},
                                {"project", value},
                                {"service", value},
                                {"n", std::to_string(&value - values)}}});
  }
  shop.Pass(2min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_THAT(shop.All(), IsEmpty());
}

TEST_F(MenderTest, ASelectorThatFindsNothingNeverMeansEverything_W17) {
  Workshop shop;
  shop.engine.AddService("shop", "db");
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-db-1");
  shop.Fire("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed no_target");
  shop.Pass(Mender::kNoTargetPatience + 5s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(shop.StateOf("heal-web"), "escalated");
  ASSERT_EQ(shop.teller().told.size(), 1u);
  EXPECT_THAT(std::string(shop.teller().told[0].alerts[0].annotations.Get("description")),
              HasSubstr("no container is web"));
}

TEST_F(MenderTest, AnAlertThatWasAcceptedBeforeACrashIsMendedAfterIt_W18) {
  Workshop shop;
  SickWeb(shop);
  shop.engine.FailNext("list", Unavailable());
  shop.Fire("WebDown");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.Crash();
  shop.Boot();
  shop.Pass(1s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

// --- verification and the ladder ---------------------------------------------------------------

constexpr char kLadder[] = R"(
targets: [{name: web, docker: {project: shop, service: web}}]
repairs:
- name: heal-web
  matchers: ['alertname="WebDown"']
  target: web
  mode: auto
  guards: {cooldown: 2m}
  verify: {expr: 'up == 1', within: 60s, hold: 60s}
  actions:
  - {restart: {}, attempts: 2}
  - {exec: {argv: [/bin/true]}, verify: {within: 10s}}
  - {escalate: {receiver: oncall}}
)";

TEST_F(MenderTest, WhatDidNotHelpLeadsToTheNextRungWithoutAnotherPost_V01) {
  Workshop shop(kLadder);
  StubbornWeb(shop);
  shop.Fire("WebDown");
  shop.Pass(10min);
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done did not help",
                                                     "restart shop-web-1 done did not help",
                                                     "exec done did not help", "escalate done"));
  EXPECT_EQ(shop.StateOf("heal-web"), "escalated");
}

TEST_F(MenderTest, AttemptsAreSpacedByBackoff) {
  Workshop shop(kLadder);
  StubbornWeb(shop);
  shop.Fire("WebDown");
  shop.Pass(61s);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed backoff");
  shop.Pass(6s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  shop.Pass(7s);
  EXPECT_EQ(shop.engine.Acts().size(), 2u);
}

TEST_F(MenderTest, GreenForTwentySecondsIsNoSuccess_V02) {
  Workshop shop(kLadder);
  SickWeb(shop);
  shop.Fire("WebDown");
  shop.engine.TurnHealthy("shop-web-1");
  shop.judge.Say("up == 1", true);
  shop.Pass(20s);
  EXPECT_EQ(shop.StateOf("heal-web"), "holding");
  shop.judge.Say("up == 1", false);
  shop.Pass(45s);
  EXPECT_EQ(shop.Attempts("heal-web")[0], "restart shop-web-1 done did not help");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed backoff");
}

TEST_F(MenderTest, RecoveredBeforeAnythingWasDoneIsSelfHealed_V03) {
  Workshop shop;
  SickWeb(shop);
  shop.quiet.silenced["WebDown"] = "silenced by 17";
  shop.Fire("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed quiet");
  shop.Resolve("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "closed self_healed");
  EXPECT_EQ(shop.Metric("fettle_incidents_closed_total", {{"outcome", "self_healed"}}), 1);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
}

TEST_F(MenderTest, TheAlertMayEndWhileTheIntentIsBeingStored) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("Other");
  LiveAlert alert{.alert = {.labels = {{"alertname", "WebDown"}},
                            .starts_at = shop.clock.Now().wall,
                            .ends_at = shop.clock.Now().wall + 1h},
                  .fingerprint = 1};
  shop.store.HoldCommits();
  shop.mender().Consider(alert, shop.clock.Now());
  shop.Settle();
  alert.alert.ends_at = shop.clock.Now().wall;
  shop.mender().Consider(alert, shop.clock.Now());
  shop.store.ReleaseCommits();
  shop.Pass(3s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(shop.StateOf("heal-web"), "closed self_healed");
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 cancelled"));
}

TEST_F(MenderTest, WhatStaysBrokenIsTriedSoOftenAndThenLeftToAPersonOnce_V04) {
  Workshop shop(R"(
targets: [{name: web, docker: {project: shop, service: web}}]
repairs:
- name: heal-web
  matchers: ['alertname="WebDown"']
  target: web
  mode: auto
  guards: {attempts: [3/1h, 7/24h]}
  actions: [{restart: {}, attempts: 100}, {escalate: {receiver: oncall}}]
)");
  SickWeb(shop);
  shop.Fire("WebDown");
  for (int i = 0; i < 30; ++i) {
    shop.Pass(1min);
    shop.engine.TurnUnhealthy("shop-web-1");
    if (i == 10 || i == 20) {
      shop.Crash();
      shop.Boot();
    }
  }
  EXPECT_EQ(shop.engine.Acts().size(), 3u);
  EXPECT_EQ(shop.StateOf("heal-web"), "escalated");
  EXPECT_EQ(shop.teller().told.size(), 1u);
  EXPECT_EQ(shop.Find("heal-web")->incident.reason, "attempts_exhausted");
  // A new episode an hour later finds the window of the day still open, and then shut.
  for (int episode = 0; episode < 4; ++episode) {
    shop.Resolve("WebDown");
    shop.Pass(62min);
    shop.Fire("WebDown");
    for (int i = 0; i < 30; ++i) {
      shop.engine.TurnUnhealthy("shop-web-1");
      shop.Pass(1min);
    }
  }
  EXPECT_EQ(shop.engine.Acts().size(), 7u);
}

TEST_F(MenderTest, WithoutAnExpressionTheOwnAlertMustEndToo) {
  Workshop shop;
  SickWeb(shop);
  const Workshop::Said said{.labels = {{"alertname", "WebDown"}}, .source = AlertSource::kRules};
  shop.Fire(said);
  shop.engine.TurnHealthy("shop-web-1");
  shop.Pass(2min);  // longer than `within`: a rule may need so long
  EXPECT_EQ(shop.StateOf("heal-web"), "verifying");
  shop.Resolve(said);
  EXPECT_EQ(shop.StateOf("heal-web"), "holding");
  shop.Pass(30s);
  EXPECT_EQ(shop.StateOf("heal-web"), "closed repaired");
}

TEST_F(MenderTest, AContainerThatIsStartingIsWaitedFor_D29) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("WebDown");
  ASSERT_EQ(shop.engine.Inspect("shop-web-1")->health, ContainerHealth::kStarting);
  shop.Pass(10min);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.StateOf("heal-web"), "verifying");
  Heals(shop);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
}

TEST_F(MenderTest, AQuestionThatCannotBeAskedIsNoAnswer) {
  Workshop shop(kLadder);
  SickWeb(shop);
  shop.Fire("WebDown");
  shop.engine.TurnHealthy("shop-web-1");
  shop.judge.Say("up == 1", true);
  shop.Pass(40s);
  shop.judge.Break("query queue is full");
  shop.Pass(10s);
  EXPECT_EQ(shop.StateOf("heal-web"), "holding");
  shop.judge.Break("");
  shop.Pass(15s);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
}

TEST_F(MenderTest, ARelapseWhileTheAlertGoesOnIsMendedToo) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("WebDown");
  Heals(shop);
  ASSERT_EQ(shop.StateOf("heal-web"), "held");
  shop.Pass(20min);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Pass(3s);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");  // for a moment it is believed to pass
  shop.Pass(3s);
  EXPECT_EQ(shop.engine.Acts().size(), 2u);
  EXPECT_EQ(shop.All().size(), 1u);
}

TEST_F(MenderTest, AnotherAlertThatBeginsLaterOpensAHeldIncidentAgainAtOnce) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire("WebDown");
  Heals(shop);
  ASSERT_EQ(shop.StateOf("heal-web"), "held");
  shop.Pass(20min);
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Fire({.labels = Labels{{"alertname", "WebDown"}, {"path", "/cart"}}});
  EXPECT_EQ(shop.engine.Acts().size(), 2u);
  EXPECT_EQ(shop.All().size(), 1u);
}

TEST_F(MenderTest, TheMessageToAPersonTellsTheWholeStory) {
  Workshop shop;
  SickWeb(shop);
  shop.Fire({.labels = Labels{{"alertname", "WebDown"}, {"severity", "page"}}});
  shop.engine.Edit("shop-web-1", [](Container& c) { c.health = ContainerHealth::kUnhealthy; });
  shop.Pass(2min);
  ASSERT_EQ(shop.teller().told.size(), 1u);
  const FakeTeller::Told& told = shop.teller().told[0];
  EXPECT_EQ(told.receiver, "oncall");
  const Alert& alert = told.alerts[0];
  EXPECT_EQ(alert.labels.Get("alertname"), "RepairEscalated");
  EXPECT_EQ(alert.labels.Get("alert"), "WebDown");
  EXPECT_EQ(alert.labels.Get("severity"), "page");
  const std::string text(alert.annotations.Get("description"));
  EXPECT_THAT(text,
              HasSubstr("Seen: {alertname=\"WebDown\", severity=\"page\"} since 2026-01-01T"));
  EXPECT_THAT(text, HasSubstr("Tried: restart of shop-web-1 at 2026"));
  EXPECT_THAT(text, HasSubstr("it did not help"));
  EXPECT_THAT(text, HasSubstr("Found: shop-web-1 is unhealthy"));
  EXPECT_THAT(text, HasSubstr("Next: nothing by itself"));
}

TEST_F(MenderTest, AReceiverThatCannotBeReachedIsToldLater) {
  Workshop shop(R"(
repairs:
- {name: ask, matchers: ['alertname="Full"'], mode: auto, actions: [{escalate: {receiver: oncall}}]}
)");
  shop.Boot();
  shop.teller().failures = 3;
  shop.Fire("Full");
  EXPECT_EQ(shop.StateOf("ask"), "acting");
  shop.Pass(5min);
  EXPECT_EQ(shop.teller().told.size(), 1u);
  EXPECT_EQ(shop.StateOf("ask"), "escalated");
}

}  // namespace
}  // namespace fettle::receivers

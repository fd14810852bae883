// What can be done besides a restart, what is kept before it, and what a crash leaves of it.
#include "receivers/incidents_api.h"
#include "tests/receivers/workshop.h"
#include "tests/support/crashing_engine.h"

namespace fettle::receivers {
namespace {

std::string WithActions(const std::string& actions, const std::string& verify = "expr: ok, ") {
  return fmt::format(R"(
targets:
- {{name: web, docker: {{project: shop, service: web}}}}
- {{name: proxy, docker: {{project: shop, service: proxy}}, stop_timeout: 3s}}
repairs:
- {{name: mend, matchers: ['alertname="Down"'], target: web, mode: auto, verify: {{{}within: 20s, hold: 0s}},
   actions: [{}, {{escalate: {{receiver: oncall}}}}]}}
)",
                     verify, actions);
}

class MenderActionsTest : public testing::Test {
 protected:
  static void AddWeb(Workshop& shop, const std::string& depends_on = "") {
    Add(shop, "web", depends_on);
  }
  static void Add(Workshop& shop, const std::string& service, const std::string& depends_on) {
    shop.engine.Add({.name = "shop-" + service + "-1",
                     .labels = {{"com.docker.compose.project", "shop"},
                                {"com.docker.compose.service", service},
                                {"com.docker.compose.depends_on", depends_on}},
                     .health = ContainerHealth::kHealthy});
  }
  static void Fall(Workshop& shop) {
    shop.engine.TurnUnhealthy("shop-web-1");
    shop.Fire("Down");
  }
};

TEST_F(MenderActionsTest, ASignalIsTriedBeforeARestart) {
  Workshop shop(WithActions("{kill: {signal: HUP}}, {restart: {}}"));
  AddWeb(shop);
  shop.Boot();
  Fall(shop);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("kill shop-web-1 SIGHUP"));
  shop.Pass(60s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("kill shop-web-1 SIGHUP", "restart shop-web-1 t=10"));
}

TEST_F(MenderActionsTest, ASignalThatHelpsNeedsNoRestart) {
  Workshop shop(WithActions("{kill: {signal: USR1}}, {restart: {}}"));
  AddWeb(shop);
  shop.Boot();
  Fall(shop);
  shop.engine.TurnHealthy("shop-web-1");
  shop.judge.Say("ok", true);
  shop.Pass(5s);
  EXPECT_EQ(shop.StateOf("mend"), "held");
  EXPECT_THAT(shop.Attempts("mend"), ElementsAre("kill shop-web-1 done helped"));
}

TEST_F(MenderActionsTest, OnlyAHupIsSentAgainWhenNobodyKnowsWhetherItArrived) {
  for (const auto& [signal, calls, state] :
       {std::tuple{"HUP", 2, "done"}, std::tuple{"USR2", 1, "indeterminate"}}) {
    Workshop shop(WithActions(fmt::format("{{kill: {{signal: {}}}}}", signal)));
    AddWeb(shop);
    shop.Boot();
    shop.engine.FailNext("kill", TimesOut(Happens::kNever));
    Fall(shop);
    shop.Pass(2s);
    EXPECT_EQ(shop.engine.Acts().size(), static_cast<std::size_t>(calls)) << signal;
    EXPECT_THAT(shop.Attempts("mend").at(0), HasSubstr(state)) << signal;
  }
}

TEST_F(MenderActionsTest, AStopOpensTheCircuitAndTheContainerStaysDownForAPerson) {
  Workshop shop(WithActions("{stop: {}}"));
  AddWeb(shop);
  shop.Boot();
  shop.engine.FailNext("stop", TimesOut(Happens::kNow));
  Fall(shop);
  shop.Pass(60s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("stop shop-web-1 t=10"));
  EXPECT_EQ(shop.engine.Inspect("shop-web-1")->state, ContainerState::kExited);
  EXPECT_EQ(shop.StateOf("mend"), "escalated");
}

TEST_F(MenderActionsTest, AStartIsForWhatHasCrashedAndHarmlessForWhatRuns) {
  Workshop shop(WithActions("{start: {}}", ""));
  AddWeb(shop);
  shop.Boot();
  shop.engine.Die("shop-web-1", 1);
  shop.Fire("Down");
  shop.Pass(15s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("start shop-web-1"));
  EXPECT_THAT(shop.Attempts("mend").at(0), HasSubstr("start shop-web-1 done"));

  Workshop running(WithActions("{start: {}}", ""));
  AddWeb(running);
  running.Boot();
  Fall(running);
  EXPECT_THAT(running.engine.Acts(), IsEmpty());
  EXPECT_THAT(running.Attempts("mend").at(0), HasSubstr("converged"));
}

// --- a program inside ------------------------------------------------------------------------

TEST_F(MenderActionsTest, AProgramInsideRunsAndItsOutputIsKept) {
  Workshop shop(WithActions("{docker_exec: {argv: [/bin/reload, --now]}}"));
  AddWeb(shop);
  shop.engine.OnExec([](const Container&, const std::vector<std::string>&) {
    return ExecResult{"", 3, "no such table\n"};
  });
  shop.Boot();
  Fall(shop);
  EXPECT_THAT(shop.engine.Acts().at(0), "exec_create shop-web-1 /bin/reload --now");
  EXPECT_EQ(shop.Find("mend")->attempts.at(0).note, "exit code 3: no such table\n");
  EXPECT_EQ(shop.Find("mend")->attempts.at(0).state, AttemptState::kFailed);
}

// D32: the engine's exec id is committed between create and start, so it runs once, whatever dies.
TEST_F(MenderActionsTest, AProgramInsideRunsOnceWhereverTheProcessDies_D32) {
  int points = 0;
  for (int place = 0; place < 4; ++place) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(fmt::format("place {} step {}", place, nth));
      Workshop shop(WithActions("{docker_exec: {argv: [/bin/reload]}}"));
      CrashingEngine engine(shop.engine);
      shop.engine_in_between = &engine;
      shop.on_store_crash = [] { throw ProcessDied{}; };
      AddWeb(shop);
      int ran = 0;
      shop.engine.OnExec([&ran](const Container&, const std::vector<std::string>&) {
        ++ran;
        return ExecResult{};
      });
      if (place < 2) shop.store.CrashAtNth(nth, place == 0 ? Kept::kNo : Kept::kYes);
      if (place >= 2) {
        engine.CrashAt(nth,
                       place == 2 ? CrashingEngine::When::kBefore : CrashingEngine::When::kAfter);
      }
      bool died = false;
      for (int life = 0; life < 2; ++life) {
        try {
          shop.Boot();
          shop.engine.TurnUnhealthy("shop-web-1");
          for (int i = 0; i < 3; ++i) {
            EXPECT_TRUE(shop.TryFire("Down").has_value());
            shop.Pass(10s);
          }
          break;
        } catch (const ProcessDied&) {
          died = true;
          shop.Crash();
        }
      }
      EXPECT_EQ(ran, 1);
      if (HasFailure() || !died) break;
      ++points;
    }
    if (HasFailure()) return;
  }
  EXPECT_GE(points, 20);
}

// --- a group ---------------------------------------------------------------------------------

TEST_F(MenderActionsTest, DependantsFollowOneByOneOnceWhatTheyNeedIsWell_D19) {
  Workshop shop(WithActions("{restart: {with: dependants}}"));
  AddWeb(shop);
  Add(shop, "proxy", "web:service_healthy:false");
  Add(shop, "edge", "proxy:service_started:false");
  Add(shop, "other", "");
  shop.Boot();
  Fall(shop);
  shop.Pass(5s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"))
      << "until it is well again";
  shop.engine.TurnHealthy("shop-web-1");
  shop.Pass(2s);
  EXPECT_THAT(shop.engine.Acts(),
              ElementsAre("restart shop-web-1 t=10", "restart shop-proxy-1 t=3"))
      << "with the grace of its own target";
  shop.engine.TurnHealthy("shop-proxy-1");
  shop.Pass(2s);
  shop.engine.TurnHealthy("shop-edge-1");
  shop.judge.Say("ok", true);
  shop.Pass(5s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10", "restart shop-proxy-1 t=3",
                                              "restart shop-edge-1 t=10"));
  EXPECT_EQ(shop.StateOf("mend"), "held");
}

TEST_F(MenderActionsTest, AGroupGoesOnAtItsFirstMemberThatIsNotDone) {
  Workshop shop(WithActions("{restart: {with: dependants}}"));
  AddWeb(shop);
  Add(shop, "proxy", "web:service_healthy:false");
  Add(shop, "edge", "proxy:service_started:false");
  shop.Boot();
  Fall(shop);
  shop.engine.TurnHealthy("shop-web-1");
  shop.Pass(2s);
  shop.Crash();
  shop.engine.TurnHealthy("shop-proxy-1");
  shop.Boot();
  shop.Fire("Down");
  shop.Pass(10s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10", "restart shop-proxy-1 t=3",
                                              "restart shop-edge-1 t=10"));
}

TEST_F(MenderActionsTest, WhoeverWasStoppedByAPersonIsNoPartOfTheGroup) {
  Workshop shop(WithActions("{restart: {with: dependants}}"));
  AddWeb(shop);
  Add(shop, "proxy", "web:service_healthy:false");
  shop.Boot();
  shop.engine.SomebodyStops("shop-proxy-1");
  Fall(shop);
  shop.engine.TurnHealthy("shop-web-1");
  shop.judge.Say("ok", true);
  shop.Pass(5s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  EXPECT_EQ(shop.StateOf("mend"), "held");
}

// --- http ------------------------------------------------------------------------------------

TEST_F(MenderActionsTest, ARequestCarriesItsKeyAndOnlyWhatMayBeRepeatedIs) {
  struct Case {
    const char* more;
    int requests;
    const char* state;
  };
  for (const Case& one : {Case{"", 1, "indeterminate"}, Case{", idempotent: true", 2, "done"},
                          Case{", method: PUT", 2, "done"}}) {
    Workshop shop(
        WithActions(fmt::format("{{http: {{url: 'http://deployer/rollback'{}}}}}", one.more)));
    AddWeb(shop);
    shop.Boot();
    int asked = 0;
    shop.http.AnswerWith([&asked](const HttpRequest&) -> Result<HttpResponse> {
      if (++asked == 1) return Fail(Cause::kTimeout, "no answer");
      return HttpResponse{};
    });
    Fall(shop);
    shop.Pass(3s);
    EXPECT_EQ(asked, one.requests) << one.more;
    EXPECT_THAT(shop.Attempts("mend").at(0), HasSubstr(one.state)) << one.more;
    const HttpRequest request = shop.http.Sent().at(0);
    EXPECT_EQ(request.headers.Get("Idempotency-Key"), shop.Find("mend")->attempts.at(0).id);
    EXPECT_EQ(shop.http.Sent().back().headers.Get("Idempotency-Key"),
              request.headers.Get("Idempotency-Key"));
    EXPECT_THAT(request.body, HasSubstr(R"("labels":{"alertname":"Down"})"));
    EXPECT_FALSE(shop.http.Options().at(0).follow_redirects) << "a URL that nobody configured";
  }
}

// --- evidence --------------------------------------------------------------------------------

TEST_F(MenderActionsTest, WhatTheEngineKnowsIsKeptBeforeTheFirstCallOnly) {
  Workshop shop(WithActions("{restart: {}}, {restart: {}}"));
  AddWeb(shop);
  shop.engine.SetLogs("shop-web-1", "fatal: out of connections\n");
  shop.Boot();
  Fall(shop);
  const std::vector<std::string> calls = shop.engine.Calls();
  const auto at = [&](const std::string& call) {
    return std::find_if(calls.begin(), calls.end(),
                        [&](const std::string& line) { return line.starts_with(call); }) -
           calls.begin();
  };
  EXPECT_LT(at("logs shop-web-1"), at("restart shop-web-1"));
  shop.Pass(60s);
  const auto records = shop.store.All("evidence");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_THAT(records[0].body, HasSubstr("out of connections"));
  EXPECT_EQ(records[0].id, shop.Find("mend")->incident.id);
  IncidentsApi api({shop.brain(), shop.mender(), &shop.store});
  const HttpResponse shown =
      api.One({.url = "/api/fettle/v1/incidents/" + shop.Find("mend")->incident.id});
  EXPECT_THAT(shown.body, HasSubstr("fatal: out of connections"));
  EXPECT_THAT(shown.body, HasSubstr("unhealthy (3 in a row failed)"));
}

TEST_F(MenderActionsTest, EvidenceThatCannotBeHadHoldsNothingBack) {
  Workshop shop(WithActions("{restart: {}}"));
  AddWeb(shop);
  shop.Boot();
  shop.engine.FailAll("logs", Denied());
  shop.engine.FailAll("stats", Denied());
  Fall(shop);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
}

// --- events ----------------------------------------------------------------------------------

TEST_F(MenderActionsTest, ADeployAndMaintenanceHoldRepairs) {
  Workshop shop(WithActions("{restart: {}}") + "guards: {after_deploy: 2m}\n");
  AddWeb(shop);
  shop.Boot();
  shop.courses[EventKind::kMaintenance].under_way = true;
  shop.courses[EventKind::kDeploy].under_way = true;
  Fall(shop);
  EXPECT_EQ(shop.StateOf("mend"), "suppressed maintenance");
  shop.courses[EventKind::kMaintenance].under_way = false;
  shop.Pass(15s);
  EXPECT_EQ(shop.StateOf("mend"), "suppressed after_deploy");
  shop.courses[EventKind::kDeploy] = {.ended = shop.clock.Now().wall};
  shop.Pass(100s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.Pass(25s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

}  // namespace
}  // namespace fettle::receivers

// The whole turn without a server and without waiting: observe, judge, act, verify, show, as
// fettle.cc puts it together. Goal: what one part says is what the next one hears, on every way
// through the house; each part's own corners are in its own tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/house.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr char kWeb[] = R"(
connections: {docker: {local: {endpoint: "unix:///made/up.sock"}}}
exporter:
  interval: 5s
  docker: {connection: local}
  health: [{name: web, http: {url: "http://web/healthz"}, interval: 1s, timeout: 500ms}]
rules: {evaluation_interval: 5s, rule_files: [builtin, own.yml]}
receivers:
  config_file: alertmanager.yml
  targets: [{name: web, docker: {connection: local, project: shop, service: web}}]
  guards: {mode: auto}
  repairs:
  - name: heal-web
    matchers: ['alertname=~"ContainerUnhealthy|WebSlow"', 'service="web"']
    target: web
    mode: auto
    guards: {cooldown: 1s}
    verify: {within: 20s, hold: 10s}
    actions: [{restart: {}}, {escalate: {receiver: oncall}}]
  - name: revive-web
    matchers: ['alertname="WebDown"']
    target: web
    mode: auto
    verify: {expr: 'fettle_probe_up{name="web"} == 1', within: 20s, hold: 5s}
    actions: [{restart: {}}, {restart: {}}, {escalate: {receiver: oncall}}]
)";
constexpr char kOwnRules[] = R"(
groups:
- name: own
  rules:
  - {alert: WebDown, expr: 'fettle_probe_up{name="web"} == 0', labels: {severity: page}}
)";
constexpr char kPeople[] = R"(
route:
  receiver: team
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
receivers:
- name: team
  webhook_configs: [{url: "http://people/team", send_resolved: true}]
  slack_configs: [{api_url: "http://people/slack", channel: "#ops", send_resolved: true}]
- name: oncall
  webhook_configs: [{url: "http://people/oncall"}]
)";

// "firing ContainerUnhealthy" of a webhook's payload.
std::vector<std::string> Said(const std::vector<std::string>& bodies) {
  std::vector<std::string> lines;
  for (const std::string& body : bodies) {
    const Result<Json> json = Json::Parse(body);
    EXPECT_TRUE(json) << body;
    lines.push_back((*json)["status"].StringOr("") + " " +
                    (*json)["commonLabels"]["alertname"].StringOr(""));
  }
  return lines;
}

class TurnTest : public testing::Test {
 protected:
  explicit TurnTest(const char* fettle_yml = kWeb) : house(fettle_yml, kPeople) {
    house.dir.Write("own.yml", kOwnRules);
    AddWeb(house, true);
  }
  static void AddWeb(House& house, bool heals) {
    house.engine.Add(
        {.name = "shop-web-1",
         .labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}},
         .health = ContainerHealth::kHealthy,
         .restart_policy = "unless-stopped",
         .heals_when_started = heals});
  }
  void Boot() {
    house.Boot();
    house.Pass(30s);  // groups have had their first slot
    ASSERT_THAT(house.Alerts(), IsEmpty());
    ASSERT_EQ(house.Metric("fettle_collector_up{collector=\"docker\",target=\"local\"}"), 1);
  }

  House house;
};

TEST_F(TurnTest, ASickContainerIsRestartedAtOnceVerifiedAndToldOf) {
  Boot();
  house.engine.TurnUnhealthy("shop-web-1");
  house.Pass(100ms);  // no slot of any rule, no interval of any collector
  EXPECT_THAT(house.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  EXPECT_EQ(house.StateOf("heal-web"), "holding") << "the engine says that it is healthy";

  const std::vector<std::string> team = house.Told("team");
  ASSERT_THAT(Said(team), ElementsAre("firing ContainerUnhealthy"));
  EXPECT_THAT(team[0],
              AllOf(HasSubstr(R"("version":"4")"), HasSubstr(R"("receiver":"team")"),
                    HasSubstr(R"("groupLabels":{"alertname":"ContainerUnhealthy"})"),
                    HasSubstr(R"("service":"web")"), HasSubstr(R"("startsAt":"2026-01-01T)"),
                    HasSubstr("http://fettle.example")));
  ASSERT_THAT(house.Told("slack"), SizeIs(1));
  EXPECT_THAT(house.Told("slack")[0],
              AllOf(HasSubstr(R"("channel":"#ops")"), HasSubstr("[FIRING:1] ContainerUnhealthy")));

  house.Pass(1min);
  EXPECT_EQ(house.StateOf("heal-web"), "closed repaired");
  EXPECT_THAT(house.Alerts(), IsEmpty());
  EXPECT_THAT(Said(house.Told("team")),
              ElementsAre("firing ContainerUnhealthy", "resolved ContainerUnhealthy"));
  ASSERT_THAT(house.Told("slack"), SizeIs(2));
  EXPECT_THAT(house.Told("slack")[1], HasSubstr("[RESOLVED] ContainerUnhealthy"));
  EXPECT_THAT(house.Told("oncall"), IsEmpty());
  EXPECT_THAT(house.engine.Acts(), SizeIs(1));
  EXPECT_TRUE(house.store.VerifyAudit());

  // And the exporter shows all of it again.
  house.Pass(10s);
  for (const auto& [series, value] : std::map<std::string, double>{
           {"fettle_container_health{container=\"shop-web-1\",health=\"healthy\",project=\"shop\","
            "service=\"web\"}",
            1},
           {"fettle_repair_attempts_total{action=\"restart\",repair=\"heal-web\",result=\"done\"}",
            1},
           {"fettle_incidents_closed_total{outcome=\"repaired\",repair=\"heal-web\"}", 1},
           {"alertmanager_notifications_total{integration=\"slack\",receiver_name=\"team\"}", 2},
           {"alertmanager_notifications_total{integration=\"webhook\",receiver_name=\"team\"}", 2},
       }) {
    EXPECT_EQ(house.Metric(series), value) << series;
  }
}

TEST_F(TurnTest, AProbeThatFlipsWakesAnOwnRuleAndVerifiesByIt) {
  Boot();
  house.Answer("http://web/healthz", 500);
  house.Pass(2500ms);  // two failures of 1 s, the second confirmed at once
  EXPECT_THAT(house.Alerts(), ElementsAre("firing ProbeDown", "firing WebDown"));
  EXPECT_THAT(house.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  house.Answer("http://web/healthz", 200);
  house.Pass(1min);
  EXPECT_EQ(house.StateOf("revive-web"), "closed repaired");
  EXPECT_THAT(house.engine.Acts(), SizeIs(1));
  EXPECT_THAT(house.Told("oncall"), IsEmpty());
}

TEST_F(TurnTest, WhatDoesNotHelpClimbsTheLadderToAPerson) {
  Boot();
  house.Answer("http://web/healthz", 500);
  house.Pass(3min);
  EXPECT_THAT(house.engine.Acts(),
              ElementsAre("restart shop-web-1 t=10", "restart shop-web-1 t=10"));
  EXPECT_THAT(house.StateOf("revive-web"), testing::StartsWith("escalated"));
  ASSERT_THAT(house.Told("oncall"), SizeIs(1));
  EXPECT_THAT(house.Told("oncall")[0],
              AllOf(HasSubstr("RepairEscalated"), HasSubstr("revive-web"), HasSubstr("web")));
  house.Pass(5min);
  EXPECT_THAT(house.engine.Acts(), SizeIs(2)) << "a person has it now";
}

TEST_F(TurnTest, WhatAPersonStoppedOrPausedIsLeftAlone) {
  Boot();
  house.engine.Pause("shop-web-1");
  house.Pass(30s);
  house.PostAlert({{"alertname", "WebSlow"}, {"service", "web"}});
  house.Pass(1min);
  EXPECT_EQ(house.StateOf("heal-web"), "suppressed operator_intent");
  house.engine.Unpause("shop-web-1");
  house.PostAlert({{"alertname", "WebSlow"}, {"service", "web"}}, true);
  house.Pass(1min);
  EXPECT_THAT(house.engine.Acts(), IsEmpty());

  house.engine.TurnUnhealthy("shop-web-1");  // and is stopped before anybody else can act
  house.engine.SomebodyStops("shop-web-1");
  house.Pass(3min);
  EXPECT_THAT(house.engine.Acts(), IsEmpty());
  EXPECT_EQ(house.engine.Inspect("shop-web-1")->state, ContainerState::kExited);
}

TEST_F(TurnTest, ASilenceHoldsTellingAndRepair) {
  Boot();
  house.Silence("service=web", 3min);
  house.engine.TurnUnhealthy("shop-web-1");
  house.Pass(2min);
  EXPECT_THAT(house.Alerts(), ElementsAre("firing ContainerUnhealthy"));
  EXPECT_THAT(house.engine.Acts(), IsEmpty());
  EXPECT_THAT(house.Told("team"), IsEmpty());
  EXPECT_EQ(house.StateOf("heal-web"), "suppressed quiet");
  house.Pass(2min);
  EXPECT_THAT(house.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  EXPECT_EQ(house.StateOf("heal-web"), "closed repaired");
}

TEST_F(TurnTest, AnAlertFromOutsideMendsAndIsNotToldASecondTime) {
  Boot();
  EXPECT_EQ(house.PostAlert({{"alertname", "WebSlow"}, {"service", "web"}}), 200);
  EXPECT_THAT(house.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  house.Pass(30s);
  EXPECT_EQ(house.PostAlert({{"alertname", "WebSlow"}, {"service", "web"}}, true), 200);
  house.Pass(30s);
  EXPECT_EQ(house.StateOf("heal-web"), "closed repaired");
  EXPECT_THAT(house.Told("team"), IsEmpty());
  EXPECT_EQ(house.Metric("fettle_webhook_requests_total{result=\"stored\"}"), 2);
}

constexpr char kBackup[] = R"(
connections: {docker: {local: {endpoint: "unix:///made/up.sock"}}}
exporter: {interval: 5s, docker: {connection: local}}
rules: {evaluation_interval: 5s, rule_files: [builtin]}
receivers:
  config_file: alertmanager.yml
  guards: {mode: auto}
  repairs:
  - name: retry-backup
    matchers: ['alertname="BackupFailed"']
    mode: auto
    guards: {cooldown: 1s}
    actions: [{backup: {label: backup}, attempts: 2}, {escalate: {receiver: oncall}}]
  backups:
  - name: files
    source: {command: {argv: [/bin/sh, "${HOUSE}/dump"]}}
    to: [{directory: {path: "${HOUSE}/to"}}]
    schedule: {cron: "5 0 * * *", timezone: UTC}
    retry: {attempts: 1}
)";

class BackupTurnTest : public TurnTest {
 protected:
  BackupTurnTest() : TurnTest("") {
    std::string text = kBackup;
    for (std::size_t at = 0; (at = text.find("${HOUSE}", at)) != std::string::npos;) {
      text.replace(at, 8, house.dir.path());
    }
    house.dir.Write("fettle.yml", text);
  }
  std::string Runs(const std::string& result) const {
    return "fettle_backup_runs_total{backup=\"files\",result=\"" + result + "\"}";
  }
};

TEST_F(BackupTurnTest, ABackupThatFailsIsRunAgainVerifiedAndToldResolved) {
  // The first run fails, every later one is good.
  house.dir.Write("dump", "cd " + house.dir.path() +
                              "; echo all of it; [ -e tried ] || { touch tried; exit 3; }\n");
  Boot();
  house.Pass(10min);
  EXPECT_EQ(house.Metric(Runs("failed")), 1);
  EXPECT_EQ(house.Metric(Runs("success")), 1);
  EXPECT_EQ(house.Metric("fettle_backup_failures_total{backup=\"files\",reason=\"dump_exit\"}"), 1);
  EXPECT_EQ(house.StateOf("retry-backup"), "closed repaired");
  EXPECT_THAT(Said(house.Told("team")),
              ElementsAre("firing BackupFailed", "resolved BackupFailed"));
  EXPECT_THAT(house.Told("oncall"), IsEmpty());
  EXPECT_EQ(house.Metric("fettle_repair_attempts_total{action=\"backup\",repair=\"retry-backup\","
                         "result=\"done\"}"),
            1);
}

TEST_F(BackupTurnTest, ABackupThatFailsAgainAndAgainIsAPersonsMatter) {
  house.dir.Write("dump", "echo 'no space left' >&2; exit 3\n");
  Boot();
  house.Pass(20min);
  EXPECT_EQ(house.Metric(Runs("failed")), 3) << "the scheduled one and two of the ladder";
  EXPECT_EQ(house.Metric(Runs("success")), 0);
  EXPECT_THAT(house.StateOf("retry-backup"), testing::StartsWith("escalated"));
  ASSERT_THAT(house.Told("oncall"), SizeIs(1));
  EXPECT_THAT(Said(house.Told("team")), Not(Contains("resolved BackupFailed")));
}

// The same repair and little besides, because it is told often.
constexpr char kOnlyWeb[] = R"(
connections: {docker: {local: {endpoint: "unix:///made/up.sock"}}}
exporter: {docker: {connection: local}}
rules: {rule_files: [builtin]}
receivers:
  config_file: alertmanager.yml
  targets: [{name: web, docker: {connection: local, project: shop, service: web}}]
  repairs:
  - name: heal-web
    matchers: ['alertname="ContainerUnhealthy"']
    target: web
    mode: auto
    verify: {within: 20s, hold: 10s}
    actions: [{restart: {}}, {escalate: {receiver: oncall}}]
)";

// The process dies at each commit of the store, from the moment the container turns sick: that
// commit is lost or kept, and a new process goes on.
TEST(TurnCrashTest, ADeathAtAnyCommitEndsInExactlyOneRestart) {
  for (const Kept kept : {Kept::kNo, Kept::kYes}) {
    int deaths = 0;
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(fmt::format("commit {} {}", nth, kept == Kept::kYes ? "kept" : "lost"));
      House house(kOnlyWeb, kPeople);
      house.engine.Add({.name = "shop-web-1",
                        .labels = {{"com.docker.compose.project", "shop"},
                                   {"com.docker.compose.service", "web"}},
                        .health = ContainerHealth::kHealthy,
                        .restart_policy = "unless-stopped",
                        .heals_when_started = true});
      house.Boot();
      house.Pass(16s);
      house.store.OnCrash([] { throw ProcessDied{}; });
      house.store.CrashAtNth(nth, kept);
      bool died = false;
      try {
        house.engine.TurnUnhealthy("shop-web-1");
        house.Pass(90s);
      } catch (const ProcessDied&) {
        died = true;
        house.Crash();
        house.clock.Pass(2s);
        house.Boot();
        house.Pass(90s);
      }
      if (!died) break;
      ++deaths;
      EXPECT_THAT(house.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
      EXPECT_EQ(house.engine.Starts("shop-web-1"), 1);
      EXPECT_EQ(house.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
      const std::vector<Record> incidents = house.store.All(receivers::kIncidentKind);
      ASSERT_THAT(incidents, SizeIs(1));
      EXPECT_EQ(receivers::ToIncident(incidents[0])->outcome, "repaired");
      EXPECT_THAT(house.Alerts(), IsEmpty());
      EXPECT_THAT(house.Told("oncall"), IsEmpty());
      EXPECT_TRUE(house.store.VerifyAudit());
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_GE(deaths, 8) << "commits of one turn";
  }
}

}  // namespace
}  // namespace fettle

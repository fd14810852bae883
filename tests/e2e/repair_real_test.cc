// The main job, on a real engine: observe, judge, act, verify, show. Goal: a sick container is
// restarted once, verified and told of; whatever a person did to it is left alone; and a fettle
// that is killed at any moment of a repair neither repeats it nor leaves it half done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/docker_daemon.h"
#include "tests/support/engine_proxy.h"
#include "tests/support/post_box.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;

// fettle beside one Compose project of its own, with people who listen.
class RepairRealTest : public testing::Test {
 protected:
  void SetUp() override { FETTLE_NEEDS_DOCKER(); }
  void TearDown() override {
    if (!container_.empty()) docker().Remove(container_);
  }

  static DockerDaemon& docker() { return *DockerDaemon::Shared(); }

  // One container of service web, in a project named after the test.
  void RunWeb(DockerBox box = {}) {
    project_ = testing::UnitTest::GetInstance()->current_test_info()->name();
    for (char& c : project_) c = c == '/' ? '-' : static_cast<char>(std::tolower(c));
    container_ = project_ + "-web-1";
    box.name = container_;
    box.labels = ComposeLabels(project_, "web");
    docker().Run(box);
    ASSERT_TRUE(docker().WaitForEvent(container_, "health_status: healthy"));
  }

  std::string Config(const std::string& endpoint, const std::string& rule_files = "[builtin]") {
    return fmt::format(R"(
connections: {{docker: {{local: {{endpoint: "{}"}}}}}}
exporter: {{interval: 1s, docker: {{connection: local}}}}
rules: {{evaluation_interval: 1s, rule_files: {}}}
receivers:
  config_file: alertmanager.yml
  targets: [{{name: web, docker: {{connection: local, project: {}, service: web}}, stop_timeout: 1s}}]
  guards: {{mode: auto, attempts: [20/1h], concurrent: 2}}
  repairs:
  - name: heal-web
    matchers: ['service="web"', 'alertname=~"ContainerUnhealthy|WebSick"']
    target: web
    mode: auto
    guards: {{cooldown: 1s, attempts: [3/1h, 7/24h]}}
    verify: {{within: 20s, hold: 1s}}
    actions: [{{restart: {{}}}}, {{escalate: {{receiver: oncall}}}}]
)",
                       endpoint, rule_files, project_);
  }
  std::string Alertmanager() const {
    return fmt::format(R"(
route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
receivers:
- name: team
  webhook_configs: [{{url: "{0}/team", send_resolved: true}}]
  slack_configs: [{{api_url: "{0}/slack", channel: "#ops", send_resolved: true}}]
- name: oncall
  webhook_configs: [{{url: "{0}/oncall"}}]
)",
                       people_.url());
  }
  void Launch(const std::string& config) {
    program_ = std::make_unique<Program>(Program::Options{.config = config});
    program_->dir().Write("alertmanager.yml", Alertmanager());
    program_->Start();
    ASSERT_TRUE(WaitUntil([&] {
      return program_->Query("fettle_container_state{container=\"" + container_ +
                             "\",state=\"running\"}") == 1;
    })) << program_->Log();
  }
  // How the newest incident ended ("repaired"), or the state it is in, or "".
  std::string Incident() {
    const std::vector<Json> incidents = program_->Incidents();
    if (incidents.empty()) return "";
    const std::string outcome = incidents.front()["outcome"].StringOr("");
    return outcome.empty() ? incidents.front()["state"].StringOr("") : outcome;
  }
  bool Healthy() {
    const Result<Container> container = docker().engine().Inspect(container_);
    return container && container->state == ContainerState::kRunning &&
           container->health == ContainerHealth::kHealthy;
  }
  int Restarts() { return docker().Count(container_, "start") - 1; }

  PostBox people_;
  std::string project_;
  std::string container_;
  std::unique_ptr<Program> program_;
};

TEST_F(RepairRealTest, ASickContainerIsRestartedVerifiedAndToldOf_D01) {
  RunWeb();
  Launch(Config(docker().Endpoint()));
  docker().MakeUnhealthy(container_);
  ASSERT_TRUE(docker().WaitForEvent(container_, "start", 2)) << program_->Log();
  EXPECT_TRUE(WaitUntil([&] { return Incident() == "repaired"; }))
      << program_->Get("/api/fettle/v1/incidents").body << program_->Log();
  EXPECT_TRUE(Healthy());
  EXPECT_EQ(Restarts(), 1);
  EXPECT_EQ(
      program_->Query("sum(fettle_repair_attempts_total{repair=\"heal-web\",action=\"restart\"})"),
      1);
  // Both are told that it fires, and later that it is over.
  ASSERT_TRUE(WaitUntil([&] {
    return testing::Matches(Contains(HasSubstr(R"("status":"resolved")")))(people_.At("/team"));
  })) << program_->Log();
  EXPECT_THAT(people_.At("/team").front(), HasSubstr(R"("alertname":"ContainerUnhealthy")"));
  EXPECT_THAT(people_.At("/team").front(), HasSubstr(R"("version":"4")"));
  ASSERT_TRUE(WaitUntil([&] { return people_.CountAt("/slack") > 0; }));
  EXPECT_THAT(people_.At("/slack").front(), HasSubstr("[FIRING:1] "));
  EXPECT_EQ(people_.CountAt("/oncall"), 0U);
}

TEST_F(RepairRealTest, WhatSomebodyStoppedOrPausedIsLeftAlone) {
  RunWeb();
  Launch(Config(docker().Endpoint()));
  // Paused: the engine says "unhealthy" of a monitor that stands still.
  docker().Pause(container_);
  ASSERT_TRUE(WaitUntil([&] {
    return program_->Query("fettle_container_state{container=\"" + container_ +
                           "\",state=\"paused\"}") == 1;
  }));
  docker().Unpause(container_);
  // Stopped by a person while its check fails.
  docker().MakeUnhealthy(container_);
  docker().SomebodyStops(container_, 1);
  ASSERT_TRUE(WaitUntil([&] {
    return program_->Query("fettle_container_state{container=\"" + container_ +
                           "\",state=\"exited\"}") == 1;
  }));
  // An alert that asks for a repair is held, and says why.
  EXPECT_EQ(program_
                ->Post("/webhook", R"({"version":"4","status":"firing","alerts":[{"status":"firing",
                   "labels":{"alertname":"WebSick","service":"web"},"annotations":{},
                   "startsAt":"2026-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z"}]})")
                .status,
            200);
  EXPECT_TRUE(WaitUntil([&] {
    return program_->Get("/api/fettle/v1/incidents").body.find("operator_intent") !=
           std::string::npos;
  })) << program_->Get("/api/fettle/v1/incidents").body;
  EXPECT_LE(Restarts(), 1);  // the one of the check that failed before the stop, if it was faster
  const Result<Container> left = docker().engine().Inspect(container_);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->state, ContainerState::kExited);
}

TEST_F(RepairRealTest, ARestartThatDoesNotHelpIsEscalated) {
  // It makes /ok once and never again.
  RunWeb({.command = {"/bin/sh", "-c",
                      "[ -e /born ] || { touch /born /ok; }; trap 'exit 0' TERM; "
                      "while sleep 0.1; do :; done"}});
  std::string config = Config(docker().Endpoint());
  config.replace(config.find("within: 20s"), 11, "within: 3s");
  Launch(config);
  docker().MakeUnhealthy(container_);
  ASSERT_TRUE(WaitUntil([&] { return people_.CountAt("/oncall") > 0; }, 60s)) << program_->Log();
  EXPECT_THAT(people_.At("/oncall").front(), HasSubstr("RepairEscalated"));
  EXPECT_EQ(Restarts(), 1);
}

// Where in a repair fettle is killed: at the nth time that the engine is asked this.
struct Kill {
  const char* name;
  const char* request;  // part of the request's line
  EngineProxy::Point point;
};
class KilledRealTest : public RepairRealTest, public testing::WithParamInterface<Kill> {};

TEST_P(KilledRealTest, ItIsRestartedExactlyOnceAndNotLeftDown) {
  RunWeb();
  std::atomic<bool> armed = false;
  std::atomic<bool> killed = false;
  EngineProxy proxy(docker().Socket(), [&](EngineProxy::Point point, const std::string& line) {
    if (!armed || point != GetParam().point || line.find(GetParam().request) == std::string::npos) {
      return;
    }
    armed = false;
    kill(program_->pid(), SIGKILL);
    killed = true;
  });
  Launch(Config(proxy.endpoint()));
  armed = true;
  docker().MakeUnhealthy(container_);
  ASSERT_TRUE(WaitUntil([&] { return killed.load(); })) << program_->Log();
  program_->Kill();
  program_->Start();
  EXPECT_TRUE(WaitUntil([&] { return Healthy() && Incident() == "repaired"; }, 60s))
      << program_->Get("/api/fettle/v1/incidents").body << program_->Log();
  EXPECT_EQ(Restarts(), 1) << program_->Log();
}

INSTANTIATE_TEST_SUITE_P(
    Steps, KilledRealTest,
    testing::Values(Kill{"BeforeTheLook", "/json", EngineProxy::Point::kBeforeRequest},
                    Kill{"AfterTheLook", "/json", EngineProxy::Point::kBeforeAnswer},
                    Kill{"BeforeTheCall", "/restart", EngineProxy::Point::kBeforeRequest},
                    Kill{"DuringTheCall", "/restart", EngineProxy::Point::kAfterRequest},
                    Kill{"BeforeTheAnswer", "/restart", EngineProxy::Point::kBeforeAnswer}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace fettle

// The same repair, asked for by others: a real Prometheus scrapes fettle and judges by a rule of
// its own, a real Alertmanager posts to fettle's /webhook. Goal: one cause is one restart, however
// often it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/alertmanager_server.h"
#include "tests/support/docker_daemon.h"
#include "tests/support/program.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kProject = "foreign";
constexpr const char* kContainer = "foreign-web-1";

class AlertmanagerDrivenRealTest : public testing::Test {
 protected:
  void SetUp() override {
    FETTLE_NEEDS_DOCKER();
    docker().Run({.name = kContainer, .labels = ComposeLabels(kProject, "web")});
    ASSERT_TRUE(docker().WaitForEvent(kContainer, "health_status: healthy"));
    program_ = std::make_unique<Program>(Program::Options{.config = Config()});
    program_->dir().Write("nothing.yml", "groups: []\n");  // fettle itself judges nothing
    program_->Start();
    // It is re-posted each second for as long as it fires.
    alertmanager_ = AlertmanagerServer::Start(fmt::format(
        R"(
route: {{receiver: fettle, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers: [{{name: fettle, webhook_configs: [{{url: "{}/webhook", send_resolved: true}}]}}]
)",
        program_->url()));
    prometheus_ =
        PrometheusServer::Start(fmt::format(
                                    R"(
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}
scrape_configs: [{{job_name: fettle, static_configs: [{{targets: ['{}']}}]}}]
)",
                                    alertmanager_->url().substr(7), program_->url().substr(7)),
                                R"(
groups:
- name: ours
  rules:
  - alert: WebSick
    expr: fettle_container_health{project="foreign",health="unhealthy"} == 1
    labels: {severity: page}
)");
    ASSERT_TRUE(WaitUntil([&] {
      return prometheus_->Query(R"(fettle_container_health{project="foreign",health="healthy"})") ==
             1;
    })) << prometheus_->Get("/api/v1/targets");
  }
  void TearDown() override {
    if (program_) docker().Remove(kContainer);
  }
  static DockerDaemon& docker() { return *DockerDaemon::Shared(); }
  static std::string Config() {
    return fmt::format(R"(
connections: {{docker: {{local: {{endpoint: "{}"}}}}}}
exporter: {{interval: 1s, docker: {{connection: local}}}}
rules: {{evaluation_interval: 1s, rule_files: [nothing.yml]}}
receivers:
  targets: [{{name: web, docker: {{connection: local, project: foreign, service: web}}, stop_timeout: 1s}}]
  guards: {{mode: auto, attempts: [20/1h], concurrent: 2}}
  repairs:
  - name: heal-web
    matchers: ['alertname="WebSick"', 'service="web"']
    target: web
    mode: auto
    guards: {{cooldown: 1s, attempts: [3/1h]}}
    verify: {{within: 20s, hold: 1s}}
    actions: [{{restart: {{}}}}]
)",
                       docker().Endpoint());
  }
  double Stored() { return program_->Metric("fettle_webhook_requests_total{result=\"stored\"}"); }
  std::string Outcome() {
    const std::vector<Json> incidents = program_->Incidents();
    return incidents.empty() ? "" : incidents.front()["outcome"].StringOr("");
  }

  std::unique_ptr<Program> program_;
  std::unique_ptr<AlertmanagerServer> alertmanager_;
  std::unique_ptr<PrometheusServer> prometheus_;
};

TEST_F(AlertmanagerDrivenRealTest, OneCauseIsOneRestartHoweverOftenItIsTold) {
  docker().MakeUnhealthy(kContainer);
  ASSERT_TRUE(docker().WaitForEvent(kContainer, "start", 2, 60s))
      << prometheus_->Get("/api/v1/alerts") << program_->Log();
  // Alertmanager goes on posting while it is verified, and then says that it is over.
  const double posts = Stored();
  EXPECT_GE(posts, 1);
  EXPECT_TRUE(WaitUntil([&] { return Outcome() == "repaired"; }, 60s))
      << program_->Get("/api/fettle/v1/incidents").body << program_->Log();
  EXPECT_TRUE(
      WaitUntil([&] { return prometheus_->Query("ALERTS{alertname=\"WebSick\"}") == -1; }, 30s));
  EXPECT_TRUE(WaitUntil([&] { return Stored() > posts; }, 60s)) << "posted again";
  EXPECT_EQ(docker().Count(kContainer, "start"), 2) << program_->Log();
  EXPECT_EQ(
      program_->Query("sum(fettle_repair_attempts_total{repair=\"heal-web\",action=\"restart\"})"),
      1);
  EXPECT_EQ(program_->Incidents().size(), 1U) << program_->Get("/api/fettle/v1/incidents").body;
  const Result<Container> container = docker().engine().Inspect(kContainer);
  ASSERT_TRUE(container);
  EXPECT_EQ(container->state, ContainerState::kRunning);
  EXPECT_EQ(container->health, ContainerHealth::kHealthy);
}

}  // namespace
}  // namespace fettle

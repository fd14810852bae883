// The sections of rule tests that need receivers: who is told, and what would be mended.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fettle_rule_tests.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using Lines = std::vector<std::string>;

class RuleTestsTest : public testing::Test {
 protected:
  RuleTestsTest() {
    dir_.Write("alertmanager.yml", R"(
route: {receiver: all, group_by: [alertname], group_wait: 30s, group_interval: 1m, repeat_interval: 4h,
        routes: [{matchers: ['severity="page"'], receiver: pager}]}
inhibit_rules: [{source_matchers: ['alertname="HostDown"'], target_matchers: ['alertname="WebDown"']}]
receivers: [{name: all}, {name: pager, webhook_configs: [{url: "http://people/pager"}]}]
)");
    dir_.Write("fettle.yml", R"(
connections: {docker: {local: {endpoint: "unix:///nonexistent.sock"}}}
rules: {rule_files: []}
receivers:
  config_file: alertmanager.yml
  targets: [{name: web, docker: {project: shop, service: web}}]
  guards: {mode: auto}
  repairs:
  - {name: heal-web, matchers: ['alertname="WebDown"'], target: web, mode: auto,
     guards: {cooldown: 10m}, actions: [{restart: {}}]}
  - {name: watch-web, matchers: ['alertname="WebSlow"'], target: web, actions: [{restart: {}}]}
)");
    dir_.Write("rules.yml", R"(groups:
- name: g
  rules:
  - {alert: WebDown, expr: 'up{job="web"} == 0', for: 1m, labels: {severity: page}}
  - {alert: WebSlow, expr: latency > 1}
  - {alert: HostDown, expr: 'host_up == 0'}
)");
  }
  Lines Run(const std::string& checks) {
    const std::string path = dir_.Write("t.yml", R"(rule_files: [rules.yml]
fettle_config: fettle.yml
tests:
- name: evening
  input_series:
  - {series: 'up{job="web", i="1"}', values: '1 1 0x8 1x30'}
  - {series: 'latency{i="1"}', values: '0x20 2x20'}
  - {series: 'host_up', values: '1x25 0x5 1x10'}
)" + checks);
    return rules::RunTestFile(path, {.watch = WatchByRehearsal()}).failures;
  }
  TempDir dir_;
};

TEST_F(RuleTestsTest, WhoIsToldWhatAndWhen) {
  EXPECT_EQ(Run(R"(  notification_test:
  - {eval_time: 3m29s, receiver: pager}
  - {eval_time: 4m, receiver: pager, exp: [{alerts: [{alertname: WebDown, i: "1"}]}]}
  - {eval_time: 10m, receiver: pager}
  - {eval_time: 15m, receiver: pager, exp: [{status: resolved, alerts: [{alertname: WebDown}]}]}
  - {eval_time: 15m, receiver: all}
  - {eval_time: 22m, receiver: all, exp: [{alerts: [{alertname: WebSlow}]}]}
)"),
            Lines{});
}

TEST_F(RuleTestsTest, SaysWhatWasToldInstead) {
  EXPECT_EQ(Run(R"(  notification_test:
  - {eval_time: 4m, receiver: pager, exp: [{alerts: [{alertname: WebDown, i: "2"}]}]}
  - {eval_time: 5m, receiver: pager, exp: [{status: resolved, alerts: [{}]}]}
)"),
            (Lines{"    name: evening,\n    receiver: pager, time: 4m,\n        exp:\n            "
                   "firing: {alertname=\"WebDown\", i=\"2\"}\n        got:\n            firing: "
                   "{alertname=\"WebDown\", i=\"1\", job=\"web\", severity=\"page\"}",
                   "    name: evening,\n    receiver: pager, time: 5m,\n        exp:\n            "
                   "resolved: {}\n        got: nothing"}));
}

TEST_F(RuleTestsTest, WhichRepairActsOrIsHeldAndWhy) {
  EXPECT_EQ(Run(R"(  remediation_test:
  - {eval_time: 2m30s, repair: heal-web, target: web}
  - {eval_time: 3m30s, repair: heal-web, target: web, exp: {decision: act, action: restart}}
  - {eval_time: 21m30s, repair: watch-web, target: web, exp: {decision: hold, reason: mode}}
)"),
            Lines{});
  const Lines wrong = Run(R"(  remediation_test:
  - {eval_time: 3m30s, repair: heal-web, target: web, exp: {decision: hold, reason: cooldown}}
)");
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_NE(wrong[0].find("exp: hold: cooldown\n        got:\n            act, restart of web"),
            std::string::npos)
      << wrong[0];
}

TEST_F(RuleTestsTest, AConfigurationThatIsMissingOrWrongIsSaid) {
  dir_.Write("fettle.yml", "rule: {}\n");
  const Lines wrong = Run("  notification_test: [{eval_time: 4m, receiver: pager}]\n");
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_NE(wrong[0].find("unknown key \"rule\""), std::string::npos) << wrong[0];
}

}  // namespace
}  // namespace fettle

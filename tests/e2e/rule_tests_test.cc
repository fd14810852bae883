// What rule tests and checks say, and the sections of tests that need receivers.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "command.h"
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

// What a command prints, and its exit code.
struct Said {
  int code = 0;
  std::string out;
  std::string err;
};
Said Listen(const std::function<int()>& command) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.code = command();
  std::fflush(stdout);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

TEST_F(RuleTestsTest, CheckRulesSaysWhatPromtoolSays) {
  const std::string good =
      dir_.Write("good.yml", "groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 1m}]}]");
  const std::string twice = dir_.Write("twice.yml", R"(groups:
- {name: g, labels: {team: x}, rules: [{record: a, expr: b}, {record: a, expr: c}]})");
  const std::string broken = dir_.Write("broken.yml", "groups: [{name: g, rules: [{alert: A}]}]");
  Said said = Listen([&] { return RunCheckRules({.files = {good}}); });
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.out, "Checking " + good + "\n  SUCCESS: 1 rules found\n\n");
  said = Listen([&] { return RunCheckRules({.files = {good, twice}}); });
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.err,
            "  FAILED:\nlint error 1 duplicate rule(s) found.\nMetric: a\nLabel(s):\n\tteam: x\n"
            "Might cause inconsistency while recording expressions\n");
  EXPECT_EQ(Listen([&] { return RunCheckRules({.files = {twice}, .lint_fatal = true}); }).code, 3);
  EXPECT_EQ(Listen([&] {
              return RunCheckRules({.files = {twice}, .lint = {"none"}, .lint_fatal = true});
            }).code,
            0);
  said = Listen([&] { return RunCheckRules({.files = {broken}, .lint_fatal = true}); });
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("field 'expr' must be set in rule"), std::string::npos);
}

TEST_F(RuleTestsTest, TestRulesSaysWhatHoldsAndWhatIsCovered) {
  const std::string test = dir_.Write("t.yml", R"(rule_files: [rules.yml]
tests: [{name: "a<b", alert_rule_test: [{eval_time: 1m, alertname: HostDown, exp_alerts: [{}]}]}]
)");
  const std::string junit = dir_ / "junit.xml";
  Said said = Listen([&] {
    return RunTestRules({.files = {test}, .junit_file = junit, .coverage = true, .diff = true});
  });
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("  FAILED:\n    name: a<b,\n    alertname: HostDown, time: 1m"),
            std::string::npos)
      << said.err;
  EXPECT_NE(said.out.find("COVERAGE: 1 of 3 rules (33.3%)"), std::string::npos) << said.out;
  const std::string xml = dir_.Read("junit.xml");
  EXPECT_NE(xml.find("tests=\"1\" failures=\"1\" errors=\"0\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("<testcase name=\"a&lt;b\">"), std::string::npos) << xml;
  dir_.Write("t.yml", "rule_files: [rules.yml]\n");
  EXPECT_EQ(Listen([&] { return RunTestRules({.files = {test}}); }).code, 0);
  EXPECT_EQ(Listen([&] {
              return RunTestRules({.files = {test}, .coverage_min = 10, .coverage = true});
            }).code,
            1);
}

}  // namespace
}  // namespace fettle

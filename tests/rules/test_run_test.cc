#include "rules/test_run.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "rules/test_coverage.h"
#include "tests/support/temp_dir.h"

namespace fettle::rules {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kRules = R"(groups:
- name: g
  rules:
  - {record: 'job:up', expr: sum by (job) (up)}
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.job }} down\nsecond"}
  - {record: 'lonely', expr: vector(1)}
  - {alert: Never, expr: lonely > 1}
)";

// A rule file and one test of it.
class TestRunTest : public testing::Test {
 protected:
  TestRunTest() { directory_.Write("r.yml", kRules); }
  // `checks` is what stands under a test whose series `up` goes down after a minute.
  Lines Run(const std::string& checks, const TestRunOptions& options = {}) {
    const std::string path = directory_.Write("t.yml", R"(rule_files: [r.yml]
tests:
- name: first
  interval: 1m
  input_series:
  - {series: 'up{job="a"}', values: '1 0x9'}
  - {series: 'up{job="b"}', values: '1 0x9'}
)" + checks);
    report_ = RunTestFile(path, options);
    return report_.failures;
  }
  TempDir directory_;
  TestFileReport report_;
};

TEST_F(TestRunTest, SaysNothingOfWhatIsAsExpected) {
  EXPECT_EQ(Run(R"(  alert_rule_test:
  - {eval_time: 2m59s, alertname: Down, exp_alerts: []}
  - eval_time: 3m30s
    alertname: Down
    exp_alerts:
    - {exp_labels: {severity: page, job: b}, exp_annotations: {summary: "b down\nsecond"}}
    - {exp_labels: {severity: page, job: a}, exp_annotations: {summary: "a down\nsecond"}}
  promql_expr_test:
  - {eval_time: 5m, expr: 'job:up', exp_samples: [
      {labels: 'job:up{job="b"}', value: 0}, {labels: 'job:up{job="a"}', value: 0}]}
  - {eval_time: 30s, expr: '1.5', exp_samples: [{labels: '{}', value: 1.5}]}
)"),
            Lines{});
  EXPECT_EQ(report_.cases.size(), 1U);
}

TEST_F(TestRunTest, ShowsWhatFiresInsteadAsPromtoolDoes) {
  const Lines failures = Run(R"(  alert_rule_test:
  - {eval_time: 4m30s, alertname: Nope, exp_alerts: [{}]}
  - {eval_time: 3m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}
)");
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0], R"(    name: first,
    alertname: Down, time: 3m, 
        exp:[
            0:
              Labels:{alertname="Down", job="a"}
              Annotations:{}
            ], 
        got:[
            0:
              Labels:{alertname="Down", job="a", severity="page"}
              Annotations:{summary="a down\nsecond"},
            1:
              Labels:{alertname="Down", job="b", severity="page"}
              Annotations:{summary="b down\nsecond"}
            ])");
  EXPECT_EQ(failures[1], R"(    name: first,
    alertname: Nope, time: 4m30s, 
        exp:[
            0:
              Labels:{alertname="Nope"}
              Annotations:{}
            ], 
        got:[])");
}

TEST_F(TestRunTest, ShowsWhatAnExpressionFindsInstead) {
  EXPECT_EQ(Run(R"(  promql_expr_test:
  - {eval_time: 5m, expr: up, exp_samples: [{labels: 'up{job="a"}', value: 1}]}
  - {eval_time: 5m, expr: up == 3, exp_samples: [{labels: 'up{', value: 1}]}
  - {eval_time: 5m, expr: 'rate('}
  - {eval_time: 5m, expr: 'up[5m]'}
  - {eval_time: 5m, expr: 'up > 5', exp_samples: [{labels: 'up', value: 1e9}]}
)"),
            (Lines{"    expr: \"up\", time: 5m,\n        exp: {__name__=\"up\", job=\"a\"} 1E+00\n"
                   "        got: {__name__=\"up\", job=\"a\"} 0E+00, {__name__=\"up\", job=\"b\"} "
                   "0E+00",
                   "    expr: \"up == 3\", time: 5m, err: labels \"up{\": 1:4: parse error: "
                   "unexpected end of input inside braces",
                   "    expr: \"rate(\", time: 5m, err: 1:6: parse error: unclosed left "
                   "parenthesis",
                   "    expr: \"up[5m]\", time: 5m, err: rule result is not a vector or scalar",
                   "    expr: \"up > 5\", time: 5m,\n        exp: {__name__=\"up\"} 1E+09\n"
                   "        got: nil"}));
}

TEST_F(TestRunTest, PartialExpectationsNameWhatMatters) {
  EXPECT_EQ(Run(R"(  alert_rule_test:
  - {eval_time: 5m, alertname: Down, partial: true, exp_alerts: [{}, {exp_labels: {job: a}}]}
  - {eval_time: 5m, alertname: Down, partial: true,
     exp_alerts: [{exp_labels: {severity: page}}, {exp_annotations: {summary: "b down\nsecond"}}]}
)"),
            Lines{});
  EXPECT_EQ(Run(R"(  alert_rule_test:
  - {eval_time: 5m, alertname: Down, partial: true, exp_alerts: [{}]}
  - {eval_time: 5m, alertname: Down, partial: true,
     exp_alerts: [{exp_labels: {job: a}}, {exp_labels: {job: a}}]}
)")
                .size(),
            2U);
}

TEST_F(TestRunTest, DiffNamesOnlyWhatDiffers) {
  const Lines failures = Run(R"(  alert_rule_test:
  - eval_time: 3m
    alertname: Down
    exp_alerts:
    - {exp_labels: {severity: page, job: a}, exp_annotations: {summary: "a down\nsecond"}}
    - {exp_labels: {severity: page, job: c}}
)",
                             {.diff = true});
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].substr(failures[0].find("diff:")),
            R"(diff:
            - {alertname="Down", job="c", severity="page"} {}
            + {alertname="Down", job="b", severity="page"} {summary="b down\nsecond"})");
}

TEST_F(TestRunTest, RunsOnlyTheTestsThatAreAskedFor) {
  const std::string wrong = "  alert_rule_test: [{eval_time: 5m, alertname: Down}]\n";
  EXPECT_EQ(Run(wrong, {.run = {"^sec", "^th"}}), Lines{});
  EXPECT_TRUE(report_.cases.empty());
  EXPECT_EQ(Run(wrong, {.run = {"^sec", "irs"}}).size(), 1U);
}

TEST_F(TestRunTest, ARuleThatFailsEndsTheTest) {
  directory_.Write("r.yml",
                   "groups: [{name: g, rules: [{record: r, expr: up, labels: {job: x}}]}]");
  EXPECT_EQ(Run("  alert_rule_test: [{eval_time: 2m, alertname: Down, exp_alerts: [{}]}]\n"),
            Lines{"    rule: r, time: 0s, err: vector contains metrics with the same labelset "
                  "after applying rule labels"});
}

TEST_F(TestRunTest, SaysWhereAFileOrARuleIsWrong) {
  const Lines failures = Run("  alert_rules_test: []\n");
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_NE(failures[0].find("t.yml:8:3: test: unknown key \"alert_rules_test\", did you mean "
                             "\"alert_rule_test\"?"),
            std::string::npos)
      << failures[0];
  directory_.Write("r.yml", "groups: [{name: g, rules: [{alert: X, expr: up ==}]}]");
  EXPECT_NE(Run("").at(0).find("could not parse expression"), std::string::npos);
  directory_.Write("r.yml", "groups: [{name: g, rules: [{alert: X, expr: up, owner: me}]}]");
  EXPECT_EQ(Run("").size(), 1U);
  EXPECT_EQ(Run("", {.ignore_unknown_fields = true}), Lines{});
}

struct BadFile {
  const char* text;
  const char* complaint;
};
TEST_F(TestRunTest, EachMistakeOfAFileIsNamed) {
  const BadFile bad[] = {
      {"rule_files: [none*.yml]\ngroup_eval_order: [a, a]\n",
       "group name repeated in evaluation order: a"},
      {"tests: [{alert_rule_test: [{eval_time: 5m}]}]\n",
       "misses required attribute alertname at eval_time 5m"},
      {"tests: [{input_series: [{series: 'up{', values: '1 2'}]}]\n",
       "2:5: parse error: unexpected character inside braces: '1'"},
      {"tests: [{input_series: [{series: up, values: 1}, {series: up, values: 1y2}]}]\n", "3:"},
      {"tests: [{start_timestamp: soon}]\n", "start_timestamp: "},
      {"tests: [{interval: 1x}]\n", "interval "},
      {"tests: [{promql_expr_test: [{exp_samples: [{value: two}]}]}]\n", "value "},
      {"tests: [{notification_test: [{eval_time: 1m, receiver: r}]}]\n",
       "nobody is there who could be told"},
      {"tests: [\n", ""},
  };
  for (const BadFile& one : bad) {
    const TestFileReport report = RunTestFile(directory_.Write("bad.yml", one.text), {});
    ASSERT_FALSE(report.failures.empty()) << one.text;
    EXPECT_NE(report.failures[0].find(one.complaint), std::string::npos) << report.failures[0];
  }
  EXPECT_EQ(RunTestFile(directory_ / "none.yml", {}).failures.size(), 1U);
}

TEST_F(TestRunTest, AFileThatNobodyFindsIsAWarning) {
  const TestFileReport report =
      RunTestFile(directory_.Write("w.yml", "rule_files: [n*.yml, r.yml]\n"), {});
  EXPECT_EQ(report.failures, Lines{});
  EXPECT_EQ(report.warnings, Lines{"no file match pattern " + (directory_ / "n*.yml")});
}

TEST_F(TestRunTest, TimeMayBeginAnywhere) {
  EXPECT_EQ(Run(R"(  start_timestamp: 2026-01-01T00:00:00Z
  promql_expr_test: [{eval_time: 1m, expr: 'vector(time())',
                      exp_samples: [{labels: '{}', value: 1767225660}]},
                     {eval_time: 1m, expr: 'count(up)', exp_samples: [{labels: '{}', value: 2}]}]
)"),
            Lines{});
}

TEST_F(TestRunTest, CountsWhatNoTestSees) {
  Run(R"(  alert_rule_test: [{eval_time: 1m, alertname: Never}]
  promql_expr_test: [{eval_time: 1m, expr: 'job:up'}]
)");
  const TestCoverage some = MeasureCoverage(report_.file, report_.groups);
  EXPECT_EQ(some.rules, 4U);
  EXPECT_EQ(some.Percent(), 25);
  ASSERT_EQ(some.uncovered.size(), 3U);
  EXPECT_EQ(some.uncovered[0], (directory_ / "r.yml") + ":5: alert \"Down\" (group \"g\")");
  // What a covered alert reads is covered, too.
  Run("  alert_rule_test: [{eval_time: 1m, alertname: Never, exp_alerts: [{}]}]\n");
  EXPECT_EQ(MeasureCoverage(report_.file, report_.groups).uncovered.size(), 2U);
}

TEST_F(TestRunTest, GivesItsDataToWhoeverWantsToSeeIt) {
  std::string said;
  Run("  alert_rule_test: [{eval_time: 1m, alertname: Never}]\n",
      {.debug = [&](const std::string& text) { said += text + "\n"; }});
  EXPECT_NE(said.find("starting test first"), std::string::npos) << said;
  EXPECT_NE(said.find("up{job=\"a\"} =>\n1 @[0]\n0 @[60000]\n"), std::string::npos) << said;
}

// Keeps what it is shown.
class KeepingWatcher final : public TestWatcher {
 public:
  explicit KeepingWatcher(Lines& seen) : seen_(seen) {}
  void OnEvaluation(Time at, Time next, std::vector<Alert> told) override {
    for (const Alert& alert : told) {
      seen_.push_back(std::to_string(ToMillis(at) / 1000) + ".." +
                      std::to_string(ToMillis(next) / 1000) + " " + alert.labels.ToString());
    }
  }
  Lines Verdict() override { return {"not told"}; }

 private:
  Lines& seen_;
};

TEST_F(TestRunTest, AWatcherSeesWhatIsToldAndJudgesTheOtherSections) {
  Lines seen;
  TestRunOptions options;
  options.watch = [&seen](const TestFile&,
                          const TestGroup& test) -> Result<std::unique_ptr<TestWatcher>> {
    EXPECT_EQ(test.notifications.at(0).receiver, "team");
    return std::make_unique<KeepingWatcher>(seen);
  };
  EXPECT_EQ(Run("  notification_test: [{eval_time: 4m, receiver: team}]\n", options),
            Lines{"not told"});
  EXPECT_EQ(seen, (Lines{R"(180..240 {alertname="Down", job="a", severity="page"})",
                         R"(180..240 {alertname="Down", job="b", severity="page"})"}));
}

}  // namespace
}  // namespace fettle::rules

// Rule tests before two judges: promtool and fettle must say the same, word for word, of tests that
// hold, of tests that do not, and of tests that expect nothing.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/labels.h"
#include "common/process.h"
#include "rules/test_run.h"
#include "tests/support/peer.h"
#include "tests/support/rule_test_maker.h"
#include "tests/support/temp_dir.h"

namespace fettle::rules {
namespace {

constexpr int kFiles = 12;
constexpr int kTestsPerFile = 6;  // three times each: 216 cases

struct Verdict {
  bool passed = false;
  std::string text;  // what stands on stderr after FAILED
};

Verdict AskPromtool(const TempDir& directory, const std::string& file) {
  // To a file, because what a process says is only kept up to a bound.
  const Result<ProcessResult> run =
      RunProcess({.argv = {"sh", "-c", "\"$0\" test rules \"$1\" 2> said", PromtoolProgram(), file},
                  .directory = directory.path()});
  if (!run) return {false, run.error().message};
  std::string text = directory.Read("said");
  const std::string header = "  FAILED:\n";
  if (text.starts_with(header)) text.erase(0, header.size());
  return {run->succeeded(), text};
}

Verdict AskFettle(const TestFileReport& report) {
  std::string text;
  for (const std::string& failure : report.failures) text += failure + "\n";
  return {report.failures.empty(), text};
}

// The alerts of "got:[ 0: Labels:{…} Annotations:{…} …", as a test expects them.
std::string ExpectedAlerts(const std::string& got) {
  std::string out;
  re2::StringPiece rest(got);
  std::string labels;
  std::string annotations;
  while (RE2::FindAndConsume(&rest, R"(Labels:(\{.*\})\n *Annotations:(\{.*\}))", &labels,
                             &annotations)) {
    RE2::GlobalReplace(&labels, R"(([a-z_]+)=")", R"(\1: ")");
    RE2::GlobalReplace(&annotations, R"(([a-z_]+)=")", R"(\1: ")");
    out += (out.empty() ? "" : ", ") + std::string("{exp_labels: ") + labels +
           ", exp_annotations: " + annotations + "}";
  }
  return "[" + out + "]";
}

std::string ExpectedSamples(const std::string& got) {
  std::string out;
  re2::StringPiece rest(got);
  std::string labels;
  std::string value;
  while (RE2::FindAndConsume(&rest, R"((\{[^{}]*\}) ([^ ,]+))", &labels, &value)) {
    if (value.find("Inf") != std::string::npos) value = value[0] == '-' ? "-.inf" : ".inf";
    if (value == "NaN") value = ".nan";
    out +=
        (out.empty() ? "" : ", ") + std::string("{labels: '") + labels + "', value: " + value + "}";
  }
  return "[" + out + "]";
}

// What the checks of one test found, told by the failures of expecting nothing, which come in the
// checks' order of time, alerts first.
std::string Found(const TestFileReport::Case& one, const RuleTestMaker::Check& check) {
  const std::string head = check.alert.empty()
                               ? "expr: " + Quote(check.expr) + ", time: " + check.time + ","
                               : "alertname: " + check.alert + ", time: " + check.time + ",";
  for (const std::string& failure : one.failures) {
    if (failure.find(head) == std::string::npos) continue;
    const std::string got = failure.substr(failure.rfind("got:"));
    return check.alert.empty() ? ExpectedSamples(got) : ExpectedAlerts(got);
  }
  return "[]";
}

// Both texts around the first place where they differ; "" if they do not.
std::string FirstDifference(const std::string& a, const std::string& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() && in_b == b.end()) return "";
  const auto at = static_cast<std::size_t>(in_a - a.begin());
  const std::size_t from = at - std::min<std::size_t>(at, 400);
  return a.substr(from, 800) + "\n--- and ---\n" + b.substr(from, 800);
}

// Debian 12's own promtool knows less of rule files and says other things.
bool PromtoolIsNewEnough() {
  const Result<ProcessResult> run = RunProcess({.argv = {PromtoolProgram(), "--version"}});
  return run && (run->output + run->error).find("version 3.5") != std::string::npos;
}

TEST(TestRunOracleRealTest, SaysWhatPromtoolSaysOfGeneratedTests) {
  if (!PromtoolIsNewEnough()) GTEST_SKIP() << "this is not promtool 3.5";
  int passed = 0;
  int failed = 0;
  for (int seed = 1; seed <= kFiles; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TempDir directory;
    RuleTestMaker maker(static_cast<std::uint64_t>(seed));
    directory.Write("rules.yml", maker.Rules());
    std::vector<RuleTestMaker::Test> tests;
    for (int i = 0; i < kTestsPerFile; ++i) tests.push_back(maker.Make(i));
    const auto judge = [&](const std::string& name, const RuleTestMaker::Expected& expected) {
      directory.Write(name, maker.File("rules.yml", tests, expected));
      TestFileReport report = RunTestFile(directory / name, {});
      const Verdict theirs = AskPromtool(directory, name);
      const Verdict ours = AskFettle(report);
      EXPECT_EQ(ours.passed, theirs.passed) << name;
      EXPECT_EQ(FirstDifference(ours.text, theirs.text), "") << name << "\n"
                                                             << directory.Read("rules.yml");
      for (const auto& one : report.cases) ++(one.failures.empty() ? passed : failed);
      return report;
    };
    const TestFileReport empty =
        judge("empty.yml", [](std::size_t, std::size_t) { return std::string("[]"); });
    ASSERT_EQ(empty.cases.size(), tests.size());
    const auto right = [&](std::size_t test, std::size_t check) {
      return Found(empty.cases[test], tests[test].checks[check]);
    };
    judge("right.yml", right);
    judge("wrong.yml",
          [&](std::size_t test, std::size_t check) { return maker.Broken(right(test, check)); });
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(passed, 50);
  EXPECT_GT(failed, 50);
  RecordProperty("passed", passed);
  RecordProperty("failed", failed);
}

// Prometheus' own rule manager and engine, as promtool runs them, and fettle's: which alerts fire
// with which labels and annotations (many of which are values), which are pending, since when, and
// what is recorded, after each of the 121 evaluations of an hour.
TEST(TestRunOracleRealTest, AgreesWithPrometheusAtEveryEvaluationOfAnHour) {
  if (!PromtoolIsNewEnough()) GTEST_SKIP() << "this is not promtool 3.5";
  std::size_t compared = 0;
  for (std::uint64_t seed = 101; seed <= 104; ++seed) {
    const TempDir directory;
    RuleTestMaker maker(seed);
    directory.Write("rules.yml", maker.Rules());
    const std::vector<RuleTestMaker::Test> tests = {maker.MakeHour()};
    directory.Write("hour.yml", maker.File("rules.yml", tests, [](std::size_t, std::size_t) {
      return std::string("[]");
    }));
    const TestFileReport report = RunTestFile(directory / "hour.yml", {});
    const Verdict ours = AskFettle(report);
    const Verdict theirs = AskPromtool(directory, "hour.yml");
    EXPECT_EQ(FirstDifference(ours.text, theirs.text), "") << "seed " << seed;
    compared += report.failures.size();
  }
  EXPECT_GT(compared, 1000U);  // alerts and series that were there to be compared
}

}  // namespace
}  // namespace fettle::rules

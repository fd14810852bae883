// Runs rule tests as promtool does: every group at every evaluation_interval from the test's start,
// on samples that come as time goes by; alerts are compared after the evaluation that covers their
// eval_time, expressions at the end. Uses the very groups, engine and samples of the daemon.
//
// Blocks; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/alert.h"
#include "rules/promql/features.h"
#include "rules/rule_file.h"
#include "rules/test_file.h"

namespace fettle::rules {

// Follows one test along and judges the sections that need more than rules: the program's root
// gives it the receivers. Values come in order of time.
class TestWatcher {
 public:
  virtual ~TestWatcher() = default;
  // What the rules told at an evaluation, and the moment of the next one.
  virtual void OnEvaluation(Time at, Time next, std::vector<Alert> told) = 0;
  // What is not as expected, as lines for a person.
  virtual std::vector<std::string> Verdict() = 0;
};
using MakeTestWatcher = std::function<Result<std::unique_ptr<TestWatcher>>(const TestFile& file,
                                                                           const TestGroup& test)>;

// A test that would take more evaluations is refused.
inline constexpr std::int64_t kTestEvaluationsMax = 10'000'000;

struct TestRunOptions {
  promql::Features features{};
  std::vector<std::string> run;        // regular expressions of tests' names; none: all
  bool diff = false;                   // say what is missing and what is too much
  bool ignore_unknown_fields = false;  // of rule files
  std::function<void(const std::string&)> debug{};  // told of every test, and all its data
  MakeTestWatcher watch{};
};

struct TestFileReport {
  std::vector<std::string> warnings;
  std::vector<std::string> failures;  // in promtool's words
  struct Case {
    std::string name;
    std::vector<std::string> failures;
  };
  std::vector<Case> cases;
  TestFile file;
  std::vector<GroupSpec> groups;
};

// Reads the file and its rules and runs its tests. Whatever cannot be read is a failure.
TestFileReport RunTestFile(const std::string& path, const TestRunOptions& options);

// One test; `groups` in the order of their evaluation.
std::vector<std::string> RunTest(const TestFile& file, const TestGroup& test,
                                 const std::vector<GroupSpec>& groups,
                                 const TestRunOptions& options);

}  // namespace fettle::rules

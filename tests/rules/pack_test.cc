// The shipped packs' promtool tests, run by fettle: the verdicts must be promtool's (which
// builtin_rules_real_test.cc asks), and no rule may go untested.
#include <gtest/gtest.h>

#include <string>

#include "rules/builtin_rules.h"
#include "rules/test_coverage.h"
#include "rules/test_run.h"

namespace fettle::rules {
namespace {

TEST(PackTest, EveryPackGivesTheVerdictsOfPromtool) {
  std::size_t tests = 0;
  for (const BuiltinPack& pack : BuiltinPacks()) {
    const std::string path =
        std::string(FETTLE_SOURCE) + "/dashboards/rules/" + std::string(pack.kind) + "_test.yml";
    const TestFileReport report = RunTestFile(path, {});
    for (const std::string& failure : report.failures) ADD_FAILURE() << path << "\n" << failure;
    EXPECT_EQ(MeasureCoverage(report.file, report.groups).uncovered, std::vector<std::string>{});
    tests += report.cases.size();
  }
  EXPECT_GT(tests, 30U);
}

}  // namespace
}  // namespace fettle::rules

// Every .test file of the project passes, and Prometheus' own where they lie beside the checkout.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "rules/promql/test_runner.h"

namespace fettle::promql {
namespace {

namespace fs = std::filesystem;

std::string Contents(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TestReport RunFile(const fs::path& path, const TestOptions& options = {}) {
  return RunPromqlTest(path.filename().string(), Contents(path), options);
}

std::vector<std::string> TestFiles(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".test") files.push_back(entry.path().stem().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

const fs::path kOwn = fs::path(FETTLE_TEST_DATA) / "promql";

void ExpectAllPass(const TestReport& report, std::size_t at_least) {
  for (const std::string& failure : report.failures) ADD_FAILURE() << failure;
  EXPECT_EQ(report.failed, 0U);
  EXPECT_GE(report.passed, at_least);
}

class OwnFileTest : public testing::TestWithParam<std::string> {};
TEST_P(OwnFileTest, Passes) { ExpectAllPass(RunFile(kOwn / (GetParam() + ".test")), 5); }
INSTANTIATE_TEST_SUITE_P(Files, OwnFileTest, testing::ValuesIn(TestFiles(kOwn)),
                         [](const auto& file) { return file.param; });

const fs::path kAtOnce = kOwn / "names_dropped_at_once";
class NamesAtOnceTest : public testing::TestWithParam<std::string> {};
TEST_P(NamesAtOnceTest, Passes) {
  ExpectAllPass(RunFile(kAtOnce / (GetParam() + ".test"), {.delayed_name_removal = false}), 5);
}
INSTANTIATE_TEST_SUITE_P(Files, NamesAtOnceTest, testing::ValuesIn(TestFiles(kAtOnce)),
                         [](const auto& file) { return file.param; });

fs::path ConformanceFolder() {
  const char* given = std::getenv("FETTLE_CONFORMANCE");
  const fs::path root =
      given != nullptr ? fs::path(given) : fs::path(FETTLE_SOURCE) / "../shared/conformance";
  return root / "promql";
}

// How many evaluations each of Prometheus' files has (3.14).
struct File {
  std::string name;
  std::size_t evaluations;
};
class ConformanceTest : public testing::TestWithParam<File> {};
TEST_P(ConformanceTest, Passes) {
  const fs::path path = ConformanceFolder() / (GetParam().name + ".test");
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not there";
  ExpectAllPass(RunFile(path), GetParam().evaluations);
}
INSTANTIATE_TEST_SUITE_P(
    Files, ConformanceTest,
    testing::Values(File{"aggregators", 160}, File{"collision", 2}, File{"duration_expression", 59},
                    File{"extended_vectors", 169}, File{"fill-modifier", 46},
                    File{"functions", 431}, File{"info", 53}, File{"limit", 37},
                    File{"literals", 25}, File{"native_histograms", 522}, File{"operators", 214},
                    File{"selectors", 31}, File{"trig_functions", 19}, File{"type_and_unit", 58}),
    [](const auto& file) {
      std::string name = file.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// The runner itself: what must fail does.
struct Wrong {
  std::string test;
  std::string failure;
};
class RunnerTest : public testing::TestWithParam<Wrong> {};
TEST_P(RunnerTest, SaysWhatIsWrong) {
  const std::string load = "load 10s\n  m{a=\"1\"} 1 2\n  m{a=\"2\"} 3 4\n\n";
  const TestReport report = RunPromqlTest("t", load + GetParam().test);
  EXPECT_EQ(report.passed, 0U);
  ASSERT_FALSE(report.failures.empty());
  EXPECT_EQ(report.failures[0], GetParam().failure);
}
INSTANTIATE_TEST_SUITE_P(
    Wrongs, RunnerTest,
    testing::Values(
        Wrong{"eval instant at 0 m\n  m{a=\"1\"} 1", "t:5: m: unexpected m{a=\"2\"} 3"},
        Wrong{"eval instant at 0 m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 4",
              "t:5: m: expected 4 for m{a=\"2\"}, got 3"},
        Wrong{"eval instant at 0 m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 3\n  m{a=\"3\"} 3",
              "t:5: m: missing m{a=\"3\"}"},
        Wrong{"eval instant at 0 sort(m)\n  expect ordered\n  m{a=\"2\"} 3\n  m{a=\"1\"} 1",
              "t:5: sort(m): expected m{a=\"2\"} in place 1, got it in 2"},
        Wrong{"eval range from 0 to 10s step 10s m{a=\"1\"}\n  m{a=\"1\"} 1 _",
              "t:5: m{a=\"1\"}: m{a=\"1\"} has a point at 10000"},
        Wrong{"eval range from 0 to 10s step 10s m{a=\"1\"}\n  m{a=\"1\"} _ 2",
              "t:5: m{a=\"1\"}: m{a=\"1\"} has a point at 0 instead of 10000"},
        Wrong{"eval instant at 0 m\n  expect fail", "t:5: m: expected an error"},
        Wrong{"eval instant at 0 m +\n  expect fail msg: no",
              "t:5: m +: expected the error \"no\", got \"1:4: parse error: unexpected end of "
              "input\""},
        Wrong{"eval instant at 0 1\n  2", "t:5: 1: expected 2 for the scalar, got 1"},
        Wrong{"eval instant at 0 \"a\"\n  expect string \"b\"",
              "t:5: \"a\": expected string \"b\", got \"a\""},
        Wrong{"eval instant at 0 quantile(2, m)\n  expect no_warn\n  {} +Inf",
              "t:5: quantile(2, m): expected no warning, got \"PromQL warning: quantile value "
              "should be between 0 and 1, got 2 (1:10)\""},
        Wrong{"eval instant at 0 1\n  expect info\n  1", "t:5: 1: expected the info \"\", got "},
        Wrong{"evaluate 1", "t:5: neither an instant nor a range evaluation"},
        Wrong{"eval range from 10s to 0 step 1s 1", "t:5: the range ends before it starts"},
        Wrong{"eval instant at 0 1\n  expect nothing",
              "t:5: unknown expectation \"expect nothing\""},
        Wrong{"play", "t:5: unknown command \"play\""},
        Wrong{"load often\n  m 1", "t:5: reading the step: not a valid duration string: \"often\""},
        Wrong{"load 1s\n  m{ 1",
              "t:6: 1:4: parse error: unexpected character inside braces: '1'"}));

}  // namespace
}  // namespace fettle::promql

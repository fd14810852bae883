#include "command.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "fettle_rule_tests.h"
#include "rules/promql/test_runner.h"
#include "rules/test_coverage.h"
#include "rules/test_run.h"

namespace fettle {
namespace {

std::string XmlText(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML 1.0 has no other control characters.
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

// One <testsuite> a file, as promtool --junit writes it.
std::string JunitSuite(const std::string& file, const rules::TestFileReport& report) {
  std::string cases;
  std::size_t failed = 0;
  for (const auto& one : report.cases) {
    cases += fmt::format("    <testcase name=\"{}\">\n", XmlText(one.name));
    for (const std::string& failure : one.failures) {
      ++failed;
      cases += fmt::format("      <failure>{}</failure>\n", XmlText(failure));
    }
    cases += "    </testcase>\n";
  }
  // What could not even be read.
  const std::size_t errors = report.cases.empty() ? report.failures.size() : 0;
  if (errors > 0) {
    cases += "    <testcase name=\"" + XmlText(file) + "\">\n";
    for (const std::string& error : report.failures) {
      cases += fmt::format("      <error>{}</error>\n", XmlText(error));
    }
    cases += "    </testcase>\n";
  }
  return fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n{}  </testsuite>\n",
      XmlText(file), report.cases.size(), failed, errors, cases);
}

void PrintReport(const rules::TestFileReport& report) {
  for (const std::string& warning : report.warnings) {
    fmt::print(stderr, "  WARNING: {}\n", warning);
  }
  if (report.failures.empty()) {
    fmt::print("  SUCCESS\n");
    return;
  }
  std::fflush(stdout);
  fmt::print(stderr, "  FAILED:\n");
  for (const std::string& failure : report.failures) fmt::print(stderr, "{}\n", failure);
}

// False if less is covered than was asked for.
bool PrintCoverage(const rules::TestFileReport& report, double percent_min) {
  const rules::TestCoverage coverage = rules::MeasureCoverage(report.file, report.groups);
  fmt::print("  COVERAGE: {} of {} rules ({:.1f}%)\n", coverage.rules - coverage.uncovered.size(),
             coverage.rules, coverage.Percent());
  for (const std::string& rule : coverage.uncovered) fmt::print("    no test sees {}\n", rule);
  return coverage.Percent() >= percent_min;
}

}  // namespace

int RunTestRules(const TestRulesCommand& command) {
  rules::TestRunOptions options;
  options.features = command.features;
  options.run = command.run;
  options.diff = command.diff;
  options.ignore_unknown_fields = command.ignore_unknown_fields;
  options.watch = WatchByRehearsal();
  if (command.debug) {
    options.debug = [](const std::string& text) { fmt::print(stderr, "DEBUG: {}\n", text); };
  }
  bool good = true;
  std::string suites;
  for (const std::string& file : command.files) {
    fmt::print("Unit Testing:  {}\n", file);
    const rules::TestFileReport report = rules::RunTestFile(file, options);
    PrintReport(report);
    good = good && report.failures.empty();
    if (command.coverage) good = PrintCoverage(report, command.coverage_min) && good;
    suites += JunitSuite(file, report);
    fmt::print("\n");
  }
  if (!command.junit_file.empty()) {
    std::ofstream out(command.junit_file, std::ios::binary);
    out << "<testsuites>\n" << suites << "</testsuites>\n";
    if (!out.flush()) {
      fmt::print(stderr, "{}: cannot be written\n", command.junit_file);
      good = false;
    }
  }
  return good ? 0 : 1;
}

int RunTestPromql(const std::vector<std::string>& files) {
  promql::TestReport all;
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      ++all.failed;
      fmt::print(stderr, "{}: cannot be read\n", file);
      continue;
    }
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    const promql::TestReport report = promql::RunPromqlTest(file, text);
    for (const std::string& failure : report.failures) fmt::print(stderr, "{}\n", failure);
    all.passed += report.passed;
    all.failed += report.failed;
  }
  fmt::print("{} passed, {} failed\n", all.passed, all.failed);
  return all.failed == 0 ? 0 : 1;
}

}  // namespace fettle

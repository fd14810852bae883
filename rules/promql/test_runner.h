// Runs Prometheus' PromQL test language: `fettle test promql FILE…`, and the project's own tests.
//
// Each evaluation is checked as Prometheus checks it: the query itself; the same with every
// selector pinned by @, at other times; and each of those as a range query, whose middle step must
// say the same.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fettle::promql {

struct TestReport {
  std::size_t passed = 0;  // evaluations
  std::size_t failed = 0;  // evaluations, and lines that could not be read or loaded
  // "name:line: what was expected and what came", in order.
  std::vector<std::string> failures;
};

struct TestOptions {
  // Prometheus' own tests are written with it; a server's default is without.
  bool delayed_name_removal = true;
};

// `name` is for the messages.
TestReport RunPromqlTest(std::string_view name, std::string_view text,
                         const TestOptions& options = {});

}  // namespace fettle::promql

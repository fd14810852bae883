// Which rules the tests look at. An alert is covered when a test expects it to fire; a recording
// rule when a test asks for its series, or a covered rule reads them. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "rules/rule_file.h"
#include "rules/test_file.h"

namespace fettle::rules {

struct TestCoverage {
  std::size_t rules = 0;
  // "rules.yml:12: alert "Down" (group "g")", in order.
  std::vector<std::string> uncovered;

  double Percent() const;
};

TestCoverage MeasureCoverage(const TestFile& file, const std::vector<GroupSpec>& groups);

}  // namespace fettle::rules

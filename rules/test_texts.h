// What rule tests say when something is not as expected, in promtool's words. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/promql/value.h"
#include "rules/test_file.h"

namespace fettle::rules {

// An alert as it fires, to be compared and shown.
struct ShownAlert {
  Labels labels;
  TextMap annotations;
  auto operator<=>(const ShownAlert&) const = default;
};
struct ShownSample {
  Labels labels;
  double value = 0;
  std::string histogram;  // "" or {{…}}
};

ShownAlert Shown(const ExpectedAlert& expected);

// nullopt if the check holds. `got` is sorted.
std::optional<std::string> CompareAlerts(const std::string& test, const AlertCheck& check,
                                         std::vector<ShownAlert> got, bool diff);
// Both sorted by labels. `fuzzy`: a unit in the last place is no difference. NaN is never as
// expected, as with promtool.
std::optional<std::string> CompareSamples(const ExprCheck& check,
                                          const std::vector<ShownSample>& expected,
                                          const std::vector<ShownSample>& got, bool fuzzy);
std::string ExprFailure(const ExprCheck& check, const std::string& why);

}  // namespace fettle::rules

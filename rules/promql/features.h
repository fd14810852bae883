// The experimental parts of PromQL that --enable-feature switches on, by the names Prometheus gives
// them. Values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"

namespace fettle::promql {

struct Features {
  ParserOptions parser{};
  bool delayed_name_removal = false;  // promql-delayed-name-removal
  bool start_timestamps = false;      // use-start-timestamps
  bool type_and_unit_labels = false;  // type-and-unit-labels

  // The same engine options with these switched on.
  EngineOptions On(EngineOptions options) const;
};

// Each of `lists` is one name or several with commas between. Names of features that are no longer
// experimental (promql-at-modifier, native-histograms, …) are known and change nothing; the error
// names one that is not known, and those that are.
Result<Features> ParseFeatures(const std::vector<std::string>& lists);

}  // namespace fettle::promql

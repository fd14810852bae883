// Samples as the test languages write them: "1+2x3 _ stale 5", spaced by an interval. Used by the
// PromQL test language and by rule tests (promtool's `values`).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "common/labels.h"
#include "common/result.h"
#include "rules/promql/value.h"

namespace fettle::promql {

struct SequenceValue {
  bool omitted = false;      // `_`
  double value = 0;          // a stale marker for `stale`
  HistogramPtr histogram{};  // in place of the value
  bool hint_given = false;   // the histogram's hint is written, so it is to be compared
};

// "axN" stands for so many values; more in one sequence are refused.
inline constexpr std::size_t kSequenceValuesMax = 1'000'000;

// `_`, `_xN`, numbers and durations, `stale`, `axN` (N+1 values), `a+bxN`, `a-bxN`; a and b may be
// histograms: {{…}}, {{…}}xN, {{…}}+{{…}}xN.
Result<std::vector<SequenceValue>> ParseSequence(std::string_view text);

struct SeriesDescription {
  Labels labels;
  std::vector<SequenceValue> values;
  // "metric@st -1m _x2": not values, but when the counting of the values on the next line began,
  // relative to each; omitted: unknown.
  bool starts = false;
};
// A metric and its values on one line.
Result<SeriesDescription> ParseSeriesDescription(std::string_view line);

}  // namespace fettle::promql

// Histograms as the test languages write them: {{schema:1 count:3 sum:4 buckets:[1 2] offset:-1}}.
#pragma once

#include <string_view>

#include "common/histogram.h"
#include "common/result.h"

namespace fettle::promql {

struct HistogramLiteral {
  FloatHistogram histogram;
  bool hint_given = false;  // counter_reset_hint is written, so it is to be compared
  std::string_view rest;    // what follows the closing braces
};

// `text` begins with {{.
Result<HistogramLiteral> ParseHistogramLiteral(std::string_view text);

}  // namespace fettle::promql

// Reads PromQL: text to tree, checked for types. Refuses with Prometheus' text and position.
#pragma once

#include <string>
#include <string_view>

#include "common/labels.h"
#include "common/result.h"
#include "rules/promql/ast.h"

namespace fettle::promql {

// Which experimental parts may be written; without them they are errors that name the feature.
struct ParserOptions {
  bool experimental_functions = false;
  bool fill_modifiers = false;
  bool extended_ranges = false;  // anchored, smoothed
};

// Longer text, deeper nesting or a deeper tree (a chain of operators is one) are refused: no stack
// of ours is at the mercy of a query.
inline constexpr std::size_t kQueryBytesMax = 1024 * 1024;
inline constexpr int kNestingMax = 500;
inline constexpr int kTreeDepthMax = 2'000;

// The error's message is "line:column: parse error: …", its cause kInvalid.
Result<ExprPtr> Parse(std::string_view text, const ParserOptions& options = {});

// Only a selector: `up{job="x"}`, as match[] and federation take; one that an absent series would
// match is refused.
Result<Matchers> ParseSelector(std::string_view text);

// A series as the test languages write it: `name{l="v"}`, `{"utf8.name", l="v"}`, `name`.
Result<Labels> ParseMetric(std::string_view text);
// The same at the beginning of a line, and what follows it.
struct MetricAndRest {
  Labels labels;
  std::string_view rest;
};
Result<MetricAndRest> ParseMetricPrefix(std::string_view line);

}  // namespace fettle::promql

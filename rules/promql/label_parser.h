// The lists of labels in the language: {matchers}, {label="value"}, (grouping, labels).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/labels.h"
#include "common/matcher.h"
#include "rules/promql/token_stream.h"

namespace fettle::promql {

// Whether a metric may have this word as its name; keywords mostly may.
bool IsMetricWord(TokenType type);

// All of them from the opening to the closing bracket; nullopt after a complaint.
std::optional<Matchers> ParseMatchers(TokenStream& tokens);
std::optional<std::vector<Labels::Pair>> ParseLabelSet(TokenStream& tokens);
std::optional<std::vector<std::string>> ParseGroupingLabels(TokenStream& tokens);

}  // namespace fettle::promql

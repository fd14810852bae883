// Writes expressions as Prometheus prints them. Parsing the text again gives the same tree.
#pragma once

#include <string>

#include "rules/promql/ast.h"

namespace fettle::promql {

// On one line.
std::string Print(const Expr& expr);
// On lines of at most 100 characters where that can be, as /api/v1/format_query answers.
std::string PrintPretty(const Expr& expr);

}  // namespace fettle::promql

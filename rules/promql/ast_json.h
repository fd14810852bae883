// An expression's tree as /api/v1/parse_query answers it: what tree views of queries read. Keys of
// an object are sorted. Pure.
#pragma once

#include <string>

#include "rules/promql/ast.h"

namespace fettle::promql {

std::string TreeAsJson(const Expr& expr);

}  // namespace fettle::promql

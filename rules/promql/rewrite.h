// Trees made from trees. Pure.
#pragma once

#include <cstdint>

#include "rules/promql/ast.h"

namespace fettle::promql {

// The expression with `@ at` (milliseconds) on every selector and subquery that has no timestamp,
// but not within subqueries: those are pinned as a whole.
ExprPtr PinSelectors(const ExprPtr& expr, std::int64_t at);

}  // namespace fettle::promql

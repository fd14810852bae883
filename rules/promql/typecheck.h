// What the grammar allows but the language does not: wrong types and numbers of arguments, matching
// between scalars, selectors that select everything. The second half of parsing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rules/promql/ast.h"

namespace fettle::promql {

struct Complaint {
  Span where;
  std::string message;  // without position
};

// The first complaint, in Prometheus' order; `text` is what `expr` was parsed from.
std::optional<Complaint> CheckTypes(const Expr& expr, std::string_view text);

}  // namespace fettle::promql

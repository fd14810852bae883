// Which rows an aggregation puts together, and what the groups are called.
#pragma once

#include <string>
#include <vector>

#include "rules/promql/ast.h"
#include "rules/promql/row.h"

namespace fettle::promql {

struct Grouping {
  std::vector<std::size_t> group_of;  // by row
  std::vector<Row> groups;            // in order of their first rows
};

// `names` are the labels of by (…) or without (…), in any order.
Grouping GroupRows(const std::vector<Row>& rows, std::vector<std::string> names, bool without);

}  // namespace fettle::promql

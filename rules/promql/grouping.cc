#include "rules/promql/grouping.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace fettle::promql {

Grouping GroupRows(const std::vector<Row>& rows, std::vector<std::string> names, bool without) {
  std::sort(names.begin(), names.end());
  Grouping out;
  out.group_of.reserve(rows.size());
  LabelsKeyer keyer;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> known;
  for (const Row& row : rows) {
    const LabelsKey key = without ? keyer.Without(row, names) : keyer.Only(row, names);
    const auto [at, fresh] = known.try_emplace(key, out.groups.size());
    if (fresh) {
      Labels labels = without ? DropLabels(row, names) : KeepLabels(row, names);
      out.groups.push_back({.labels = std::make_shared<const Labels>(std::move(labels))});
    }
    out.groups[at->second].drop_name |= row.drop_name;
    out.group_of.push_back(at->second);
  }
  return out;
}

}  // namespace fettle::promql

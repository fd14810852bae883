#include "rules/builtin_rules.h"

#include <iterator>
#include <utility>

#include "common/check.h"

namespace fettle::rules {

std::vector<GroupSpec> BuiltinGroups(const std::set<std::string>& kinds) {
  std::vector<GroupSpec> all;
  for (const BuiltinPack& pack : BuiltinPacks()) {
    const std::string kind(pack.kind);
    if (kind != "fettle" && !kinds.contains(kind)) continue;
    yaml::Complaints complaints;
    std::vector<GroupSpec> groups = ReadRules(pack.text, "builtin/" + kind + ".yml", complaints);
    FETTLE_CHECK(complaints.empty());
    std::move(groups.begin(), groups.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace fettle::rules

// The shipped rule packs: dashboards/rules, built into the program. One pack for each kind of thing
// that can be configured; each has a promtool test beside it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_file.h"

namespace fettle::rules {

struct BuiltinPack {
  std::string_view kind;  // "docker"
  std::string_view text;  // of a Prometheus rule file
};
// All there are, sorted by kind: backups cost docker fettle health host postgres redis s3 watch.
// Defined in a source that the build makes.
const std::vector<BuiltinPack>& BuiltinPacks();

// The groups of the packs for these kinds, and of `fettle`, which is always active; their file is
// "builtin/<kind>.yml". A kind without a pack has no rules.
std::vector<GroupSpec> BuiltinGroups(const std::set<std::string>& kinds);

}  // namespace fettle::rules

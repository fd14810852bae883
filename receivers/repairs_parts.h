// The rooms of `receivers.targets`, `guards` and `repairs`, read one by one: what repairs_*.cc
// share.
#pragma once

#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/yaml.h"
#include "receivers/repairs_config.h"

namespace fettle::receivers::repairs {

const std::vector<std::pair<std::string, Mode>>& ModeWords();
// A name that is nobody else's, by itself a part of keys, paths and labels.
std::string ReadName(yaml::Mapping& mapping, std::set<std::string>& taken);
// A complaint with a suggestion about a name that nothing has.
void CheckName(yaml::Mapping& mapping, const yaml::Place& place, const std::string& what,
               const std::string& name, const References::Names& known);
// Keys of the manual that a later version knows: a complaint of their own, because "unknown key"
// would send people looking for a typing mistake.
void RefuseLater(yaml::Mapping& mapping, std::span<const std::string_view> keys);
void RefuseLater(yaml::Mapping& mapping, std::initializer_list<std::string_view> keys);
// What must be PromQL, if there is somebody to ask.
void CheckExpression(yaml::Mapping& mapping, std::string_view key, const std::string& expr,
                     const References& references);

// repairs_guards.cc
GlobalGuards ReadGlobalGuards(yaml::Mapping& receivers, const References& references);
void ReadRepairGuards(yaml::Mapping& repair, const References& references, RepairGuards& guards);
inline constexpr int kAttemptsMax = 1'000;

// repairs_ladder.cc
VerifySpec ReadVerify(const yaml::Node& node, const std::string& what, const References& references,
                      yaml::Complaints& complaints, VerifySpec verify);
void ReadRungs(yaml::Mapping& mapping, const References& references, RepairSpec& repair);

}  // namespace fettle::receivers::repairs

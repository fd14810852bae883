// Any bytes as a rule file: YAML, PromQL and templates in one. Goal: a broken file costs
// complaints, never a crash; and a rule that is read has a tree.
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "rules/rule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fettle::yaml::Complaints complaints;
  for (const auto& group : fettle::rules::ReadRules(text, "f", complaints)) {
    for (const auto& rule : group.rules) FETTLE_CHECK(rule.tree != nullptr);
  }
  return 0;
}

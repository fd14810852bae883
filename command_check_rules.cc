#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "command.h"
#include "rules/lint.h"
#include "rules/rule_file.h"

namespace fettle {
namespace {

bool Wants(const CheckRulesCommand& command, std::string_view check) {
  return std::any_of(command.lint.begin(), command.lint.end(),
                     [&](const std::string& wanted) { return wanted == "all" || wanted == check; });
}

// In promtool's words; "" if there are none.
std::string DescribeDuplicates(const std::vector<rules::GroupSpec>& groups) {
  const std::vector<rules::DuplicateRule> duplicates = rules::FindDuplicates(groups);
  if (duplicates.empty()) return "";
  std::string out = fmt::format("lint error {} duplicate rule(s) found.\n", duplicates.size());
  for (const rules::DuplicateRule& one : duplicates) {
    out += fmt::format("Metric: {}\nLabel(s):\n", one.name);
    for (const auto& [name, value] : one.labels) out += fmt::format("\t{}: {}\n", name, value);
  }
  return out + "Might cause inconsistency while recording expressions";
}

std::vector<rules::GroupSpec> ReadGroups(const std::string& file, yaml::Complaints& complaints,
                                         const rules::RuleFileOptions& options) {
  if (file != "-") return rules::ReadRuleFile(file, complaints, options);
  const std::string text{std::istreambuf_iterator<char>(std::cin),
                         std::istreambuf_iterator<char>()};
  return rules::ReadRules(text, "standard input", complaints, options);
}

void PrintFailed(const std::string& why) {
  std::fflush(stdout);
  fmt::print(stderr, "  FAILED:\n{}\n", why);
}

}  // namespace

int RunCheckRules(const CheckRulesCommand& command) {
  std::vector<std::string> files = command.files;
  if (files.empty()) files.push_back("-");
  const rules::RuleFileOptions options{.parser = command.features.parser,
                                       .ignore_unknown_fields = command.ignore_unknown_fields};
  bool wrong = false;
  bool linted = false;
  std::vector<rules::GroupSpec> all;
  for (const std::string& file : files) {
    fmt::print("Checking {}\n", file == "-" ? "standard input" : file);
    yaml::Complaints complaints;
    std::vector<rules::GroupSpec> groups = ReadGroups(file, complaints, options);
    std::size_t count = 0;
    for (const rules::GroupSpec& group : groups) count += group.rules.size();
    const std::string duplicates =
        Wants(command, "duplicate-rules") ? DescribeDuplicates(groups) : "";
    if (!complaints.empty()) {
      wrong = true;
      PrintFailed(complaints.ToString());
    } else if (!duplicates.empty()) {
      linted = true;
      PrintFailed(duplicates);
    } else {
      fmt::print("  SUCCESS: {} rules found\n", count);
    }
    fmt::print("\n");
    std::move(groups.begin(), groups.end(), std::back_inserter(all));
  }
  std::fflush(stdout);
  for (const rules::Lint& lint : rules::LintRules(all)) {
    if (!Wants(command, lint.check)) continue;
    linted = true;
    fmt::print(stderr, "{}\n", lint.ToString());
  }
  if (wrong) return 1;
  return linted && command.lint_fatal ? 3 : 0;
}

}  // namespace fettle

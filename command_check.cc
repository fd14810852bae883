#include <fmt/format.h>

#include <cstdio>

#include "command.h"
#include "common/web_config.h"
#include "fettle_config.h"
#include "receivers/alertmanager_config.h"
#include "rules/rule_file.h"

namespace fettle {
namespace {

// Runs one check over every file; prints what is wrong, and a line for what is not.
template <typename Check>
int ForEachFile(const std::vector<std::string>& files, Check check) {
  bool good = true;
  for (const std::string& file : files) {
    yaml::Complaints complaints;
    check(file, complaints);
    if (complaints.empty()) {
      fmt::print("{}: ok\n", file);
      continue;
    }
    good = false;
    std::fputs(complaints.ToString().c_str(), stderr);
    fmt::print(stderr, "\n{}: {} to mend\n", file, complaints.size());
  }
  return good ? 0 : 1;
}

void CheckWeb(const std::string& file, yaml::Complaints& complaints) {
  const auto node = yaml::LoadFile(file, complaints, {.expand_environment = false});
  if (node) (void)ReadWebConfig(*node, complaints);
}

void CheckAny(const std::string& file, yaml::Complaints& complaints) {
  yaml::Complaints ignored;
  const auto node = yaml::LoadFile(file, ignored, {.expand_environment = false});
  switch (node ? KindOfFile(*node) : FileKind::kUnknown) {
    case FileKind::kAlertmanager:
      (void)receivers::ReadAlertmanagerFile(file, complaints);
      return;
    case FileKind::kRules:
      (void)rules::ReadRuleFile(file, complaints);
      return;
    case FileKind::kWeb:
      CheckWeb(file, complaints);
      return;
    default:
      (void)ReadFettleConfig(file, complaints);
  }
}

}  // namespace

int RunCheckConfig(const std::vector<std::string>& files) { return ForEachFile(files, CheckAny); }

int RunCheckWebConfig(const std::vector<std::string>& files) {
  return ForEachFile(files, CheckWeb);
}

}  // namespace fettle

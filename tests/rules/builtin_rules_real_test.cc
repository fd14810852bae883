// The shipped packs before Prometheus' own eyes: promtool checks them and runs their tests.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/process.h"
#include "rules/builtin_rules.h"
#include "tests/support/peer.h"

namespace fettle::rules {
namespace {

namespace fs = std::filesystem;
const fs::path kPacks = fs::path(FETTLE_SOURCE) / "dashboards/rules";

std::string Promtool(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PromtoolProgram());
  const Result<ProcessResult> run = RunProcess({.argv = arguments, .directory = kPacks});
  if (!run) return run.error().message;
  return run->succeeded() ? "" : run->output + run->error;
}

TEST(BuiltinRulesRealTest, PromtoolFindsNothingWrongWithAnyPack) {
  for (const BuiltinPack& pack : BuiltinPacks()) {
    EXPECT_EQ(Promtool({"check", "rules", std::string(pack.kind) + ".yml"}), "") << pack.kind;
  }
}

// What rule_packs_test.cc reads without complaints is no invention of ours.
TEST(BuiltinRulesRealTest, PromtoolFindsNothingWrongWithPacksInTheStyleOfOthers) {
  for (const char* const pack : {"kubernetes.yml", "awesome.yml"}) {
    EXPECT_EQ(Promtool({"check", "rules", std::string(FETTLE_TEST_DATA) + "/rule_packs/" + pack}),
              "");
  }
}

TEST(BuiltinRulesRealTest, EveryPackPassesItsTest) {
  for (const BuiltinPack& pack : BuiltinPacks()) {
    EXPECT_EQ(Promtool({"test", "rules", std::string(pack.kind) + "_test.yml"}), "") << pack.kind;
  }
}

TEST(BuiltinRulesRealTest, EveryAlertIsExpectedByATest) {
  for (const BuiltinPack& pack : BuiltinPacks()) {
    const fs::path path = kPacks / (std::string(pack.kind) + "_test.yml");
    yaml::Complaints complaints;
    const std::optional<yaml::Node> root = yaml::LoadFile(path.string(), complaints);
    ASSERT_TRUE(root) << path;
    std::set<std::string> expected;
    for (const yaml::Node& test : root->Find("tests")->items) {
      for (const yaml::Node& one : test.Find("alert_rule_test")->items) {
        const yaml::Node* alerts = one.Find("exp_alerts");
        if (alerts != nullptr && !alerts->items.empty()) {
          expected.insert(one.Find("alertname")->text);
        }
      }
    }
    for (const GroupSpec& group : BuiltinGroups({std::string(pack.kind)})) {
      if (group.file != "builtin/" + std::string(pack.kind) + ".yml") continue;
      for (const RuleSpec& rule : group.rules) {
        EXPECT_TRUE(expected.contains(rule.name)) << "no test sees " << rule.name << " fire";
      }
    }
  }
}

}  // namespace
}  // namespace fettle::rules

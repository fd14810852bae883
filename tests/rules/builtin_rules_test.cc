#include "rules/builtin_rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fettle::rules {
namespace {

using Names = std::set<std::string>;

Names Alerts(const std::vector<GroupSpec>& groups) {
  Names names;
  for (const GroupSpec& group : groups) {
    for (const RuleSpec& rule : group.rules) names.insert(rule.name);
  }
  return names;
}

Names AllKinds() {
  Names kinds;
  for (const BuiltinPack& pack : BuiltinPacks()) kinds.emplace(pack.kind);
  return kinds;
}

TEST(BuiltinRulesTest, ThereIsAPackForEveryKind) {
  EXPECT_EQ(AllKinds(), (Names{"backups", "cost", "docker", "fettle", "health", "host", "postgres",
                               "redis", "s3", "wal_archives", "watch"}));
}

TEST(BuiltinRulesTest, OnlyWhatIsConfiguredIsJudgedAndFettleItself) {
  const std::vector<GroupSpec> none = BuiltinGroups({});
  ASSERT_EQ(none.size(), 1U);
  EXPECT_EQ(none[0].Key(), "builtin/fettle.yml;fettle");
  const Names docker = Alerts(BuiltinGroups({"docker", "something else"}));
  EXPECT_TRUE(docker.contains("ContainerUnhealthy"));
  EXPECT_FALSE(docker.contains("ProbeDown"));
}

TEST(BuiltinRulesTest, WhatTheExamplesRepairExistsAndReacts) {
  for (const GroupSpec& group : BuiltinGroups(AllKinds())) {
    for (const RuleSpec& rule : group.rules) {
      const bool reacts = rule.name == "ContainerUnhealthy" || rule.name == "ProbeDown" ||
                          rule.name == "BackupFailed";
      EXPECT_TRUE(!reacts || rule.hold == Millis(0)) << rule.name;
    }
  }
  const Names all = Alerts(BuiltinGroups(AllKinds()));
  for (const char* const name : {"ContainerUnhealthy", "ProbeDown", "BackupFailed"}) {
    EXPECT_TRUE(all.contains(name)) << name;
  }
}

TEST(BuiltinRulesTest, EveryAlertSaysHowBadItIsAndWhatItIs) {
  Names seen;
  for (const GroupSpec& group : BuiltinGroups(AllKinds())) {
    for (const RuleSpec& rule : group.rules) {
      EXPECT_EQ(rule.kind, RuleSpec::Kind::kAlerting) << rule.name;
      EXPECT_TRUE(seen.insert(rule.name).second) << rule.name << " is there twice";
      const std::string severity =
          rule.labels.contains("severity") ? rule.labels.at("severity") : "";
      EXPECT_TRUE(severity == "page" || severity == "warning" || severity == "info") << rule.name;
      EXPECT_TRUE(rule.annotations.contains("summary")) << rule.name;
      EXPECT_TRUE(rule.annotations.contains("description")) << rule.name;
      // Own samples have job="fettle"; the backup is another label.
      EXPECT_FALSE(rule.labels.contains("job")) << rule.name;
    }
  }
}

}  // namespace
}  // namespace fettle::rules

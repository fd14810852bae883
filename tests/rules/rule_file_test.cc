#include "rules/rule_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/case_file.h"
#include "tests/support/temp_dir.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using Texts = std::map<std::string, std::string>;

// Reads what has no mistakes.
std::vector<GroupSpec> Read(std::string_view text) {
  yaml::Complaints complaints;
  std::vector<GroupSpec> groups = ReadRules(text, "rules.yml", complaints);
  EXPECT_EQ(complaints.ToString(), "");
  return groups;
}

TEST(RuleFileTest, NamesEveryMistakeWithItsPlace) {
  for (const TextCase& one : LoadCases("rule_files")) {
    SCOPED_TRACE(one.name);
    yaml::Complaints complaints;
    ReadRules(one.input, "rules.yml", complaints);
    EXPECT_EQ(complaints.ToString(), one.parts.at("complains"));
  }
}

TEST(RuleFileTest, ReadsEverythingThatMayBeWritten) {
  const auto groups = Read(R"(
groups:
- name: disk
  interval: 30s
  limit: 10
  query_offset: 5s
  labels: {team: ops, severity: info}
  rules:
  - record: instance:disk_free:ratio
    expr: |
      node_free / node_size
    labels: {kind: disk}
  - alert: DiskFull
    expr: instance:disk_free:ratio < 0.1
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} is full"}
- name: empty
)");
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].Key(), "rules.yml;disk");
  EXPECT_EQ(groups[0].interval, 30s);
  EXPECT_EQ(groups[0].limit, 10);
  EXPECT_EQ(groups[0].query_offset, 5s);
  ASSERT_EQ(groups[0].rules.size(), 2U);
  const RuleSpec& record = groups[0].rules[0];
  EXPECT_EQ(record.kind, RuleSpec::Kind::kRecording);
  EXPECT_EQ(record.name, "instance:disk_free:ratio");
  EXPECT_EQ(record.expr, "node_free / node_size");
  EXPECT_EQ(record.labels, (Texts{{"kind", "disk"}, {"team", "ops"}, {"severity", "info"}}));
  const RuleSpec& alert = groups[0].rules[1];
  EXPECT_EQ(alert.kind, RuleSpec::Kind::kAlerting);
  EXPECT_EQ(alert.hold, 5min);
  EXPECT_EQ(alert.keep_firing_for, 10min);
  EXPECT_EQ(alert.labels, (Texts{{"team", "ops"}, {"severity", "page"}}));
  EXPECT_EQ(alert.annotations, (Texts{{"summary", "{{ $labels.instance }} is full"}}));
  EXPECT_EQ(groups[1].rules.size(), 0U);
  EXPECT_EQ(groups[1].query_offset, std::nullopt);
}

TEST(RuleFileTest, ReadsNumbersAndAnchorsAsPrometheusDoes) {
  const auto groups = Read(R"(
groups:
- name: g
  rules:
  - &base
    alert: Always
    expr: 1
    labels: {level: 3, on: true}
  - *base
)");
  ASSERT_EQ(groups[0].rules.size(), 2U);
  EXPECT_EQ(groups[0].rules[0].expr, "1");
  EXPECT_EQ(groups[0].rules[0].labels, (Texts{{"level", "3"}, {"on", "true"}}));
  EXPECT_EQ(groups[0].rules[0], groups[0].rules[1]);
}

TEST(RuleFileTest, LeavesDollarsAlone) {
  const auto groups =
      Read("groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: 'cost ${X} $5'}}]}]");
  EXPECT_EQ(groups[0].rules[0].annotations.at("a"), "cost ${X} $5");
}

TEST(RuleFileTest, AnEmptyFileHasNoGroups) {
  EXPECT_TRUE(Read("").empty());
  EXPECT_TRUE(Read("groups: []").empty());
  EXPECT_TRUE(Read("groups:").empty());
}

TEST(RuleFileTest, GroupsAreEqualIfTheyDoTheSame) {
  const std::string text = "groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 1m}]}]";
  EXPECT_EQ(Read(text), Read(text + "\n# a comment"));
  EXPECT_NE(Read(text), Read("groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 2m}]}]"));
  EXPECT_NE(Read(text), Read("groups: [{name: g, rules: [{alert: A, expr: up == 1, for: 1m}]}]"));
}

TEST(RuleFileTest, ReadsFilesAndSaysWhichOneIsMissing) {
  const TempDir directory;
  const std::string path = directory.Write("a.yml", "groups: [{name: g}]");
  yaml::Complaints complaints;
  const auto groups = ReadRuleFile(path, complaints);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].file, path);
  ReadRuleFile(directory / "none.yml", complaints);
  EXPECT_NE(complaints.ToString().find(directory / "none.yml"), std::string::npos);
}

TEST(RuleFileTest, AWrongRuleIsLeftOutAndTheOthersStay) {
  yaml::Complaints complaints;
  const auto groups = ReadRules(
      "groups: [{name: g, rules: [{alert: A, expr: '('}, {alert: B, expr: up}]}]", "f", complaints);
  EXPECT_EQ(complaints.size(), 1U);
  ASSERT_EQ(groups[0].rules.size(), 1U);
  EXPECT_EQ(groups[0].rules[0].name, "B");
}

}  // namespace
}  // namespace fettle::rules

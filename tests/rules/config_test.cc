#include "rules/config.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;

class RulesConfigTest : public testing::Test {
 protected:
  // Reads the section from `text`; its complaints, without the name of this test's directory.
  RulesConfig Read(const std::string& text) {
    yaml::Complaints complaints;
    const auto node = yaml::Load(text, "fettle.yml", complaints);
    RulesConfig config = ReadRulesConfig(node ? &*node : nullptr, directory_.path(), complaints);
    complaints_ = complaints.ToString();
    for (std::size_t at; (at = complaints_.find(directory_.path())) != std::string::npos;) {
      complaints_.replace(at, directory_.path().size(), "DIR");
    }
    return config;
  }
  std::vector<std::string> Groups(const RulesConfig& config) const {
    std::vector<std::string> names;
    for (const GroupSpec& group : config.groups) {
      names.push_back(group.file.substr(directory_.path().size() + 1) + ":" + group.name);
    }
    return names;
  }

  const TempDir directory_;
  std::string complaints_;
};

TEST_F(RulesConfigTest, WithoutASectionTheBuiltinRulesRunEveryFifteenSeconds) {
  yaml::Complaints complaints;
  const RulesConfig config = ReadRulesConfig(nullptr, "/", complaints);
  EXPECT_TRUE(complaints.empty());
  EXPECT_TRUE(config.builtin);
  EXPECT_EQ(config.evaluation_interval, 15s);
  EXPECT_TRUE(config.groups.empty());
}

TEST_F(RulesConfigTest, ReadsItsKeys) {
  const RulesConfig config =
      Read("{evaluation_interval: 1m, external_labels: {site: fra1, level: 5}, query_url: ''}");
  EXPECT_EQ(complaints_, "");
  EXPECT_EQ(config.evaluation_interval, 1min);
  EXPECT_EQ(config.external_labels, (Labels{{"site", "fra1"}, {"level", "5"}}));
  EXPECT_TRUE(config.builtin);
}

TEST_F(RulesConfigTest, ReadsRuleFilesByNameAndByPatternOnceEach) {
  directory_.Write("b.yml", "groups: [{name: two}, {name: three}]");
  directory_.Write("rules/a.yml", "groups: [{name: one}]");
  directory_.Write("rules/c.yaml", "groups: [{name: not this}]");
  const RulesConfig config = Read("rule_files: [builtin, rules/*.yml, b.yml, './b.yml']");
  EXPECT_EQ(complaints_, "");
  EXPECT_TRUE(config.builtin);
  EXPECT_EQ(Groups(config),
            (std::vector<std::string>{"b.yml:two", "b.yml:three", "rules/a.yml:one"}));
}

TEST_F(RulesConfigTest, RuleFilesWithoutBuiltinAreAllThereIs) {
  const RulesConfig config = Read("rule_files: ['none/*.yml']");
  EXPECT_EQ(complaints_, "");
  EXPECT_FALSE(config.builtin);
  EXPECT_TRUE(config.groups.empty());
}

TEST_F(RulesConfigTest, ComplainsAboutTheSectionAndItsFilesAtOnce) {
  directory_.Write("bad.yml", "groups: [{name: g, rules: [{alert: A, expr: '('}]}]");
  Read(R"(
evaluation_interval: 10ms
external_labels: {"a-b": c, d: [e]}
rule_files: [bad.yml, missing.yml, {a: b}]
query_url: mimir
interval: 1m
)");
  EXPECT_EQ(complaints_,
            "DIR/bad.yml:1:45: group \"g\", rule 1, \"A\": could not parse expression: "
            "1:2: parse error: unclosed left parenthesis\n"
            "fettle.yml:2:22: rules: evaluation_interval must be at least 100ms, not 10ms\n"
            "fettle.yml:3:19: rules: external_labels: \"a-b\" is not a label name\n"
            "fettle.yml:3:32: rules: external_labels.d must be a word\n"
            "fettle.yml:4:23: rules: rule_files: there is no file \"DIR/missing.yml\"\n"
            "fettle.yml:4:36: rules: rule_files must be a word, not a mapping\n"
            "fettle.yml:5:12: rules: query_url \"mimir\" does not begin with http:// or https://\n"
            "fettle.yml:6:1: rules: unknown key \"interval\"");
}

}  // namespace
}  // namespace fettle::rules

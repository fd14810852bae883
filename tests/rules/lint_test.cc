#include "rules/lint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/case_file.h"

namespace fettle::rules {
namespace {

std::vector<GroupSpec> RulesIn(const std::string& text, const std::string& file = "f") {
  yaml::Complaints complaints;
  std::vector<GroupSpec> groups = ReadRules(text, file, complaints);
  EXPECT_EQ(complaints.ToString(), "");
  return groups;
}

TEST(LintTest, NamesWhatIsHardlyMeantAndNothingElse) {
  for (const TextCase& one : LoadCases("lint")) {
    SCOPED_TRACE(one.name);
    // The rules begin on the first line of their file.
    std::string text = one.input;
    if (!text.empty() && text.back() == '\n') text.pop_back();
    std::string rules = "groups: [{name: g, rules: [";
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      rules += text.substr(at + 2, end - at - 2) + ",\n";
      at = end + 1;
    }
    std::string found;
    for (const Lint& lint : LintRules(RulesIn(rules + "]}]"))) {
      found += (found.empty() ? "" : "\n") + lint.ToString();
    }
    EXPECT_EQ(found, one.parts.at("lints"));
  }
}

TEST(LintTest, AForShorterThanTheIntervalDoesNothing) {
  const auto lints = LintRules(
      RulesIn("groups: [{name: g, interval: 5m, rules: [{alert: A, expr: up == 0, for: 1m}]}]"));
  ASSERT_EQ(lints.size(), 1U);
  EXPECT_EQ(lints[0].ToString(),
            "f:1: group \"g\", rule 1, \"A\": alerts/for: `for` of 1m is shorter than the group's "
            "interval of 5m");
}

TEST(LintTest, TwoGroupsThatRecordTheSameSeriesAreNamed) {
  std::vector<GroupSpec> groups = RulesIn(
      "groups: [{name: g, rules: [{record: r, expr: a}, {record: r, expr: b}]}]", "one.yml");
  for (GroupSpec& group :
       RulesIn("groups: [{name: h, rules: [{record: r, expr: a}]}]", "two.yml")) {
    groups.push_back(std::move(group));
  }
  const auto lints = LintRules(groups);
  ASSERT_EQ(lints.size(), 1U);
  EXPECT_EQ(lints[0].ToString(),
            "two.yml:1: group \"h\", rule 1, \"r\": rule/duplicate: group \"g\" of one.yml records "
            "the same series");
}

TEST(LintTest, DuplicatesAreThoseOfPromtool) {
  const auto duplicates = FindDuplicates(RulesIn(R"(groups:
- name: g
  labels: {team: x}
  rules:
  - {record: a, expr: up, labels: {l: "1"}}
  - {record: a, expr: up + 1, labels: {l: "1"}}
  - {alert: B, expr: up == 0}
  - {alert: B, expr: up == 1}
  - {alert: B, expr: up == 1, labels: {s: t}}
)"));
  ASSERT_EQ(duplicates.size(), 2U);
  EXPECT_EQ(duplicates[0].name, "B");
  EXPECT_EQ(duplicates[1].labels, (std::map<std::string, std::string>{{"l", "1"}, {"team", "x"}}));
}

}  // namespace
}  // namespace fettle::rules

// Packs in the style of those that people copy load as they are; of a broken one, every mistake is
// named with its place.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "rules/lint.h"
#include "rules/rule_file.h"

namespace fettle::rules {
namespace {

const std::string kDirectory = std::string(FETTLE_TEST_DATA) + "/rule_packs/";

std::string ReadText(const std::string& name) {
  std::ifstream in(kDirectory + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(RulePacksTest, PacksOfOthersLoadWithoutChange) {
  const std::pair<const char*, std::size_t> packs[] = {{"kubernetes.yml", 19}, {"awesome.yml", 21}};
  for (const auto& [name, count] : packs) {
    yaml::Complaints complaints;
    std::size_t rules = 0;
    for (const GroupSpec& group : ReadRules(ReadText(name), name, complaints)) {
      rules += group.rules.size();
    }
    EXPECT_EQ(complaints.ToString(), "");
    EXPECT_EQ(rules, count) << name;
  }
}

TEST(RulePacksTest, LintsOfAPackAreFew) {
  yaml::Complaints complaints;
  const auto lints = LintRules(ReadRules(ReadText("kubernetes.yml"), "k", complaints));
  std::string found;
  for (const Lint& lint : lints) found += lint.check + " " + lint.place + "\n";
  const std::string matches_everything =
      "promql/regexp group \"kubernetes-storage\", rule 1, \"KubePersistentVolumeFillingUp\"\n";
  EXPECT_EQ(found, matches_everything + matches_everything);
}

TEST(RulePacksTest, EachMistakeOfABrokenPackIsNamedWithItsPlace) {
  yaml::Complaints complaints;
  ReadRules(ReadText("broken.yml"), "broken.yml", complaints);
  EXPECT_EQ(complaints.ToString() + "\n", ReadText("broken.complaints"));
}

}  // namespace
}  // namespace fettle::rules

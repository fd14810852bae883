#include "common/relabel.h"

#include <gtest/gtest.h>

#include "common/matcher.h"
#include "tests/support/case_file.h"

namespace fettle {
namespace {

Labels LabelsOf(const std::string& text) {
  const Result<Matchers> matchers = ParseMatchers("{" + text + "}");
  EXPECT_TRUE(matchers.has_value()) << text;
  Labels labels;
  for (const Matcher& matcher : *matchers) labels.Set(matcher.name(), matcher.value());
  return labels;
}

// The rules under "relabel_configs", and what is wrong with them.
std::pair<Relabeling, std::string> Read(const std::string& rules) {
  yaml::Complaints complaints;
  yaml::Node top{.kind = yaml::Node::Kind::kMapping};
  top.entries.push_back(
      {.key = {.text = "relabel_configs"}, .value = *yaml::Load(rules, "rules", complaints)});
  Relabeling read;
  {
    yaml::Mapping mapping(top, "job", complaints);
    read = Relabeling::Read(mapping, "relabel_configs");
  }
  return {read, complaints.ToString()};
}

TEST(RelabelTest, DoesWhatPrometheusDoes) {
  for (const TextCase& one : LoadCases("relabel")) {
    SCOPED_TRACE(one.name);
    const auto [rules, said] = Read(one.input);
    EXPECT_EQ(said, one.Has("complains") ? one.parts.at("complains") : "");
    if (one.Has("complains")) continue;
    Labels labels = LabelsOf(one.parts.at("labels"));
    const bool kept = rules.Apply(labels);
    const std::string& wanted = one.parts.at("becomes");
    EXPECT_EQ(kept ? labels.ToString() : "dropped",
              wanted == "dropped" ? wanted : LabelsOf(wanted).ToString());
  }
}

}  // namespace
}  // namespace fettle

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "receivers/alertmanager_config.h"
#include "tests/support/case_file.h"

namespace fettle::receivers {
namespace {

class AlertmanagerShowTest : public testing::TestWithParam<TextCase> {};

TEST_P(AlertmanagerShowTest, ShowsWhatAlertmanagerShows) {
  yaml::Complaints complaints;
  const auto config = ReadAlertmanagerConfig(GetParam().input, "am.yml", complaints);
  ASSERT_TRUE(config) << complaints.ToString();
  EXPECT_EQ(config->original, GetParam().parts.at("shown") + "\n");
}

// What is shown can be read again, and then shows itself, but for secrets where a URL must stand.
TEST_P(AlertmanagerShowTest, ShowsSomethingThatCanBeReadAgain) {
  yaml::Complaints complaints;
  const auto shown = yaml::Load(GetParam().parts.at("shown"), "shown.yml", complaints,
                                {.expand_environment = false});
  EXPECT_TRUE(shown);
  EXPECT_TRUE(complaints.empty()) << complaints.ToString();
}

INSTANTIATE_TEST_SUITE_P(Measured, AlertmanagerShowTest,
                         testing::ValuesIn(LoadCases("alertmanager_shown")),
                         [](const auto& one) { return std::to_string(one.index); });

}  // namespace
}  // namespace fettle::receivers

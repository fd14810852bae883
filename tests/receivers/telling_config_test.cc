#include "receivers/telling_config.h"

#include <gtest/gtest.h>

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;

TellingConfig Read(const std::string& text, std::string* complaints_out = nullptr) {
  yaml::Complaints complaints;
  const auto node = yaml::Load(text, "f.yml", complaints);
  TellingConfig config;
  {
    yaml::Mapping receivers(*node, "receivers", complaints);
    config = ReadTellingConfig(receivers);
  }
  if (complaints_out != nullptr) *complaints_out = complaints.ToString();
  return config;
}

TEST(TellingConfigTest, SaysNothingByDefault) {
  const TellingConfig config = Read("{}");
  EXPECT_EQ(config.config_file, "");
  EXPECT_FALSE(config.tell_webhook);
  EXPECT_EQ(config.webhook_max_age, 5h);
}

TEST(TellingConfigTest, ReadsItsKeysAndComplainsAboutOthers) {
  std::string complaints;
  const TellingConfig config =
      Read("{config_file: /etc/am.yml, webhook: {tell: true, max_age: 1h, ages: 2h}}", &complaints);
  EXPECT_EQ(config.config_file, "/etc/am.yml");
  EXPECT_TRUE(config.tell_webhook);
  EXPECT_EQ(config.webhook_max_age, 1h);
  EXPECT_EQ(complaints, "f.yml:1:63: receivers.webhook: unknown key \"ages\"");
  Read("{webhook: {max_age: 0s}}", &complaints);
  EXPECT_EQ(complaints, "f.yml:1:21: receivers.webhook: max_age must be longer than 0s");
}

}  // namespace
}  // namespace fettle::receivers

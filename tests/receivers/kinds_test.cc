#include "receivers/kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "receivers/alertmanager_config.h"
#include "tests/support/case_file.h"

namespace fettle::receivers {
namespace {

class KindsTest : public testing::TestWithParam<TextCase> {};

// Each case is a receiver's entries; what is complained about, with its place.
TEST_P(KindsTest, SaysWhatIsWrong) {
  yaml::Complaints complaints;
  (void)ReadAlertmanagerConfig(
      "route: {receiver: r}\nreceivers:\n- name: r\n" + GetParam().input + "\n", "f.yml",
      complaints);
  EXPECT_EQ(complaints.ToString(), GetParam().parts.at("complaints"));
}

INSTANTIATE_TEST_SUITE_P(Receivers, KindsTest, testing::ValuesIn(LoadCases("receiver_kinds")),
                         [](const auto& one) { return std::to_string(one.index); });

TEST(KindsTest, TakesFromGlobalWhatTheReceiverLeavesOut) {
  yaml::Complaints complaints;
  const auto config = ReadAlertmanagerConfig(
      "global: {opsgenie_api_key: k, opsgenie_api_url: 'http://o/', telegram_bot_token_file: /t}\n"
      "route: {receiver: r}\nreceivers:\n- {name: r, opsgenie_configs: [{}, {api_key: own}], "
      "telegram_configs: [{chat_id: 1}], pagerduty_configs: [{routing_key: x}]}\n",
      "f.yml", complaints);
  ASSERT_TRUE(config) << complaints.ToString();
  const auto of = [&](const std::string& kind, std::size_t index) -> const Settings& {
    for (const KindReceiver& receiver : config->receivers.at(0).others) {
      if (receiver.kind->name == kind && index-- == 0) return receiver.settings;
    }
    static const Settings kNone{};
    return kNone;
  };
  EXPECT_EQ(of("opsgenie", 0).Text("api_url"), "http://o/");
  EXPECT_EQ(of("opsgenie", 0).GetSecret("api_key").Reveal().value(), "k");
  EXPECT_EQ(of("opsgenie", 1).GetSecret("api_key").Reveal().value(), "own");
  EXPECT_EQ(of("telegram", 0).GetSecret("bot_token").path(), "/t");
  EXPECT_EQ(of("telegram", 0).Text("api_url"), "https://api.telegram.org");
  EXPECT_EQ(of("telegram", 0).Text("parse_mode"), "HTML");
  EXPECT_EQ(of("pagerduty", 0).Text("url"), "https://events.pagerduty.com/v2/enqueue");
  EXPECT_EQ(config->original.find("own"), std::string::npos) << "secrets are not shown";
}

}  // namespace
}  // namespace fettle::receivers

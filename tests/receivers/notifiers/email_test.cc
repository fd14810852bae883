#include "receivers/notifiers/email.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "receivers/alertmanager_config.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(EmailTest, WritesQuotedPrintable) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"plain", "plain"},
      {"a=b", "a=3Db"},
      {"é\tx ", "=C3=A9\tx=20"},
      {"one \ntwo\r\nthree\n", "one=20\r\ntwo\r\nthree\r\n"},
      {std::string(80, 'x'), std::string(75, 'x') + "=\r\n" + std::string(5, 'x')},
  };
  for (const auto& [text, written] : cases) EXPECT_EQ(QuotedPrintable(text), written);
}

TEST(EmailTest, EncodesHeadersThatNeedIt) {
  EXPECT_EQ(EncodeHeader("[FIRING:1] Disk = full?"), "[FIRING:1] Disk = full?");
  EXPECT_EQ(EncodeHeader("Plätze frei_1?"), "=?utf-8?q?Pl=C3=A4tze_frei=5F1=3F?=");
  for (std::size_t begin = 0; begin != std::string::npos;) {
    static const std::string kLong = EncodeHeader(std::string(100, 'x') + "é");
    const std::size_t end = kLong.find(' ', begin);
    EXPECT_LE(std::min(end, kLong.size()) - begin, 75U);
    begin = end == std::string::npos ? end : end + 1;
  }
}

TEST(EmailTest, ReadsAddresses) {
  EXPECT_THAT(ParseAddresses(R"(a@b, "Doe, J" <j@d.e>,Team <t@x>)").value(),
              ElementsAre("a@b", "j@d.e", "t@x"));
  for (const char* wrong : {"", "a", "a@", "@b", "a@b,", "x <a@b", "a b@c", "<a@b> c@"}) {
    EXPECT_FALSE(ParseAddresses(wrong)) << wrong;
  }
}

Notification Told() {
  Notification notification;
  notification.receiver = "people";
  notification.group_key = "{}:{}";
  notification.group_labels = {{"alertname", "Disk"}};
  notification.external_url = "http://am";
  notification.now = TimeFromMillis(1'767'225'600'000);
  auto live = std::make_shared<LiveAlert>();
  live->alert.labels = {{"alertname", "Disk"}, {"path", "<script>"}};
  live->alert.generator_url = "http://g/?a&b";
  notification.alerts.push_back({live, false});
  return notification;
}

class EmailNotifierTest : public testing::Test {
 protected:
  // An entry of email_configs beside `to`.
  EmailNotifier Make(const std::string& entry, const std::string& global = "") {
    yaml::Complaints complaints;
    const auto config = ReadAlertmanagerConfig(
        "global: {smtp_smarthost: 'mx:25', smtp_from: 'Fettle <f@x>'" + global +
            "}\nroute: {receiver: r}\nreceivers: [{name: r, email_configs: [{to: 'a@b, c@d'" +
            entry + "}]}]\n",
        "f.yml", complaints);
    EXPECT_TRUE(config) << complaints.ToString();
    return {config->receivers.at(0).others.at(0), Templates::Load({}).value(),
            [this](const Mail& mail, const SmtpOptions& options) -> Status {
              sent = mail;
              how = options;
              return answer;
            }};
  }

  std::optional<Mail> sent;
  SmtpOptions how;
  Status answer;
};

TEST_F(EmailNotifierTest, SendsTextAndHtmlToEverybody) {
  EmailNotifier notifier =
      Make(", text: '{{ .Status }} é', headers: {subject: 'S {{ .Status }}', x-y: \"a\\nBcc: b\"}");
  ASSERT_TRUE(notifier.Notify(Told(), Millis(1'000), {}).status);
  EXPECT_EQ(sent->from, "f@x");
  EXPECT_THAT(sent->to, ElementsAre("a@b", "c@d"));
  EXPECT_THAT(sent->message,
              testing::StartsWith("From: Fettle <f@x>\r\nSubject: S firing\r\nTo: a@b, c@d\r\n"
                                  "X-Y: a Bcc: b\r\nMessage-Id: <"));
  EXPECT_THAT(sent->message, HasSubstr("Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"));
  EXPECT_THAT(sent->message,
              HasSubstr("Content-Type: text/plain; charset=UTF-8\r\n\r\nfiring =C3=A9\r\n--"));
  EXPECT_THAT(sent->message, HasSubstr("path =3D &lt;script&gt;<br>"));
  EXPECT_THAT(sent->message, Not(HasSubstr("<script>")));
  EXPECT_EQ(how.host, "mx");
  EXPECT_EQ(how.port, "25");
  EXPECT_TRUE(how.require_tls);
  EXPECT_FALSE(how.implicit_tls);
}

TEST_F(EmailNotifierTest, TakesTheServerFromTheReceiverOrGlobal) {
  EmailNotifier own =
      Make(", smarthost: 'own:465', auth_username: u, auth_password: p, require_tls: false",
           ", smtp_auth_password: g");
  ASSERT_TRUE(own.Notify(Told(), Millis(1'000), {}).status);
  EXPECT_EQ(how.host, "own");
  EXPECT_TRUE(how.implicit_tls);
  EXPECT_FALSE(how.require_tls);
  EXPECT_EQ(how.password, "p");
  EXPECT_THAT(how.mechanisms, ElementsAre("PLAIN", "LOGIN"));
  EmailNotifier global = Make("",
                              ", smtp_auth_username: u, smtp_auth_secret: s, smtp_hello: me, "
                              "smtp_tls_config: {server_name: n}");
  ASSERT_TRUE(global.Notify(Told(), Millis(1'000), {}).status);
  EXPECT_EQ(how.password, "s");
  EXPECT_THAT(how.mechanisms, ElementsAre("CRAM-MD5"));
  EXPECT_EQ(how.hello, "me");
  EXPECT_EQ(how.tls.server_name, "n");
}

TEST_F(EmailNotifierTest, ThreadsAGroup) {
  EmailNotifier notifier = Make(", threading: {enabled: true, thread_by_date: daily}");
  ASSERT_TRUE(notifier.Notify(Told(), Millis(1'000), {}).status);
  const std::string first = sent->message;
  ASSERT_TRUE(notifier.Notify(Told(), Millis(1'000), {}).status);
  const auto references = [](const std::string& message) {
    const std::size_t at = message.find("References: ");
    return message.substr(at, message.find('\r', at) - at);
  };
  EXPECT_THAT(references(first), HasSubstr("2026-01-01@alertmanager>"));
  EXPECT_EQ(references(first), references(sent->message));
  EXPECT_NE(first, sent->message) << "but for the ids";
}

TEST_F(EmailNotifierTest, TriesAgainAfterTheServersRefusalButNotAfterItsOwnMistake) {
  answer = Fail(Cause::kDenied, "no");
  EmailNotifier refused = Make("");
  const Outcome outcome = refused.Notify(Told(), Millis(1'000), {});
  EXPECT_FALSE(outcome.status);
  EXPECT_TRUE(outcome.retry);
  sent.reset();
  EmailNotifier wrong = Make(", html: '{{ template \"none\" . }}'");
  EXPECT_FALSE(wrong.Notify(Told(), Millis(1'000), {}).retry);
  EXPECT_FALSE(sent);
}

}  // namespace
}  // namespace fettle::receivers

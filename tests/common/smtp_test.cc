#include "common/smtp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/mail_server.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const Mail kMail{"f@x", {"a@b", "c@d"}, "Subject: s\r\n\r\n.dot\r\nend\r\n"};

SmtpOptions To(const MailServer& server) {
  SmtpOptions options;
  options.host = "127.0.0.1";
  options.port = std::to_string(server.port());
  options.hello = "me";
  options.require_tls = false;
  return options;
}

TEST(SmtpTest, HandsAMailToEverybody) {
  const MailServer server({});
  const Status sent = SendMail(kMail, To(server));
  EXPECT_TRUE(sent) << sent.error().message;
  EXPECT_THAT(server.Lines(),
              ElementsAre("EHLO me", "MAIL FROM:<f@x>", "RCPT TO:<a@b>", "RCPT TO:<c@d>", "DATA",
                          "Subject: s", "", "..dot", "end", ".", "QUIT"));
}

TEST(SmtpTest, SaysCredentialsOnlyOverTlsIfThatIsRequired) {
  const MailServer server({.starttls = true, .auth = "LOGIN PLAIN"});
  const TempDir dir;
  SmtpOptions options = To(server);
  options.require_tls = true;
  options.tls.ca_file = dir.Write("ca.pem", server.authority());
  options.tls.server_name = "localhost";
  options.username = "u";
  options.password = "p";
  options.mechanisms = {"PLAIN"};
  const Status sent = SendMail(kMail, options);
  EXPECT_TRUE(sent) << sent.error().message;
  const std::vector<std::string> lines = server.Lines();
  ASSERT_GE(lines.size(), 5U);
  EXPECT_EQ(lines[1], "STARTTLS");
  EXPECT_EQ(lines[2], "(TLS)");
  // PLAIN: nothing, u, p, each ended by a zero byte but the last.
  EXPECT_THAT(lines, Contains(HasSubstr("AHUAcA==")));
}

TEST(SmtpTest, SendsNothingWhereTlsIsMissingOrNotTrusted) {
  const MailServer plain({.auth = "PLAIN"});
  SmtpOptions options = To(plain);
  options.require_tls = true;
  options.username = "u";
  options.password = "p";
  EXPECT_FALSE(SendMail(kMail, options));
  EXPECT_THAT(plain.Lines(), Not(Contains(testing::AnyOf(HasSubstr("AUTH"), HasSubstr("MAIL")))));
  const MailServer strange({.starttls = true});
  options = To(strange);
  options.require_tls = true;
  options.tls.server_name = "localhost";
  EXPECT_FALSE(SendMail(kMail, options)) << "signed by nobody we know";
  EXPECT_THAT(strange.Lines(), Not(Contains(HasSubstr("MAIL"))));
}

TEST(SmtpTest, SaysWhatTheServerDidNotLike) {
  const MailServer server({.answer_to_rcpt = "550 unknown"});
  const Status sent = SendMail(kMail, To(server));
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, AllOf(HasSubstr("mail by 127.0.0.1"), HasSubstr("550")));
  SmtpOptions nobody;
  nobody.host = "127.0.0.1";
  nobody.port = "1";
  EXPECT_TRUE(SendMail(kMail, nobody).error().retryable());
}

}  // namespace
}  // namespace fettle

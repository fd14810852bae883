// Keys by a program of the shared files. Goal: the program that AWS's own tools would run, without
// a shell; what it prints is never shown; what is doubtful is refused.
#include "common/aws_credential_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/aws_credentials.h"
#include "tests/support/fake_transport.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(CredentialProcessTest, IsFoundByProfileInBothFiles) {
  constexpr std::string_view kConfig =
      "[default]\nregion=eu\n[profile work]\r\ncredential_process = /bin/helper --x\r\n[other]\n"
      "credential_process=/bin/other\n";
  EXPECT_EQ(FindCredentialProcess(kConfig, "work"), "/bin/helper --x");
  EXPECT_EQ(FindCredentialProcess(kConfig, "other"), "/bin/other");
  EXPECT_EQ(FindCredentialProcess(kConfig, "default"), "");
}

TEST(CredentialProcessTest, ItsWordsAreSplitAsAPersonReadsThem) {
  EXPECT_THAT(*SplitCommand("a  'b c' \"d e\"f ''"), ElementsAre("a", "b c", "d ef", ""));
  EXPECT_FALSE(SplitCommand("a 'b"));
  EXPECT_FALSE(SplitCommand("  "));
}

TEST(CredentialProcessTest, OnlyKeysThatServeAreTaken) {
  const Time now = TimeFromMillis(1'767'225'600'000);
  const auto read = [&](const std::string& more) {
    return ReadProcessKeys(R"({"Version":1,"AccessKeyId":"id","SecretAccessKey":"s")" + more + "}",
                           now);
  };
  EXPECT_EQ(read("")->expires, now + kProcessKeysKept);
  EXPECT_EQ(read(R"(,"Expiration":"2026-01-01T06:00:00Z")")->expires, now + Millis(6 * 3'600'000));
  EXPECT_EQ(read(R"(,"Expiration":"2025-12-31T00:00:00Z")").error().cause, Cause::kDenied);
  EXPECT_FALSE(read(R"(,"Expiration":"soon")"));
  EXPECT_FALSE(ReadProcessKeys(R"({"Version":2,"AccessKeyId":"id","SecretAccessKey":"s"})", now));
  EXPECT_FALSE(ReadProcessKeys(R"({"Version":1,"AccessKeyId":"id"})", now));
  EXPECT_FALSE(ReadProcessKeys("keys", now));
}

class CredentialProcessRunTest : public testing::Test {
 protected:
  Result<AwsCredentials> Get(const std::string& script) {
    const std::string path = dir_.Write("helper", "#!/bin/sh\n" + script);
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    dir_.Write(".aws/config", "[default]\ncredential_process = \"" + path + "\" 'two words'\n");
    const AwsGetenv getenv = [this](const std::string& name) {
      return name == "HOME"                        ? std::optional(dir_.path())
             : name == "AWS_EC2_METADATA_DISABLED" ? std::optional<std::string>("true")
                                                   : std::nullopt;
    };
    return AwsCredentialChain({}, getenv, AwsCredentialChain::Lenders{transport_, clock_}).Get();
  }
  TempDir dir_;
  FakeTransport transport_;
  ManualClock clock_;
};

TEST_F(CredentialProcessRunTest, TheChainRunsItAfterTheSharedFile) {
  const auto keys = Get(
      R"(echo "{\"Version\":1,\"AccessKeyId\":\"$1\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\"}")");
  ASSERT_TRUE(keys.has_value()) << keys.error().message;
  EXPECT_EQ(*keys, (AwsCredentials{"two words", "s", "t"}));
}

TEST_F(CredentialProcessRunTest, ItsFailureIsToldAndWhatItPrintedIsNot) {
  auto keys = Get("echo '{\"AccessKeyId\":\"AKIA\",\"SecretAccessKey\":\"hunter22\"}'");
  ASSERT_FALSE(keys.has_value());
  EXPECT_THAT(keys.error().message, HasSubstr("its Version is not 1"));
  EXPECT_THAT(keys.error().message, Not(HasSubstr("hunter22")));
  keys = Get("echo 'sign in first' >&2; exit 3");
  ASSERT_FALSE(keys.has_value());
  EXPECT_THAT(keys.error().message, HasSubstr("sign in first"));
}

}  // namespace
}  // namespace fettle

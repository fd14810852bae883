// Keys that are lent, from whom and for how long. Goal: asked for in AWS's order and as AWS says,
// kept until shortly before their end, never sent to a stranger, and used to their end if nobody
// answers.
#include "common/aws_lent_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "common/aws_credentials.h"
#include "common/duration.h"
#include "tests/support/fake_transport.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class LentKeysTest : public testing::Test {
 protected:
  LentKeysTest() {
    transport_.AnswerWith([this](const HttpRequest& request) -> Result<HttpResponse> {
      const auto answer = answers_.find(request.method + " " + request.url);
      if (answer == answers_.end()) return Fail(Cause::kUnavailable, "nobody answers");
      return HttpResponse{200, {}, answer->second};
    });
  }
  AwsGetenv Getenv() {
    return [this](const std::string& name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
  }
  AwsCredentialChain Chain() {
    return AwsCredentialChain({}, Getenv(), AwsCredentialChain::Lenders{transport_, clock_});
  }
  std::string Keys(const std::string& id, Micros lasts) {
    return R"({"Code":"Success","AccessKeyId":")" + id +
           R"(","SecretAccessKey":"s","Token":"t","Expiration":")" +
           FormatRfc3339(clock_.Now().wall + std::chrono::duration_cast<Millis>(lasts)) + R"("})";
  }
  static constexpr const char* kInstance = "http://169.254.169.254/latest/";
  void AnInstanceLends(const std::string& id, Micros lasts) {
    const std::string base = kInstance;
    answers_["PUT " + base + "api/token"] = "the-token";
    answers_["GET " + base + "meta-data/iam/security-credentials/"] = "a-role\n";
    answers_["GET " + base + "meta-data/iam/security-credentials/a-role"] = Keys(id, lasts);
  }

  std::map<std::string, std::string> answers_;  // by method and URL
  std::map<std::string, std::string> environment_;
  FakeTransport transport_;
  ManualClock clock_;
  TempDir dir_;
};

TEST_F(LentKeysTest, AnInstanceIsAskedWithATokenOfItsOwn) {
  AnInstanceLends("ASIA1", 6h);
  const AwsCredentialChain chain = Chain();
  EXPECT_EQ(*chain.Get(), (AwsCredentials{"ASIA1", "s", "t"}));
  EXPECT_EQ(chain.Expiry(), clock_.Now().wall + 6h);
  const auto sent = transport_.Sent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].headers.Get("X-aws-ec2-metadata-token-ttl-seconds"), "21600");
  EXPECT_EQ(sent[2].headers.Get("X-aws-ec2-metadata-token"), "the-token");
  EXPECT_EQ(transport_.Options()[0].timeout, 1s) << "what is no instance is found out soon";
}

TEST_F(LentKeysTest, AreKeptAndRenewedFiveMinutesBeforeTheirEnd) {
  AnInstanceLends("first", 1h);
  const AwsCredentialChain chain = Chain();
  EXPECT_EQ(chain.Get()->access_key_id, "first");
  AnInstanceLends("second", 2h);
  clock_.Pass(54min);
  EXPECT_EQ(chain.Get()->access_key_id, "first");
  EXPECT_EQ(transport_.Sent().size(), 3U);
  clock_.Pass(2min);
  EXPECT_EQ(chain.Get()->access_key_id, "second");
}

TEST_F(LentKeysTest, ServeToTheirEndIfNobodyRenewsThemAndNotAfter) {
  AnInstanceLends("first", 1h);
  const AwsCredentialChain chain = Chain();
  ASSERT_TRUE(chain.Get());
  answers_.clear();
  clock_.Pass(57min);
  EXPECT_EQ(chain.Get()->access_key_id, "first");
  const std::size_t asked = transport_.Sent().size();
  EXPECT_EQ(chain.Get()->access_key_id, "first");
  EXPECT_EQ(transport_.Sent().size(), asked) << "nobody is asked at every request";
  clock_.Pass(4min);
  EXPECT_FALSE(chain.Get());
}

TEST_F(LentKeysTest, WhatS3RefusedIsAskedForAnew) {
  AnInstanceLends("revoked", 6h);
  const AwsCredentialChain chain = Chain();
  ASSERT_TRUE(chain.Get());
  AnInstanceLends("rotated", 6h);
  EXPECT_EQ(chain.Get()->access_key_id, "revoked");
  EXPECT_EQ(chain.Get(true)->access_key_id, "rotated");
}

TEST_F(LentKeysTest, AWebIdentityIsReadEachTimeAndComesBeforeTheSharedFile) {
  environment_ = {{"AWS_WEB_IDENTITY_TOKEN_FILE", dir_.Write("token", "jwt one\n")},
                  {"AWS_ROLE_ARN", "arn:aws:iam::1:role/backup"},
                  {"AWS_SHARED_CREDENTIALS_FILE",
                   dir_.Write("credentials",
                              "[default]\naws_access_key_id = file\naws_secret_access_key = s\n")}};
  answers_["POST https://sts.us-east-1.amazonaws.com/"] =
      "<AssumeRoleWithWebIdentityResponse><Credentials><SessionToken>tok/en==</SessionToken>"
      "<SecretAccessKey>se+cret</SecretAccessKey><Expiration>" +
      FormatRfc3339(clock_.Now().wall + 1h) +
      "</Expiration><AccessKeyId>ASIAWEB</AccessKeyId></Credentials>"
      "</AssumeRoleWithWebIdentityResponse>";
  const AwsCredentialChain chain = Chain();
  EXPECT_EQ(*chain.Get(), (AwsCredentials{"ASIAWEB", "se+cret", "tok/en=="}));
  EXPECT_THAT(transport_.Sent()[0].body, HasSubstr("WebIdentityToken=jwt%20one"));
  EXPECT_THAT(transport_.Sent()[0].body,
              HasSubstr("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fbackup"));
  dir_.Write("token", "jwt two\n");
  clock_.Pass(56min);
  (void)chain.Get();
  EXPECT_THAT(transport_.Sent()[1].body, HasSubstr("jwt%20two"));
}

TEST_F(LentKeysTest, AContainerIsAskedWithItsToken) {
  environment_ = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
                  {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", dir_.Write("token", "pod token\n")}};
  answers_["GET http://169.254.170.23/v1/credentials"] = Keys("POD", 1h);
  EXPECT_EQ(Chain().Get()->access_key_id, "POD");
  EXPECT_EQ(transport_.Sent()[0].headers.Get("Authorization"), "pod token");

  environment_ = {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"}};
  answers_["GET http://169.254.170.2/v2/credentials/x"] = Keys("TASK", 1h);
  EXPECT_EQ(Chain().Get()->access_key_id, "TASK");
}

TEST_F(LentKeysTest, ATokenIsNotSentToAStranger) {
  for (const char* url : {"http://evil.example/", "http://169.254.170.2.evil.example/",
                          "http://127.0.0.1.evil.example/x", "ftp://127.0.0.1/"}) {
    environment_ = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url},
                    {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret"}};
    EXPECT_THAT(AskContainer(transport_, Getenv()).error().message, HasSubstr("neither https"));
  }
  EXPECT_TRUE(transport_.Sent().empty());
}

TEST_F(LentKeysTest, NobodyAtAllIsSaidWithEveryPlace) {
  environment_["HOME"] = "/no/home";
  const auto found = Chain().Get();
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("/no/home/.aws/credentials"));
  EXPECT_THAT(found.error().message, HasSubstr("the metadata service"));
  environment_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_THAT(Chain().Get().error().message, HasSubstr("is disabled"));
}

TEST_F(LentKeysTest, AnswersThatAreNoneAreRefusedWithoutShowingThem) {
  for (const char* json :
       {"", "[]", "{}", R"({"Code":"Failed"})",
        R"({"AccessKeyId":"a","SecretAccessKey":"sss","Token":"t","Expiration":"soon"})",
        R"({"AccessKeyId":"a","SecretAccessKey":"sss","Expiration":"2030-01-01T00:00:00Z"})"}) {
    const auto keys = ReadJsonKeys(json);
    ASSERT_FALSE(keys) << json;
    EXPECT_THAT(keys.error().message, testing::Not(HasSubstr("sss")));
  }
  EXPECT_FALSE(ReadStsKeys("<AccessKeyId>a</AccessKeyId><SecretAccessKey>"));
}

}  // namespace
}  // namespace fettle

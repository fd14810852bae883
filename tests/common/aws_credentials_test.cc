// Where S3's keys come from. Goal: AWS's own order, fresh at every use, and a sentence that names
// every place looked at when there are none.
#include "common/aws_credentials.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using Environment = std::map<std::string, std::string>;

AwsCredentialChain::Getenv From(Environment environment) {
  return [environment = std::move(environment)](const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
}

const Environment kEnvironmentKeys = {{"AWS_ACCESS_KEY_ID", "env-id"},
                                      {"AWS_SECRET_ACCESS_KEY", "env-secret"},
                                      {"AWS_SESSION_TOKEN", "env-token"}};

TEST(AwsCredentialsTest, TakesTheConfigurationFirstThenTheEnvironmentThenTheFile) {
  const TempDir dir;
  Environment environment = kEnvironmentKeys;
  environment["AWS_SHARED_CREDENTIALS_FILE"] =
      dir.Write("credentials",
                "[default]\naws_access_key_id = file-id\naws_secret_access_key = file-secret\n");
  S3Connection connection;
  connection.access_key_id = Secret::FromText("own-id");
  connection.secret_access_key = Secret::FromText("own-secret");
  EXPECT_EQ(AwsCredentialChain(connection, From(environment)).Get()->access_key_id, "own-id");
  EXPECT_EQ(AwsCredentialChain(connection, From(environment)).Get()->session_token, "");

  EXPECT_EQ(*AwsCredentialChain({}, From(environment)).Get(),
            (AwsCredentials{"env-id", "env-secret", "env-token"}));

  environment.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(*AwsCredentialChain({}, From(environment)).Get(),
            (AwsCredentials{"file-id", "file-secret", ""}));
}

TEST(AwsCredentialsTest, ReadsFilesAgainAtEveryUse) {
  const TempDir dir;
  S3Connection connection;
  connection.access_key_id = Secret::FromFile(dir.Write("id", "one\n"));
  connection.secret_access_key = Secret::FromFile(dir.Write("secret", "s1\n"));
  connection.session_token = Secret::FromFile(dir.Write("token", "t1\n"));
  const AwsCredentialChain chain(connection, From({}));
  EXPECT_EQ(*chain.Get(), (AwsCredentials{"one", "s1", "t1"}));
  dir.Write("id", "two\n");
  dir.Write("secret", "s2");
  EXPECT_EQ(*chain.Get(), (AwsCredentials{"two", "s2", "t1"}));
}

TEST(AwsCredentialsTest, NamesTheFileThatCannotBeRead) {
  S3Connection connection;
  connection.access_key_id = Secret::FromText("id");
  connection.secret_access_key = Secret::FromFile("/no/such/secret");
  const auto found = AwsCredentialChain(connection, From(kEnvironmentKeys)).Get();
  ASSERT_FALSE(found.has_value());
  EXPECT_NE(found.error().message.find("reading secret_access_key"), std::string::npos);
  EXPECT_NE(found.error().message.find("/no/such/secret"), std::string::npos);
}

TEST(AwsCredentialsTest, NamesEveryPlaceThatHasNone) {
  const auto found = AwsCredentialChain({}, From({{"HOME", "/no/home"}})).Get();
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().cause, Cause::kDenied);
  EXPECT_EQ(found.error().message,
            "no keys for S3: none are configured, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are "
            "not both set, and /no/home/.aws/credentials: it cannot be read");
}

TEST(AwsCredentialsTest, ReadsProfilesOfTheSharedFile) {
  constexpr std::string_view kFile =
      "# comment\r\n; another\n[default]\naws_access_key_id=d-id\n"
      "aws_secret_access_key = s=/+==\r\n\n[ work ]\n  aws_access_key_id   =  w-id  \n"
      "aws_secret_access_key=w\naws_session_token=t\nregion=eu\n[empty]\nregion = x\n[broken\nx";
  EXPECT_EQ(*ReadSharedCredentials(kFile, "default"), (AwsCredentials{"d-id", "s=/+==", ""}));
  EXPECT_EQ(*ReadSharedCredentials(kFile, "work"), (AwsCredentials{"w-id", "w", "t"}));
  EXPECT_EQ(ReadSharedCredentials(kFile, "empty").error().message,
            "its profile \"empty\" has no keys");
  EXPECT_EQ(ReadSharedCredentials(kFile, "other").error().message, "it has no profile \"other\"");
  EXPECT_FALSE(ReadSharedCredentials("", "default").has_value());
}

TEST(AwsCredentialsTest, TakesTheProfileTheEnvironmentNames) {
  const TempDir dir;
  dir.Write(".aws/credentials",
            "[default]\naws_access_key_id=a\naws_secret_access_key=b\n"
            "[work]\naws_access_key_id=c\naws_secret_access_key=d\n");
  EXPECT_EQ(AwsCredentialChain({}, From({{"HOME", dir.path()}})).Get()->access_key_id, "a");
  EXPECT_EQ(AwsCredentialChain({}, From({{"HOME", dir.path()}, {"AWS_PROFILE", "work"}}))
                .Get()
                ->access_key_id,
            "c");
}

}  // namespace
}  // namespace fettle

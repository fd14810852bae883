#include "common/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace fettle {
namespace {

class SecretTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = testing::TempDir() + "/fettle_secret_test";
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    return path;
  }
};

TEST_F(SecretTest, NothingConfiguredIsEmptyAndRevealsNothing) {
  const Secret secret;
  EXPECT_TRUE(secret.empty());
  EXPECT_EQ(secret.Masked(), "");
  EXPECT_EQ(*secret.Reveal(), "");
}

TEST_F(SecretTest, TextIsRevealedAsItIsAndMasked) {
  const Secret secret = Secret::FromText(" hunter2\n");
  EXPECT_FALSE(secret.empty());
  EXPECT_EQ(*secret.Reveal(), " hunter2\n");
  EXPECT_EQ(secret.Masked(), "<secret>");
}

TEST_F(SecretTest, AFileIsReadWithoutItsLastNewlines) {
  EXPECT_EQ(*Secret::FromFile(Write("hunter2\n")).Reveal(), "hunter2");
  EXPECT_EQ(*Secret::FromFile(Write("hunter2\r\n\n")).Reveal(), "hunter2");
  EXPECT_EQ(*Secret::FromFile(Write(" two\nlines ")).Reveal(), " two\nlines ");
}

TEST_F(SecretTest, AFileIsReadAgainAtEveryUse) {
  const Secret secret = Secret::FromFile(Write("before"));
  EXPECT_EQ(*secret.Reveal(), "before");
  Write("after");
  EXPECT_EQ(*secret.Reveal(), "after");
}

TEST_F(SecretTest, AMissingFileIsNamed) {
  const Result<std::string> text = Secret::FromFile("/nowhere/secret").Reveal();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, "open /nowhere/secret: No such file or directory");
  EXPECT_EQ(text.error().cause, Cause::kNotFound);
}

TEST_F(SecretTest, ADirectoryIsNoSecret) {
  const Result<std::string> text = Secret::FromFile("/").Reveal();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, "read /: Is a directory");
}

TEST_F(SecretTest, AnEmptyFileIsRefusedBecauseItsMountIsProbablyNotThereYet) {
  const std::string path = Write("\n");
  const Result<std::string> text = Secret::FromFile(path).Reveal();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, path + " is empty");
}

TEST_F(SecretTest, AFileAtTheLimitIsReadAndOneBeyondRefusedWithoutItsContent) {
  EXPECT_EQ(Secret::FromFile(Write(std::string(Secret::kFileBytesMax, 'x'))).Reveal()->size(),
            Secret::kFileBytesMax);
  const std::string path = Write(std::string(Secret::kFileBytesMax + 1, 'x'));
  const Result<std::string> text = Secret::FromFile(path).Reveal();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, path + " is longer than 65536 bytes");
  EXPECT_EQ(text.error().cause, Cause::kLimit);
}

TEST_F(SecretTest, APipeNobodyWritesToDoesNotHang) {
  const std::string path = testing::TempDir() + "/fettle_secret_test_pipe";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const Result<std::string> text = Secret::FromFile(path).Reveal();
  unlink(path.c_str());
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, path + " is empty");
}

}  // namespace
}  // namespace fettle

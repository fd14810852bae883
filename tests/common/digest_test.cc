// Digests and how they are written. Goal: the values the standards give (FIPS 180-4, RFC 1321,
// RFC 4231, RFC 4648), also piece by piece.
#include "common/digest.h"

#include <gtest/gtest.h>

namespace fettle {
namespace {

TEST(DigestTest, GivesTheStandardsValues) {
  EXPECT_EQ(Hex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(Md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Hex(Md5("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(Hex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(Hex(HmacSha256(std::string(131, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(DigestTest, ComesToTheSamePieceByPiece) {
  Digest sha(Digest::Kind::kSha256);
  Digest md5(Digest::Kind::kMd5);
  std::string whole;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 70), static_cast<char>('a' + i % 26));
    sha.Update(piece);
    md5.Update(piece);
    whole += piece;
  }
  EXPECT_EQ(sha.Finish(), Sha256(whole));
  EXPECT_EQ(md5.Finish(), Md5(whole));
}

TEST(DigestTest, WritesHexAndBase64) {
  EXPECT_EQ(Hex(std::string("\x00\xff\x10", 3)), "00ff10");
  EXPECT_EQ(FromHex("00FF10"), std::string("\x00\xff\x10", 3));
  EXPECT_EQ(FromHex("0g"), "");
  EXPECT_EQ(FromHex("012"), "");
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [text, expected] : table) EXPECT_EQ(Base64(text), expected);
}

}  // namespace
}  // namespace fettle

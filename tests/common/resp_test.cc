// The RESP2 reader. Goal: every reply Redis can send is read as it was meant, in whatever pieces it
// arrives, and whatever is not RESP2 ends in a sentence instead of a crash or a full memory.
#include "common/resp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace fettle {
namespace {

// Hands out the text `piece` bytes at a time.
RespReader::Source Pieces(std::string text, std::size_t piece) {
  return [text = std::move(text), piece, at = std::size_t{0}](
             char* buffer, std::size_t room) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({piece, room, text.size() - at});
    std::memcpy(buffer, text.data() + at, count);
    at += count;
    return count;
  };
}

std::string Show(const RedisReply& reply) {
  switch (reply.kind) {
    case RedisReply::Kind::kNil:
      return "nil";
    case RedisReply::Kind::kString:
      return "'" + reply.text + "'";
    case RedisReply::Kind::kInteger:
      return std::to_string(reply.integer);
    case RedisReply::Kind::kArray:
      break;
  }
  std::string out = "[";
  for (const RedisReply& item : reply.items) out += (out == "[" ? "" : " ") + Show(item);
  return out + "]";
}

std::string Read(const std::string& text, std::size_t piece = 1 << 20) {
  RespReader reader(Pieces(text, piece));
  const auto reply = reader.Next();
  return reply ? Show(*reply) : reply.error().message;
}

Cause CauseOf(const std::string& text) {
  RespReader reader(Pieces(text, 1 << 20));
  const auto reply = reader.Next();
  EXPECT_FALSE(reply.has_value()) << text.substr(0, 60);
  return reply ? Cause::kFailed : reply.error().cause;
}

TEST(RespTest, ReadsEveryKindOfReply) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"+OK\r\n", "'OK'"},
      {":42\r\n", "42"},
      {":-9223372036854775808\r\n", "-9223372036854775808"},
      {"$5\r\nhello\r\n", "'hello'"},
      {"$0\r\n\r\n", "''"},
      {"$-1\r\n", "nil"},
      {"*-1\r\n", "nil"},
      {"*0\r\n", "[]"},
      {"$4\r\na\r\nb\r\n", "'a\r\nb'"},
      {"*3\r\n:1\r\n*2\r\n+a\r\n$-1\r\n$1\r\nb\r\n", "[1 ['a' nil] 'b']"},
  };
  for (const auto& [text, expected] : table) {
    EXPECT_EQ(Read(text), expected);
    for (const std::size_t piece : {1U, 2U, 3U, 7U})
      EXPECT_EQ(Read(text, piece), expected) << piece;
  }
}

TEST(RespTest, TellsTheServersErrorAndStaysOfUse) {
  RespReader reader(Pieces("-ERR unknown command\r\n:7\r\n", 4));
  const auto refused = reader.Next();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "ERR unknown command");
  EXPECT_EQ(refused.error().cause, Cause::kFailed);
  const auto next = reader.Next();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->integer, 7);
}

TEST(RespTest, ReadsTheWholeArrayBeforeItTellsAnErrorInside) {
  RespReader reader(Pieces("*3\r\n:1\r\n-WRONGTYPE no\r\n-ERR later\r\n+next\r\n", 3));
  const auto refused = reader.Next();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "WRONGTYPE no");
  const auto next = reader.Next();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->text, "next");
}

TEST(RespTest, RefusesWhatIsNotRedis) {
  EXPECT_EQ(Read("HTTP/1.1 400 Bad Request\r\n"),
            "\"HTTP/1.1 400 Bad Request\" is not Redis' protocol");
  EXPECT_EQ(Read("\r\n"), "an empty line where a reply should begin");
  EXPECT_EQ(Read(":4x\r\n"), "\"4x\" is not an integer");
  EXPECT_EQ(Read(":\r\n"), "\"\" is not an integer");
  EXPECT_EQ(Read("$-2\r\n"), "\"-2\" is not a string's length");
  EXPECT_EQ(Read("*-2\r\n"), "\"-2\" is not an array's length");
  EXPECT_EQ(Read("$1\r\nab\r\n"), "a string is longer than its length says");
  EXPECT_EQ(CauseOf(":4x\r\n"), Cause::kInvalid);
  // What an attacker sends is shown without control characters and cut.
  EXPECT_EQ(Read("\x1b[31m" + std::string(100, 'x') + "\r\n"),
            "\"?[31m" + std::string(55, 'x') + "\" is not Redis' protocol");
}

TEST(RespTest, SaysSoWhenTheConnectionEndsInTheMiddle) {
  for (const std::string text : {"", "$5\r\nhel", "*2\r\n:1\r\n", "+OK\r"}) {
    EXPECT_EQ(Read(text, 2), "the connection was closed") << text;
    EXPECT_EQ(CauseOf(text), Cause::kUnavailable) << text;
  }
}

TEST(RespTest, HoldsItsBounds) {
  std::string deep;
  for (int i = 0; i < Redis::kDepthMax; ++i) deep += "*1\r\n";
  EXPECT_EQ(Read(deep + ":1\r\n").substr(0, 8), "[[[[[[[[");
  EXPECT_EQ(CauseOf(deep + "*1\r\n:1\r\n"), Cause::kLimit);
  // Claims of a length cost nothing until the bytes come, and are refused beyond the bound.
  EXPECT_EQ(CauseOf("$67108865\r\n"), Cause::kLimit);
  EXPECT_EQ(CauseOf("*9999999999\r\n"), Cause::kUnavailable);
  EXPECT_EQ(CauseOf("+" + std::string(70'000, 'a') + "\r\n"), Cause::kLimit);
  std::string many = "*10000000\r\n";
  for (int i = 0; i < 1'000'000; ++i) many += ":1\r\n";
  EXPECT_EQ(CauseOf(many), Cause::kLimit);
}

TEST(RespTest, WritesCommandsAsArraysOfStrings) {
  EXPECT_EQ(WriteResp({"LLEN", "a b\r\n"}), "*2\r\n$4\r\nLLEN\r\n$5\r\na b\r\n\r\n");
}

}  // namespace
}  // namespace fettle

// The Redis client against a real server. Goal: commands, passwords and TLS work as Redis means
// them, and a server that refuses, lies or stands still costs an error within the deadline.
#include <gtest/gtest.h>

#include "common/deadline.h"
#include "common/redis.h"
#include "tests/support/redis_server.h"

namespace fettle {
namespace {

Redis Connected(const RedisConnection& connection) {
  Result<Redis> redis = Redis::Connect(connection, Millis(5'000));
  EXPECT_TRUE(redis.has_value()) << redis.error().message;
  return *std::move(redis);
}

TEST(RedisTest, RunsCommandsByTcpAndByUnixSocket) {
  RedisServer& server = RedisServer::Shared();
  Redis redis = Connected(server.Connection());
  const std::string binary("a\0b\r\nc", 6);
  EXPECT_EQ(redis.Command({"SET", "key", binary}, Millis(5'000))->text, "OK");
  EXPECT_EQ(redis.Command({"RPUSH", "list", "1", "2", "3"}, Millis(5'000))->integer, 3);
  EXPECT_EQ(redis.Command({"LRANGE", "list", "0", "-1"}, Millis(5'000))->items.size(), 3U);
  EXPECT_EQ(redis.Command({"GET", "none"}, Millis(5'000))->kind, RedisReply::Kind::kNil);

  RedisConnection by_path;
  by_path.address = server.socket();
  EXPECT_EQ(Connected(by_path).Command({"GET", "key"}, Millis(5'000))->text, binary);
}

TEST(RedisTest, CarriesLargeValues) {
  Redis redis = Connected(RedisServer::Shared().Connection());
  const std::string large(10'000'000, 'x');
  ASSERT_TRUE(redis.Command({"SET", "large", large}, Millis(20'000)).has_value());
  const auto back = redis.Command({"GET", "large"}, Millis(20'000));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->text.size(), large.size());
}

TEST(RedisTest, ToldOfAnErrorItGoesOn) {
  Redis redis = Connected(RedisServer::Shared().Connection());
  ASSERT_TRUE(redis.Command({"SET", "text", "abc"}, Millis(5'000)).has_value());
  const auto wrong = redis.Command({"LLEN", "text"}, Millis(5'000));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().cause, Cause::kFailed);
  EXPECT_EQ(wrong.error().message,
            "redis LLEN: WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(redis.Command({"PING"}, Millis(5'000))->text, "PONG");
}

TEST(RedisTest, AsksForThePasswordAndNeverRepeatsIt) {
  const auto server = RedisServer::Start({.password = "hunter2secret"});
  Redis redis = Connected(server->Connection());
  EXPECT_EQ(redis.Command({"PING"}, Millis(5'000))->text, "PONG");

  RedisConnection wrong = server->Connection();
  wrong.password = Secret::FromText("other2secret");
  const auto denied = Redis::Connect(wrong, Millis(5'000));
  ASSERT_FALSE(denied.has_value());
  EXPECT_EQ(denied.error().cause, Cause::kDenied);
  EXPECT_EQ(denied.error().message.find("secret"), std::string::npos) << denied.error().message;

  wrong.username = "nobody";
  EXPECT_EQ(Redis::Connect(wrong, Millis(5'000)).error().cause, Cause::kDenied);
  wrong.username = "default";
  wrong.password = Secret::FromText("hunter2secret");
  EXPECT_TRUE(Redis::Connect(wrong, Millis(5'000)).has_value());

  wrong.password = Secret();
  Redis stranger = Connected(wrong);
  EXPECT_EQ(stranger.Command({"GET", "x"}, Millis(5'000)).error().cause, Cause::kDenied);
}

TEST(RedisTest, SpeaksTlsToWhoItTrustsOnly) {
  const auto server = RedisServer::Start({.tls = true});
  Redis redis = Connected(server->Connection());
  const std::string large(300'000, 'y');
  EXPECT_EQ(redis.Command({"SET", "key", large}, Millis(5'000))->text, "OK");
  EXPECT_EQ(redis.Command({"GET", "key"}, Millis(5'000))->text, large);

  RedisConnection stranger = server->Connection();
  stranger.ca_file.clear();
  const auto untrusted = Redis::Connect(stranger, Millis(5'000));
  ASSERT_FALSE(untrusted.has_value());
  EXPECT_NE(untrusted.error().message.find("certificate verify failed"), std::string::npos)
      << untrusted.error().message;

  RedisConnection other_name = server->Connection();
  other_name.address = server->address();  // the certificate is for localhost, not for an address
  EXPECT_FALSE(Redis::Connect(other_name, Millis(5'000)).has_value());

  RedisConnection plain = server->Connection();
  plain.tls = false;
  Redis unencrypted = Connected(plain);
  EXPECT_FALSE(unencrypted.Command({"PING"}, Millis(2'000)).has_value());

  RedisConnection no_file = server->Connection();
  no_file.ca_file = "/no/such.pem";
  EXPECT_EQ(Redis::Connect(no_file, Millis(5'000)).error().cause, Cause::kInvalid);
}

TEST(RedisTest, GivesUpAtTheDeadlineAndStaysBroken) {
  const auto server = RedisServer::Start();
  Redis redis = Connected(server->Connection());
  server->child().Signal(SIGSTOP);
  const Deadline soon(Millis(5'000));
  const auto slow = redis.Command({"PING"}, Millis(100));
  ASSERT_FALSE(slow.has_value());
  EXPECT_EQ(slow.error().cause, Cause::kTimeout);
  EXPECT_EQ(slow.error().message, "redis PING: no answer in time");
  EXPECT_FALSE(soon.Passed());
  server->child().Signal(SIGCONT);
  // The late answer must not be taken for the next one's.
  const auto next = redis.Command({"GET", "x"}, Millis(1'000));
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().message, "redis GET: the connection broke at an earlier command");
}

TEST(RedisTest, SaysWhenNobodyListens) {
  RedisConnection nobody;
  nobody.address = "127.0.0.1:" + std::to_string(FreePort());
  const auto refused = Redis::Connect(nobody, Millis(2'000));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().cause, Cause::kUnavailable);
  EXPECT_EQ(refused.error().message, "connecting to " + nobody.address + ": Connection refused");
}

}  // namespace
}  // namespace fettle

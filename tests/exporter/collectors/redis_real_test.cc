// The Redis collector against a real server. Goal: INFO and the lengths are read as Redis means
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporter/collectors/redis.h"
#include "tests/support/families.h"
#include "tests/support/recorded_log.h"
#include "tests/support/redis_server.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(RedisCollectorRealTest, ShowsTheServerAndItsQueues) {
  const auto server = RedisServer::Start({.password = "secret"});
  Redis redis = *Redis::Connect(server->Connection(), Millis(5'000));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"RPUSH", "celery", "a", "b", "c"},
                                             {"ZADD", "delayed", "1", "x"},
                                             {"XADD", "events", "*", "k", "v"},
                                             {"SADD", "seen", "1", "2"}}) {
    ASSERT_TRUE(redis.Command(command, Millis(5'000)).has_value());
  }
  RedisCollectorConfig config;
  config.target = "q";
  config.connection = server->Connection();
  config.lists = {"celery", "delayed", "events", "seen", "none"};
  const SystemClock clock;
  RecordedLog log;
  RedisCollector collector(
      {.connect = ConnectTo(config.connection), .clock = clock, .log = log.For("redis")}, config);
  const auto collect = [&] {
    return collector.Collect({clock.Now(), clock.Now().boot + Millis(5'000)});
  };
  const auto families = collect();
  ASSERT_TRUE(families.has_value()) << families.error().message;
  EXPECT_THAT(LinesOf(*families, "fettle_queue_length"),
              ElementsAre("fettle_queue_length{list=\"celery\", target=\"q\"} 3",
                          "fettle_queue_length{list=\"delayed\", target=\"q\"} 1",
                          "fettle_queue_length{list=\"events\", target=\"q\"} 1",
                          "fettle_queue_length{list=\"none\", target=\"q\"} 0",
                          "fettle_queue_length{list=\"seen\", target=\"q\"} 2"));
  EXPECT_THAT(LinesOf(*families, "fettle_redis_memory_used_bytes"), SizeIs(1));
  EXPECT_THAT(LinesOf(*families, "fettle_redis_connected_clients"),
              ElementsAre("fettle_redis_connected_clients{target=\"q\"} 2"));
  EXPECT_THAT(LinesOf(*families, "fettle_redis_last_save_ok"),
              ElementsAre("fettle_redis_last_save_ok{target=\"q\"} 1"));

  server->child().Signal(SIGKILL);
  server->child().Wait(std::chrono::seconds(5));
  EXPECT_FALSE(collect().has_value());
}

}  // namespace
}  // namespace fettle::exporter

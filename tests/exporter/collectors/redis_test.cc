// The Redis collector with a server that answers as the test says. Goal: every kind of queue has
// its length, what INFO does not say is absent, and a broken connection is made anew.
#include "exporter/collectors/redis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RedisReply Text(std::string text) { return {RedisReply::Kind::kString, std::move(text), 0, {}}; }
RedisReply Integer(std::int64_t value) { return {RedisReply::Kind::kInteger, "", value, {}}; }

struct Fixture {
  explicit Fixture(std::vector<std::string> lists = {}) {
    RedisCollectorConfig config;
    config.target = "queue";
    config.lists = std::move(lists);
    collector = std::make_unique<RedisCollector>(
        RedisCollector::Deps{.connect = [this](Millis) -> Result<RedisCommand> {
                               ++connections;
                               if (refused) return Fail(Cause::kUnavailable, "refused");
                               return RedisCommand(
                                   [this](const auto& words, Millis) { return Answer(words); });
                             },
                             .clock = clock,
                             .log = log.For("redis")},
        config);
  }
  Result<RedisReply> Answer(const std::vector<std::string>& words) {
    if (broken) return Fail(Cause::kUnavailable, "reset");
    std::string line;
    for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
    const auto found = answers.find(line);
    if (found == answers.end()) return Text(words[0] == "TYPE" ? "none" : "");
    return found->second;
  }
  Result<std::vector<MetricFamily>> Collect() {
    return collector->Collect({clock.Now(), clock.Now().boot + Millis(5'000)});
  }
  ManualClock clock;
  RecordedLog log;
  std::map<std::string, RedisReply> answers;
  bool refused = false;
  bool broken = false;
  int connections = 0;
  std::unique_ptr<RedisCollector> collector;
};

TEST(RedisCollectorTest, MeasuresEveryKindOfQueue) {
  Fixture f({"celery", "events", "delayed", "seen", "empty"});
  f.answers = {{"TYPE celery", Text("list")},   {"LLEN celery", Integer(3)},
               {"TYPE events", Text("stream")}, {"XLEN events", Integer(4)},
               {"TYPE delayed", Text("zset")},  {"ZCARD delayed", Integer(5)},
               {"TYPE seen", Text("set")},      {"SCARD seen", Integer(6)}};
  const auto families = f.Collect();
  ASSERT_TRUE(families.has_value()) << families.error().message;
  EXPECT_THAT(LinesOf(*families),
              ElementsAre("fettle_queue_length{list=\"celery\", target=\"queue\"} 3",
                          "fettle_queue_length{list=\"delayed\", target=\"queue\"} 5",
                          "fettle_queue_length{list=\"empty\", target=\"queue\"} 0",
                          "fettle_queue_length{list=\"events\", target=\"queue\"} 4",
                          "fettle_queue_length{list=\"seen\", target=\"queue\"} 6",
                          "fettle_redis_up{target=\"queue\"} 1"));
}

TEST(RedisCollectorTest, AKeyWithoutLengthIsAbsentAndToldOnce) {
  Fixture f({"text", "celery"});
  f.answers = {
      {"TYPE text", Text("string")}, {"TYPE celery", Text("list")}, {"LLEN celery", Integer(3)}};
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_THAT(LinesOf(*f.Collect()),
                ElementsAre("fettle_queue_length{list=\"celery\", target=\"queue\"} 3",
                            "fettle_redis_up{target=\"queue\"} 1"));
  }
  ASSERT_EQ(f.log.Lines().size(), 1U);
  EXPECT_THAT(f.log.Lines()[0], HasSubstr("is a string, which has no length as a queue"));
}

TEST(RedisCollectorTest, ReadsInfo) {
  EXPECT_THAT(
      LinesOf(ReadRedisInfo("# Memory\r\nused_memory:1024\r\nmaxmemory:2048\r\n"
                            "connected_clients:7\r\nevicted_keys:2\r\n"
                            "rdb_last_save_time:1700000000\r\nrdb_last_bgsave_status:err\r\n",
                            "q")),
      ElementsAre("fettle_redis_connected_clients{target=\"q\"} 7",
                  "fettle_redis_evicted_keys_total{target=\"q\"} 2",
                  "fettle_redis_last_save_ok{target=\"q\"} 0",
                  "fettle_redis_last_save_timestamp_seconds{target=\"q\"} 1700000000",
                  "fettle_redis_memory_max_bytes{target=\"q\"} 2048",
                  "fettle_redis_memory_used_bytes{target=\"q\"} 1024"));
  EXPECT_THAT(
      LinesOf(ReadRedisInfo("maxmemory:0\nused_memory:many\nrdb_last_bgsave_status:ok", "q")),
      ElementsAre("fettle_redis_last_save_ok{target=\"q\"} 1"));
  EXPECT_THAT(LinesOf(ReadRedisInfo("", "q")), IsEmpty());
}

TEST(RedisCollectorTest, KeepsItsConnectionAndMakesANewOneWhenItBreaks) {
  Fixture f;
  EXPECT_TRUE(f.Collect().has_value());
  EXPECT_TRUE(f.Collect().has_value());
  EXPECT_EQ(f.connections, 1);
  f.broken = true;
  EXPECT_FALSE(f.Collect().has_value());
  f.broken = false;
  EXPECT_TRUE(f.Collect().has_value());
  EXPECT_EQ(f.connections, 3);
}

TEST(RedisCollectorTest, ADeadServerIsUpZero) {
  Fixture f;
  f.refused = true;
  EXPECT_FALSE(f.Collect().has_value());
  EXPECT_THAT(LinesOf(f.collector->WhenDown()), ElementsAre("fettle_redis_up{target=\"queue\"} 0"));
}

TEST(RedisCollectorTest, ReadsItsConfigurationAndComplains) {
  Connections known;
  known.redis["queue"].address = "redis:6379";
  const auto read = [&known](const std::string& text) {
    return ReadText(text, [&known](yaml::Mapping& exporter) {
      return ReadRedisCollectorConfigs(exporter, known);
    });
  };
  const auto [configs, complaints] =
      read("redis: [{connection: queue, lists: [celery, dead_letter], interval: 5s}]");
  EXPECT_EQ(complaints, "");
  ASSERT_EQ(configs.size(), 1U);
  EXPECT_EQ(configs[0].connection.address, "redis:6379");
  EXPECT_THAT(configs[0].lists, ElementsAre("celery", "dead_letter"));
  EXPECT_EQ(configs[0].interval, Millis(5'000));
  const std::string wrong =
      read(
          "redis:\n- {connection: que}\n- {connection: queue, lists: [a, a], list: b}\n"
          "- {connection: queue}\n")
          .second;
  EXPECT_THAT(wrong, HasSubstr("f.yml:2:16: exporter.redis: there is no connection named \"que\""));
  EXPECT_THAT(wrong, HasSubstr("\"a\" is listed twice"));
  EXPECT_THAT(wrong, HasSubstr("unknown key \"list\""));
  EXPECT_THAT(wrong, HasSubstr("\"queue\" is observed twice"));
}

}  // namespace
}  // namespace fettle::exporter

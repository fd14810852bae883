// One Redis: is it up, how much memory, and how long are the queues kept in it.
//
//   fettle_redis_up{target}                       0 or 1
//   fettle_queue_length{target,list}              lists, streams, sets and sorted sets by name;
//                                                 0 if there is no such key, as Redis means it
//   fettle_redis_memory_used_bytes, _memory_max_bytes (absent without a limit),
//   fettle_redis_connected_clients, fettle_redis_evicted_keys_total,
//   fettle_redis_last_save_timestamp_seconds, fettle_redis_last_save_ok{target}
// A key that has no length (a text, one we may not read) is absent and told once.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/collector.h"
#include "common/connections.h"
#include "common/log.h"
#include "common/redis.h"
#include "common/yaml.h"

namespace fettle::exporter {

struct RedisCollectorConfig {
  std::string target;  // the connection's name
  RedisConnection connection;
  std::vector<std::string> lists;
  Millis interval{0};  // 0: the exporter's
};
// `exporter.redis`: a list.
std::vector<RedisCollectorConfig> ReadRedisCollectorConfigs(yaml::Mapping& exporter,
                                                            const Connections& connections);

// What the collector needs of a connection; the seam to its tests.
using RedisCommand =
    std::function<Result<RedisReply>(const std::vector<std::string>& words, Millis timeout)>;
using RedisConnector = std::function<Result<RedisCommand>(Millis timeout)>;
RedisConnector ConnectTo(RedisConnection connection);

class RedisCollector final : public Collector {
 public:
  struct Deps {
    RedisConnector connect;
    const Clock& clock;
    Log log;
  };
  RedisCollector(Deps deps, RedisCollectorConfig config);

  std::string_view Name() const override { return "redis"; }
  std::string_view Target() const override { return config_.target; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  std::vector<MetricFamily> WhenDown() const override;

 private:
  Result<std::vector<MetricFamily>> Ask(const CollectContext& context);
  Result<double> LengthOf(const std::string& key, const CollectContext& context);
  Result<RedisReply> Command(const std::vector<std::string>& words, const CollectContext& context);

  const Deps deps_;
  const RedisCollectorConfig config_;
  std::set<std::string> told_;  // keys whose failure has been told
  RedisCommand command_;        // of the connection kept from turn to turn
};

// INFO's text as families; what it does not say is absent.
std::vector<MetricFamily> ReadRedisInfo(std::string_view text, const std::string& target);

}  // namespace fettle::exporter

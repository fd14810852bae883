#include "exporter/collectors/redis.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

MetricFamily UpFamily(const std::string& target, bool up) {
  return {"fettle_redis_up",
          "1 if Redis answers.",
          MetricType::kGauge,
          {{"", {{"target", target}}, up ? 1.0 : 0.0}}};
}

// "key:value" lines.
std::map<std::string_view, std::string_view> Fields(std::string_view text) {
  std::map<std::string_view, std::string_view> fields;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      fields.emplace(line.substr(0, colon), line.substr(colon + 1));
    }
  }
  return fields;
}

}  // namespace

RedisConnector ConnectTo(RedisConnection connection) {
  return [connection = std::move(connection)](Millis timeout) -> Result<RedisCommand> {
    Result<Redis> connected = Redis::Connect(connection, timeout);
    if (!connected) return tl::unexpected(connected.error());
    auto kept = std::make_shared<Redis>(*std::move(connected));
    return RedisCommand([kept](const std::vector<std::string>& words, Millis left) {
      return kept->Command(words, left);
    });
  };
}

std::vector<RedisCollectorConfig> ReadRedisCollectorConfigs(yaml::Mapping& exporter,
                                                            const Connections& connections) {
  std::vector<RedisCollectorConfig> all;
  std::set<std::string> seen;
  exporter.ForEach("redis", [&](const yaml::Node& node) {
    yaml::Mapping mapping(node, "exporter.redis", exporter.complaints());
    RedisCollectorConfig config;
    std::tie(config.target, config.connection) = ReadConnection(mapping, connections.redis);
    if (!config.target.empty() && !seen.insert(config.target).second) {
      mapping.Complain(PlaceOf(mapping, "connection"),
                       yaml::Shown(config.target) + " is observed twice");
    }
    config.lists = mapping.List<std::string>("lists");
    config.interval = ReadInterval(mapping, config.interval);
    std::set<std::string> lists;
    for (const std::string& list : config.lists) {
      if (!lists.insert(list).second) {
        mapping.Complain(PlaceOf(mapping, "lists"), yaml::Shown(list) + " is listed twice");
      }
    }
    all.push_back(std::move(config));
  });
  return all;
}

std::vector<MetricFamily> ReadRedisInfo(std::string_view text, const std::string& target) {
  const std::map<std::string_view, std::string_view> fields = Fields(text);
  std::vector<MetricFamily> families;
  const auto add = [&](std::string_view field, std::string name, std::string help,
                       MetricType type = MetricType::kGauge) {
    const auto found = fields.find(field);
    if (found == fields.end()) return;
    double value = found->second == "ok" ? 1 : 0;
    const std::string_view digits = found->second;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool number = error == std::errc{} && end == digits.data() + digits.size();
    if (!number && digits != "ok" && digits != "err") return;
    families.push_back(
        {std::move(name), std::move(help), type, {{"", {{"target", target}}, value}}});
  };
  add("used_memory", "fettle_redis_memory_used_bytes", "Memory Redis has allocated.");
  const auto most = fields.find("maxmemory");
  if (most != fields.end() && most->second != "0") {
    add("maxmemory", "fettle_redis_memory_max_bytes", "Memory Redis may use.");
  }
  add("connected_clients", "fettle_redis_connected_clients", "Connections of clients.");
  add("evicted_keys", "fettle_redis_evicted_keys_total",
      "Keys removed because the memory was full.", MetricType::kCounter);
  add("rdb_last_save_time", "fettle_redis_last_save_timestamp_seconds",
      "When the data was last saved to disk.");
  add("rdb_last_bgsave_status", "fettle_redis_last_save_ok", "1 if the last save succeeded.");
  return families;
}

RedisCollector::RedisCollector(Deps deps, RedisCollectorConfig config)
    : deps_(std::move(deps)), config_(std::move(config)) {}

std::vector<MetricFamily> RedisCollector::WhenDown() const {
  return {UpFamily(config_.target, false)};
}

Result<RedisReply> RedisCollector::Command(const std::vector<std::string>& words,
                                           const CollectContext& context) {
  const auto left = std::chrono::floor<Millis>(context.deadline - deps_.clock.Now().boot);
  return command_(words, std::max(left, Millis(0)));
}

Result<std::vector<MetricFamily>> RedisCollector::Collect(const CollectContext& context) {
  if (command_ && !Command({"PING"}, context)) command_ = nullptr;
  if (!command_) {
    const auto left = std::chrono::floor<Millis>(context.deadline - deps_.clock.Now().boot);
    Result<RedisCommand> connected = deps_.connect(std::max(left, Millis(0)));
    if (!connected) return tl::unexpected(connected.error());
    command_ = *std::move(connected);
  }
  Result<std::vector<MetricFamily>> families = Ask(context);
  if (!families) command_ = nullptr;
  return families;
}

Result<std::vector<MetricFamily>> RedisCollector::Ask(const CollectContext& context) {
  const Result<RedisReply> info = Command({"INFO"}, context);
  if (!info) return tl::unexpected(info.error());
  std::vector<MetricFamily> all = ReadRedisInfo(info->text, config_.target);
  all.push_back(UpFamily(config_.target, true));
  MetricFamily lengths{
      "fettle_queue_length", "Items that wait in the queue.", MetricType::kGauge, {}};
  for (const std::string& list : config_.lists) {
    const Result<double> length = LengthOf(list, context);
    if (!length && length.error().retryable()) return tl::unexpected(length.error());
    if (!length) {
      if (told_.insert(list).second) {
        deps_.log.Warn(
            "a queue has no length; it is absent until it has",
            {{"target", config_.target}, {"list", list}, {"err", length.error().message}});
      }
      continue;
    }
    told_.erase(list);
    lengths.points.push_back({"", {{"target", config_.target}, {"list", list}}, *length});
  }
  if (!lengths.points.empty()) all.push_back(std::move(lengths));
  return all;
}

Result<double> RedisCollector::LengthOf(const std::string& key, const CollectContext& context) {
  static const std::map<std::string, std::string> kCommands = {
      {"list", "LLEN"}, {"stream", "XLEN"}, {"zset", "ZCARD"}, {"set", "SCARD"}};
  const Result<RedisReply> type = Command({"TYPE", key}, context);
  if (!type) return tl::unexpected(type.error());
  if (type->text == "none") return 0.0;
  const auto command = kCommands.find(type->text);
  if (command == kCommands.end()) {
    return Fail(Cause::kInvalid, "the key \"{}\" is a {}, which has no length as a queue", key,
                type->text);
  }
  const Result<RedisReply> length = Command({command->second, key}, context);
  if (!length) return tl::unexpected(length.error());
  return static_cast<double>(length->integer);
}

}  // namespace fettle::exporter

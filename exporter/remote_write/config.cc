#include "exporter/remote_write/config.h"

#include <set>

#include "common/http_client.h"
#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

using yaml::Mapping;
using yaml::Node;

constexpr std::size_t kShardsMax = 64;
constexpr std::size_t kSamplesPerSendMax = 100'000;
constexpr std::size_t kBacklogMin = 1024 * 1024;

void ReadQueue(Mapping& outer, RemoteWriteConfig& config) {
  const Node* node = outer.Child("queue_config");
  if (node == nullptr) return;
  Mapping m(*node, "exporter.remote_write.queue_config", outer.complaints());
  m.Get<std::size_t>("capacity", 10'000);  // what waits is on disk
  config.shards_max = m.Get("max_shards", config.shards_max);
  config.shards_min = m.Get("min_shards", config.shards_min);
  config.samples_per_send = m.Get("max_samples_per_send", config.samples_per_send);
  config.deadline = m.Get("batch_send_deadline", config.deadline);
  config.backoff_min = m.Get("min_backoff", config.backoff_min);
  config.backoff_max = m.Get("max_backoff", config.backoff_max);
  config.retry_on_429 = m.Get("retry_on_http_429", config.retry_on_429);
  config.sample_age_limit = m.Get("sample_age_limit", config.sample_age_limit);
  if (config.shards_min < 1 || config.shards_max < config.shards_min ||
      config.shards_max > kShardsMax) {
    m.Complain(node->place, fmt::format("min_shards and max_shards must be between 1 and {}, and "
                                        "in this order",
                                        kShardsMax));
  }
  if (config.samples_per_send < 1 || config.samples_per_send > kSamplesPerSendMax) {
    m.Complain(PlaceOf(m, "max_samples_per_send"),
               fmt::format("max_samples_per_send must be between 1 and {}", kSamplesPerSendMax));
  }
  if (config.backoff_min <= Millis(0) || config.backoff_max < config.backoff_min) {
    m.Complain(node->place, "min_backoff must not be 0, nor max_backoff less");
  }
}

void ReadMetadata(Mapping& outer, RemoteWriteConfig& config) {
  const Node* node = outer.Child("metadata_config");
  if (node == nullptr) return;
  Mapping m(*node, "exporter.remote_write.metadata_config", outer.complaints());
  config.send_metadata = m.Get("send", config.send_metadata);
  config.metadata_every = m.Get("send_interval", config.metadata_every);
  config.metadata_per_send = m.Get("max_samples_per_send", config.metadata_per_send);
  if (config.metadata_every < Millis(1'000) || config.metadata_per_send < 1) {
    m.Complain(node->place,
               "send_interval must be at least 1s, and max_samples_per_send at least 1");
  }
}

void RefuseOthers(Mapping& m) {
  for (const char* key : {"sigv4", "azuread", "google_iam"}) {
    if (m.Has(key))
      m.Complain(PlaceOf(m, key), std::string(key) + " is not supported by this version");
  }
  const auto message = m.Get<std::string>("protobuf_message", "prometheus.WriteRequest");
  if (message != "prometheus.WriteRequest") {
    m.Complain(PlaceOf(m, "protobuf_message"),
               "only prometheus.WriteRequest (remote write 1.0) is spoken");
  }
  if (m.Get("send_native_histograms", false)) {
    m.Complain(PlaceOf(m, "send_native_histograms"),
               "send_native_histograms is not supported by this version");
  }
  m.Get("round_robin_dns", false);
}

RemoteWriteConfig ReadOne(const Node& node, const std::string& directory,
                          yaml::Complaints& complaints) {
  Mapping m(node, "exporter.remote_write", complaints);
  RemoteWriteConfig config;
  config.url = m.Require<std::string>("url");
  if (!config.url.empty() && !config.url.starts_with("http://") &&
      !config.url.starts_with("https://")) {
    m.Complain(PlaceOf(m, "url"), fmt::format("url {} does not begin with http:// or https://",
                                              yaml::Shown(config.url)));
  }
  config.name = m.Get<std::string>("name", RedactUrl(config.url));
  config.timeout = m.Get("remote_timeout", config.timeout);
  config.headers = m.StringMap("headers");
  config.http = ReadHttpConfig(m, directory);
  config.relabeling = Relabeling::Read(m, "write_relabel_configs");
  config.send_exemplars = m.Get("send_exemplars", config.send_exemplars);
  config.backlog_bytes_max = m.Get("backlog_max", config.backlog_bytes_max);
  if (config.backlog_bytes_max < kBacklogMin) {
    m.Complain(PlaceOf(m, "backlog_max"), "backlog_max must be at least 1MiB");
  }
  ReadQueue(m, config);
  ReadMetadata(m, config);
  RefuseOthers(m);
  return config;
}

}  // namespace

std::vector<RemoteWriteConfig> ReadRemoteWriteConfigs(Mapping& mapping,
                                                      const std::string& directory) {
  std::vector<RemoteWriteConfig> configs;
  std::set<std::string> names;
  mapping.ForEach("remote_write", [&](const Node& node) {
    RemoteWriteConfig config = ReadOne(node, directory, mapping.complaints());
    if (!config.name.empty() && !names.insert(config.name).second) {
      mapping.Complain(
          node.place, fmt::format("remote_write has two of the name {}", yaml::Shown(config.name)));
    }
    configs.push_back(std::move(config));
  });
  return configs;
}

}  // namespace fettle::exporter

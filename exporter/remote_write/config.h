// remote_write, in Prometheus' own words. Values; defaults are the members' initialisers.
//
// Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#remote_write (3.5).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "common/http_config.h"
#include "common/relabel.h"
#include "common/yaml.h"

namespace fettle::exporter {

struct RemoteWriteConfig {
  std::string url;
  std::string name;  // in metrics; of the URL if not said
  Millis timeout{30'000};
  std::map<std::string, std::string> headers;
  HttpConfig http;
  Relabeling relabeling;
  bool send_exemplars = false;
  // queue_config
  std::size_t shards_max = 50;
  std::size_t shards_min = 1;
  std::size_t samples_per_send = 2'000;
  Millis deadline{5'000};  // a batch that is not full goes after this
  Millis backoff_min{30};
  Millis backoff_max{5'000};
  bool retry_on_429 = false;
  Millis sample_age_limit{0};  // 0: none
  // metadata_config
  bool send_metadata = true;
  Millis metadata_every{60'000};
  std::size_t metadata_per_send = 2'000;
  // What waits on disk while the other side is away; beyond it the oldest is dropped.
  std::size_t backlog_bytes_max = 512 * 1024 * 1024;
};

// The list under "remote_write".
std::vector<RemoteWriteConfig> ReadRemoteWriteConfigs(yaml::Mapping& mapping,
                                                      const std::string& directory);

}  // namespace fettle::exporter

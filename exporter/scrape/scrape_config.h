// scrape_configs, in Prometheus' own words. Values; defaults are the members' initialisers.
//
// Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config (3.5).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/connections.h"
#include "common/discovery.h"
#include "common/http_config.h"
#include "common/relabel.h"
#include "common/yaml.h"
#include "exporter/scrape/page_parser.h"

namespace fettle::exporter {

struct ScrapeConfig {
  // A page is read as a whole; a longer one fails its scrape whatever body_size_limit says.
  static constexpr std::size_t kPageBytesMax = 256 * 1024 * 1024;

  std::string job_name;
  Millis interval{15'000};
  Millis timeout{10'000};
  std::string accept;  // the header; from scrape_protocols
  std::optional<PageFormat> fallback;
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::map<std::string, std::vector<std::string>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool enable_compression = true;
  HttpConfig http;
  DiscoveryConfig discovery;
  Relabeling relabeling;
  Relabeling metric_relabeling;
  // 0: none.
  std::size_t body_size_limit = 0;
  std::size_t sample_limit = 0;
  std::size_t label_limit = 0;
  std::size_t label_name_length_limit = 0;
  std::size_t label_value_length_limit = 0;
  std::size_t target_limit = 0;
  std::size_t keep_dropped_targets = 0;
};

// The list under "scrape_configs". `interval` is what a job has that does not say one.
std::vector<ScrapeConfig> ReadScrapeConfigs(yaml::Mapping& mapping, const std::string& directory,
                                            const Connections& connections, Millis interval);

// A target as it is scraped: its own labels, and where they came from.
struct ScrapeTarget {
  Labels labels;      // attached to every sample
  Labels discovered;  // before relabelling
  std::string url;
  Millis interval{0};
  Millis timeout{0};

  // What makes it the same target.
  std::string Key() const;
};
// nullopt: dropped by relabelling. kInvalid: it has no address, or an interval that is none.
Result<std::optional<ScrapeTarget>> MakeTarget(const ScrapeConfig& config, const Labels& found);

}  // namespace fettle::exporter

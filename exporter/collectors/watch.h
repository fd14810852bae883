// Files that others make (backups, exports), by glob: how new is the newest, how large, how many.
//
//   fettle_watch_files{name}, fettle_watch_bytes{name}        of all that match
//   fettle_watch_newest_timestamp_seconds{name}, fettle_watch_newest_bytes{name}
//   fettle_watch_oldest_timestamp_seconds{name}
// Without a single file the timestamps are absent and the count is 0; if the directory itself is
// not there, nothing is known, and the collector is down.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/collector.h"
#include "common/yaml.h"

namespace fettle::exporter {

struct WatchConfig {
  std::string name;
  std::string glob;  // "/backups/*.tar.zst"
  Millis interval{60'000};
};
// `exporter.watch`: a list.
std::vector<WatchConfig> ReadWatchConfigs(yaml::Mapping& exporter);

class WatchCollector final : public Collector {
 public:
  // More files than these are an error: a glob that wide is a mistake.
  static constexpr std::size_t kFilesMax = 100'000;
  explicit WatchCollector(WatchConfig config) : config_(std::move(config)) {}
  std::string_view Name() const override { return "watch"; }
  std::string_view Target() const override { return config_.name; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  const WatchConfig config_;
};

}  // namespace fettle::exporter

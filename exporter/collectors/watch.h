// Backups that others make: how new is the newest good one, how large, how many. What cannot be
// found out now is absent, never as it was: a watcher does not go stale-green.
//
//   fettle_watch_info{name,kind}, fettle_watch_expected_interval_seconds{name},
//   fettle_watch_grace_seconds{name}                           always: they are configuration
//   fettle_watch_files, fettle_watch_bytes{name}               of files and objects that match
//   fettle_watch_backups{name}                                 good ones, by the tool's own account
//   fettle_watch_bad_backups{name}                             failed, too small, or of the future
//   fettle_watch_newest_timestamp_seconds, fettle_watch_newest_bytes,
//   fettle_watch_oldest_timestamp_seconds{name}                of good ones; absent without any
//   fettle_watch_newest_bad_timestamp_seconds{name}
// Where backups are kept in several repositories, the newest is that of the one that lags most.
// Pings are in pings.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/collector.h"
#include "common/connections.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/secret.h"
#include "common/yaml.h"

namespace fettle::exporter {

struct WatchFiles {
  std::string glob;  // "/backups/*.tar.zst"
};
struct WatchObjects {
  std::string connection_name;
  S3Connection connection;
  std::string bucket;
  std::string prefix;
  std::string suffix;  // only keys that end so
};
enum class BackupTool { kRestic, kBorg, kPgbackrest, kBarman, kWalg };
std::string_view ToString(BackupTool tool);
// A tool that lists its own backups as JSON.
struct WatchTool {
  BackupTool tool = BackupTool::kRestic;
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::map<std::string, Secret> secrets;  // environment, too
  std::string subject;                    // pgBackRest's stanza, barman's server
};
// Nobody looks: whoever made a backup says so, and his silence is the alarm.
struct WatchPing {};

struct WatchConfig {
  std::string name;
  std::variant<WatchFiles, WatchObjects, WatchTool, WatchPing> what;
  Millis every{24 * 3'600'000};  // a new one is expected so often,
  Millis grace{2 * 3'600'000};   // and missed so much later
  std::int64_t min_bytes = 0;    // a smaller one is none
  Millis interval{60'000};       // between two looks
  Millis timeout{10'000};        // of one
};
// "files", "s3", "restic", …
std::string_view KindOf(const WatchConfig& config);
// `exporter.watch`: a list.
std::vector<WatchConfig> ReadWatchConfigs(yaml::Mapping& exporter, const Connections& connections);

// One backup as its maker lists it.
struct FoundBackup {
  double at = 0;                // seconds; when it ended, or began if that is all that is known
  std::optional<double> bytes;  // of what it holds
  bool good = true;
  std::string repository = {};
};
struct FoundBackups {
  std::vector<FoundBackup> backups;
  std::set<std::string> repositories;  // all there are, also empty ones
};

// One way to look. Blocks until the deadline at most; never called twice at once.
class Watcher {
 public:
  // More backups, files or objects than these are an error: it is a mistake to watch so widely.
  static constexpr std::size_t kFoundMax = 100'000;
  virtual ~Watcher() = default;
  virtual Result<FoundBackups> Look(const CollectContext& context) = 0;
};
std::unique_ptr<Watcher> WatchFilesOf(WatchFiles files);
std::unique_ptr<Watcher> WatchToolOf(WatchTool tool);
struct WatchDeps {
  HttpTransport& transport;
  const Clock& clock;
  Random& random;
  Metrics& metrics;
  Log log;
};
std::unique_ptr<Watcher> WatchObjectsOf(const WatchDeps& deps, WatchObjects objects);

class WatchCollector final : public Collector {
 public:
  // What claims to be newer than this many seconds from now is not believed.
  static constexpr double kFutureSeconds = 300;
  WatchCollector(std::unique_ptr<Watcher> watcher, WatchConfig config)
      : watcher_(std::move(watcher)), config_(std::move(config)) {}
  std::string_view Name() const override { return "watch"; }
  std::string_view Target() const override { return config_.name; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  std::vector<MetricFamily> WhenDown() const override { return ShowWatched(config_); }

  // What the configuration says: shown whatever happens.
  static std::vector<MetricFamily> ShowWatched(const WatchConfig& config);

 private:
  const std::unique_ptr<Watcher> watcher_;
  const WatchConfig config_;
};

}  // namespace fettle::exporter

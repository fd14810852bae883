// The drop-in for the Alertmanager binary: only the receivers, with Alertmanager's own flags, its
// own configuration file and its own way to start, reload and end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "common/result.h"
#include "receivers/turns.h"

namespace fettle {

// Alertmanager 0.33's flags, by their names; those without a field are accepted and mean nothing
// here, because nothing is gossiped or snapshotted. Defaults are Alertmanager's.
struct AlertmanagerOptions {
  std::string config_file = "alertmanager.yml";
  std::string storage_path = "data/";
  Millis retention{120 * 3'600'000};
  Millis maintenance_interval{15 * 60'000};
  std::size_t silences_max = 0;       // 0: Silences' own limit
  std::size_t silence_bytes_max = 0;  // 0: Silences' own limit
  Millis alerts_gc_interval{30 * 60'000};
  Millis start_delay{0};
  std::vector<std::string> listen_addresses = {":9093"};  // the first one is listened on
  std::string web_config_file;
  std::string external_url;
  std::optional<std::string> route_prefix;
  std::size_t gets_max = 0;  // 0: as many as cores, 8 at least
  Millis web_timeout{0};
  std::string cluster_address = "0.0.0.0:9094";  // "" is no cluster
  std::string cluster_advertise_address;
  std::string cluster_peer_name;
  // Ours: the PostgreSQL that replicas share; without it the store is a file in storage_path.
  std::string postgres_dsn_file;
  receivers::OnLoss on_loss = receivers::OnLoss::kLocalIfSingleton;
  bool classic_matchers = false;  // --enable-feature=classic-mode
  bool utf8_matchers = false;     // --enable-feature=utf8-strict-mode
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kLogfmt;
  bool version = false;
  bool help = false;
};

// What is wrong with the flags is said in Alertmanager's words.
Result<AlertmanagerOptions> ReadAlertmanagerFlags(const std::vector<std::string>& arguments);
std::string AlertmanagerHelp();

// Thread rule: built, started and ended by one thread; Reload() by any.
class AlertmanagerProgram {
 public:
  struct Deps {
    const Clock& clock;
    Random& random;
    LogWriter& log;
  };
  // Restores what was remembered and opens the door. The error is every complaint, a line each.
  static Result<std::unique_ptr<AlertmanagerProgram>> Start(Deps deps, AlertmanagerOptions options);
  ~AlertmanagerProgram();
  AlertmanagerProgram(const AlertmanagerProgram&) = delete;
  AlertmanagerProgram& operator=(const AlertmanagerProgram&) = delete;

  // "127.0.0.1:41234".
  std::string address() const;
  // Builds a whole new configuration or keeps the old one and says why.
  Status Reload();

 private:
  struct Parts;
  explicit AlertmanagerProgram(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fettle

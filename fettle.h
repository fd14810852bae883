// The program: builds every part in dependency order and takes it down in reverse. Also what
// end-to-end tests run in-process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "common/result.h"
#include "rules/promql/features.h"

namespace fettle {

// `fettle serve`'s flags, by their names. Defaults are the documented ones.
struct ServeOptions {
  std::string config_file;                            // --config.file
  std::string storage_path = "data";                  // --storage.path
  std::string listen_address = "127.0.0.1:9911";      // --web.listen-address
  std::string web_config_file;                        // --web.config.file
  std::string external_url;                           // --web.external-url
  Millis storage_retention = std::chrono::hours(24);  // --storage.retention
  bool enable_lifecycle = false;                      // --web.enable-lifecycle
  bool enable_remote_write_receiver = false;          // --web.enable-remote-write-receiver
  Millis lookback_delta = std::chrono::minutes(5);    // --query.lookback-delta
  std::size_t query_samples_max = 50'000'000;         // --query.max-samples
  Millis query_timeout = std::chrono::minutes(2);     // --query.timeout
  std::size_t queries_max = 20;                       // --query.max-concurrency
  std::vector<std::string> enabled_features;          // --enable-feature, as given
  promql::Features features;                          // and what they are
};

// Thread rule: built, started and ended by one thread; Reload() by any.
class Fettle {
 public:
  struct Deps {
    const Clock& clock;
    Random& random;
    LogWriter& log;
  };
  // Reads the configuration and builds everything; nothing runs yet. The error is every complaint,
  // a line each.
  static Result<std::unique_ptr<Fettle>> Build(Deps deps, ServeOptions options);
  ~Fettle();
  Fettle(const Fettle&) = delete;
  Fettle& operator=(const Fettle&) = delete;

  // Restores what was remembered, opens the doors, starts the brain.
  Status Start();
  // "127.0.0.1:41234".
  std::string address() const;
  // Blocks until somebody asks it to end: Quit(), or POST /-/quit.
  void Wait();
  // Safe from any thread and from a signal-handling thread.
  void Quit();
  // Builds a whole new configuration or keeps the old one and says why.
  Status Reload();

  // What it is made of: fettle_parts.h, for fettle*.cc alone.
  struct Parts;

 private:
  explicit Fettle(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fettle

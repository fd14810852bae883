// Scrapes other programs' metrics pages into the sample store, as Prometheus does: each target at
// its own offset within the interval, with up, scrape_* and stale markers.
//
// Timers and the list of targets are the brain's; a scrape is a hand's; views are any thread's.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/clock.h"
#include "common/discovery.h"
#include "common/exemplar_sink.h"
#include "common/hands.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metadata.h"
#include "common/metrics.h"
#include "common/sample.h"
#include "exporter/scrape/scrape_config.h"

namespace fettle::exporter {

// What a door sees of a target. A value.
struct TargetView {
  enum class Health { kUnknown, kUp, kDown };
  std::string pool;
  ScrapeTarget target;
  Health health = Health::kUnknown;
  std::string last_error;
  Time last_scrape{};
  double last_seconds = 0;
};
struct TargetMetadataView {
  Labels target;
  std::vector<MetricMetadata> metadata;
};

class Scraper {
 public:
  struct Deps {
    Brain& brain;
    Hands& hands;  // for scrapes alone: a dead target keeps one busy until its timeout
    Hands& looks;  // for discovery
    const Clock& clock;
    HttpTransport& transport;
    SampleSink& sink;
    ExemplarSink& exemplars;
    const NameLookup& lookup;
    Metrics& metrics;
    Log log;
    std::function<std::unique_ptr<Engine>(const DockerDiscovery& config)> make_engine;
    std::stop_token stop{};  // ends scrapes under way
  };
  // A scrape is stamped with its turn's time unless it is later than this.
  static constexpr Millis kAlignWithin{2};

  // `seed` moves all offsets: replicas with different seeds do not scrape at the same moment.
  Scraper(Deps deps, std::vector<ScrapeConfig> configs, std::string user_agent,
          std::uint64_t seed = 0);
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  // On the brain.
  void Start(const Moment& now);

  // Sorted by pool, then url and labels.
  std::vector<TargetView> Targets() const;
  // Labels as discovered of targets that relabelling dropped, by pool; and how many there are.
  struct Dropped {
    std::vector<Labels> kept;
    std::size_t count = 0;
  };
  std::map<std::string, Dropped> DroppedTargets() const;
  std::vector<TargetMetadataView> Metadata() const;
  std::vector<std::string> Pools() const;

 private:
  struct Pool;
  struct Loop;
  struct Counters;
  void Sync(Pool& pool, const std::vector<TargetGroup>& groups, const Moment& now);
  void ScheduleNext(const std::shared_ptr<Loop>& loop, const Moment& now);
  void OnTurn(const std::shared_ptr<Loop>& loop, Time slot, const Moment& now);
  void OnDone(const std::shared_ptr<Loop>& loop, const Moment& now);
  void End(const std::shared_ptr<Loop>& loop, const Moment& now);

  const Deps deps_;
  const std::vector<ScrapeConfig> configs_;
  const std::string user_agent_;
  const std::uint64_t seed_;
  const std::shared_ptr<Counters> counters_;
  // Callbacks of the brain that come after the scraper's end find it gone.
  std::shared_ptr<Scraper*> self_;

  mutable std::mutex mutex_;  // guards the pools' lists; only the brain writes
  std::vector<std::unique_ptr<Pool>> pools_;
};

}  // namespace fettle::exporter

// Runs collectors on their intervals, times them, keeps the latest snapshot, feeds the sink.
//
// Collecting is on our own clock: a scrape renders the last snapshot and never waits for a server.
// Each collector's turn is timed, and the framework around it publishes
//   fettle_collector_up{collector,target}                 0 or 1
//   fettle_collector_duration_seconds{collector,target}
//   fettle_collector_last_success_timestamp_seconds{collector,target}
// A failed turn takes the collector's series away (stale in the store) rather than repeat them.
// Timers and state are the brain's; collecting is a hand's; Serve() and Publish() any thread's.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/collector.h"
#include "common/hands.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sample.h"
#include "exporter/page.h"

namespace fettle::exporter {

class Gatherer final : public Publisher {
 public:
  // Beyond this many series of one collector, the rest of its turn is dropped and counted.
  static constexpr std::size_t kSeriesPerCollectorMax = 200'000;

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    SampleSink& sink;
    Metrics& metrics;
    Log log;
    const ExemplarBoard* exemplars = nullptr;  // of `metrics`
  };
  struct Options {
    Millis interval{15'000};
    // Attached to every sample in the own store, as a Prometheus would attach them at a scrape.
    std::string job = "fettle";
    std::string instance = "localhost";
  };
  struct Schedule {
    Millis interval{0};  // 0: the gatherer's
    Millis timeout{10'000};
    Origin origin = Origin::kCollector;
    Hands* hands = nullptr;  // its own, so that it holds up nobody; nullptr: the gatherer's
  };

  Gatherer(Deps deps, Options options);
  ~Gatherer() override;

  // Before Start(); `collector` must outlive the gatherer.
  void Add(Collector& collector, Schedule schedule);
  // On the brain. First turns are at once, so that the first scrape has something to show.
  void Start(const Moment& now);

  void Publish(const Collector& collector, std::vector<MetricFamily> families,
               const Moment& now) override;

  // GET /metrics: text 0.0.4 or OpenMetrics by Accept, gzip by Accept-Encoding.
  HttpResponse Serve(const HttpRequest& request);
  // What the page says of each metric beside its values. Any thread's.
  std::vector<MetricMetadata> Metadata();
  // True once every collector has had its first turn.
  bool Ready() const;

 private:
  struct Station;
  void TurnOnInterval(Station& station, const Moment& now);
  void Turn(Station& station);
  void Collect(Station& station);
  void AppendSelf(const Moment& now);

  const Deps deps_;
  const Options options_;
  std::vector<std::unique_ptr<Station>> stations_;
  Page page_;
  prometheus::Counter& overruns_;
  prometheus::Counter& dropped_;
};

}  // namespace fettle::exporter

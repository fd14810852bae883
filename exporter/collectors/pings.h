// A dead-man's switch: jobs that fettle cannot look at say that they began, ended or failed, and
// their silence is the alarm. What they said is stored before they are answered, so that a restart
// neither forgets nor forgives.
//
//   POST /api/fettle/v1/pings/NAME            ended well
//   POST /api/fettle/v1/pings/NAME/start      began
//   POST /api/fettle/v1/pings/NAME/fail       failed
//   POST /api/fettle/v1/pings/NAME/N          ended with exit code N (0 to 255)
//
//   fettle_watch_newest_timestamp_seconds{name}       when it last ended well
//   fettle_watch_last_start_timestamp_seconds, fettle_watch_last_failure_timestamp_seconds{name}
//   fettle_watch_last_duration_seconds{name}          from the start to the good end
//   fettle_watch_created_timestamp_seconds{name}      "never came" is measured from here
//   fettle_watch_pings_total{name,said}
// Store records: kind "watch_ping", id the name.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/http.h"
#include "common/metrics.h"
#include "common/store.h"
#include "exporter/collectors/watch.h"

namespace fettle::exporter {

class Pings final : public Collector {
 public:
  // How long an answer may wait for the disk; then 503, and the sender tries again.
  static constexpr Millis kAnswerWithin{5'000};

  struct Deps {
    Store& store;
    const Clock& clock;
    Metrics& metrics;
    Publisher& publisher;  // a ping is an event: rules that select it are evaluated at once
  };
  // Takes those that are pings.
  Pings(Deps deps, const std::vector<WatchConfig>& watched);

  bool empty() const { return jobs_.empty(); }
  // Any thread's, one at a time.
  HttpResponse Handle(const HttpRequest& request);

  std::string_view Name() const override { return "ping"; }
  std::string_view Target() const override { return ""; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  std::vector<MetricFamily> WhenDown() const override;

  // What is known of one; all but `created` may not be.
  struct State {
    Time created;
    std::optional<Time> started;
    std::optional<Time> succeeded;
    std::optional<Time> failed;
    std::optional<Millis> took;
  };

 private:
  struct Job {
    WatchConfig config;
    State state;
  };
  Status Load(Time now);
  Status Keep(const std::string& name, const State& state);
  std::vector<MetricFamily> Show() const;

  const Deps deps_;
  std::mutex turn_mutex_;  // one ping, or the loading, at a time
  bool loaded_ = false;    // under turn_mutex_

  mutable std::mutex mutex_;  // guards the states
  std::map<std::string, Job> jobs_;
};

}  // namespace fettle::exporter

// What rule evaluation says of itself, under Prometheus' names where Prometheus has the metric.
// Safe from any thread; handles stay valid as long as Metrics.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "common/clock.h"
#include "common/metrics.h"

namespace fettle::rules {

// Of one group; label rule_group="file;group".
class GroupMetrics {
 public:
  GroupMetrics(Metrics& metrics, std::string key);

  prometheus::Counter& evaluations;
  prometheus::Counter& failures;
  prometheus::Counter& iterations;
  prometheus::Counter& iterations_missed;
  prometheus::Counter& reactive;
  prometheus::Counter& unsent;
  prometheus::Histogram& evaluation_seconds;  // of all groups together, as upstream
  prometheus::Histogram& group_seconds;
  prometheus::Histogram& reactive_delay;
  prometheus::Counter& expansions;
  prometheus::Counter& expansion_failures;
  prometheus::Counter& state_failures;

  void SetShape(Millis interval, std::size_t rules);
  void SetLast(Time at, double seconds, double rules_seconds, std::size_t samples);
  void SetRestored(double seconds);
  // So many rules of that name can never say anything; 0: none, which is not shown.
  void SetDead(const std::string& rule, int count);
  // The group is gone: its gauges go, its counters stay.
  void Forget();

 private:
  Labels labels() const { return {{"rule_group", key_}}; }
  void Set(const char* name, const char* help, double value);
  Metrics& metrics_;
  const std::string key_;
  std::mutex mutex_;  // guards the rest
  std::set<std::string> dead_;
};

}  // namespace fettle::rules

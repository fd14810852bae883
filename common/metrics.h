// Fettle's own counters and gauges, in prometheus-cpp's registry, so that every refusal and retry
// is visible. Safe from any thread; handles stay valid as long as Metrics, except those of removed
// gauges.
//
// Names, label names and HELP texts are our own, so a bad one is a broken promise, checked here
// because prometheus-cpp would throw. A name has one type and the HELP it was first asked for with.
// Counters' names end in _total. Every name is in docs/metrics.md; a test compares.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/labels.h"
#include "common/sample.h"

namespace fettle {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same (name, labels) gives the same counter. Counters start at 0 and are shown from then on.
  prometheus::Counter& Counter(const std::string& name, const std::string& help,
                               const Labels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help,
                           const Labels& labels = {});
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help,
                                   const std::vector<double>& buckets, const Labels& labels = {});
  // Takes one gauge away again: unknown is absent, never 0.
  void RemoveGauge(const std::string& name, const Labels& labels);

  // Everything, for exposition and the sample store: families sorted by name, points by labels.
  std::vector<MetricFamily> Collect() const;

 private:
  template <typename T>
  prometheus::Family<T>& FamilyOf(std::map<std::string, prometheus::Family<T>*>& families,
                                  prometheus::detail::Builder<T> builder, const std::string& name,
                                  const std::string& help);

  prometheus::Registry registry_;
  // Guards the maps, not the families, which guard themselves.
  std::mutex mutex_;
  std::map<std::string, prometheus::Family<prometheus::Counter>*> counters_;
  std::map<std::string, prometheus::Family<prometheus::Gauge>*> gauges_;
  std::map<std::string, prometheus::Family<prometheus::Histogram>*> histograms_;
};

}  // namespace fettle

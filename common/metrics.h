// Fettle's own counters and gauges, in prometheus-cpp's registry, so that every refusal and retry
// is visible. Safe from any thread; handles stay valid as long as Metrics.
//
// Names and HELP texts are checked here, because prometheus-cpp throws on them. Every name is in
// docs/metrics.md; a test compares.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

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

  // Everything, for exposition and the sample store.
  std::vector<MetricFamily> Collect() const;

 private:
  prometheus::Registry registry_;
};

}  // namespace fettle

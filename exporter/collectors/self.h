// Fettle itself: the process, as every Prometheus client library shows it, the build, and how late
// the brain is. Source of the names: prometheus.io/docs/instrumenting/writing_clientlibs.
#pragma once

#include <string>

#include "common/brain.h"
#include "common/collector.h"

namespace fettle::exporter {

class SelfCollector final : public Collector {
 public:
  struct Deps {
    const Brain& brain;
    Time started;
    std::string version;
  };
  explicit SelfCollector(Deps deps) : deps_(std::move(deps)) {}
  std::string_view Name() const override { return "self"; }
  std::string_view Target() const override { return ""; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  const Deps deps_;
};

}  // namespace fettle::exporter

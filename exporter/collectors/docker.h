// Containers of one engine: state, health, restarts, exit code, cpu and memory.
//
// A turn reconciles the inventory and reads the running containers' usage; an engine event is shown
// at once, through the Publisher, without waiting for a turn. Names of labels: project and service
// are Compose's, container is the engine's name.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/engine_watch.h"
#include "exporter/gatherer.h"

namespace fettle::exporter {

class DockerCollector final : public Collector, public EngineListener {
 public:
  // Usage is read for at most so many containers a turn; the rest is absent.
  static constexpr std::size_t kContainersMax = 2'000;

  struct Deps {
    Engine& engine;
    EngineWatch& watch;  // add this collector to it before it starts
    Publisher& publisher;
  };
  explicit DockerCollector(Deps deps) : deps_(deps) {}

  std::string_view Name() const override { return "docker"; }
  std::string_view Target() const override { return deps_.engine.Name(); }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  void OnEngineEvent(const EngineEvent& event, const Moment& now) override;
  void OnInventory(const std::vector<Container>&, const Moment&) override {}

 private:
  std::vector<MetricFamily> Show() const;

  const Deps deps_;
  mutable std::mutex mutex_;
  std::map<std::string, ContainerStats> usage_;  // by container id, from the last turn
};

}  // namespace fettle::exporter

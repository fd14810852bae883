#include "exporter/collectors/docker.h"

#include <array>
#include <utility>

namespace fettle::exporter {
namespace {

constexpr std::array kStates = {ContainerState::kCreated,  ContainerState::kRunning,
                                ContainerState::kPaused,   ContainerState::kRestarting,
                                ContainerState::kRemoving, ContainerState::kExited,
                                ContainerState::kDead};
constexpr std::array kHealths = {ContainerHealth::kStarting, ContainerHealth::kHealthy,
                                 ContainerHealth::kUnhealthy};

// A stopped or paused container's monitor is reported unhealthy with a streak of 0 and says
// nothing about the container.
bool HealthMeansSomething(const Container& container) {
  if (container.state != ContainerState::kRunning) return false;
  if (container.health == ContainerHealth::kNone) return false;
  return container.health != ContainerHealth::kUnhealthy || container.failing_streak > 0;
}

Labels LabelsOf(const Container& container) {
  return {{"project", container.Project()},
          {"service", container.Service()},
          {"container", container.name}};
}

Labels With(Labels labels, std::string_view name, std::string_view value) {
  labels.Set(name, value);
  return labels;
}

}  // namespace

Result<std::vector<MetricFamily>> DockerCollector::Collect(const CollectContext& context) {
  if (Status reconciled = deps_.watch.Reconcile(); !reconciled) {
    return tl::unexpected(reconciled.error());
  }
  (void)context;
  std::map<std::string, ContainerStats> usage;
  for (const Container& container : deps_.watch.Containers()) {
    if (container.state != ContainerState::kRunning || usage.size() >= kContainersMax) continue;
    // One that has just gone, or whose engine keeps no numbers, is simply absent.
    if (Result<ContainerStats> stats = deps_.engine.Stats(container.id)) {
      usage.emplace(container.id, *stats);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    usage_ = std::move(usage);
  }
  return Show();
}

void DockerCollector::OnEngineEvent(const EngineEvent&, const Moment& now) {
  deps_.publisher.Publish(*this, Show(), now);
}

std::vector<MetricFamily> DockerCollector::Show() const {
  MetricFamily state{"fettle_container_state",
                     "1 for the state that the container is in.",
                     MetricType::kStateSet,
                     {}};
  MetricFamily health{"fettle_container_health",
                      "1 for what the container's own health check says; absent while it is not "
                      "running or has no check.",
                      MetricType::kStateSet,
                      {}};
  MetricFamily restarts{"fettle_container_restarts_total",
                        "Times the engine's restart policy started the container again.",
                        MetricType::kCounter,
                        {}};
  MetricFamily exit_code{"fettle_container_exit_code",
                         "Exit code of the last run, once it ended.",
                         MetricType::kGauge,
                         {}};
  MetricFamily started{"fettle_container_started_timestamp_seconds",
                       "When the container's current or last run began.",
                       MetricType::kGauge,
                       {}};
  MetricFamily oom{"fettle_container_oom_killed",
                   "1 if the last run was ended for want of memory.",
                   MetricType::kGauge,
                   {}};
  MetricFamily cpu{"fettle_container_cpu_seconds_total",
                   "Processor time the container has used.",
                   MetricType::kCounter,
                   {}};
  MetricFamily memory{"fettle_container_memory_bytes",
                      "Memory the container uses, without page cache.",
                      MetricType::kGauge,
                      {}};
  MetricFamily limit{"fettle_container_memory_limit_bytes",
                     "Memory the container may use.",
                     MetricType::kGauge,
                     {}};
  const std::lock_guard lock(mutex_);
  for (const Container& container : deps_.watch.Containers()) {
    const Labels labels = LabelsOf(container);
    for (const ContainerState one : kStates) {
      state.points.push_back(
          {"", With(labels, "state", ToString(one)), container.state == one ? 1.0 : 0.0});
    }
    if (HealthMeansSomething(container)) {
      for (const ContainerHealth one : kHealths) {
        health.points.push_back(
            {"", With(labels, "health", ToString(one)), container.health == one ? 1.0 : 0.0});
      }
    }
    restarts.points.push_back({"", labels, static_cast<double>(container.restart_count)});
    if (container.state == ContainerState::kExited || container.state == ContainerState::kDead) {
      exit_code.points.push_back({"", labels, static_cast<double>(container.exit_code)});
    }
    if (container.started_at != Time{}) {
      started.points.push_back({"", labels, ToSeconds(container.started_at)});
    }
    oom.points.push_back({"", labels, container.oom_killed ? 1.0 : 0.0});
    const auto used = usage_.find(container.id);
    if (used == usage_.end() || container.state != ContainerState::kRunning) continue;
    cpu.points.push_back({"", labels, used->second.cpu_seconds});
    memory.points.push_back({"", labels, used->second.memory_bytes});
    if (used->second.memory_limit_bytes > 0) {
      limit.points.push_back({"", labels, used->second.memory_limit_bytes});
    }
  }
  return {std::move(state),     std::move(health),  std::move(restarts),
          std::move(exit_code), std::move(started), std::move(oom),
          std::move(cpu),       std::move(memory),  std::move(limit)};
}

}  // namespace fettle::exporter

#include "receivers/evidence.h"

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kSaidBytesMax = 200;

std::string InShort(const Container& container) {
  std::string text = fmt::format("{} is {}", container.name, ToString(container.state));
  if (container.health != ContainerHealth::kNone) {
    text += fmt::format(", {} ({} in a row failed)", ToString(container.health),
                        container.failing_streak);
  }
  if (container.state != ContainerState::kRunning) {
    text += fmt::format(", exit code {}", container.exit_code);
  }
  if (container.oom_killed) text += ", killed for want of memory";
  if (container.restart_count > 0) {
    text += fmt::format(", restarted {} times by the engine", container.restart_count);
  }
  if (!container.last_health_output.empty()) {
    text += ": " + container.last_health_output.substr(0, kSaidBytesMax);
  }
  return text;
}

}  // namespace

Evidence TakeEvidenceOf(Engine& engine, const Container& container, Time now) {
  JsonWriter json;
  json.BeginObject()
      .Field("at", FormatRfc3339(now))
      .Field("container", container.name)
      .Field("id", container.id)
      .Field("image", container.image)
      .Field("state", ToString(container.state))
      .Field("health", ToString(container.health))
      .Field("failing_streak", container.failing_streak)
      .Field("health_output", container.last_health_output)
      .Field("exit_code", container.exit_code)
      .Field("oom_killed", container.oom_killed)
      .Field("restart_count", container.restart_count)
      .Field("started_at", container.started_at_raw)
      .Field("finished_at", container.finished_at_raw);
  if (container.state == ContainerState::kRunning) {
    if (const Result<ContainerStats> stats = engine.Stats(container.id)) {
      json.Field("cpu_seconds", stats->cpu_seconds)
          .Field("memory_bytes", stats->memory_bytes)
          .Field("memory_limit_bytes", stats->memory_limit_bytes);
    }
  }
  const auto logs = engine.Logs(container.id, kEvidenceLogLines, kEvidenceLogBytesMax);
  if (logs) json.Field("log", *logs);
  json.EndObject();
  return {json.Take(), InShort(container)};
}

}  // namespace fettle::receivers

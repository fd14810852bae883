#include "common/engine.h"

#include "common/check.h"

namespace fettle {

std::string_view ToString(ContainerState state) {
  switch (state) {
    case ContainerState::kCreated:
      return "created";
    case ContainerState::kRunning:
      return "running";
    case ContainerState::kPaused:
      return "paused";
    case ContainerState::kRestarting:
      return "restarting";
    case ContainerState::kRemoving:
      return "removing";
    case ContainerState::kExited:
      return "exited";
    case ContainerState::kDead:
      return "dead";
  }
  FETTLE_CHECK(false);
}

std::string_view ToString(ContainerHealth health) {
  switch (health) {
    case ContainerHealth::kNone:
      return "none";
    case ContainerHealth::kStarting:
      return "starting";
    case ContainerHealth::kHealthy:
      return "healthy";
    case ContainerHealth::kUnhealthy:
      return "unhealthy";
  }
  FETTLE_CHECK(false);
}

std::string Container::Label(const std::string& label) const {
  const auto found = labels.find(label);
  return found == labels.end() ? "" : found->second;
}

std::string Container::Project() const { return Label("com.docker.compose.project"); }

std::string Container::Service() const {
  std::string service = Label("com.docker.compose.service");
  return service.empty() ? name : service;
}

std::string Container::Number() const {
  std::string number = Label("com.docker.compose.container-number");
  return number.empty() ? "1" : number;
}

}  // namespace fettle

// Targets by a container engine: one for each network and port of each running container.
#include <algorithm>
#include <set>
#include <utility>

#include "common/discovery.h"

namespace fettle {
namespace {

constexpr int kNetworkModeHopsMax = 8;

// What is no letter, digit or underscore becomes an underscore, as Prometheus' names of labels.
std::string Sanitized(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!fine) c = '_';
  }
  return out;
}

bool IsUp(const Container& container) {
  return container.state == ContainerState::kRunning ||
         container.state == ContainerState::kPaused ||
         container.state == ContainerState::kRestarting;
}

std::string JoinHostPort(const std::string& host, int port) {
  const bool six = host.find(':') != std::string::npos;
  return six ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

class DockerDiscoverer final : public Discoverer {
 public:
  DockerDiscoverer(DockerDiscovery config, std::unique_ptr<Engine> engine)
      : config_(std::move(config)), engine_(std::move(engine)) {}

  std::string Name() const override { return "docker_sd " + config_.name; }

  Result<std::vector<TargetGroup>> Find() override {
    const auto containers = engine_->List({});
    if (!containers) return tl::unexpected(containers.error());
    std::set<std::string> wanted;
    if (!config_.label_filters.empty()) {
      const auto chosen = engine_->List(config_.label_filters);
      if (!chosen) return tl::unexpected(chosen.error());
      for (const Container& container : *chosen) wanted.insert(container.id);
    }
    std::map<std::string, const Container*> by_id;
    for (const Container& container : *containers) by_id[container.id] = &container;
    const std::map<std::string, Labels> networks = NetworkLabels();
    TargetGroup group{.source = "docker " + config_.name};
    for (const Container& container : *containers) {
      if (!IsUp(container)) continue;
      if (!config_.label_filters.empty() && !wanted.contains(container.id)) continue;
      AddTargets(container, by_id, networks, group);
    }
    return std::vector<TargetGroup>{std::move(group)};
  }

 private:
  // Of a proxy that forbids it, nothing is known but what containers say of their networks.
  std::map<std::string, Labels> NetworkLabels() {
    std::map<std::string, Labels> out;
    const auto networks = engine_->Networks();
    if (!networks) return out;
    for (const EngineNetwork& network : *networks) {
      Labels labels{{"__meta_docker_network_id", network.id},
                    {"__meta_docker_network_name", network.name},
                    {"__meta_docker_network_scope", network.scope},
                    {"__meta_docker_network_internal", network.internal ? "true" : "false"},
                    {"__meta_docker_network_ingress", network.ingress ? "true" : "false"}};
      for (const auto& [name, value] : network.labels) {
        labels.Set("__meta_docker_network_label_" + Sanitized(name), value);
      }
      out.emplace(network.id, std::move(labels));
    }
    return out;
  }

  // A container in another one's network has none of its own.
  std::vector<Container::Network> NetworksOf(
      const Container& container, const std::map<std::string, const Container*>& by_id) const {
    constexpr std::string_view kOther = "container:";
    const Container* at = &container;
    for (int hops = 0;
         hops < kNetworkModeHopsMax && at->networks.empty() && at->network_mode.starts_with(kOther);
         ++hops) {
      const auto other = by_id.find(at->network_mode.substr(kOther.size()));
      if (other == by_id.end()) break;
      at = other->second;
    }
    std::vector<Container::Network> networks = at->networks;
    std::sort(networks.begin(), networks.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    if (config_.match_first_network && networks.size() > 1) networks.resize(1);
    return networks;
  }

  void AddTargets(const Container& container, const std::map<std::string, const Container*>& by_id,
                  const std::map<std::string, Labels>& known, TargetGroup& group) const {
    Labels common{{"__meta_docker_container_id", container.id},
                  {"__meta_docker_container_name", "/" + container.name},
                  {"__meta_docker_container_network_mode", container.network_mode}};
    for (const auto& [name, value] : container.labels) {
      common.Set("__meta_docker_container_label_" + Sanitized(name), value);
    }
    for (const Container::Network& network : NetworksOf(container, by_id)) {
      Labels labels = common;
      labels.Set("__meta_docker_network_ip", network.ip);
      labels.Set("__meta_docker_network_name", network.name);
      labels.Set("__meta_docker_network_id", network.id);
      if (const auto more = known.find(network.id); more != known.end()) {
        for (const auto& [name, value] : more->second) labels.Set(name, value);
      }
      bool added = false;
      for (const Container::Port& port : container.ports) {
        if (!port.tcp) continue;
        Labels target = labels;
        target.Set("__meta_docker_port_private", std::to_string(port.private_port));
        if (port.public_port > 0) {
          target.Set("__meta_docker_port_public", std::to_string(port.public_port));
          target.Set("__meta_docker_port_public_ip", port.public_ip);
        }
        target.Set(kAddressLabel, JoinHostPort(network.ip, port.private_port));
        group.targets.push_back(std::move(target));
        added = true;
      }
      if (added) continue;
      const bool host = container.network_mode == "host";
      labels.Set(kAddressLabel,
                 host ? config_.host_networking_host : JoinHostPort(network.ip, config_.port));
      group.targets.push_back(std::move(labels));
    }
  }

  const DockerDiscovery config_;
  const std::unique_ptr<Engine> engine_;
};

}  // namespace

std::unique_ptr<Discoverer> MakeDockerDiscoverer(DockerDiscovery config,
                                                 std::unique_ptr<Engine> engine) {
  return std::make_unique<DockerDiscoverer>(std::move(config), std::move(engine));
}

}  // namespace fettle

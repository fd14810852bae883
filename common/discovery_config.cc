#include <array>
#include <filesystem>

#include "common/discovery.h"

namespace fettle {
namespace {

using yaml::Mapping;
using yaml::Node;

constexpr Millis kRefreshMin{1'000};

Millis ReadRefresh(Mapping& m, Millis fallback) {
  const auto refresh = m.Get<Millis>("refresh_interval", fallback);
  if (refresh >= kRefreshMin) return refresh;
  m.Complain(m.Child("refresh_interval")->place, "refresh_interval must be at least 1s");
  return fallback;
}

Labels ReadGroupLabels(Mapping& m) {
  std::vector<Labels::Pair> pairs;
  m.ForEachEntry("labels", [&](const Node& name, const Node& value) {
    const Result<std::string> text = yaml::Decode<std::string>(value);
    if (!IsLabelName(name.text)) {
      m.Complain(name.place, "labels: " + Quote(name.text) + " is not a label name");
    } else if (!text) {
      m.Complain(value.place, "labels." + name.text + " " + text.error().message);
    } else {
      pairs.emplace_back(name.text, *text);
    }
  });
  return Labels(std::move(pairs));
}

void ReadStatic(Mapping& outer, DiscoveryConfig& config) {
  outer.ForEach("static_configs", [&](const Node& node) {
    Mapping m(node, outer.what() + ".static_configs", outer.complaints());
    TargetGroup group{.source = std::to_string(config.fixed.size())};
    m.ForEach("targets", [&](const Node& item) {
      const Result<std::string> address = yaml::Decode<std::string>(item);
      if (!address) {
        m.Complain(item.place, "targets " + address.error().message);
      } else if (address->find('/') != std::string::npos) {
        m.Complain(item.place, fmt::format("{} is not a valid hostname", yaml::Shown(*address)));
      } else {
        group.targets.push_back({{std::string(kAddressLabel), *address}});
      }
    });
    group.labels = ReadGroupLabels(m);
    config.fixed.push_back(std::move(group));
  });
}

void ReadFiles(Mapping& outer, const std::string& directory, DiscoveryConfig& config) {
  outer.ForEach("file_sd_configs", [&](const Node& node) {
    Mapping m(node, outer.what() + ".file_sd_configs", outer.complaints());
    FileDiscovery files;
    for (const std::string& path : m.List<std::string>("files")) {
      const std::string extension = std::filesystem::path(path).extension().string();
      if (extension != ".json" && extension != ".yml" && extension != ".yaml") {
        m.Complain(m.Child("files")->place,
                   fmt::format("{} does not end in .json, .yml or .yaml", yaml::Shown(path)));
      }
      files.patterns.push_back((std::filesystem::path(directory) / path).string());
    }
    if (files.patterns.empty()) m.Complain(node.place, "\"files\" is missing");
    files.refresh = ReadRefresh(m, files.refresh);
    config.files.push_back(std::move(files));
  });
}

void ReadDns(Mapping& outer, DiscoveryConfig& config) {
  using Kind = NameLookup::Kind;
  outer.ForEach("dns_sd_configs", [&](const Node& node) {
    Mapping m(node, outer.what() + ".dns_sd_configs", outer.complaints());
    DnsDiscovery dns;
    dns.names = m.List<std::string>("names");
    if (dns.names.empty()) m.Complain(node.place, "\"names\" is missing");
    dns.kind = m.OneOf<Kind>("type", Kind::kSrv,
                             {{"SRV", Kind::kSrv},
                              {"A", Kind::kA},
                              {"AAAA", Kind::kAaaa},
                              {"MX", Kind::kMx},
                              {"NS", Kind::kNs}});
    dns.port = m.Get("port", 0);
    if (dns.kind != Kind::kSrv && dns.port == 0) {
      m.Complain(node.place, "a port is required for all but SRV records");
    }
    dns.refresh = ReadRefresh(m, dns.refresh);
    config.dns.push_back(std::move(dns));
  });
}

// `host` as Prometheus writes it, or one of our connections by name.
void ReadEndpoint(Mapping& m, const Connections& connections, DockerDiscovery& docker) {
  const auto name = m.Get<std::string>("connection", "");
  const auto host = m.Get<std::string>("host", "");
  docker.name = name.empty() ? host : name;
  docker.connection.endpoint = host;
  if (name.empty() == host.empty()) {
    m.Complain(m.place(), "exactly one of host and connection is needed");
  } else if (const auto known = connections.docker.find(name); known != connections.docker.end()) {
    docker.connection = known->second;
  } else if (!name.empty()) {
    std::vector<std::string> names;
    for (const auto& [one, connection] : connections.docker) names.push_back(one);
    m.Complain(m.Child("connection")->place,
               fmt::format("there is no connection named {}{}", yaml::Shown(name),
                           yaml::Suggestion(name, names)));
  } else if (host.find("://") == std::string::npos) {
    m.Complain(m.Child("host")->place,
               fmt::format("host {} is not unix:///path, tcp://host:port, http:// or https://",
                           yaml::Shown(host)));
  }
}

void ReadDocker(Mapping& outer, const Connections& connections, DiscoveryConfig& config) {
  outer.ForEach("docker_sd_configs", [&](const Node& node) {
    Mapping m(node, outer.what() + ".docker_sd_configs", outer.complaints());
    DockerDiscovery docker;
    ReadEndpoint(m, connections, docker);
    docker.port = m.Get("port", docker.port);
    docker.host_networking_host =
        m.Get<std::string>("host_networking_host", docker.host_networking_host);
    docker.match_first_network = m.Get("match_first_network", docker.match_first_network);
    docker.refresh = ReadRefresh(m, docker.refresh);
    m.ForEach("filters", [&](const Node& item) {
      Mapping filter(item, m.what() + ".filters", m.complaints());
      const auto kind = filter.Require<std::string>("name");
      for (std::string& value : filter.List<std::string>("values")) {
        docker.label_filters.push_back(std::move(value));
      }
      if (!kind.empty() && kind != "label") {
        filter.Complain(item.place, fmt::format("a filter by {} is not supported by this version",
                                                yaml::Shown(kind)));
      }
    });
    config.docker.push_back(std::move(docker));
  });
}

}  // namespace

DiscoveryConfig ReadDiscovery(Mapping& m, const std::string& directory,
                              const Connections& connections) {
  static constexpr std::array kOthers = {
      "azure",     "consul",  "digitalocean", "dockerswarm", "ec2",      "eureka",    "gce",
      "hetzner",   "http",    "ionos",        "kubernetes",  "kuma",     "lightsail", "linode",
      "marathon",  "nerve",   "nomad",        "openstack",   "ovhcloud", "puppetdb",  "scaleway",
      "serverset", "stackit", "triton",       "uyuni",       "vultr"};
  DiscoveryConfig config;
  ReadStatic(m, config);
  ReadFiles(m, directory, config);
  ReadDns(m, config);
  ReadDocker(m, connections, config);
  for (const char* kind : kOthers) {
    const std::string key = std::string(kind) + "_sd_configs";
    if (!m.Has(key)) continue;
    m.Complain(m.Child(key)->place, key + " is not supported by this version");
  }
  return config;
}

}  // namespace fettle

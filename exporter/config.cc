#include "exporter/config.h"

#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

// Keys of the manual that this version does not know yet, told apart from misspelt ones.
void RefuseLaterKeys(yaml::Mapping& mapping) {
  for (const char* key : {"json", "email", "pipelines"}) {
    if (const yaml::Node* node = mapping.Child(key)) {
      mapping.Complain(node->place, std::string(key) + " is not supported by this version");
    }
  }
}

}  // namespace

ExporterConfig ReadExporterConfig(const yaml::Node* node, const Connections& connections,
                                  yaml::Complaints& complaints, const std::string& directory) {
  ExporterConfig config;
  const yaml::Node nothing;
  yaml::Mapping mapping(node == nullptr ? nothing : *node, "exporter", complaints);
  config.interval = ReadInterval(mapping, config.interval);
  if (const yaml::Node* docker = mapping.Child("docker")) {
    yaml::Mapping inner(*docker, "exporter.docker", complaints);
    config.docker = ReadConnection(inner, connections.docker).first;
  }
  if (const yaml::Node* host = mapping.Child("host")) {
    config.host = ReadHostConfig(*host, complaints);
  }
  config.health = ReadProbeConfigs(mapping, connections, config.interval);
  config.postgres = ReadPostgresCollectorConfigs(mapping, connections);
  config.redis = ReadRedisCollectorConfigs(mapping, connections);
  config.s3 = ReadS3CollectorConfigs(mapping, connections);
  config.watch = ReadWatchConfigs(mapping, connections);
  config.wal_archives = ReadWalArchives(mapping, connections);
  config.cost = ReadCostConfig(mapping);
  config.scrapes = ReadScrapeConfigs(mapping, directory, connections, config.interval);
  config.remote_writes = ReadRemoteWriteConfigs(mapping, directory);
  RefuseLaterKeys(mapping);
  return config;
}

std::set<std::string> ExporterConfig::Kinds() const {
  std::set<std::string> kinds;
  const auto add = [&kinds](bool is_there, const char* kind) {
    if (is_there) kinds.insert(kind);
  };
  add(docker.has_value(), "docker");
  add(host.has_value(), "host");
  add(!health.empty(), "health");
  add(!postgres.empty(), "postgres");
  add(!redis.empty(), "redis");
  add(!s3.empty(), "s3");
  add(!watch.empty(), "watch");
  add(!wal_archives.empty(), "wal_archives");
  add(cost.has_value(), "cost");
  return kinds;
}

}  // namespace fettle::exporter

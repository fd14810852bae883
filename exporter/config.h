// The `exporter:` section: what is observed. Values; defaults are the members' initialisers.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/connections.h"
#include "common/yaml.h"
#include "exporter/collectors/cost.h"
#include "exporter/collectors/host.h"
#include "exporter/collectors/postgres.h"
#include "exporter/collectors/probe.h"
#include "exporter/collectors/redis.h"
#include "exporter/collectors/s3.h"
#include "exporter/collectors/wal_archive.h"
#include "exporter/collectors/watch.h"
#include "exporter/remote_write/config.h"
#include "exporter/scrape/scrape_config.h"

namespace fettle::exporter {

struct ExporterConfig {
  Millis interval{15'000};
  std::optional<std::string> docker;  // the connection whose containers are shown
  std::optional<HostConfig> host;
  std::vector<ProbeConfig> health;
  std::vector<PostgresCollectorConfig> postgres;
  std::vector<RedisCollectorConfig> redis;
  std::vector<S3CollectorConfig> s3;
  std::vector<WatchConfig> watch;
  std::vector<WalArchiveConfig> wal_archives;
  std::optional<CostConfig> cost;
  std::vector<ScrapeConfig> scrapes;
  std::vector<RemoteWriteConfig> remote_writes;

  // "docker", "health", …: which shipped rule packs have something to judge.
  std::set<std::string> Kinds() const;
};

// `node` may be null (no such section: nothing is observed). Relative paths of scrape_configs and
// remote_write start at `directory`.
ExporterConfig ReadExporterConfig(const yaml::Node* node, const Connections& connections,
                                  yaml::Complaints& complaints, const std::string& directory = "");

}  // namespace fettle::exporter

// One PostgreSQL: is it up, how large, how busy, does it archive, do its replicas keep up; and
// whatever a SELECT of the configuration counts.
//
//   fettle_pg_up{target}                                    0 or 1
//   fettle_pg_database_bytes{target,database}
//   fettle_pg_connections{target,state}, fettle_pg_connections_max{target}
//   fettle_pg_in_recovery{target}, fettle_pg_wal_lsn_bytes{target}
//   fettle_pg_replication_lag_bytes, _seconds{target,replica}  (of a standby: without replica)
//   fettle_pg_replication_slot_retained_bytes{target,slot,active}
//   with `archive: true`: fettle_pg_wal_archived_total, _archive_failures_total,
//     _last_archived_timestamp_seconds, _last_failed_timestamp_seconds, _ready_segments,
//     _directory_bytes{target}
// A query that fails (a missing privilege, a renamed column) takes away its own series only and is
// counted in fettle_pg_query_failures_total{target,query}. Every query runs in a read-only
// transaction. The role needs pg_monitor for sizes and the archive.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/connections.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/postgres.h"
#include "common/yaml.h"

namespace fettle::exporter {

// A statement whose rows become points: one column is the value, others are labels.
struct PostgresQuery {
  std::string metric;
  std::string help = "As the configured query says.";
  MetricType type = MetricType::kGauge;
  std::string sql;
  std::string value;                // column; "" is the only one that is no label
  std::vector<std::string> labels;  // columns
  Millis timeout{5'000};
};

struct PostgresCollectorConfig {
  std::string target;  // the connection's name
  PostgresConnection connection;
  bool archive = false;
  std::vector<PostgresQuery> queries;
  Millis interval{0};  // 0: the exporter's
};
// `exporter.postgres`: a list.
std::vector<PostgresCollectorConfig> ReadPostgresCollectorConfigs(yaml::Mapping& exporter,
                                                                  const Connections& connections);

// What the collector needs of a connection; the seam to its tests.
class SqlSession {
 public:
  virtual ~SqlSession() = default;
  virtual Result<PostgresRows> Query(const std::string& sql, Millis timeout) = 0;
};
using SqlConnector = std::function<Result<std::unique_ptr<SqlSession>>(Millis timeout)>;
SqlConnector ConnectTo(PostgresConnection connection);

class PostgresCollector final : public Collector {
 public:
  struct Question;  // postgres_queries.h
  // Of one query; more is an error of that query.
  static constexpr std::size_t kRowsMax = 1'000;

  struct Deps {
    SqlConnector connect;
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  PostgresCollector(Deps deps, PostgresCollectorConfig config);
  ~PostgresCollector() override;

  std::string_view Name() const override { return "postgres"; }
  std::string_view Target() const override { return config_.target; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  std::vector<MetricFamily> WhenDown() const override;

 private:
  Status Connected(Millis timeout);
  Result<std::vector<MetricFamily>> Ask(const Question& question, const CollectContext& context);
  Result<PostgresRows> ReadOnly(const std::string& sql, Millis timeout);
  Millis Left(const CollectContext& context, Millis most) const;

  const Deps deps_;
  const PostgresCollectorConfig config_;
  const std::vector<Question> questions_;
  std::unique_ptr<SqlSession> session_;  // kept from turn to turn
  std::set<std::string> failing_;        // queries whose failure has been told
};

}  // namespace fettle::exporter

#include "exporter/collectors/postgres_queries.h"

#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

using Question = PostgresCollector::Question;

Question::Value Gauge(std::string column, std::string name, std::string help) {
  return {std::move(column), {std::move(name), std::move(help), MetricType::kGauge, {}}};
}
Question::Value Counter(std::string column, std::string name, std::string help) {
  return {std::move(column), {std::move(name), std::move(help), MetricType::kCounter, {}}};
}

// What every turn asks. Each works without special privileges, or is absent without them.
std::vector<Question> Always() {
  return {
      {.name = "databases",
       .sql = "select datname as database, case when has_database_privilege(oid, 'connect') or "
              "pg_has_role('pg_read_all_stats', 'usage') then pg_database_size(oid) end as bytes "
              "from pg_database where datallowconn and not datistemplate",
       .labels = {"database"},
       .values = {Gauge("bytes", "fettle_pg_database_bytes", "Size of the database on disk.")}},
      {.name = "connections",
       .sql = "select s.state, count(a.pid) as count from unnest(array['active', 'idle', "
              "'idle in transaction', 'idle in transaction (aborted)']) as s(state) left join "
              "pg_stat_activity a on a.state = s.state and a.backend_type = 'client backend' "
              "group by s.state",
       .labels = {"state"},
       .values = {Gauge("count", "fettle_pg_connections", "Connections of clients by state.")}},
      {.name = "server",
       .sql = "select current_setting('max_connections') as most, "
              "pg_is_in_recovery()::int as recovering, "
              "case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else "
              "pg_current_wal_insert_lsn() end - '0/0'::pg_lsn as lsn",
       .labels = {},
       .values = {Gauge("most", "fettle_pg_connections_max", "Connections the server allows."),
                  Gauge("recovering", "fettle_pg_in_recovery", "1 on a standby."),
                  Gauge(
                      "lsn", "fettle_pg_wal_lsn_bytes",
                      "Position in the write-ahead log as bytes; its rate is the log's volume.")}},
      {.name = "replicas",
       // A replica that has caught up reports no time; being 0 bytes behind is being 0 seconds
       // behind.
       .sql = "select application_name as replica, max(bytes) as bytes, max(case when bytes = 0 "
              "then 0 else extract(epoch from replay_lag) end) as seconds from (select "
              "application_name, replay_lag, pg_current_wal_lsn() - replay_lsn as bytes from "
              "pg_stat_replication where not pg_is_in_recovery()) r group by 1",
       .labels = {"replica"},
       .values = {Gauge("bytes", "fettle_pg_replication_lag_bytes",
                        "Write-ahead log that the replica has not replayed."),
                  Gauge("seconds", "fettle_pg_replication_lag_seconds",
                        "How long ago what the replica replays now was written.")}},
      {.name = "standby",
       .sql = "select case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0 else "
              "extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end as "
              "seconds, pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn() as bytes where "
              "pg_is_in_recovery()",
       .labels = {},
       .values = {Gauge("bytes", "fettle_pg_replication_lag_bytes",
                        "Write-ahead log that the replica has not replayed."),
                  Gauge("seconds", "fettle_pg_replication_lag_seconds",
                        "How long ago what the replica replays now was written.")}},
      {.name = "slots",
       .sql = "select slot_name as slot, active, case when pg_is_in_recovery() then "
              "pg_last_wal_replay_lsn() else pg_current_wal_lsn() end - restart_lsn as bytes from "
              "pg_replication_slots",
       .labels = {"slot", "active"},
       .values = {Gauge("bytes", "fettle_pg_replication_slot_retained_bytes",
                        "Write-ahead log that the slot keeps from being removed.")}},
      {.name = "slots_safety",
       .sql = "select slot_name as slot, (wal_status = 'lost')::int as lost, safe_wal_size as safe "
              "from pg_replication_slots",
       .labels = {"slot"},
       .values = {Gauge("lost", "fettle_pg_replication_slot_lost",
                        "1 if log that the slot needs has been removed."),
                  Gauge("safe", "fettle_pg_replication_slot_safe_bytes",
                        "Log that may be written before the slot loses what it needs.")}},
  };
}

std::vector<Question> OfTheArchive() {
  return {
      {.name = "archiver",
       // After a failover the numbers of a standby are old ones: then they are not shown.
       .sql = "select archived_count, failed_count, extract(epoch from last_archived_time) as "
              "archived_at, extract(epoch from last_failed_time) as failed_at from "
              "pg_stat_archiver where current_setting('archive_mode') = 'always' or "
              "(current_setting('archive_mode') = 'on' and not pg_is_in_recovery())",
       .labels = {},
       .values = {Counter("archived_count", "fettle_pg_wal_archived_total",
                          "Segments of the write-ahead log that were archived."),
                  Counter("failed_count", "fettle_pg_wal_archive_failures_total",
                          "Attempts to archive a segment that failed."),
                  Gauge("archived_at", "fettle_pg_wal_last_archived_timestamp_seconds",
                        "When a segment was last archived. Grows old on an idle server too."),
                  Gauge("failed_at", "fettle_pg_wal_last_failed_timestamp_seconds",
                        "When archiving last failed.")}},
      {.name = "archive_status",
       .sql = "select count(*) as ready, extract(epoch from min(modification)) as oldest, (select "
              "setting::float8 from pg_settings where name = 'archive_timeout') as timeout from "
              "pg_ls_archive_statusdir() where name like '%.ready'",
       .labels = {},
       .values = {Gauge("ready", "fettle_pg_wal_ready_segments",
                        "Segments that wait to be archived."),
                  Gauge("oldest", "fettle_pg_wal_oldest_ready_timestamp_seconds",
                        "Since when the one that waits longest does."),
                  Gauge("timeout", "fettle_pg_archive_timeout_seconds",
                        "archive_timeout: after so long a segment is archived half empty.")}},
      {.name = "wal_directory",
       .sql = "select coalesce(sum(size), 0) as bytes from pg_ls_waldir()",
       .labels = {},
       .values = {Gauge("bytes", "fettle_pg_wal_directory_bytes",
                        "Size of the write-ahead log on disk.")}},
  };
}

Result<std::size_t> ColumnOf(const PostgresRows& rows, const std::string& name) {
  for (std::size_t i = 0; i < rows.columns.size(); ++i) {
    if (rows.columns[i] == name) return i;
  }
  return Fail(Cause::kInvalid, "the answer has no column \"{}\"", name);
}

// The column named, or the only one that is no label.
Result<std::size_t> ValueColumn(const PostgresRows& rows, const Question& question,
                                const std::string& name) {
  if (!name.empty()) return ColumnOf(rows, name);
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < rows.columns.size(); ++i) {
    bool is_label = false;
    for (const std::string& label : question.labels) is_label |= rows.columns[i] == label;
    if (!is_label) rest.push_back(i);
  }
  if (rest.size() == 1) return rest.front();
  return Fail(Cause::kInvalid,
              "the answer has {} columns that are no labels; say which one is the value",
              rest.size());
}

Result<double> NumberOf(const std::string& text, const std::string& column) {
  if (text == "t") return 1;
  if (text == "f") return 0;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  return Fail(Cause::kInvalid,
              "column \"{}\" holds {}, which is no number (of a time, ask extract(epoch from …))",
              column, yaml::Shown(text));
}

PostgresQuery ReadQuery(const yaml::Node& node, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "exporter.postgres.queries", complaints);
  PostgresQuery query;
  query.metric = mapping.Require<std::string>("metric");
  if (!query.metric.empty() && !IsMetricName(query.metric)) {
    mapping.Complain(PlaceOf(mapping, "metric"),
                     yaml::Shown(query.metric) + " cannot be a metric's name");
  }
  if (query.metric.starts_with("fettle_")) {
    mapping.Complain(
        PlaceOf(mapping, "metric"),
        yaml::Shown(query.metric) + ": names that begin with fettle_ are fettle's own");
  }
  query.help = mapping.Get<std::string>("help", query.help);
  query.type = mapping.OneOf<MetricType>("type", query.type,
                                         {{"gauge", MetricType::kGauge},
                                          {"counter", MetricType::kCounter},
                                          {"untyped", MetricType::kUnknown}});
  if (query.type == MetricType::kCounter && !query.metric.ends_with("_total")) {
    mapping.Complain(PlaceOf(mapping, "metric"),
                     "a counter's name must end in _total, not be " + yaml::Shown(query.metric));
  }
  query.sql = mapping.Require<std::string>("sql");
  query.value = mapping.Get<std::string>("value", "");
  query.labels = mapping.List<std::string>("labels");
  for (const std::string& label : query.labels) {
    if (!IsLabelName(label) || label == "target" || label.starts_with("__")) {
      mapping.Complain(PlaceOf(mapping, "labels"), yaml::Shown(label) + " cannot be a label here");
    }
  }
  query.timeout = mapping.Get<Millis>("timeout", query.timeout);
  return query;
}

}  // namespace

std::vector<PostgresCollectorConfig> ReadPostgresCollectorConfigs(yaml::Mapping& exporter,
                                                                  const Connections& connections) {
  std::vector<PostgresCollectorConfig> all;
  std::set<std::string> seen;
  exporter.ForEach("postgres", [&](const yaml::Node& node) {
    yaml::Mapping mapping(node, "exporter.postgres", exporter.complaints());
    PostgresCollectorConfig config;
    std::tie(config.target, config.connection) = ReadConnection(mapping, connections.postgres);
    if (!config.target.empty() && !seen.insert(config.target).second) {
      mapping.Complain(PlaceOf(mapping, "connection"),
                       yaml::Shown(config.target) + " is observed twice");
    }
    config.archive = mapping.Get<bool>("archive", false);
    config.interval = ReadInterval(mapping, config.interval);
    std::set<std::string> metrics;
    mapping.ForEach("queries", [&](const yaml::Node& query) {
      config.queries.push_back(ReadQuery(query, exporter.complaints()));
      const std::string& metric = config.queries.back().metric;
      if (!metric.empty() && !metrics.insert(metric).second) {
        mapping.Complain(query.place, yaml::Shown(metric) + " is asked for twice");
      }
    });
    all.push_back(std::move(config));
  });
  return all;
}

std::vector<Question> QuestionsOf(const PostgresCollectorConfig& config) {
  std::vector<Question> all = Always();
  if (config.archive) {
    for (Question& question : OfTheArchive()) all.push_back(std::move(question));
  }
  for (const PostgresQuery& query : config.queries) {
    all.push_back({.name = query.metric,
                   .sql = query.sql,
                   .labels = query.labels,
                   .values = {{query.value, {query.metric, query.help, query.type, {}}}},
                   .timeout = query.timeout});
  }
  return all;
}

Result<std::vector<MetricFamily>> PointsOf(const Question& question, const PostgresRows& rows,
                                           const std::string& target) {
  std::vector<MetricFamily> families;
  if (rows.rows.empty()) return families;
  std::vector<std::size_t> labels;
  for (const std::string& name : question.labels) {
    const Result<std::size_t> column = ColumnOf(rows, name);
    if (!column) return tl::unexpected(column.error());
    labels.push_back(*column);
  }
  for (const Question::Value& value : question.values) {
    const Result<std::size_t> column = ValueColumn(rows, question, value.column);
    if (!column) return tl::unexpected(column.error());
    MetricFamily family = value.family;
    std::set<Labels> seen;
    for (const auto& row : rows.rows) {
      Labels point{{"target", target}};
      for (std::size_t i = 0; i < labels.size(); ++i) {
        point.Set(question.labels[i], row[labels[i]].value_or(""));
      }
      if (!seen.insert(point).second) {
        return Fail(Cause::kInvalid, "two rows have the labels {}", point.ToString());
      }
      const std::optional<std::string>& text = row[*column];
      if (!text) continue;
      const Result<double> number = NumberOf(*text, rows.columns[*column]);
      if (!number) return tl::unexpected(number.error());
      family.points.push_back({"", std::move(point), *number});
    }
    if (!family.points.empty()) families.push_back(std::move(family));
  }
  return families;
}

}  // namespace fettle::exporter

// `receivers.backups`: what is backed up, to where, when, and how hard it is tried. Values,
// immutable once read; defaults are the members' initialisers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/connections.h"
#include "common/schedule.h"
#include "common/yaml.h"
#include "receivers/backups/drill_config.h"
#include "receivers/backups/retention.h"

namespace fettle::receivers::backups {

// pg_dump of each database, and the roles and tablespaces that no database holds; or, `physical`,
// the whole cluster by pg_basebackup.
struct PostgresSource {
  std::string connection;
  PostgresConnection server;
  std::vector<std::string> databases;  // empty: all that accept connections
  bool globals = true;
  bool physical = false;
  std::string client_dir;  // where pg_dump is; "": found by PATH. Not older than the server
};
// mariadb-dump (or mysqldump) of each database, and the accounts.
struct MariadbSource {
  std::string host = "localhost";
  int port = 3306;
  std::string socket;  // instead of host and port
  std::string user = "root";
  Secret password;
  std::vector<std::string> databases;  // empty: all but the server's own
  bool globals = true;
  std::string client_dir;
  bool mysql = false;  // Oracle's programs and their names
};
// What a replica would be given first: an RDB of all databases.
struct RedisSource {
  std::string connection;
  RedisConnection server;
};
// A tar of everything below a directory.
struct DirectorySource {
  std::string path;
  std::vector<std::string> exclude;  // tar's patterns
  bool changing = false;             // a file that changes while it is read is no failure
};
// The standard output of a program of the configuration; exit code 0 means it is whole.
struct CommandSource {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string directory = "/";
  std::string file_name = "output";
};
using Source =
    std::variant<PostgresSource, MariadbSource, RedisSource, DirectorySource, CommandSource>;
// "postgres", "mariadb", "mysql", "redis", "directory" or "command", as the metrics' label.
std::string KindOf(const Source& source);

struct DirectoryTarget {
  std::string path;
};
struct S3Target {
  static constexpr std::size_t kMemoryMin = 16 * 1024 * 1024;  // two parts of 8 MiB
  std::string connection;
  S3Connection server;
  std::string bucket;
  std::string prefix;
  std::size_t memory_max = 32 * 1024 * 1024;  // of all parts under way together
  std::string prune_connection;               // whose keys may delete; "": the connection's own
  S3Connection pruner;
};
using Target = std::variant<DirectoryTarget, S3Target>;
// "s3://bucket/prefix" or the path: what two jobs must not share.
std::string PlaceOf(const Target& target);

// A drill that recovers to a moment: the base backup, and an archive of the write-ahead log as
// archive_command copies it (plain, or compressed as .gz, .zst, .lz4).
struct PitrSpec {
  Target wal;
  std::string role = "postgres";  // a superuser that the cluster has
  std::string database = "postgres";
  std::string table = "heartbeat_of_fettle";  // with a column `at`
  Millis every{60'000};                       // so often there must be a heartbeat
};

struct Retry {
  int attempts = 4;     // runs for one slot or request, the first included
  Millis base{60'000};  // full jitter below min(base * 2^n, cap)
  Millis cap{1'800'000};
};

struct JobSpec {
  std::string name;
  Source source;
  std::vector<Target> to;
  std::optional<Schedule> schedule;  // without it a job runs only when asked to
  bool catch_up = true;              // a slot missed while fettle was down runs once at start
  Millis max_runtime{2 * 3'600'000};
  Retry retry;
  Secret seal_key;       // empty: not encrypted
  int verify_level = 3;  // before the manifest is written; read_back.h says what each level is
  std::int64_t min_bytes = 0;  // `expect`: a run whose producers wrote less has failed
  double max_shrink = 0.5;     // below the median's rest a set is suspicious
  RetentionPolicy retention;
  std::optional<DrillSpec> drill;
  std::optional<PitrSpec> pitr;  // of the drill
};

std::vector<JobSpec> ReadBackups(yaml::Mapping& receivers, const Connections& connections);

}  // namespace fettle::receivers::backups

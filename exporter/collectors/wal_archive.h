// Is the archive of a PostgreSQL's write-ahead log whole, and how far back and forward can it be
// recovered? By the names in the archive alone (plain, pgBackRest, WAL-G, barman), so that nothing
// has to be believed; and compared with what the server says that it archived.
//
//   fettle_wal_archive_segments, fettle_wal_archive_base_backups{target}
//   fettle_wal_archive_timeline_known{target}          0: no history of the newest timeline, so the
//                                                      next ones are absent
//   fettle_wal_archive_gaps, fettle_wal_archive_missing_segments{target}   not acknowledged
//   fettle_wal_archive_newest_segment_timestamp_seconds{target}
//   fettle_pitr_earliest_timestamp_seconds, fettle_pitr_latest_timestamp_seconds{target}
//   fettle_wal_archive_lag_segments{target}            the server says it archived so many more
//   fettle_rpo_last_protected_timestamp_seconds{target}   newest heartbeat that can be recovered
//   fettle_rpo_objective_seconds{target}               with heartbeats: how much may be lost
// The archive is read also while the server is down: that is when it is needed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/collector.h"
#include "common/connections.h"
#include "common/log.h"
#include "exporter/collectors/postgres.h"
#include "exporter/collectors/wal_gaps.h"
#include "exporter/collectors/watch.h"

namespace fettle::exporter {

enum class WalLayout { kPlain, kPgbackrest, kWalg, kBarman };

struct WalArchiveConfig {
  std::string target;  // the connection's name
  PostgresConnection server;
  WalLayout layout = WalLayout::kPlain;
  std::string stanza;     // of pgBackRest
  std::string directory;  // or
  WatchObjects objects;   // connection, bucket, prefix
  std::set<std::string> acknowledged;
  std::size_t segment_bytes = 16 * 1024 * 1024;  // while the server cannot be asked
  std::string heartbeat;                         // table; "" is none
  Millis heartbeat_every{60'000};
  Millis rpo{15 * 60'000};  // objective: how much may be lost
  Millis interval{15 * 60'000};
  Millis timeout{5 * 60'000};
};
// `exporter.wal_archives`: a list.
std::vector<WalArchiveConfig> ReadWalArchives(yaml::Mapping& exporter,
                                              const Connections& connections);

// Where an archive's files are. Blocks.
class WalFiles {
 public:
  // More files than these are an error.
  static constexpr std::size_t kFilesMax = 50'000'000;
  virtual ~WalFiles() = default;
  // Every file below the prefix, which ends in "/" or is "": its key from there, and when it was
  // stored. Complete or an error; what is not there is empty.
  virtual Status List(const std::string& prefix,
                      const std::function<Status(std::string_view key, double stored)>& visit) = 0;
  virtual Result<std::string> Read(const std::string& key) = 0;
};
std::unique_ptr<WalFiles> WalFilesIn(std::string directory);
std::unique_ptr<WalFiles> WalFilesIn(const WatchDeps& deps, WatchObjects objects);

// Reads an archive of the layout. kNotFound: nothing of it is there.
Result<WalInventory> ReadWalArchive(WalFiles& files, WalLayout layout, const std::string& stanza,
                                    std::uint64_t segment_bytes);

class WalArchiveCollector final : public Collector {
 public:
  // Heartbeats that are kept: a week of them, one a minute.
  static constexpr int kHeartbeatsKept = 10'080;
  struct Deps {
    SqlConnector connect;
    std::unique_ptr<WalFiles> files;
    Log log;
  };
  WalArchiveCollector(Deps deps, WalArchiveConfig config);
  std::string_view Name() const override { return "wal_archive"; }
  std::string_view Target() const override { return config_.target; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  struct Server {
    bool up = false;
    std::uint64_t segment_bytes = 0;
    std::optional<WalName> archived;  // the newest that it says it archived
    double archived_count = 0;
  };
  Server AskServer();
  std::optional<double> Protected(const WalPoint& reachable, std::uint64_t segment_bytes);

  const Deps deps_;
  const WalArchiveConfig config_;
  std::unique_ptr<SqlSession> session_;  // of one turn
  std::uint64_t segment_bytes_;          // as it was last known
};

// Writes the heartbeats: a row each time in a ring, with the position in the log. Makes the table
// if it is not there.
class HeartbeatCollector final : public Collector {
 public:
  HeartbeatCollector(SqlConnector connect, const WalArchiveConfig& config)
      : connect_(std::move(connect)),
        target_(config.target),
        table_(config.heartbeat),
        every_(config.heartbeat_every) {}
  std::string_view Name() const override { return "heartbeat"; }
  std::string_view Target() const override { return target_; }
  // fettle_pg_heartbeat_timestamp_seconds{target}; nothing on a standby.
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  Status Prepare();
  Result<std::vector<MetricFamily>> Beat();

  const SqlConnector connect_;
  const std::string target_;
  const std::string table_;
  const Millis every_;
  std::unique_ptr<SqlSession> session_;
  bool prepared_ = false;
};

}  // namespace fettle::exporter

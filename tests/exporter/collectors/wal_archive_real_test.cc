// The WAL archive of a real PostgreSQL. Goal: a segment that was lost, an archiver that lies and a
// change of timeline are seen as they are, and an idle server raises nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "exporter/collectors/wal_archive.h"
#include "tests/support/child.h"
#include "tests/support/families.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class WalArchiveRealTest : public testing::Test {
 protected:
  explicit WalArchiveRealTest(const std::string& command = "") {
    std::filesystem::create_directory(dir_ / "archive");
    GiveTo(dir_ / "archive", "postgres");
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
    server_ = PostgresServer::Start(
        {.settings = {{"archive_mode", "on"},
                      {"wal_level", "replica"},
                      {"max_wal_senders", "4"},
                      {"archive_command", command.empty() ? "test ! -f " + dir_ / "archive/%f" +
                                                                " && cp %p " + dir_ / "archive/%f"
                                                          : command}}});
    connection_.dsn = Secret::FromText(server_->Dsn());
  }
  std::vector<std::string> Show(const std::string& heartbeat = "") {
    WalArchiveCollector collector({.connect = ConnectTo(connection_),
                                   .files = WalFilesIn(dir_ / "archive"),
                                   .log = log_.For("wal")},
                                  {.target = "db", .heartbeat = heartbeat});
    const auto families = collector.Collect({});
    return families ? LinesOf(*families) : std::vector<std::string>{families.error().message};
  }
  double Value(const std::string& name, const std::string& heartbeat = "") {
    for (const std::string& line : Show(heartbeat)) {
      if (line.starts_with(name + "{")) return std::stod(line.substr(line.rfind(' ') + 1));
    }
    return -1;
  }
  void Write(int segments) {
    for (int i = 0; i < segments; ++i) {
      server_->Execute(
          "create table if not exists t (i int); insert into t values (1); "
          "select pg_switch_wal()");
    }
  }
  std::string NewestArchived() const {
    return server_->Value("select last_archived_wal from pg_stat_archiver");
  }
  bool Archived(const std::string& file) const {
    return std::filesystem::exists(dir_ / "archive/" + file);
  }
  void BaseBackup() {
    const std::string to = dir_ / "base";
    EXPECT_EQ(Child::Run({.argv = {PostgresServer::BinDir() + "/pg_basebackup", "-d",
                                   server_->Dsn(), "-D", to, "-X", "none", "-c", "fast"}}),
              0);
  }

  TempDir dir_;
  std::unique_ptr<PostgresServer> server_;
  PostgresConnection connection_;
  RecordedLog log_;
};

TEST_F(WalArchiveRealTest, ALostSegmentIsAGapThatEndsTheWindow) {
  BaseBackup();
  Write(2);
  const std::string lost = server_->Value("select pg_walfile_name(pg_current_wal_insert_lsn())");
  Write(3);
  ASSERT_TRUE(WaitUntil([&] { return NewestArchived() > lost; }));
  ASSERT_TRUE(WaitUntil([&] { return Value("fettle_wal_archive_lag_segments") == 0; }));
  EXPECT_EQ(Value("fettle_wal_archive_gaps"), 0);
  EXPECT_EQ(Value("fettle_wal_archive_base_backups"), 1);
  ASSERT_TRUE(Archived(lost));
  std::filesystem::remove(dir_ / "archive/" + lost);
  EXPECT_EQ(Value("fettle_wal_archive_gaps"), 1);
  EXPECT_EQ(Value("fettle_wal_archive_missing_segments"), 1);
  EXPECT_LT(Value("fettle_pitr_latest_timestamp_seconds"),
            Value("fettle_wal_archive_newest_segment_timestamp_seconds") + 0.001);
  // A new base backup begins a new window; the gap is still there.
  const double before = Value("fettle_pitr_earliest_timestamp_seconds");
  std::filesystem::remove_all(dir_ / "base");
  BaseBackup();
  Write(2);
  EXPECT_TRUE(WaitUntil([&] { return Value("fettle_pitr_earliest_timestamp_seconds") > before; }));
  EXPECT_EQ(Value("fettle_wal_archive_gaps"), 1);
}

TEST_F(WalArchiveRealTest, HeartbeatsMoveOnlyWithTheArchive) {
  BaseBackup();
  HeartbeatCollector beats(ConnectTo(connection_), {.target = "db", .heartbeat = "beats"});
  const auto beat = beats.Collect({});
  ASSERT_TRUE(beat.has_value()) << beat.error().message;
  const double first = beat->at(0).points.at(0).value;
  Write(2);
  EXPECT_TRUE(WaitUntil([&] {
    const double at = Value("fettle_rpo_last_protected_timestamp_seconds", "beats");
    return at > first - 0.001 && at < first + 0.001;
  }));
  // One that is written and not archived is not protected.
  ASSERT_TRUE(beats.Collect({}).has_value());
  EXPECT_LT(Value("fettle_rpo_last_protected_timestamp_seconds", "beats"), first + 0.001);
}

TEST_F(WalArchiveRealTest, AChangeOfTimelineIsNoGap) {
  BaseBackup();
  Write(2);
  server_->Execute("select pg_create_physical_replication_slot('s')");
  auto standby = PostgresServer::StartStandbyOf(*server_, "s");
  ASSERT_TRUE(WaitUntil([&] {
    return standby->Value("select pg_last_wal_replay_lsn() >= '" +
                          server_->Value("select pg_current_wal_lsn()") + "'::pg_lsn") == "t";
  }));
  server_->Stop();
  standby->Execute("select pg_promote()");
  ASSERT_TRUE(WaitUntil([&] { return standby->Value("select pg_is_in_recovery()") == "f"; }));
  standby->Execute("create table u (i int); select pg_switch_wal()");
  standby->Execute("insert into u values (1); select pg_switch_wal()");
  connection_.dsn = Secret::FromText(standby->Dsn());
  EXPECT_TRUE(WaitUntil([&] {
    return Archived("00000002.history") && Value("fettle_wal_archive_lag_segments") == 0 &&
           Value("fettle_wal_archive_gaps") == 0 &&
           standby->Value("select last_archived_wal like '00000002%' from pg_stat_archiver") == "t";
  })) << testing::PrintToString(Show());
  EXPECT_EQ(Value("fettle_wal_archive_timeline_known"), 1);
  std::filesystem::remove(dir_ / "archive/00000002.history");
  EXPECT_EQ(Value("fettle_wal_archive_timeline_known"), 0);
  EXPECT_THAT(Show(), Not(Contains(HasSubstr("_gaps"))));
}

class WalArchiveLieTest : public WalArchiveRealTest {
 protected:
  WalArchiveLieTest() : WalArchiveRealTest("true") {}
};

// The server's statistics are green: archived, nothing failed, just now.
TEST_F(WalArchiveLieTest, AnArchiverThatStoresNothingIsCaught) {
  EXPECT_EQ(Value("fettle_wal_archive_lag_segments"), -1);
  Write(3);
  EXPECT_TRUE(WaitUntil([&] { return Value("fettle_wal_archive_lag_segments") >= 3; }));
  EXPECT_EQ(server_->Value("select failed_count from pg_stat_archiver"), "0");
}

}  // namespace
}  // namespace fettle::exporter

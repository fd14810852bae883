// Drills that recover to a moment, with a real PostgreSQL and its archive. Goal: what came back is
// what was archived; a gap, which PostgreSQL alone would pass over in silence, fails the drill; and
// a broken archive does not condemn the base backup.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "receivers/backups/catalogue.h"
#include "receivers/backups/drill.h"
#include "receivers/backups/run.h"
#include "tests/support/child.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class PitrRealTest : public testing::Test {
 protected:
  PitrRealTest() {
    std::filesystem::create_directory(dir_ / "archive");
    GiveTo(dir_ / "archive", "postgres");
    std::filesystem::permissions(dir_.path(), std::filesystem::perms{0755});
    std::filesystem::permissions(drills_.path(), std::filesystem::perms{0755});
    server_ =
        PostgresServer::Start({.settings = {{"archive_mode", "on"},
                                            {"wal_level", "replica"},
                                            {"max_wal_senders", "4"},
                                            {"max_connections", "120"},
                                            {"archive_command", "cp %p " + dir_ / "archive/%f"}}});
    server_->Execute("create table beats (id int primary key, at timestamptz, lsn pg_lsn)");
    job_.name = "a-job";
    job_.max_runtime = 5min;
    PostgresSource source;
    source.server.dsn = Secret::FromText(server_->Dsn());
    source.physical = true;
    source.client_dir = PostgresServer::BinDir();
    job_.source = source;
    job_.drill.emplace();
    job_.drill->timeout = 5min;
    job_.drill->directory = drills_.path();
    job_.pitr.emplace();
    job_.pitr->wal = DirectoryTarget{dir_ / "archive"};
    job_.pitr->table = "beats";
    job_.pitr->every = 10min;
    places_.push_back(MakeDirectoryDestination({dir_ / "to"}));
    wal_ = MakeDirectoryDestination({dir_ / "archive"});
  }
  Manifest Store() {
    Progress progress;
    const RunReport report = ExecuteRun({clock_, log_.For("backup"), {}}, job_, places_,
                                        {"run-1", "manual", ""}, progress);
    EXPECT_EQ(report.result, RunResult::kSuccess) << report.sentence;
    return *FetchManifest(*places_[0], "run-1");
  }
  // A beat and a segment each.
  void Beat(int first, int last) {
    for (int i = first; i <= last; ++i) {
      server_->Execute("insert into beats values (" + std::to_string(i) +
                       ", clock_timestamp(), pg_current_wal_insert_lsn())");
      last_segment_ = server_->Value("select pg_walfile_name(pg_switch_wal())");
    }
    const std::string file = dir_ / "archive/" + last_segment_;
    ASSERT_TRUE(WaitUntil([&] {
      return server_->Value("select last_archived_wal >= '" + last_segment_ +
                            "' from pg_stat_archiver") == "t" &&
             std::filesystem::exists(file);
    }));
  }
  DrillReport Drill(const Manifest& manifest) {
    return RunDrill({*places_[0], clock_, log_.For("drill"), {}, wal_.get()}, job_, manifest);
  }

  SystemClock clock_;
  RecordedLog log_;
  TempDir dir_;
  TempDir drills_;
  std::unique_ptr<PostgresServer> server_;
  JobSpec job_;
  std::vector<std::unique_ptr<Destination>> places_;
  std::unique_ptr<Destination> wal_;
  std::string last_segment_;
};

TEST_F(PitrRealTest, RecoversWhatWasArchivedAfterTheBaseBackup) {
  const Manifest manifest = Store();
  Beat(1, 5);
  // The last commit only shows that recovery came to the one before it.
  job_.drill->checks = {{.sql = "select count(*) from beats", .min = 4}};
  // An archive_command that compresses.
  ASSERT_EQ(Child::Run({.argv = {"gzip", dir_ / "archive/" + last_segment_}}), 0);
  const DrillReport report = Drill(manifest);
  ASSERT_EQ(report.result, DrillResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.checks_passed, 1);
  EXPECT_LT(*report.rpo_seconds, 300);
  EXPECT_TRUE(std::filesystem::is_empty(drills_.path()));
}

TEST_F(PitrRealTest, AGapFailsTheDrillAndNotTheBaseBackup) {
  const Manifest manifest = Store();
  Beat(1, 3);
  const std::string lost = last_segment_;
  Beat(4, 6);
  std::filesystem::remove(dir_ / "archive/" + lost);
  const DrillReport report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kFailed) << report.sentence;
  EXPECT_THAT(report.sentence, HasSubstr("recovery ended before configured recovery target"));
  EXPECT_FALSE(report.blames_set);
}

TEST_F(PitrRealTest, HeartbeatsThatAreMissingFailTheDrill) {
  const Manifest manifest = Store();
  Beat(1, 2);
  server_->Execute("insert into beats values (9, now() + interval '3 hours', '0/0')");
  Beat(3, 4);
  const DrillReport report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kFailed) << report.sentence;
  EXPECT_THAT(report.sentence, HasSubstr("are missing after the base backup"));
}

TEST_F(PitrRealTest, AnArchiveThatCannotBeReadDecidesNothing) {
  const Manifest manifest = Store();
  Beat(1, 2);
  std::filesystem::rename(dir_ / "archive", dir_ / "gone");
  EXPECT_EQ(Drill(manifest).result, DrillResult::kInconclusive);
}

}  // namespace
}  // namespace fettle::receivers::backups

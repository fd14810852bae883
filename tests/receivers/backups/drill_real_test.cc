// Drills with real servers: what is good is restored and asked, what is not is found out, and what
// the machine lacks is not blamed on the backup.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "receivers/backups/catalogue.h"
#include "receivers/backups/drill.h"
#include "receivers/backups/run.h"
#include "receivers/backups/stream.h"
#include "tests/support/mariadb_server.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class DrillRealTest : public testing::Test {
 protected:
  DrillRealTest() {
    job_.name = "a-job";
    job_.max_runtime = 2min;
    job_.drill.emplace();
    job_.drill->timeout = 2min;
    // The scratch servers are another user's, who must get there.
    std::filesystem::permissions(drills_.path(), std::filesystem::perms{0755});
    job_.drill->directory = drills_.path();
    places_.push_back(MakeDirectoryDestination({dir_ / "to"}));
  }
  // Stores the job's source as a set.
  Manifest Store() {
    Progress progress;
    const RunReport report = ExecuteRun({clock_, log_.For("backup"), {}}, job_, places_,
                                        {"run-1", "manual", ""}, progress);
    EXPECT_EQ(report.result, RunResult::kSuccess) << report.sentence;
    return *FetchManifest(*places_[0], "run-1");
  }
  // Stores bytes that claim to be a database's dump, past every verification.
  Manifest StoreBytes(const std::string& raw) {
    auto stream = Stream::Begin({places_[0].get()}, SetPrefix("by-hand") + "leads.pgc.zst", 0);
    EXPECT_TRUE(stream->Write(raw));
    Result<StoredObject> object = stream->Complete();
    object->format = Format::kPostgresCustom;
    object->subject = "leads";
    return {.run_id = "by-hand", .started = clock_.Now().wall, .objects = {*object}};
  }
  DrillReport Drill(const Manifest& manifest) {
    return RunDrill({*places_[0], clock_, log_.For("drill"), {}}, job_, manifest);
  }
  PostgresSource Postgres(const std::string& database) {
    PostgresSource source;
    source.server.dsn = Secret::FromText(PostgresServer::Shared().Dsn());
    source.databases = {database};
    source.client_dir = PostgresServer::BinDir();
    return source;
  }
  std::string Leads() {
    PostgresServer& server = PostgresServer::Shared();
    const std::string database = server.CreateDatabase();
    server.Execute(
        "create table leads (id int primary key, note text); insert into leads select i, "
        "md5(i::text) from generate_series(1, 5000) i; create index on leads (note); "
        "create table heartbeat (at timestamptz); insert into heartbeat values (now())",
        database);
    return database;
  }

  SystemClock clock_;
  RecordedLog log_;
  TempDir dir_;
  TempDir drills_;
  JobSpec job_;
  std::vector<std::unique_ptr<Destination>> places_;
};

TEST_F(DrillRealTest, AGoodDumpIsRestoredAskedAndMeasured) {
  job_.source = Postgres(Leads());
  job_.seal_key = Secret::FromText(std::string(64, 'a'));
  const Manifest manifest = Store();
  job_.seal_key = {};
  job_.drill->key = Secret::FromFile(dir_.Write("escrow", std::string(64, 'a')));
  job_.drill->checks = {
      {.sql = "select count(*) from leads", .min = 5000, .max = 5000},
      {.sql = "select note from leads where id = 7", .equals = "8f14e45fceea167a5a36dedd4bea2543"}};
  job_.drill->heartbeat = "select extract(epoch from max(at)) from heartbeat";
  const DrillReport report = Drill(manifest);
  ASSERT_EQ(report.result, DrillResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.checks_passed, 2);
  for (const char* phase : {"fetch", "init", "restore", "check"}) {
    EXPECT_GT(report.phases.at(phase), 0) << phase;
  }
  EXPECT_GT(*report.rpo_seconds, 0);
  EXPECT_LT(*report.rpo_seconds, 120);
  // Nothing is left of the scratch server.
  EXPECT_TRUE(std::filesystem::is_empty(drills_.path()));
}

TEST_F(DrillRealTest, ACheckThatIsNotMetFailsTheDrill) {
  job_.source = Postgres(Leads());
  const Manifest manifest = Store();
  job_.drill->checks = {{.sql = "select 1", .min = 1},
                        {.sql = "select count(*) from leads", .min = 6000},
                        {.sql = "select count(*) from nowhere", .min = 0}};
  const DrillReport report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kFailed);
  EXPECT_THAT(report.sentence, HasSubstr("5000 is less than 6000"));
  EXPECT_EQ(report.checks_passed, 1);
  EXPECT_EQ(report.checks_failed, 2);
}

TEST_F(DrillRealTest, TheWrongKeyFailsAndAMissingOneDecidesNothing) {
  job_.source = Postgres(Leads());
  job_.seal_key = Secret::FromText(std::string(64, 'a'));
  const Manifest manifest = Store();
  job_.drill->key = Secret::FromText(std::string(64, 'b'));
  DrillReport report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kFailed);
  EXPECT_THAT(report.sentence, HasSubstr("encrypted with key"));
  job_.drill->key = Secret::FromFile(dir_ / "none");
  report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kInconclusive) << report.sentence;
}

TEST_F(DrillRealTest, TruncatedFlippedAndEmptyDumpsFail) {
  const auto dump = RunProcess({.argv = {PostgresServer::BinDir() + "/pg_dump", "-Fc", "-Z6",
                                         "--dbname=" + PostgresServer::Shared().Dsn(Leads())},
                                .output_bytes_max = 64 << 20});
  ASSERT_TRUE(dump && dump->succeeded());
  const std::string& whole = dump->output;
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 4);
  struct Case {
    const char* what;
    std::string raw;
    DrillResult result;
  };
  for (const Case& one :
       {Case{"whole", whole, DrillResult::kSuccess},
        Case{"truncated", whole.substr(0, whole.size() / 2), DrillResult::kFailed},
        Case{"flipped", flipped, DrillResult::kFailed}, Case{"empty", "", DrillResult::kFailed}}) {
    const DrillReport report = Drill(StoreBytes(one.raw));
    EXPECT_EQ(ToString(report.result), ToString(one.result)) << one.what << report.sentence;
    EXPECT_TRUE(places_[0]->Remove(SetPrefix("by-hand") + "leads.pgc.zst"));
  }
  // What is stored is not what was written: found before anything is restored.
  const Manifest manifest = StoreBytes(whole);
  std::string stored = dir_.Read("to/sets/by-hand/leads.pgc.zst");
  stored[stored.size() / 2] = static_cast<char>(stored[stored.size() / 2] ^ 1);
  dir_.Write("to/sets/by-hand/leads.pgc.zst", stored);
  const DrillReport rotten = Drill(manifest);
  EXPECT_EQ(rotten.result, DrillResult::kFailed);
  EXPECT_FALSE(rotten.phases.contains("restore"));
}

TEST_F(DrillRealTest, AnEmptyDatabaseIsRightOnlyIfItIsExpected) {
  job_.source = Postgres(PostgresServer::Shared().CreateDatabase());
  const Manifest manifest = Store();
  EXPECT_THAT(Drill(manifest).sentence, HasSubstr("not one table came back"));
  job_.drill->expect_empty = true;
  EXPECT_EQ(Drill(manifest).result, DrillResult::kSuccess);
}

TEST_F(DrillRealTest, AMachineThatCannotDrillDecidesNothing) {
  job_.source = Postgres(Leads());
  const Manifest manifest = Store();
  job_.drill->server_dir = "/nonexistent";
  DrillReport report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kInconclusive) << report.sentence;
  job_.drill->server_dir = "";
  job_.drill->directory = "/nonexistent";
  report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kInconclusive) << report.sentence;
}

TEST_F(DrillRealTest, AWholeClusterStartsFromItsBaseBackup) {
  PostgresSource source = Postgres("");
  source.databases = {};
  source.physical = true;
  job_.source = source;
  const std::string database = Leads();
  const Manifest manifest = Store();
  job_.drill->checks = {{.sql = "select count(*) from leads", .database = database, .min = 5000}};
  const DrillReport report = Drill(manifest);
  EXPECT_EQ(report.result, DrillResult::kSuccess) << report.sentence;
}

TEST_F(DrillRealTest, MariadbRedisAndFilesAreDrilledToo) {
  MariadbServer& server = MariadbServer::Shared();
  server.Execute(
      "create database if not exists drilled; use drilled; "
      "create table t as select seq from seq_1_to_100");
  MariadbSource mariadb;
  mariadb.socket = server.socket();
  mariadb.databases = {"drilled"};
  job_.source = mariadb;
  job_.drill->checks = {{.sql = "select count(*) from t", .equals = "100"}};
  DrillReport report = Drill(Store());
  EXPECT_EQ(report.result, DrillResult::kSuccess) << report.sentence;

  std::filesystem::remove_all(dir_ / "to");
  dir_.Write("from/a.txt", "hello");
  job_.source = DirectorySource{.path = dir_ / "from"};
  job_.drill->checks = {{.sql = "a.txt", .equals = "5"}, {.sql = "../../etc/passwd", .min = 0}};
  report = Drill(Store());
  EXPECT_EQ(report.result, DrillResult::kFailed) << "a check of what lies outside";
  EXPECT_EQ(report.checks_passed, 1);

  std::filesystem::remove_all(dir_ / "to");
  RedisServer& redis = RedisServer::Shared();
  RunProcess({.argv = {"redis-cli", "-p", std::to_string(redis.port()), "set", "k", "v"}}).value();
  job_.source = RedisSource{"queue", redis.Connection()};
  job_.drill->checks = {{.sql = "dbsize", .min = 1}, {.sql = "get k", .equals = "v"}};
  report = Drill(Store());
  EXPECT_EQ(report.result, DrillResult::kSuccess) << report.sentence;
}

}  // namespace
}  // namespace fettle::receivers::backups

// Backups of a real PostgreSQL, to a directory and to a real S3, restored with pg_restore and
// compared. Goal: what is called good can be restored, and what was cut short is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "common/http_client.h"
#include "common/process.h"
#include "receivers/backups/run.h"
#include "tests/support/postgres_server.h"
#include "tests/support/radosgw.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class BackupRealTest : public testing::Test {
 protected:
  BackupRealTest() : server_(PostgresServer::Shared()), database_(server_.CreateDatabase()) {
    server_.Execute(
        "create table leads (id int primary key, note text); "
        "insert into leads select i, repeat(md5(i::text), 20) "
        "from generate_series(1, 20000) i",
        database_);
  }
  JobSpec Job() {
    JobSpec job;
    job.name = "leads-db";
    PostgresSource source;
    source.server.dsn = Secret::FromText(server_.Dsn());
    source.databases = {database_};
    source.client_dir = PostgresServer::BinDir();
    job.source = source;
    job.max_runtime = 5min;
    return job;
  }
  RunReport Run(const JobSpec& job, std::unique_ptr<Destination> destination) {
    destinations_.clear();
    destinations_.push_back(std::move(destination));
    return ExecuteRun({clock_, log_.For("backup"), {}}, job, destinations_,
                      {"run-1", "manual", "a test"}, progress_);
  }
  std::unique_ptr<Destination> Bucket(const std::string& bucket) {
    S3Target target{
        .server = Radosgw::Shared().Connection(), .bucket = bucket, .prefix = "pg/leads"};
    auto s3 = std::make_unique<S3>(S3::Deps{.transport = transport_,
                                            .clock = clock_,
                                            .random = random_,
                                            .metrics = metrics_,
                                            .log = log_.For("s3")},
                                   "main", target.server);
    return MakeS3Destination(std::move(target), std::move(s3));
  }
  // Fetches the dump, unpacks and restores it, and says the checksum of what came back.
  std::string Restored(Destination& destination) {
    const std::string packed = dir_ / "back.pgc.zst";
    {
      std::ofstream out(packed, std::ios::binary);
      EXPECT_TRUE(
          destination.Read("sets/run-1/" + database_ + ".pgc.zst", [&](std::string_view piece) {
            out << piece;
            return true;
          }));
    }
    EXPECT_EQ(Child::Run({.argv = {"zstd", "-q", "-d", "-f", packed}}), 0);
    const std::string copy = server_.CreateDatabase();
    EXPECT_EQ(Child::Run({.argv = {PostgresServer::BinDir() + "/pg_restore", "--exit-on-error",
                                   "--dbname=" + server_.Dsn(copy), dir_ / "back.pgc"}}),
              0);
    return Sum(copy);
  }
  std::string Sum(const std::string& database) {
    return server_.Value(
        "select count(*) || ' ' || md5(string_agg(id || note, ',' order by id)) "
        "from leads",
        database);
  }

  PostgresServer& server_;
  const std::string database_;
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  RecordedLog log_;
  HttpClient transport_;
  TempDir dir_;
  Progress progress_;
  std::vector<std::unique_ptr<Destination>> destinations_;
};

TEST_F(BackupRealTest, ComesBackFromADirectory) {
  const RunReport report = Run(Job(), MakeDirectoryDestination({dir_ / "to"}));
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_THAT(
      *destinations_[0]->List("sets/run-1/"),
      testing::UnorderedElementsAre("sets/run-1/" + database_ + ".pgc.zst",
                                    "sets/run-1/globals.sql.zst", "sets/run-1/manifest.json"));
  EXPECT_EQ(Restored(*destinations_[0]), Sum(database_));
}

TEST_F(BackupRealTest, ComesBackFromS3) {
  const RunReport report = Run(Job(), Bucket(Radosgw::Shared().CreateBucket()));
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(Restored(*destinations_[0]), Sum(database_));
}

TEST_F(BackupRealTest, ManyPartsComeBackFromS3Whole) {
  // Random bytes do not compress: 40 MiB are five parts and more.
  JobSpec job;
  job.name = "noise";
  CommandSource source;
  source.argv = {"/bin/sh", "-c", "head -c 41943040 /dev/urandom"};
  job.source = source;
  const RunReport report = Run(job, Bucket(Radosgw::Shared().CreateBucket()));
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.source_bytes, 41'943'040);
  EXPECT_GT(report.size_bytes, 41'943'040);
}

TEST_F(BackupRealTest, ADumpKilledHalfWayLeavesNoVisibleBackup) {
  // A pg_dump that begins as the real one does and dies in the middle.
  dir_.Write("bin/pg_dump", "#!/bin/sh\n[ \"$1\" = --version ] && exec " +
                                PostgresServer::BinDir() + "/pg_dump --version\n" +
                                PostgresServer::BinDir() +
                                "/pg_dump \"$@\" | head -c 500000\nkill -9 $$\n");
  std::filesystem::permissions(dir_ / "bin/pg_dump", std::filesystem::perms::owner_all);
  JobSpec job = Job();
  std::get<PostgresSource>(job.source).client_dir = dir_ / "bin";
  const std::string bucket = Radosgw::Shared().CreateBucket();
  const RunReport report = Run(job, Bucket(bucket));
  EXPECT_EQ(report.result, RunResult::kFailed);
  EXPECT_EQ(report.reason, Reason::kDumpExit) << report.sentence;
  EXPECT_THAT(*destinations_[0]->List("sets/"), IsEmpty());
  // And no half upload that would be paid for.
  S3Target target{.server = Radosgw::Shared().Connection(), .bucket = bucket};
  S3 s3({.transport = transport_,
         .clock = clock_,
         .random = random_,
         .metrics = metrics_,
         .log = log_.For("s3")},
        "main", target.server);
  EXPECT_TRUE(s3.ListMultipartUploads(bucket, "")->empty());
}

TEST_F(BackupRealTest, ADatabaseThatWasDumpedBeforeTheRunFailedIsNotKept) {
  dir_.Write("bin/pg_dump", "#!/bin/sh\nexec " + PostgresServer::BinDir() + "/pg_dump \"$@\"\n");
  dir_.Write("bin/pg_dumpall", "#!/bin/sh\necho 'no globals today' >&2\nexit 1\n");
  for (const char* program : {"bin/pg_dump", "bin/pg_dumpall"}) {
    std::filesystem::permissions(dir_ / program, std::filesystem::perms::owner_all);
  }
  JobSpec job = Job();
  std::get<PostgresSource>(job.source).client_dir = dir_ / "bin";
  const RunReport report = Run(job, Bucket(Radosgw::Shared().CreateBucket()));
  EXPECT_EQ(report.reason, Reason::kDumpExit) << report.sentence;
  EXPECT_THAT(report.sentence, HasSubstr("no globals today"));
  EXPECT_GT(report.size_bytes, 100'000) << "the database was stored";
  EXPECT_THAT(*destinations_[0]->List("sets/"), IsEmpty());
}

TEST_F(BackupRealTest, AnOldClientADeadServerAndAMissingDatabaseAreTold) {
  dir_.Write("old/pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n");
  std::filesystem::permissions(dir_ / "old/pg_dump", std::filesystem::perms::owner_all);
  JobSpec job = Job();
  std::get<PostgresSource>(job.source).client_dir = dir_ / "old";
  RunReport report = Run(job, MakeDirectoryDestination({dir_ / "to"}));
  EXPECT_EQ(report.reason, Reason::kVersionMismatch) << report.sentence;
  EXPECT_THAT(report.sentence, HasSubstr("pg_dump 9 is older than the server 15"));

  job = Job();
  std::get<PostgresSource>(job.source).databases = {"nowhere"};
  report = Run(job, MakeDirectoryDestination({dir_ / "to"}));
  EXPECT_EQ(report.reason, Reason::kConfig) << report.sentence;

  job = Job();
  std::get<PostgresSource>(job.source).server.dsn =
      Secret::FromText("host=127.0.0.1 port=" + std::to_string(FreePort()) + " user=x");
  report = Run(job, MakeDirectoryDestination({dir_ / "to"}));
  EXPECT_EQ(report.reason, Reason::kNetwork) << report.sentence;
}

TEST_F(BackupRealTest, ThePasswordIsNotInTheArgumentsAndNotInTheReport) {
  JobSpec job = Job();
  auto& source = std::get<PostgresSource>(job.source);
  source.server.dsn = Secret::FromText(server_.PasswordDsn(database_));
  source.globals = false;
  dir_.Write("spy/pg_dump", "#!/bin/sh\n[ \"$1\" = --version ] || echo \"$@\" >" + (dir_ / "argv") +
                                "\nexec " + PostgresServer::BinDir() + "/pg_dump \"$@\"\n");
  std::filesystem::permissions(dir_ / "spy/pg_dump", std::filesystem::perms::owner_all);
  source.client_dir = dir_ / "spy";
  const RunReport report = Run(job, MakeDirectoryDestination({dir_ / "to"}));
  EXPECT_THAT(dir_.Read("argv"), HasSubstr("--format=custom"));
  EXPECT_THAT(dir_.Read("argv"), testing::Not(HasSubstr(PostgresServer::kPassword)));
  EXPECT_THAT(report.sentence, testing::Not(HasSubstr(PostgresServer::kPassword)));
}

}  // namespace
}  // namespace fettle::receivers::backups

// Backups by the whole program: of a real PostgreSQL to a directory and to a real S3, asked for by
// hand and by the repair of a failed one. Goal: what counts as good can be restored; a failure is
// told, tried again and forgotten only after a good run; a killed daemon leaves no half backup.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "common/http_client.h"
#include "common/s3.h"
#include "receivers/backups/destination.h"
#include "tests/support/postgres_server.h"
#include "tests/support/program.h"
#include "tests/support/radosgw.h"
#include "tests/support/recorded_log.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr const char* kRun = "/api/fettle/v1/backups/leads-db/run";

class BackupProgramRealTest : public testing::Test {
 protected:
  BackupProgramRealTest() : server_(PostgresServer::Start()), database_(server_->CreateDatabase()) {
    server_->Execute(
        "create table leads (id int primary key, note text); insert into leads select i, "
        "repeat(md5(i::text), 20) from generate_series(1, 20000) i",
        database_);
  }

  // `to` is the list of places; `source` replaces the database.
  void Launch(const std::string& to, const std::string& s3 = "", const std::string& source = "") {
    const std::string from =
        source.empty()
            ? fmt::format("{{postgres: {{connection: leads, databases: [{}], client_dir: {}}}}}",
                          database_, PostgresServer::BinDir())
            : source;
    program_ = std::make_unique<Program>(
        Program::Options{.config = fmt::format(R"(
connections: {{postgres: {{leads: {{dsn: "{}"}}}}{}}}
rules: {{evaluation_interval: 1s, rule_files: [builtin]}}
receivers:
  guards: {{mode: auto, attempts: [50/1h]}}
  repairs:
  - name: retry-backup
    matchers: ['alertname="BackupFailed"']
    mode: auto
    guards: {{cooldown: 1s, attempts: [50/24h]}}
    actions: [{{backup: {{label: backup}}, attempts: 50}}]
  backups:
  - name: leads-db
    source: {}
    to: [{}]
    max_runtime: 5m
    retry: {{attempts: 1}}
)",
                                               server_->Dsn(), s3, from, to)});
    program_->Start();
  }
  double Runs(const std::string& result) {
    return std::max(0.0,
                    program_->Metric(fmt::format(
                        R"(fettle_backup_runs_total{{backup="leads-db",result="{}"}})", result)));
  }
  std::string Jobs() { return program_->Get("/api/fettle/v1/backups").body; }
  // The dump in a directory of sets, or "".
  static std::string DumpBelow(const std::string& directory) {
    if (!fs::exists(directory)) return "";
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.path().string().ends_with(".pgc.zst")) return entry.path().string();
    }
    return "";
  }
  // How many sets have a manifest, which is what makes them visible.
  static int Manifests(const std::string& directory) {
    int count = 0;
    if (!fs::exists(directory)) return 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.path().filename() == "manifest.json") ++count;
    }
    return count;
  }
  // Restores a packed dump into a fresh database and says the checksum of what came back.
  std::string Restored(const std::string& packed) {
    EXPECT_EQ(Child::Run({.argv = {"zstd", "-q", "-d", "-f", packed, "-o", dir_ / "back.pgc"}}), 0);
    const std::string copy = server_->CreateDatabase();
    EXPECT_EQ(Child::Run({.argv = {PostgresServer::BinDir() + "/pg_restore", "--exit-on-error",
                                   "--dbname=" + server_->Dsn(copy), dir_ / "back.pgc"}}),
              0);
    return Sum(copy);
  }
  std::string Sum(const std::string& database) {
    return server_->Value(
        "select count(*) || ' ' || md5(string_agg(id || note, ',' order by id)) from leads",
        database);
  }

  TempDir dir_;
  std::unique_ptr<PostgresServer> server_;
  const std::string database_;
  std::unique_ptr<Program> program_;
};

TEST_F(BackupProgramRealTest, ComesBackFromADirectory) {
  Launch("{directory: {path: " + (dir_ / "to") + "}}");
  EXPECT_EQ(program_->Post(kRun, "").status, 202);
  ASSERT_TRUE(WaitUntil([&] { return Runs("success") == 1; }, 60s)) << Jobs() << program_->Log();
  EXPECT_EQ(Runs("failed"), 0);
  EXPECT_EQ(Manifests(dir_ / "to"), 1);
  EXPECT_EQ(Restored(DumpBelow(dir_ / "to")), Sum(database_));
  EXPECT_GT(program_->Metric("fettle_backup_last_size_bytes{backup=\"leads-db\"}"), 1000);
}

TEST_F(BackupProgramRealTest, ComesBackFromS3) {
  Radosgw& gateway = Radosgw::Shared();
  const std::string bucket = gateway.CreateBucket();
  const S3Connection connection = gateway.Connection();
  Launch(fmt::format("{{s3: {{connection: main, bucket: {}, prefix: pg/leads}}}}", bucket),
         fmt::format(R"(, s3: {{main: {{endpoint: "{}", region: "{}", access_key_id: "{}", )"
                     R"(secret_access_key: "{}", addressing: path}}}})",
                     connection.endpoint, connection.region, *connection.access_key_id.Reveal(),
                     *connection.secret_access_key.Reveal()));
  EXPECT_EQ(program_->Post(kRun, "").status, 202);
  ASSERT_TRUE(WaitUntil([&] { return Runs("success") == 1; }, 60s)) << Jobs() << program_->Log();
  // Fetched by somebody else's key to the same bucket.
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  RecordedLog log;
  HttpClient transport;
  const auto place = receivers::backups::MakeS3Destination(
      {.server = connection, .bucket = bucket, .prefix = "pg/leads"},
      std::make_unique<S3>(S3::Deps{.transport = transport,
                                    .clock = clock,
                                    .random = random,
                                    .metrics = metrics,
                                    .log = log.For("s3")},
                           "main", connection));
  const auto keys = place->List("sets/");
  ASSERT_TRUE(keys) << keys.error().message;
  const auto dump = std::find_if(keys->begin(), keys->end(),
                                 [](const std::string& key) { return key.ends_with(".pgc.zst"); });
  ASSERT_NE(dump, keys->end()) << testing::PrintToString(*keys);
  std::string packed;
  ASSERT_TRUE(place->Read(*dump, [&](std::string_view piece) {
    packed += piece;
    return true;
  }));
  EXPECT_EQ(Restored(dir_.Write("fetched.pgc.zst", packed)), Sum(database_));
}

TEST_F(BackupProgramRealTest, AFailureIsToldTriedAgainAndOver) {
  Launch("{directory: {path: " + (dir_ / "to") + "}}");
  server_->Stop();
  EXPECT_EQ(program_->Post(kRun, "").status, 202);
  ASSERT_TRUE(WaitUntil([&] { return Runs("failed") >= 1; }, 60s)) << Jobs() << program_->Log();
  EXPECT_EQ(Manifests(dir_ / "to"), 0);
  EXPECT_TRUE(WaitUntil([&] { return program_->Query("ALERTS{alertname=\"BackupFailed\"}") == 1; }))
      << program_->Get("/api/v1/alerts").body;
  server_->Restart();
  ASSERT_TRUE(WaitUntil([&] { return Runs("success") >= 1; }, 60s))
      << program_->Get("/api/fettle/v1/incidents").body << Jobs() << program_->Log();
  EXPECT_TRUE(WaitUntil(
      [&] {
        const std::vector<Json> incidents = program_->Incidents();
        return !incidents.empty() && incidents.front()["outcome"].StringOr("") == "repaired";
      },
      60s))
      << program_->Get("/api/fettle/v1/incidents").body << program_->Log();
  EXPECT_EQ(Manifests(dir_ / "to"), 1);
  EXPECT_EQ(Restored(DumpBelow(dir_ / "to")), Sum(database_));
}

TEST_F(BackupProgramRealTest, AKilledDaemonLeavesNothingVisibleAndGoesOn) {
  // The command writes, says so, and waits until it is let go.
  const std::string command = fmt::format(
      "{{command: {{argv: [/bin/sh, -c, \"echo begun; touch {0}; while [ ! -e {1} ]; "
      "do sleep 0.05; done; echo done\"]}}}}",
      dir_ / "begun", dir_ / "go");
  Launch("{directory: {path: " + (dir_ / "to") + "}}", "", command);
  EXPECT_EQ(program_->Post(kRun, "").status, 202);
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(dir_ / "begun"); })) << program_->Log();
  program_->Kill();
  EXPECT_EQ(Manifests(dir_ / "to"), 0);
  dir_.Write("go", "");
  program_->Start();
  EXPECT_TRUE(WaitUntil([&] { return Runs("unknown") == 1; })) << Jobs();
  // The unknown end is a failure: the repair, or a person, runs it again.
  program_->Post(kRun, "");
  ASSERT_TRUE(WaitUntil([&] { return Runs("success") >= 1; }, 60s)) << Jobs() << program_->Log();
  EXPECT_GE(Manifests(dir_ / "to"), 1);
  EXPECT_EQ(Runs("unknown"), 1);
}

}  // namespace
}  // namespace fettle

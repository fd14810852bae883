// The life of a backup by the whole program and its commands: run, listed, drilled, verified, and
// restored on the day the daemon is gone. Goal: what was proven survives a restart, and what rots
// is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/postgres_server.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class BackupCareRealTest : public testing::Test {
 protected:
  BackupCareRealTest() : server_(PostgresServer::Start()), database_(server_->CreateDatabase()) {
    server_->Execute(
        "create table leads (id int primary key, note text); insert into leads select i, "
        "md5(i::text) from generate_series(1, 5000) i",
        database_);
    program_ = std::make_unique<Program>(Program::Options{
        .config = fmt::format(R"(
connections: {{postgres: {{leads: {{dsn: "{}"}}}}}}
receivers:
  backups:
  - name: leads-db
    source: {{postgres: {{connection: leads, databases: [{}], client_dir: {}}}}}
    to: [{{directory: {{path: {}}}}}]
    encrypt: {{key_file: {}}}
    retention: {{keep_last: 2, apply: true}}
    drill: {{checks: [{{sql: "select count(*) from leads", min: 5000}}], rto: 10m, max_age: 2d}}
)",
                              server_->Dsn(), database_, PostgresServer::BinDir(), dir_ / "to",
                              dir_.Write("key", std::string(64, '5')))});
    program_->Start();
  }
  // `fettle backup VERB leads-db …` against the daemon, or without it.
  Ran Backup(const std::string& verb, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"backup", verb, "leads-db", "--url=" + program_->url()};
    words.insert(words.end(), more.begin(), more.end());
    return RunFettle(words);
  }
  std::string Sum(const std::string& database) {
    return server_->Value("select md5(string_agg(id || note, ',' order by id)) from leads",
                          database);
  }

  TempDir dir_;
  std::unique_ptr<PostgresServer> server_;
  const std::string database_;
  std::unique_ptr<Program> program_;
};

TEST_F(BackupCareRealTest, IsProvenSurvivesARestartAndComesBackWithoutTheDaemon) {
  Ran ran = Backup("run");
  ASSERT_EQ(ran.exit_code, 0) << ran.output << program_->Log();
  EXPECT_THAT(ran.output, HasSubstr("verified to level 3"));
  EXPECT_EQ(program_->Metric("fettle_restorable{backup=\"leads-db\"}"), 0) << "not yet drilled";
  ran = Backup("drill");
  ASSERT_EQ(ran.exit_code, 0) << ran.output << program_->Log();
  EXPECT_THAT(ran.output, HasSubstr("1 checks passed"));
  ran = Backup("list");
  EXPECT_THAT(ran.output, HasSubstr("level 5  good"));
  EXPECT_THAT(ran.output, HasSubstr("restorable: yes"));
  const auto restorable = [&] {
    return program_->Metric("fettle_restorable{backup=\"leads-db\"}");
  };
  EXPECT_TRUE(WaitUntil([&] { return restorable() == 1; }));
  const std::string success = "fettle_backup_last_success_timestamp_seconds{backup=\"leads-db\"}";
  const double at = program_->Metric(success);
  EXPECT_GT(
      program_->Metric("fettle_restore_drill_rto_seconds{backup=\"leads-db\",phase=\"total\"}"), 0);

  program_->Kill();
  const std::string config = "--config.file=" + (program_->dir() / "fettle.yml");
  EXPECT_NE(Backup("verify", {"--level=2"}).exit_code, 0) << "nobody answers";
  ran = Backup("verify", {"--standalone", config});
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("is good to level 3"));
  ran = Backup("restore", {"--standalone", config, "--to=" + (dir_ / "back")});
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("pg_restore"));
  const std::string copy = server_->CreateDatabase();
  EXPECT_EQ(Child::Run({.argv = {PostgresServer::BinDir() + "/pg_restore", "--exit-on-error",
                                 "--dbname=" + server_->Dsn(copy),
                                 dir_ / ("back/" + database_ + ".pgc")}}),
            0);
  EXPECT_EQ(Sum(copy), Sum(database_));
  EXPECT_NE(Backup("restore", {"--standalone", config, "--to=" + (dir_ / "back")}).exit_code, 0)
      << "nothing is written over";

  program_->Start();
  EXPECT_EQ(restorable(), 1) << "from the first page on";
  EXPECT_EQ(program_->Metric(success), at);
}

TEST_F(BackupCareRealTest, WhatRotsIsFoundAndNoLongerRestorable) {
  ASSERT_EQ(Backup("run").exit_code, 0) << program_->Log();
  ASSERT_EQ(Backup("drill").exit_code, 0) << program_->Log();
  EXPECT_EQ(Backup("hold").exit_code, 0);
  for (const auto& entry : fs::recursive_directory_iterator(dir_ / "to")) {
    if (!entry.path().string().ends_with(".pgc.zst.enc")) continue;
    std::string bytes = dir_.Read(fs::relative(entry.path(), dir_.path()));
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    dir_.Write(fs::relative(entry.path(), dir_.path()), bytes);
  }
  const Ran ran = Backup("verify");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.output, HasSubstr("it was changed"));
  EXPECT_TRUE(
      WaitUntil([&] { return program_->Metric("fettle_restorable{backup=\"leads-db\"}") == 0; }));
  const std::string labels = "{backup=\"leads-db\",place=\"" + (dir_ / "to") + "\"}";
  EXPECT_EQ(program_->Metric("fettle_backup_bad_sets" + labels), 1);
  EXPECT_EQ(program_->Metric("fettle_backup_held_sets" + labels), 1);
  EXPECT_EQ(Backup("drill").exit_code, 1) << "there is no good set";
}

}  // namespace
}  // namespace fettle

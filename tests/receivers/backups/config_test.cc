#include "receivers/backups/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::receivers::backups {
namespace {

using testing::HasSubstr;

class BackupsConfigTest : public testing::Test {
 protected:
  BackupsConfigTest() {
    connections_.postgres["leads"].dsn = Secret::FromText("dbname=leads");
    connections_.s3["aws"].region = "eu-central-1";
  }
  std::vector<JobSpec> Read(std::string_view text) {
    const auto node = yaml::Load(text, "fettle.yml", complaints_);
    yaml::Mapping mapping(*node, "receivers", complaints_);
    return ReadBackups(mapping, connections_);
  }
  Connections connections_;
  yaml::Complaints complaints_;
};

TEST_F(BackupsConfigTest, ReadsAJobOfEachKind) {
  const std::vector<JobSpec> jobs = Read(R"(
backups:
- name: leads-db
  source: {postgres: {connection: leads, databases: [leads], client_dir: /usr/lib/postgresql/16/bin}}
  to:
  - {s3: {connection: aws, bucket: acme, prefix: pg/leads/, memory_max: 64MiB}}
  - {directory: {path: /backups/leads/}}
  schedule: {cron: "15 2 * * *", timezone: Europe/Berlin, catch_up: none}
  max_runtime: 2h
  retry: {attempts: 3, base: 10s, cap: 1m}
- name: files
  source: {command: {argv: [tar, -cf, "-", /etc], file_name: etc.tar}}
  to: [{directory: {path: /backups/files}}]
- name: shop
  source: {mariadb: {host: db, user: backup, password: x, databases: [shop]}}
  to: [{s3: {connection: aws, bucket: acme, prefix: shop, prune_connection: aws}}]
  encrypt: {key_file: /run/secrets/key}
  verify_level: 2
  retention: {daily: 7, weekly: 5, monthly: 12, max_age: 400d, apply: true}
  drill: {cron: "0 4 * * 0", engine: local, key_file: /run/secrets/escrow, rto: 1h, rpo: 15m,
          checks: [{sql: "select count(*) from leads", min: 1}]}
- {name: etc, source: {directory: {path: /etc, exclude: [./ssl]}}, to: [{directory: {path: /b/etc}}]}
)");
  EXPECT_EQ(complaints_.ToString(), "");
  ASSERT_EQ(jobs.size(), 4U);
  EXPECT_EQ(KindOf(jobs[0].source), "postgres");
  EXPECT_TRUE(std::get<PostgresSource>(jobs[0].source).globals);
  EXPECT_EQ(PlaceOf(jobs[0].to.at(0)), "s3://acme/pg/leads");
  EXPECT_EQ(PlaceOf(jobs[0].to.at(1)), "/backups/leads");
  EXPECT_EQ(std::get<S3Target>(jobs[0].to.at(0)).memory_max, 64U * 1024 * 1024);
  EXPECT_EQ(jobs[0].schedule->timezone(), "Europe/Berlin");
  EXPECT_FALSE(jobs[0].catch_up);
  EXPECT_EQ(jobs[0].retry.attempts, 3);
  EXPECT_EQ(KindOf(jobs[1].source), "command");
  EXPECT_FALSE(jobs[1].schedule);
  EXPECT_EQ(KindOf(jobs[2].source), "mariadb");
  EXPECT_EQ(jobs[2].seal_key.path(), "/run/secrets/key");
  EXPECT_EQ(jobs[2].verify_level, 2);
  EXPECT_EQ(std::get<S3Target>(jobs[2].to.at(0)).prune_connection, "aws");
  EXPECT_EQ(jobs[2].retention.monthly, 12);
  EXPECT_TRUE(jobs[2].retention.apply);
  EXPECT_EQ(jobs[2].drill->checks.at(0).min, 1);
  EXPECT_EQ(jobs[2].drill->key.path(), "/run/secrets/escrow");
  EXPECT_FALSE(jobs[0].retention.Any()) << "without rules nothing is ever removed";
  EXPECT_EQ(KindOf(jobs[3].source), "directory");
  EXPECT_EQ(jobs[3].verify_level, 3);
}

TEST_F(BackupsConfigTest, RecoveryToAMomentNeedsAWholeClusterAndAnArchive) {
  const auto jobs = Read(R"(
backups:
- name: whole
  source: {postgres: {connection: leads, physical: true}}
  to: [{directory: {path: /b/whole}}]
  drill: {pitr: {wal: {directory: {path: /wal}}, table: beats, every: 5m, role: admin}}
)");
  EXPECT_EQ(complaints_.ToString(), "");
  ASSERT_TRUE(jobs.at(0).pitr);
  EXPECT_EQ(PlaceOf(jobs[0].pitr->wal), "/wal");
  EXPECT_EQ(jobs[0].pitr->role, "admin");
  Read(R"(
backups:
- {name: dumped, source: {postgres: {connection: leads}}, to: [{directory: {path: /b/d}}], drill: {pitr: {}}}
)");
  EXPECT_THAT(complaints_.ToString(), HasSubstr("needs source.postgres.physical"));
  EXPECT_THAT(complaints_.ToString(), HasSubstr("\"wal\" is missing"));
}

TEST_F(BackupsConfigTest, ComplainsAboutEverythingAtOnce) {
  Read(R"(backups:
- name: a
  source: {postgres: {connection: lead}}
  to: [{directory: {path: backups}}]
  schedule: {cron: "61 * * * *"}
  retry: {attempts: 0, base: 2m, cap: 1m}
  retention: {dayly: 7, max_age: 1h, timezone: Mars}
  drill: {engine: docker, cron: "0 99 * * *", checks: [{sql: select 1}]}
- name: a
  source: {mirror: {}}
  to: [{s3: {connection: aws, bucket: b, memory_max: 8MiB}}]
- name: c
  source: {command: {file_name: ../x}}
  to: [{directory: {path: /x}}]
- name: d
  source: {command: {argv: [true]}}
  to: [{directory: {path: /x/y}}, {ftp: {}}]
- {name: e}
- name: f
  source: {postgres: {connection: leads, physical: true, databases: [a]}, redis: {connection: q}}
  to: [{s3: {connection: aws, bucket: c, prune_connection: awz}}]
  verify_level: 4
  encrypt: {key_file: /run/secrets/key, cipher: rot13}
)");
  const std::string all = complaints_.ToString();
  for (const char* part : {
           "there is no connection named \"lead\", did you mean \"leads\"?",
           "path must be absolute, not \"backups\"",
           "fettle.yml:5:20: receivers.backups.schedule: ",
           "attempts must be at least 1",
           "base 2m is longer than cap 1m",
           "unknown key \"dayly\", did you mean \"daily\"?",
           "max_age is shorter than min_age",
           "unknown time zone \"Mars\"",
           "engine \"docker\" is not supported by this version",
           "receivers.backups.drill: bad cron",
           "one of min, max, equals must be given",
           "mirror is not supported by this version",
           "memory_max is less than 16MiB",
           "backups has two jobs named \"a\"",
           "\"argv\" is missing",
           "file_name must be a plain file name",
           "/x/y of \"d\" lies within /x of \"c\"",
           "exactly one of directory, s3 must be given",
           "\"source\" is missing",
           "physical is of the whole cluster",
           "there is no connection named \"q\"",
           "exactly one of postgres, mariadb, mysql, redis, directory, command must be given",
           "there is no connection named \"awz\", did you mean \"aws\"?",
           "verify_level must be 1, 2 or 3",
           "cipher",
           "\"to\" is missing",
       }) {
    EXPECT_THAT(all, HasSubstr(part));
  }
}

}  // namespace
}  // namespace fettle::receivers::backups

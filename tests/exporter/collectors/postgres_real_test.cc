// The PostgreSQL collector against a real server. Goal: every built-in query is one that PostgreSQL
// understands, with and without privileges, and shows what the server really does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporter/collectors/postgres.h"
#include "tests/support/families.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/wait.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

struct Fixture {
  Fixture(const std::string& dsn, PostgresCollectorConfig config) {
    config.target = "db";
    config.connection.dsn = Secret::FromText(dsn);
    collector = std::make_unique<PostgresCollector>(
        PostgresCollector::Deps{.connect = ConnectTo(config.connection),
                                .clock = clock,
                                .metrics = metrics,
                                .log = log.For("postgres")},
        config);
  }
  Result<std::vector<MetricFamily>> Collect() {
    const Moment now = clock.Now();
    return collector->Collect({now, now.boot + Millis(10'000)});
  }
  std::vector<std::string> Lines(const std::string& prefix) {
    const auto families = Collect();
    EXPECT_TRUE(families.has_value()) << families.error().message;
    return families ? LinesOf(*families, prefix) : std::vector<std::string>{};
  }
  SystemClock clock;
  Metrics metrics;
  RecordedLog log;
  std::unique_ptr<PostgresCollector> collector;
};

TEST(PostgresCollectorRealTest, ShowsTheServer) {
  PostgresServer& server = PostgresServer::Shared();
  Fixture f(server.Dsn(), {.archive = true});
  EXPECT_THAT(f.Lines("fettle_pg_up"), ElementsAre("fettle_pg_up{target=\"db\"} 1"));
  EXPECT_THAT(
      f.Lines("fettle_pg_database_bytes"),
      ElementsAre(StartsWith("fettle_pg_database_bytes{database=\"postgres\", target=\"db\"} ")));
  EXPECT_THAT(f.Lines("fettle_pg_connections{"), SizeIs(4));
  EXPECT_THAT(f.Lines("fettle_pg_connections_max"),
              ElementsAre("fettle_pg_connections_max{target=\"db\"} 100"));
  EXPECT_THAT(f.Lines("fettle_pg_in_recovery"),
              ElementsAre("fettle_pg_in_recovery{target=\"db\"} 0"));
  EXPECT_THAT(f.Lines("fettle_pg_wal_lsn_bytes"), SizeIs(1));
  EXPECT_THAT(f.Lines("fettle_pg_wal_directory_bytes"), SizeIs(1));
  EXPECT_THAT(f.Lines("fettle_pg_wal_ready_segments"),
              ElementsAre("fettle_pg_wal_ready_segments{target=\"db\"} 0"));
  // archive_mode is off, so nothing is known of the archiver.
  EXPECT_THAT(f.Lines("fettle_pg_wal_archived_total"), IsEmpty());
  EXPECT_THAT(f.log.Lines(), IsEmpty());
}

TEST(PostgresCollectorRealTest, AsksUsersQueriesAndWritesNothing) {
  PostgresServer& server = PostgresServer::Shared();
  const std::string database = server.CreateDatabase();
  server.Execute("create table leads as select i % 2 as odd from generate_series(1, 5) i",
                 database);
  PostgresCollectorConfig config;
  config.queries = {
      {.metric = "leads", .sql = "select odd, count(*) from leads group by 1", .labels = {"odd"}},
      {.metric = "gone",
       .sql = "with d as (delete from leads returning 1) select "
              "count(*) from d"}};
  Fixture f(server.Dsn(database), config);
  EXPECT_THAT(f.Lines("leads"), ElementsAre("leads{odd=\"0\", target=\"db\"} 2",
                                            "leads{odd=\"1\", target=\"db\"} 3"));
  EXPECT_THAT(f.log.Lines(), Contains(HasSubstr("read-only transaction")));
  EXPECT_EQ(server.Value("select count(*) from leads", database), "5");
}

TEST(PostgresCollectorRealTest, WithoutPrivilegesOnlySomeSeriesAreAbsent) {
  PostgresServer& server = PostgresServer::Shared();
  Fixture f(server.PasswordDsn(), {.archive = true});
  EXPECT_THAT(f.Lines("fettle_pg_up"), ElementsAre("fettle_pg_up{target=\"db\"} 1"));
  EXPECT_THAT(f.Lines("fettle_pg_database_bytes"), testing::Not(IsEmpty()));
  EXPECT_THAT(f.Lines("fettle_pg_wal_ready_segments"), IsEmpty());
  EXPECT_THAT(f.log.Lines(), Contains(HasSubstr("permission denied")));
}

TEST(PostgresCollectorRealTest, SeesAnArchiveThatFailsAndOneThatWorks) {
  const auto server =
      PostgresServer::Start({.settings = {{"archive_mode", "on"}, {"archive_command", "false"}}});
  Fixture f(server->Dsn(), {.archive = true});
  server->Execute("create table t (i int); select pg_switch_wal()");
  ASSERT_TRUE(
      WaitUntil([&] { return !f.Lines("fettle_pg_wal_last_failed_timestamp_seconds").empty(); }));
  EXPECT_THAT(f.Lines("fettle_pg_wal_ready_segments"),
              ElementsAre("fettle_pg_wal_ready_segments{target=\"db\"} 1"));
  EXPECT_THAT(f.Lines("fettle_pg_wal_archived_total"),
              ElementsAre("fettle_pg_wal_archived_total{target=\"db\"} 0"));
  server->Execute("alter system set archive_command = 'true'");
  server->Execute("select pg_reload_conf()");
  ASSERT_TRUE(WaitUntil(
      [&] {
        return f.Lines("fettle_pg_wal_archived_total") ==
               std::vector<std::string>{"fettle_pg_wal_archived_total{target=\"db\"} 1"};
      },
      std::chrono::seconds(70)));
  EXPECT_THAT(f.Lines("fettle_pg_wal_ready_segments"),
              ElementsAre("fettle_pg_wal_ready_segments{target=\"db\"} 0"));
}

TEST(PostgresCollectorRealTest, SeesAReplicaAndItsSlot) {
  const auto primary = PostgresServer::Start();
  primary->Execute("select pg_create_physical_replication_slot('copy', true)");
  const auto standby = PostgresServer::StartStandbyOf(*primary, "copy");
  Fixture f(primary->Dsn(), {});
  ASSERT_TRUE(WaitUntil([&] { return !f.Lines("fettle_pg_replication_lag_bytes").empty(); }));
  EXPECT_THAT(
      f.Lines("fettle_pg_replication_lag_bytes"),
      ElementsAre(StartsWith("fettle_pg_replication_lag_bytes{replica=\"copy\", target=\"db\"}")));
  EXPECT_THAT(f.Lines("fettle_pg_replication_slot_retained_bytes"),
              ElementsAre(StartsWith("fettle_pg_replication_slot_retained_bytes{active=\"t\", "
                                     "slot=\"copy\", target=\"db\"}")));
  Fixture s(standby->Dsn(), {});
  EXPECT_THAT(s.Lines("fettle_pg_in_recovery"),
              ElementsAre("fettle_pg_in_recovery{target=\"db\"} 1"));
  EXPECT_THAT(s.Lines("fettle_pg_replication_lag_seconds"), SizeIs(1));
  EXPECT_THAT(s.log.Lines(), IsEmpty());
  EXPECT_THAT(f.log.Lines(), IsEmpty());
}

TEST(PostgresCollectorRealTest, NoticesThatTheServerStopsAndComesBack) {
  const auto server = PostgresServer::Start();
  Fixture f(server->Dsn(), {});
  ASSERT_TRUE(f.Collect().has_value());
  server->Stop();
  EXPECT_FALSE(f.Collect().has_value());
  server->Restart();
  EXPECT_TRUE(f.Collect().has_value());
}

}  // namespace
}  // namespace fettle::exporter

// The collector of WAL archives over directories and a server that answers by a script. Goal: each
// archiver's layout is understood, the server is not believed, and what cannot be known is absent.
#include "exporter/collectors/wal_archive.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle::exporter {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Says what it archived, and knows one heartbeat.
struct FakeServer {
  bool up = true;
  bool standby = false;
  std::string segment_bytes = "16777216";
  std::optional<std::string> archived;
  std::string archived_count = "0";
  std::optional<std::string> heartbeat;
  std::vector<std::string> asked;
};

class FakeServerSession final : public SqlSession {
 public:
  explicit FakeServerSession(FakeServer& server) : server_(server) {}
  Result<PostgresRows> Query(const std::string& sql, Millis) override {
    server_.asked.push_back(sql);
    if (!server_.up) return Fail(Cause::kUnavailable, "gone");
    if (sql.find("pg_stat_archiver") != sql.npos) {
      return PostgresRows{{"a", "b", "c"},
                          {{server_.segment_bytes, server_.archived, server_.archived_count}}};
    }
    if (sql == "select pg_is_in_recovery()") {
      return PostgresRows{{"a"}, {{server_.standby ? "t" : "f"}}};
    }
    if (sql.find("to_regclass") != sql.npos) return PostgresRows{{"a"}, {{"f"}}};
    return PostgresRows{{"a"}, {{server_.heartbeat}}};
  }

 private:
  FakeServer& server_;
};

class WalArchiveTest : public testing::Test {
 protected:
  SqlConnector Connector() {
    return [this](Millis) -> Result<std::unique_ptr<SqlSession>> {
      if (!server_.up) return Fail(Cause::kUnavailable, "refused");
      return std::unique_ptr<SqlSession>(std::make_unique<FakeServerSession>(server_));
    };
  }
  void File(const std::string& name, std::int64_t stored, const std::string& text = "x") {
    const std::string path = dir_.Write(name, text);
    const timespec times[2] = {{stored, 0}, {stored, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  // Segments first to last of timeline 1, each stored ten seconds after the one before.
  void Segments(const std::string& directory, int first, int last, const std::string& suffix = "") {
    for (int n = first; n <= last; ++n) {
      File(directory + fmt::format("00000001{:016X}", n) + suffix, n * 10);
    }
  }
  std::vector<std::string> Shown(WalArchiveConfig config = {}) {
    config.target = "db";
    WalArchiveCollector collector(
        {.connect = Connector(), .files = WalFilesIn(dir_.path()), .log = log_.For("wal")}, config);
    const auto families = collector.Collect({});
    if (!families) return {families.error().message};
    std::vector<std::string> lines = LinesOf(*families);
    for (std::string& line : lines) {
      const std::size_t label = line.find("{target=\"db\"}");
      if (label != line.npos) line.erase(label, 13);
    }
    return lines;
  }

  TempDir dir_;
  FakeServer server_;
  RecordedLog log_;
};

TEST_F(WalArchiveTest, AWholeArchiveHasAWindowAndNoGap) {
  Segments("", 2, 9);
  File("000000010000000000000003.00000028.backup", 35);
  server_.archived = "000000010000000000000009";
  EXPECT_THAT(
      Shown(),
      ElementsAre("fettle_pitr_earliest_timestamp_seconds 35",
                  "fettle_pitr_latest_timestamp_seconds 90", "fettle_wal_archive_base_backups 1",
                  "fettle_wal_archive_gaps 0", "fettle_wal_archive_lag_segments 0",
                  "fettle_wal_archive_missing_segments 0",
                  "fettle_wal_archive_newest_segment_timestamp_seconds 90",
                  "fettle_wal_archive_segments 8", "fettle_wal_archive_timeline_known 1"));
}

TEST_F(WalArchiveTest, EachArchiversLayoutIsUnderstood) {
  const std::string sha1 = "-0123456789abcdef0123456789abcdef01234567.zst";
  Segments("archive/main/14-1/0000000100000000/", 40, 50, sha1);
  Segments("archive/main/15-2/0000000100000000/", 2, 9, sha1);
  File("backup/main/backup.info", 1,
       "[backrest]\n[backup:current]\nx={\"backup-archive-start\":\"000000010000000000000003\","
       "\"backup-error\":false,\"backup-timestamp-stop\":35}\n");
  Segments("wal_005/", 2, 9, ".lz4");
  File("basebackups_005/base_000000010000000000000003_backup_stop_sentinel.json", 35);
  File("basebackups_005/base_000000010000000000000003/tar_partitions/part_1.tar.lz4", 30);
  Segments("wals/0000000100000000/", 2, 9);
  File("base/20260101T000000/backup.info", 1,
       "begin_wal=000000010000000000000003\nstatus=DONE\nend_time=1970-01-01 00:00:35+00:00\n");
  File("base/20260102T000000/backup.info", 1, "status=STARTED\n");
  for (const WalLayout layout : {WalLayout::kPgbackrest, WalLayout::kWalg, WalLayout::kBarman}) {
    EXPECT_THAT(
        Shown({.layout = layout, .stanza = "main"}),
        AllOf(Contains("fettle_wal_archive_segments 8"), Contains("fettle_wal_archive_gaps 0"),
              Contains("fettle_pitr_earliest_timestamp_seconds 35"),
              Contains("fettle_pitr_latest_timestamp_seconds 90")))
        << static_cast<int>(layout);
  }
}

TEST_F(WalArchiveTest, AnArchiverThatLiesIsCaught) {
  server_.archived = "000000010000000000000009";
  server_.archived_count = "8";
  EXPECT_THAT(Shown(), Contains("fettle_wal_archive_lag_segments 8"));
  Segments("", 2, 6);
  EXPECT_THAT(Shown(), Contains("fettle_wal_archive_lag_segments 3"));
  // What is already there when the server still says less is no lie.
  Segments("", 7, 12);
  EXPECT_THAT(Shown(), Contains("fettle_wal_archive_lag_segments 0"));
}

TEST_F(WalArchiveTest, TheArchiveIsReadWhileTheServerIsDown) {
  Segments("", 2, 9);
  File("000000010000000000000003.00000028.backup", 35);
  server_.up = false;
  EXPECT_THAT(Shown(), AllOf(Contains("fettle_wal_archive_gaps 0"),
                             Contains("fettle_pitr_latest_timestamp_seconds 90"),
                             Not(Contains(HasSubstr("lag")))));
}

TEST_F(WalArchiveTest, TheServersSegmentSizeIsUsed) {
  // Of 1 MiB each: log 0 goes up to FFF.
  server_.segment_bytes = "1048576";
  for (const char* name :
       {"000000010000000000000FFE", "000000010000000000000FFF", "000000010000000100000000"}) {
    File(name, 10);
  }
  EXPECT_THAT(Shown(), Contains("fettle_wal_archive_gaps 0"));
}

TEST_F(WalArchiveTest, WithoutTheHistoryOfItsTimelineNothingIsClaimed) {
  Segments("", 2, 9);
  File("000000020000000000000009", 95);
  File("000000010000000000000003.00000028.backup", 35);
  EXPECT_THAT(Shown(),
              ElementsAre("fettle_wal_archive_segments 9", "fettle_wal_archive_timeline_known 0"));
  File("00000002.history", 95, "no history");
  EXPECT_THAT(Shown(), Contains("fettle_wal_archive_timeline_known 0"));
  File("00000002.history", 95, "1\t0/9000060\tpromoted\n");
  EXPECT_THAT(Shown(), AllOf(Contains("fettle_wal_archive_timeline_known 1"),
                             Contains("fettle_wal_archive_gaps 0"),
                             Contains("fettle_pitr_latest_timestamp_seconds 95")));
}

TEST_F(WalArchiveTest, HeartbeatsSayWhatWouldBeLost) {
  Segments("", 2, 9);
  File("000000010000000000000003.00000028.backup", 35);
  server_.heartbeat = "88.5";
  EXPECT_THAT(Shown({.heartbeat = "beats"}),
              AllOf(Contains("fettle_rpo_last_protected_timestamp_seconds 88.5"),
                    Contains("fettle_pitr_latest_timestamp_seconds 88.5"),
                    Contains("fettle_rpo_objective_seconds 900")));
  // Up to the end of the last segment that can be reached.
  EXPECT_THAT(server_.asked.back(), HasSubstr("where lsn < '0/A000000'::pg_lsn"));
}

TEST_F(WalArchiveTest, AnArchiveThatIsNotThereIsNotAnEmptyOne) {
  WalArchiveCollector collector(
      {.connect = Connector(), .files = WalFilesIn(dir_ / "gone"), .log = log_.For("wal")},
      {.target = "db"});
  const auto families = collector.Collect({});
  ASSERT_FALSE(families.has_value());
  EXPECT_EQ(families.error().cause, Cause::kNotFound);
}

TEST_F(WalArchiveTest, AStandbyDoesNotBeat) {
  server_.heartbeat = "77";
  HeartbeatCollector beats(Connector(), {.target = "db", .heartbeat = "beats"});
  EXPECT_THAT(LinesOf(*beats.Collect({})),
              ElementsAre("fettle_pg_heartbeat_timestamp_seconds{target=\"db\"} 77"));
  server_.standby = true;
  EXPECT_THAT(LinesOf(*beats.Collect({})), ElementsAre());
  server_.up = false;
  EXPECT_FALSE(beats.Collect({}).has_value());
}

TEST_F(WalArchiveTest, ReadsItsConfigurationAndComplains) {
  Connections connections;
  connections.postgres["leads"].dsn = Secret::FromText("host=x");
  connections.s3["aws"].region = "eu-central-1";
  const auto read = [&](const std::string& text) {
    return ReadText(
        text, [&](yaml::Mapping& exporter) { return ReadWalArchives(exporter, connections); });
  };
  const auto [configs, complaints] = read(R"(wal_archives:
- {connection: leads, layout: wal_g, s3: {connection: aws, bucket: b, prefix: walg}, heartbeat: {},
   acknowledged_gaps: ["000000010000000000000006"], rpo: 5m, interval: 5m}
)");
  EXPECT_EQ(complaints, "");
  ASSERT_EQ(configs.size(), 1U);
  EXPECT_EQ(configs[0].heartbeat, "heartbeat_of_fettle");
  EXPECT_EQ(configs[0].rpo, Millis(300'000));
  const std::string wrong = read(R"(wal_archives:
- {connection: leads, layout: pgbackrest, acknowledged_gaps: [six], segment_size: 3MiB}
- {connection: leads, directory: {path: /a}, heartbeat: {table: "x; drop table y", every: 1ms}}
- {connection: led, directory: {path: /a}, s3: {connection: aws, bucket: b}}
)")
                                .second;
  for (const char* text : {"say where it is: s3 or directory", "\"stanza\" is missing",
                           "\"six\" is no segment's name", "segment_size must be a power of two",
                           "\"leads\" has two archives", "must be a plain table or schema.table",
                           "every must be at least 1s", "there is no connection named \"led\""}) {
    EXPECT_THAT(wrong, HasSubstr(text));
  }
}

}  // namespace
}  // namespace fettle::exporter

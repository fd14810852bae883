// Watchers against real repositories: restic, borg, pgBackRest, barman and a bucket. Goal: what
// each tool made is seen as a person sees it, and what breaks (a wrong key, a repository that is
// gone, a stanza that is damaged) is unknown, whatever the tool's exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/http_client.h"
#include "common/process.h"
#include "common/s3.h"
#include "exporter/collectors/wal_archive.h"
#include "exporter/collectors/watch.h"
#include "tests/support/child.h"
#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/postgres_server.h"
#include "tests/support/radosgw.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class WatchRealTest : public testing::Test {
 protected:
  // Runs a program to its end; what it printed.
  std::string Run(std::vector<std::string> argv, std::map<std::string, std::string> more = {}) {
    more.emplace("HOME", dir_.path());
    const auto ended = RunProcess({.argv = argv, .environment = more, .timeout = Millis(120'000)});
    EXPECT_TRUE(ended && ended->succeeded())
        << argv[0] << ": " << (ended ? ended->Describe() + ended->output : ended.error().message);
    return ended ? ended->output : "";
  }
  Result<std::vector<MetricFamily>> Look(const std::string& yaml) {
    const auto [configs, complaints] =
        ReadText("watch: [" + yaml + "]\n",
                 [](yaml::Mapping& exporter) { return ReadWatchConfigs(exporter, {}); });
    EXPECT_EQ(complaints, "");
    WatchTool tool = std::get<WatchTool>(configs.at(0).what);
    tool.environment.emplace("HOME", dir_.path());
    WatchCollector collector(WatchToolOf(tool), configs[0]);
    const Moment now = clock_.Now();
    return collector.Collect({now, now.boot + std::chrono::seconds(120)});
  }
  static double Value(const Result<std::vector<MetricFamily>>& families, const std::string& name) {
    EXPECT_TRUE(families) << (families ? "" : families.error().message);
    for (const MetricFamily& family : families ? *families : std::vector<MetricFamily>{}) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }
  // A good one that was made just now.
  void ExpectFresh(const Result<std::vector<MetricFamily>>& families, double backups) {
    EXPECT_EQ(Value(families, "fettle_watch_backups"), backups);
    const double now = ToSeconds(clock_.Now().wall);
    EXPECT_NEAR(Value(families, "fettle_watch_newest_timestamp_seconds"), now, 300);
  }

  const SystemClock clock_;
  TempDir dir_;
};

TEST_F(WatchRealTest, ResticsSnapshotsAndAWrongPassword) {
  const std::string repository = dir_ / "repo";
  dir_.Write("data/file", "content");
  const std::map<std::string, std::string> environment = {{"RESTIC_REPOSITORY", repository},
                                                          {"RESTIC_PASSWORD", "right"}};
  const auto yaml = [&](const std::string& password, const std::string& more = "") {
    return "{name: r, restic: {repository: \"" + repository + "\", password: " + password + more +
           "}}";
  };
  Run({"restic", "init", "--no-cache"}, environment);
  EXPECT_EQ(Value(Look(yaml("right")), "fettle_watch_backups"), 0);
  Run({"restic", "backup", "--no-cache", "--host=one", dir_ / "data"}, environment);
  Run({"restic", "backup", "--no-cache", "--host=two", dir_ / "data"}, environment);
  ExpectFresh(Look(yaml("right")), 2);
  ExpectFresh(Look(yaml("right", ", host: two")), 1);
  const auto wrong = Look(yaml("hunter22"));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().message, Not(HasSubstr("hunter22")));
  std::filesystem::rename(repository, repository + ".gone");
  EXPECT_FALSE(Look(yaml("right")).has_value());
}

TEST_F(WatchRealTest, BorgsArchivesAndARepositoryThatIsGone) {
  const std::string repository = dir_ / "repo";
  dir_.Write("data/file", "content");
  const std::map<std::string, std::string> environment = {{"BORG_REPO", repository},
                                                          {"BORG_PASSPHRASE", "right"}};
  const auto yaml = [&](const std::string& passphrase, const std::string& more = "") {
    return "{name: b, borg: {repository: \"" + repository + "\", passphrase: " + passphrase + more +
           "}}";
  };
  Run({"borg", "init", "--encryption=repokey"}, environment);
  EXPECT_EQ(Value(Look(yaml("right")), "fettle_watch_backups"), 0);
  Run({"borg", "create", "::home-1", dir_ / "data"}, environment);
  Run({"borg", "create", "::other-1", dir_ / "data"}, environment);
  ExpectFresh(Look(yaml("right")), 2);
  ExpectFresh(Look(yaml("right", ", archives: \"home-*\"")), 1);
  EXPECT_FALSE(Look(yaml("wrong")).has_value());
  std::filesystem::rename(repository, repository + ".gone");
  EXPECT_FALSE(Look(yaml("right")).has_value());
}

// What the archive collector says of a repository.
std::vector<std::string> ShowArchive(const PostgresServer& server, const std::string& directory,
                                     WalLayout layout) {
  RecordedLog log;
  PostgresConnection connection{Secret::FromText(server.Dsn())};
  WalArchiveCollector collector(
      {.connect = ConnectTo(connection), .files = WalFilesIn(directory), .log = log.For("wal")},
      {.target = "db", .layout = layout, .stanza = "main"});
  const auto families = collector.Collect({});
  return families ? LinesOf(*families) : std::vector<std::string>{families.error().message};
}

TEST_F(WatchRealTest, PgbackrestsBackupsItsArchiveAndADamagedStanza) {
  const std::string config = dir_ / "pgbackrest.conf";
  const std::string repository = dir_ / "repo";
  for (const char* name : {"repo", "log", "lock", "spool"}) {
    std::filesystem::create_directory(dir_ / name);
    GiveTo(dir_ / name, "postgres");
  }
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  const std::string push = "pgbackrest --config=" + config + " --stanza=main archive-push %p";
  const auto server = PostgresServer::Start(
      {.settings = {{"archive_mode", "on"}, {"archive_command", push}, {"wal_level", "replica"}}});
  dir_.Write("pgbackrest.conf",
             fmt::format("[global]\nrepo1-path={}\nlog-path={}\nlock-path={}\nspool-path={}\n"
                         "log-level-console=warn\nlog-level-file=off\nstart-fast=y\n"
                         "archive-timeout=60\n[main]\npg1-path={}\npg1-socket-path={}\n"
                         "pg1-port={}\npg1-user=postgres\n",
                         repository, dir_ / "log", dir_ / "lock", dir_ / "spool",
                         server->data_dir(), server->socket_dir(), server->port()));
  const std::string yaml = "{name: p, pgbackrest: {stanza: main, config_file: \"" + config + "\"}}";
  const auto tool = [&](const std::string& word) {
    const std::vector<std::string> argv = {"pgbackrest", "--config=" + config, "--stanza=main",
                                           word};
    EXPECT_EQ(Child::Run({.argv = argv, .log_file = dir_ / "tool.log", .user = "postgres"}), 0)
        << word << ": " << dir_.Read("tool.log");
  };
  EXPECT_FALSE(Look(yaml).has_value()) << "the stanza is not there yet";
  tool("stanza-create");
  EXPECT_EQ(Value(Look(yaml), "fettle_watch_backups"), 0);
  tool("backup");
  const auto found = Look(yaml);
  ExpectFresh(found, 1);
  EXPECT_GT(Value(found, "fettle_watch_newest_bytes"), 1'000'000);
  server->Execute("select pg_switch_wal()");
  EXPECT_TRUE(WaitUntil([&] {
    const auto lines = ShowArchive(*server, repository, WalLayout::kPgbackrest);
    return testing::Value(lines, Contains("fettle_wal_archive_base_backups{target=\"db\"} 1")) &&
           testing::Value(lines, Contains("fettle_wal_archive_lag_segments{target=\"db\"} 0")) &&
           testing::Value(lines, Contains("fettle_wal_archive_gaps{target=\"db\"} 0")) &&
           testing::Value(lines, Contains(HasSubstr("fettle_pitr_latest")));
  })) << testing::PrintToString(ShowArchive(*server, repository, WalLayout::kPgbackrest));
  // The tool ends with 0 all the same.
  std::filesystem::rename(repository + "/backup/main", repository + "/backup/main.gone");
  EXPECT_FALSE(Look(yaml).has_value());
}

TEST_F(WatchRealTest, BarmansBackupsAndItsArchive) {
  const auto server =
      PostgresServer::Start({.settings = {{"wal_level", "replica"}, {"max_wal_senders", "8"}}});
  const std::string config = dir_ / "barman.conf";
  std::filesystem::create_directory(dir_ / "home");
  dir_.Write("barman.conf",
             fmt::format("[barman]\nbarman_user = {}\nbarman_home = {}\nlog_file = {}\n"
                         "log_level = INFO\n[main]\ndescription = main\nconninfo = {}\n"
                         "streaming_conninfo = {}\nbackup_method = postgres\n"
                         "streaming_archiver = on\nslot_name = barman\ncreate_slot = auto\n"
                         "path_prefix = {}\n",
                         geteuid() == 0 ? "root" : getenv("USER"), dir_ / "home", dir_ / "log",
                         server->Dsn(), server->Dsn(), PostgresServer::BinDir()));
  const std::string yaml = "{name: b, barman: {server: main, config_file: \"" + config + "\"}}";
  const auto barman = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"barman", "--config", config});
    return Run(std::move(words));
  };
  EXPECT_EQ(Value(Look(yaml), "fettle_watch_backups"), 0);
  barman({"receive-wal", "--create-slot", "main"});
  const auto receiver = Child::Start({.argv = {"barman", "--config", config, "receive-wal", "main"},
                                      .environment = {{"HOME", dir_.path()}},
                                      .log_file = dir_ / "receive.log"});
  // A segment must have come before barman believes its archive.
  ASSERT_TRUE(WaitUntil(
      [&] {
        server->Execute(
            "create table if not exists t (i int); insert into t values (1); "
            "select pg_switch_wal()");
        const auto ended =
            RunProcess({.argv = {"barman", "--config", config, "archive-wal", "main"},
                        .environment = {{"HOME", dir_.path()}}});
        const auto lines = ShowArchive(*server, dir_ / "home/main", WalLayout::kBarman);
        return ended && testing::Value(lines, Contains(HasSubstr("newest_segment")));
      },
      std::chrono::seconds(60)))
      << dir_.Read("receive.log");
  barman({"backup", "--wait", "--immediate-checkpoint", "main"});
  const auto found = Look(yaml);
  ExpectFresh(found, 1);
  EXPECT_GT(Value(found, "fettle_watch_newest_bytes"), 1'000'000);
  const auto lines = ShowArchive(*server, dir_ / "home/main", WalLayout::kBarman);
  EXPECT_THAT(lines, Contains("fettle_wal_archive_base_backups{target=\"db\"} 1"));
  EXPECT_THAT(lines, Contains("fettle_wal_archive_gaps{target=\"db\"} 0"));
  EXPECT_THAT(lines, Contains(HasSubstr("fettle_pitr_earliest")));
  // barman ends with 1 for a server it does not know.
  EXPECT_FALSE(Look("{name: x, barman: {server: other, config_file: \"" + config + "\"}}"));
}

TEST_F(WatchRealTest, ObjectsOfABucketAndABucketThatIsGone) {
  Radosgw& s3 = Radosgw::Shared();
  const std::string bucket = s3.CreateBucket();
  HttpClient transport;
  SeededRandom random;
  Metrics metrics;
  RecordedLog log;
  S3 client({.transport = transport,
             .clock = clock_,
             .random = random,
             .metrics = metrics,
             .log = log.For("s3")},
            "main", s3.Connection());
  for (const char* key : {"pg/a.pgc", "pg/b.pgc", "pg/notes.txt", "html/c.pgc"}) {
    ASSERT_TRUE(client.Put(bucket, key, "12345", {}));
  }
  const auto look = [&](const std::string& in) {
    WatchObjects objects{.connection_name = "main",
                         .connection = s3.Connection(),
                         .bucket = in,
                         .prefix = "pg/",
                         .suffix = ".pgc"};
    WatchCollector collector(
        WatchObjectsOf({transport, clock_, random, metrics, log.For("watch")}, objects),
        {.name = "o", .what = objects});
    const Moment now = clock_.Now();
    return collector.Collect({now, now.boot + std::chrono::seconds(60)});
  };
  const auto found = look(bucket);
  EXPECT_EQ(Value(found, "fettle_watch_files"), 2);
  EXPECT_EQ(Value(found, "fettle_watch_bytes"), 10);
  EXPECT_NEAR(Value(found, "fettle_watch_newest_timestamp_seconds"), ToSeconds(clock_.Now().wall),
              300);
  const auto gone = look("no-such-bucket");
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().cause, Cause::kNotFound);
}

}  // namespace
}  // namespace fettle::exporter

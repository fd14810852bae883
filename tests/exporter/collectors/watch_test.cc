// Watched files, tools and their configuration. Goal: the newest is the newest good one, none is 0
// and no age, what cannot be looked at is not empty, and nothing stays green once it cannot be
// seen.
#include "exporter/collectors/watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace fettle::exporter {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::int64_t kNow = 1'767'225'600;

CollectContext At(std::int64_t seconds = kNow) {
  const ManualClock clock(TimeFromMillis(seconds * 1'000));
  return {clock.Now(), clock.Now().boot + std::chrono::seconds(20)};
}

// A watcher that finds what the test says.
class ScriptedWatcher final : public Watcher {
 public:
  explicit ScriptedWatcher(Result<FoundBackups>* next) : next_(next) {}
  Result<FoundBackups> Look(const CollectContext&) override { return *next_; }

 private:
  Result<FoundBackups>* next_;
};

class WatchTest : public testing::Test {
 protected:
  void File(const std::string& name, std::size_t bytes, std::int64_t modified) {
    const std::string path = dir_.Write(name, std::string(bytes, 'x'));
    const timespec times[2] = {{modified, 0}, {modified, 500'000'000}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  Result<std::vector<MetricFamily>> Collect(const std::string& pattern,
                                            std::int64_t min_bytes = 0) {
    WatchCollector collector(
        WatchFilesOf({dir_ / pattern}),
        {.name = "home", .what = WatchFiles{dir_ / pattern}, .min_bytes = min_bytes});
    return collector.Collect(At());
  }
  // Of a tool that lists these backups.
  std::vector<std::string> Shown(FoundBackups found) {
    next_ = std::move(found);
    return LinesOf(*tool_.Collect(At()));
  }

  TempDir dir_;
  Result<FoundBackups> next_ = FoundBackups{};
  WatchCollector tool_{std::make_unique<ScriptedWatcher>(&next_),
                       {.name = "nas", .what = WatchTool{}, .every = Millis(3'600'000)}};
};

std::vector<std::string> Without(std::vector<std::string> lines) {
  std::erase_if(lines, [](const std::string& line) {
    return line.find("_info{") != line.npos || line.find("_expected_") != line.npos ||
           line.find("_grace_") != line.npos || line.find("_bad_backups{") != line.npos;
  });
  return lines;
}

TEST_F(WatchTest, ShowsTheNewestByTimeNotByName) {
  File("b-new.tar.zst", 10, 2'000);
  File("z-old.tar.zst", 500, 1'000);
  File("m-mid.tar.zst", 7, 1'500);
  File("other.txt", 9'999, 9'000);
  EXPECT_THAT(
      Without(LinesOf(*Collect("*.tar.zst"))),
      ElementsAre("fettle_watch_bytes{name=\"home\"} 517", "fettle_watch_files{name=\"home\"} 3",
                  "fettle_watch_newest_bytes{name=\"home\"} 10",
                  "fettle_watch_newest_timestamp_seconds{name=\"home\"} 2000.5",
                  "fettle_watch_oldest_timestamp_seconds{name=\"home\"} 1000.5"));
}

TEST_F(WatchTest, LooksIntoSubdirectoriesButCountsFilesOnly) {
  File("a/dump.sql", 1, 10);
  File("b/dump.sql", 2, 20);
  File("c.sql/inner", 4, 30);
  EXPECT_THAT(LinesOf(*Collect("*/dump.sql"), "fettle_watch_files"),
              ElementsAre("fettle_watch_files{name=\"home\"} 2"));
  EXPECT_THAT(LinesOf(*Collect("*.sql"), "fettle_watch_files"),
              ElementsAre("fettle_watch_files{name=\"home\"} 0"));
}

TEST_F(WatchTest, NoFileIsZeroAndNoTimestamp) {
  EXPECT_THAT(
      Without(LinesOf(*Collect("*.zst"))),
      ElementsAre("fettle_watch_bytes{name=\"home\"} 0", "fettle_watch_files{name=\"home\"} 0"));
}

TEST_F(WatchTest, ADirectoryThatIsNotThereIsNotAnEmptyOne) {
  const auto families = Collect("mount/*.zst");
  ASSERT_FALSE(families.has_value());
  EXPECT_EQ(families.error().cause, Cause::kNotFound);
  EXPECT_THAT(families.error().message, HasSubstr("No such file or directory"));
}

TEST_F(WatchTest, AFileThatIsTooSmallOrOfTheFutureIsNoBackup) {
  File("good.zst", 500, kNow - 90'000);
  File("empty.zst", 0, kNow - 60);
  File("future.zst", 500, kNow + 86'400);
  EXPECT_THAT(
      LinesOf(*Collect("*.zst", 100)),
      AllOf(Contains("fettle_watch_newest_timestamp_seconds{name=\"home\"} 1767135600.5"),
            Contains("fettle_watch_bad_backups{name=\"home\"} 2"),
            Contains("fettle_watch_newest_bad_timestamp_seconds{name=\"home\"} 1767225540.5"),
            Contains("fettle_watch_files{name=\"home\"} 3")));
}

TEST_F(WatchTest, AToolsBackupsAreCountedAndItsFailedOnesAreNotTheNewest) {
  EXPECT_THAT(Shown({.backups = {{.at = 1'000, .bytes = 10},
                                 {.at = 3'000, .bytes = 7, .good = false},
                                 {.at = 2'000, .bytes = 20}}}),
              ElementsAre("fettle_watch_backups{name=\"nas\"} 2",
                          "fettle_watch_bad_backups{name=\"nas\"} 1",
                          "fettle_watch_expected_interval_seconds{name=\"nas\"} 3600",
                          "fettle_watch_grace_seconds{name=\"nas\"} 7200",
                          "fettle_watch_info{kind=\"restic\", name=\"nas\"} 1",
                          "fettle_watch_newest_bad_timestamp_seconds{name=\"nas\"} 3000",
                          "fettle_watch_newest_bytes{name=\"nas\"} 20",
                          "fettle_watch_newest_timestamp_seconds{name=\"nas\"} 2000",
                          "fettle_watch_oldest_timestamp_seconds{name=\"nas\"} 1000"));
}

TEST_F(WatchTest, TheRepositoryThatLagsMostCounts) {
  const FoundBackups two{.backups = {{.at = 9'000, .bytes = {}, .repository = "1"},
                                     {.at = 5'000, .bytes = {}, .repository = "2"}},
                         .repositories = {"1", "2"}};
  EXPECT_THAT(Shown(two), Contains("fettle_watch_newest_timestamp_seconds{name=\"nas\"} 5000"));
  FoundBackups empty = two;
  empty.repositories.insert("3");
  EXPECT_THAT(Shown(empty), Not(Contains(HasSubstr("_newest_timestamp_"))));
}

// What a tool's exporter keeps showing when the tool fails. Here all of it is gone but the
// configuration, so that a rule can tell that something is expected and unknown.
TEST_F(WatchTest, NothingIsShownOfAToolThatFailed) {
  EXPECT_THAT(Shown({.backups = {{.at = 1'000, .bytes = {}}}}),
              Contains("fettle_watch_newest_timestamp_seconds{name=\"nas\"} 1000"));
  next_ = Fail(Cause::kUnavailable, "the repository is gone");
  EXPECT_FALSE(tool_.Collect(At()).has_value());
  EXPECT_THAT(LinesOf(tool_.WhenDown()),
              ElementsAre("fettle_watch_expected_interval_seconds{name=\"nas\"} 3600",
                          "fettle_watch_grace_seconds{name=\"nas\"} 7200",
                          "fettle_watch_info{kind=\"restic\", name=\"nas\"} 1"));
}

class WatchToolTest : public testing::Test {
 protected:
  // A program of our own in a tool's place.
  Result<FoundBackups> Look(const std::string& script, std::map<std::string, Secret> secrets = {}) {
    const std::string path = dir_.Write("tool", "#!/bin/sh\n" + script);
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    return WatchToolOf({.tool = BackupTool::kRestic, .argv = {path}, .secrets = std::move(secrets)})
        ->Look(At());
  }
  TempDir dir_;
};

TEST_F(WatchToolTest, ItsExitCodeIsBelievedBeforeWhatItPrinted) {
  const auto found = Look("echo '[]'; echo 'repository is locked' >&2; exit 11");
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error().message, AllOf(HasSubstr("exit status 11"), HasSubstr("is locked")));
}

TEST_F(WatchToolTest, WhatItPrintsMustBeAList) {
  EXPECT_FALSE(Look("echo 'no snapshots found'").has_value());
  EXPECT_FALSE(Look("true").has_value());
  EXPECT_FALSE(Look("echo '{}'").has_value());
  EXPECT_THAT(Look("echo '[]'")->backups, IsEmpty());
}

TEST_F(WatchToolTest, ItGetsItsSecretsAndTheyAreNotRepeated) {
  const auto found = Look("echo \"wrong password $RESTIC_PASSWORD\" >&2; exit 1",
                          {{"RESTIC_PASSWORD", Secret::FromText("hunter22")}});
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error().message,
              AllOf(HasSubstr("wrong password <secret>"), Not(HasSubstr("hunter22"))));
}

TEST_F(WatchToolTest, AToolThatHangsEndsAtItsDeadline) {
  const std::string path = dir_.Write("tool", "#!/bin/sh\nsleep 600\n");
  EXPECT_EQ(chmod(path.c_str(), 0755), 0);
  const ManualClock clock;
  const auto found = WatchToolOf({.argv = {path}})
                         ->Look({clock.Now(), clock.Now().boot + std::chrono::milliseconds(200)});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().cause, Cause::kTimeout);
}

TEST_F(WatchToolTest, AProgramThatIsNotThereIsNamed) {
  const auto found = WatchToolOf({.argv = {"/nowhere/restic"}})->Look(At());
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().cause, Cause::kNotFound);
}

class WatchConfigTest : public testing::Test {
 protected:
  static auto Read(const std::string& text) {
    Connections connections;
    connections.s3["main"].endpoint = "http://minio:9000";
    return ReadText(
        text, [&](yaml::Mapping& exporter) { return ReadWatchConfigs(exporter, connections); });
  }
};

TEST_F(WatchConfigTest, EveryKindIsRead) {
  const auto [configs, complaints] = Read(R"(watch:
- {name: logs, files: {glob: "/backups/*.tar.zst"}, interval: 5m, every: 7d, grace: 1d, min_bytes: 1KiB}
- {name: dumps, s3: {connection: main, bucket: b, prefix: pg/, suffix: .pgc}}
- {name: home, restic: {repository: /r, password: p, host: h, cache_dir: /c, environment: {A: b}}}
- {name: nas, borg: {repository_file: /f, passphrase: p, archives: "home-*"}}
- {name: pg, pgbackrest: {stanza: main, config_file: /etc/p.conf, repository: 2}}
- {name: bm, barman: {server: main, config_file: /etc/b.conf, program: /opt/barman}}
- {name: wg, wal_g: {config_file: /etc/walg.json, environment_files: {AWS_SECRET_ACCESS_KEY: /s}}}
- {name: cron, ping: {}, every: 1h, grace: 5m}
)");
  EXPECT_EQ(complaints, "");
  ASSERT_EQ(configs.size(), 8U);
  EXPECT_EQ(configs[0].interval, Millis(300'000));
  EXPECT_EQ(configs[0].every, Millis(7 * 86'400'000));
  EXPECT_EQ(configs[0].min_bytes, 1'024);
  const auto tool = [&configs = configs](std::size_t i) {
    return std::get<WatchTool>(configs[i].what);
  };
  EXPECT_THAT(tool(2).argv, ElementsAre("restic", "snapshots", "--json", "--no-lock",
                                        "--cache-dir=/c", "--host=h"));
  EXPECT_EQ(tool(2).environment.at("A"), "b");
  EXPECT_THAT(tool(3).argv,
              ElementsAre("borg", "list", "--json", "--bypass-lock", "--glob-archives=home-*"));
  EXPECT_THAT(tool(4).argv,
              ElementsAre("pgbackrest", "--config=/etc/p.conf", "--repo=2", "--stanza=main",
                          "--output=json", "--log-level-console=off", "info"));
  EXPECT_THAT(tool(5).argv, ElementsAre("/opt/barman", "--config", "/etc/b.conf", "--format",
                                        "json", "list-backups", "main"));
  EXPECT_THAT(tool(6).argv, ElementsAre("wal-g", "backup-list", "--detail", "--json", "--config",
                                        "/etc/walg.json"));
  std::vector<std::string> kinds;
  for (const WatchConfig& config : configs) kinds.emplace_back(KindOf(config));
  EXPECT_THAT(
      kinds, ElementsAre("files", "s3", "restic", "borg", "pgbackrest", "barman", "wal_g", "ping"));
}

TEST_F(WatchConfigTest, EveryMistakeIsNamed) {
  const std::string wrong = Read(R"(watch:
- {name: a, files: {glob: "*.zst"}, every: 0s}
- {name: a, files: {}}
- {name: b}
- {name: c, restic: {repository: /r}}
- {name: d, files: {glob: /x}, ping: {}}
- {name: e, s3: {connection: mian, bucket: b}}
- {name: f, barman: {server: --help}}
- {name: g, files: {glob: /x}, glob: y}
)")
                                .second;
  for (const char* text :
       {"glob must begin with /", "every must be longer than nothing", "\"a\" is watched twice",
        "\"glob\" is missing", "what is watched is missing: one of files, s3, restic",
        "\"password\" is missing", "files and ping are two things", "did you mean \"main\"?",
        "\"--help\" cannot be a name here", "unknown key \"glob\""}) {
    EXPECT_THAT(wrong, HasSubstr(text));
  }
}

}  // namespace
}  // namespace fettle::exporter

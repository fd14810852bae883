// Watched files. Goal: the newest is the newest by time, none is 0 and no age, and a directory that
// is not there is not an empty one.
#include "exporter/collectors/watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/temp_dir.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class WatchTest : public testing::Test {
 protected:
  void File(const std::string& name, std::size_t bytes, std::int64_t modified) {
    const std::string path = dir_.Write(name, std::string(bytes, 'x'));
    const timespec times[2] = {{modified, 0}, {modified, 500'000'000}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  Result<std::vector<MetricFamily>> Collect(const std::string& pattern) {
    WatchCollector collector({.name = "home", .glob = dir_ / pattern});
    return collector.Collect({});
  }
  TempDir dir_;
};

TEST_F(WatchTest, ShowsTheNewestByTimeNotByName) {
  File("b-new.tar.zst", 10, 2'000);
  File("z-old.tar.zst", 500, 1'000);
  File("m-mid.tar.zst", 7, 1'500);
  File("other.txt", 9'999, 9'000);
  EXPECT_THAT(
      LinesOf(*Collect("*.tar.zst")),
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
  EXPECT_THAT(LinesOf(*Collect("*.zst")), ElementsAre("fettle_watch_bytes{name=\"home\"} 0",
                                                      "fettle_watch_files{name=\"home\"} 0"));
}

TEST_F(WatchTest, ADirectoryThatIsNotThereIsNotAnEmptyOne) {
  const auto families = Collect("mount/*.zst");
  ASSERT_FALSE(families.has_value());
  EXPECT_EQ(families.error().cause, Cause::kNotFound);
  EXPECT_THAT(families.error().message, HasSubstr("No such file or directory"));
}

TEST_F(WatchTest, ReadsItsConfigurationAndComplains) {
  const auto [configs, complaints] =
      ReadText("watch: [{name: logs, files: {glob: \"/backups/*.tar.zst\"}, interval: 5m}]",
               [](yaml::Mapping& exporter) { return ReadWatchConfigs(exporter); });
  EXPECT_EQ(complaints, "");
  ASSERT_EQ(configs.size(), 1U);
  EXPECT_EQ(configs[0].name, "logs");
  EXPECT_EQ(configs[0].glob, "/backups/*.tar.zst");
  EXPECT_EQ(configs[0].interval, Millis(300'000));
  const std::string wrong =
      ReadText(
          "watch:\n- {name: a, files: {glob: \"*.zst\"}}\n- {name: a, files: {}}\n"
          "- {name: b}\n- {name: c, restic: {repository_file: /r}}\n- {files: {glob: /x}, glob: "
          "y}\n",
          [](yaml::Mapping& exporter) { return ReadWatchConfigs(exporter); })
          .second;
  EXPECT_THAT(wrong, HasSubstr("glob must begin with /"));
  EXPECT_THAT(wrong, HasSubstr("\"a\" is watched twice"));
  EXPECT_THAT(wrong, HasSubstr("\"glob\" is missing"));
  EXPECT_THAT(wrong, HasSubstr("\"files\" is missing"));
  EXPECT_THAT(wrong, HasSubstr("restic is not supported by this version"));
  EXPECT_THAT(wrong, HasSubstr("unknown key \"glob\""));
}

}  // namespace
}  // namespace fettle::exporter

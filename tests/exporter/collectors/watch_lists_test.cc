// What backup tools print, read. Goal: each tool's own answers give the backups a
// person would count, and whatever is not such an answer is an error, never an empty list.
#include "exporter/collectors/watch_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::exporter {
namespace {

using testing::HasSubstr;

struct Case {
  const char* name;
  BackupTool tool;
  const char* text;
  // "at:bytes" each, "!" before what is not good, "@repository" behind; or the error's words.
  const char* want;
};

const Case kCases[] = {
    {"restic of 0.14 says no size", BackupTool::kRestic,
     R"([{"time":"2026-01-02T03:04:05.123456789+01:00","tree":"t","paths":["/d"],"hostname":"h",
         "username":"u","id":"i","short_id":"s"}])",
     "1767319445.123"},
    {"restic of 0.17 does", BackupTool::kRestic,
     R"([{"time":"2026-01-02T02:04:05Z","summary":{"total_bytes_processed":77}}])",
     "1767319445:77"},
    {"restic with nothing", BackupTool::kRestic, "[]", ""},
    {"restic without a time", BackupTool::kRestic, "[{}]",
     "error: a backup in its list has no time"},
    {"borg, in UTC", BackupTool::kBorg,
     R"({"archives":[{"archive":"a","name":"a","start":"2026-01-02T02:04:05.000000",
         "time":"2026-01-02T02:04:05.000000"}],"repository":{"id":"x"}})",
     "1767319445"},
    {"borg without its list", BackupTool::kBorg, "{}", "error: its answer holds no list"},
    {"pgBackRest", BackupTool::kPgbackrest,
     R"([{"name":"other"},{"name":"main","status":{"code":0,"message":"ok"},
         "repo":[{"key":1,"status":{"code":0}},{"key":2,"status":{"code":2}}],"backup":[
         {"error":false,"database":{"id":1,"repo-key":1},"info":{"size":5,"delta":1},
          "timestamp":{"start":1,"stop":100}},
         {"error":true,"database":{"id":1,"repo-key":1},"info":{"size":6},
          "timestamp":{"start":1,"stop":200}}]}])",
     "100:5@1 !200:6@1"},
    {"pgBackRest ends with 0 and cannot reach the repository", BackupTool::kPgbackrest,
     R"([{"name":"main","status":{"code":99,"message":"other"},"repo":[{"key":1,"status":
         {"code":99,"message":"[FileOpenError] unable to open"}}],"backup":[]}])",
     "error: repository 1 is not well: [FileOpenError] unable to open (code 99)"},
    {"pgBackRest of a stanza whose data is gone", BackupTool::kPgbackrest,
     R"([{"name":"main","status":{"code":1,"message":"missing stanza path"},"backup":[]}])",
     "error: stanza main is not well: missing stanza path (code 1)"},
    {"pgBackRest that knows nothing", BackupTool::kPgbackrest, "[]", "error: it knows no stanza"},
    {"pgBackRest without a status", BackupTool::kPgbackrest, R"([{"name":"main","backup":[]}])",
     "error: stanza main is not well"},
    {"barman", BackupTool::kBarman,
     R"({"main":[{"backup_id":"c","status":"STARTED"},
         {"backup_id":"b","status":"WAITING_FOR_WALS","end_time_timestamp":"300"},
         {"backup_id":"a","status":"DONE","end_time_timestamp":"200","size_bytes":9},
         {"backup_id":"z","status":"FAILED"}]})",
     "200:9 !0"},
    {"barman of another server", BackupTool::kBarman, R"({"other":[]})", "error: its answer holds"},
    {"barman's time is no time", BackupTool::kBarman,
     R"({"main":[{"status":"DONE","end_time_timestamp":"soon"}]})", "error: a backup in its list"},
    {"WAL-G in detail", BackupTool::kWalg,
     R"([{"backup_name":"base_000000010000000000000004","time":"2026-01-02T02:04:06Z",
         "wal_file_name":"000000010000000000000004","finish_time":"2026-01-02T02:04:05.5Z",
         "uncompressed_size":30,"compressed_size":3}])",
     "1767319445.5:30"},
    {"WAL-G without details", BackupTool::kWalg,
     R"([{"backup_name":"b","time":"2026-01-02T02:04:05Z","finish_time":"0001-01-01T00:00:00Z"}])",
     "1767319445"},
    {"WAL-G with no backup prints nothing", BackupTool::kWalg, "\n", ""},
    {"WAL-G with no backup prints null", BackupTool::kWalg, "null", ""},
    {"WAL-G without any time", BackupTool::kWalg, R"([{"backup_name":"b"}])", "error: a backup"},
    {"half an answer", BackupTool::kRestic, R"([{"time":"2026-01-02T02:04:05Z"},)",
     "error: reading"},
};

std::string Written(const Result<FoundBackups>& found) {
  if (!found) return "error: " + found.error().message;
  std::string text;
  for (const FoundBackup& backup : found->backups) {
    text += fmt::format("{}{}{}{}{}{}", text.empty() ? "" : " ", backup.good ? "" : "!", backup.at,
                        backup.bytes ? fmt::format(":{}", *backup.bytes) : "",
                        backup.repository.empty() ? "" : "@", backup.repository);
  }
  return text;
}

TEST(WatchListsTest, EachToolsAnswerIsReadAsAPersonWould) {
  for (const Case& one : kCases) {
    const std::string got = Written(ReadToolList(one.tool, one.text, "main"));
    if (std::string_view(one.want).starts_with("error")) {
      EXPECT_THAT(got, testing::StartsWith(one.want)) << one.name;
    } else {
      EXPECT_EQ(got, one.want) << one.name;
    }
  }
}

TEST(WatchListsTest, TheRepositoriesAreThereEvenIfOneIsEmpty) {
  const auto found = ReadPgbackrestInfo(kCases[6].text, "main");
  ASSERT_TRUE(found.has_value());
  EXPECT_THAT(found->repositories, testing::ElementsAre("1", "2"));
}

}  // namespace
}  // namespace fettle::exporter

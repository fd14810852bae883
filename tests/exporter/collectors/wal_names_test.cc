// Names in archives of the write-ahead log, histories, and what base backups say of themselves.
#include "exporter/collectors/wal_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/digest.h"

namespace fettle::exporter {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

std::string Shown(std::string_view file) {
  const auto name = ParseWalName(file);
  if (!name) return "";
  const char* kinds[] = {"segment", "partial", "history", "backup"};
  return fmt::format("{} {} {}", kinds[static_cast<int>(name->kind)], name->timeline,
                     name->Number(16 * kMiB));
}

TEST(WalNamesTest, EachArchiversNamesAreRead) {
  const std::pair<const char*, const char*> cases[] = {
      {"000000010000000000000003", "segment 1 3"},
      {"0000000A0000000200000001", "segment 10 513"},
      {"000000010000000000000003.gz", "segment 1 3"},
      {"000000010000000000000003.lz4", "segment 1 3"},
      {"000000010000000000000003.zst", "segment 1 3"},
      {"000000010000000000000003-0123456789abcdef0123456789abcdef01234567", "segment 1 3"},
      {"000000010000000000000003-0123456789abcdef0123456789abcdef01234567.zst", "segment 1 3"},
      {"000000010000000000000003.partial", "partial 1 3"},
      {"000000010000000000000003.partial.gz", "partial 1 3"},
      {"000000010000000000000003.00000028.backup", "backup 1 3"},
      {"00000002.history", "history 2 0"},
      {"00000002.history.lz4", "history 2 0"},
      {"000000010000000000000003.tmp", ""},
      {"000000010000000000000003.00000028.backup2", ""},
      {"00000000000000000000000A", ""},
      {"00000001000000000000000g", ""},
      {"00000001000000000000000a", ""},
      {"0000000100000000", ""},
      {"archive.info", ""},
      {"", ""},
  };
  for (const auto& [file, want] : cases) EXPECT_EQ(Shown(file), want) << file;
}

TEST(WalNamesTest, NumbersGoOverFromLogToLogAtEverySegmentSize) {
  for (const std::uint64_t bytes : {kMiB, 16 * kMiB, 64 * kMiB, 1024 * kMiB}) {
    for (const std::uint64_t number :
         {0ULL, 1ULL, 3ULL, 4ULL, 255ULL, 256ULL, 4095ULL, 4096ULL, 99999ULL}) {
      const std::string file = WalFileName(7, number, bytes);
      ASSERT_TRUE(ParseWalName(file)) << file;
      EXPECT_EQ(ParseWalName(file)->Number(bytes), number) << file;
    }
  }
  EXPECT_EQ(WalFileName(1, 256, 16 * kMiB), "000000010000000100000000");
}

TEST(WalNamesTest, PositionsAreReadAndWritten) {
  EXPECT_EQ(ParseLsn("16/B374D848"), 0x16B374D848ULL);
  EXPECT_EQ(FormatLsn(0x16B374D848ULL), "16/B374D848");
  for (const char* text : {"", "16", "/", "16/", "x/1", "1/2 ", "100000000/0"}) {
    EXPECT_FALSE(ParseLsn(text)) << text;
  }
}

TEST(WalNamesTest, AHistoryIsReadAndADoubtfulOneRefused) {
  const auto history = ParseHistory(
      "1\t0/3000060\tno recovery target specified\n\n# a word\n2\t0/5000000\tbefore 2026-01-01\n");
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ((*history)[1].timeline, 2U);
  EXPECT_EQ((*history)[1].switch_lsn, 0x5000000ULL);
  for (const char* text : {"1", "one\t0/1\tx", "1\t0-1\tx", "2\t0/1\tx\n1\t0/2\tx\n",
                           "1\t0/9\tx\n2\t0/2\tx\n", "0\t0/1\tx", "1 "}) {
    EXPECT_FALSE(ParseHistory(text)) << text;
  }
}

TEST(WalNamesTest, WalgsSentinelsSayWhereABackupBegan) {
  const auto full = ParseWalgSentinel("base_000000010000000000000004_backup_stop_sentinel.json");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->Number(16 * kMiB), 4U);
  const auto delta = ParseWalgSentinel(
      "base_000000010000000000000006_D_000000010000000000000004_backup_stop_sentinel.json");
  ASSERT_TRUE(delta);
  EXPECT_EQ(delta->Number(16 * kMiB), 6U);
  EXPECT_FALSE(ParseWalgSentinel("base_000000010000000000000004/metadata.json"));
}

TEST(WalNamesTest, BarmanSaysWhereABackupBeganOnceItIsDone) {
  const auto base = ParseBarmanInfo(
      "backup_label=None\nbegin_wal=000000010000000000000004\nstatus=DONE\n"
      "end_time=2026-01-02 03:04:05.500000+01:00\n");
  ASSERT_TRUE(base) << base.error().message;
  ASSERT_TRUE(*base);
  EXPECT_EQ((*base)->begins.Number(16 * kMiB), 4U);
  EXPECT_EQ((*base)->ended, 1767319445.5);
  EXPECT_FALSE(ParseBarmanInfo("status=WAITING_FOR_WALS\n")->has_value());
  EXPECT_FALSE(ParseBarmanInfo("status=DONE\n"));
  EXPECT_FALSE(ParseBarmanInfo("nothing"));
}

TEST(WalNamesTest, PgbackrestsListLeavesOutItsFailedBackups) {
  const auto bases = ParsePgbackrestInfo(
      "[backrest]\nbackrest-format=5\n\n[backup:current]\n"
      "20260101-000000F={\"backup-archive-start\":\"000000010000000000000002\","
      "\"backup-error\":false,\"backup-timestamp-stop\":100}\n"
      "20260102-000000F={\"backup-archive-start\":\"000000010000000000000005\","
      "\"backup-error\":true,\"backup-timestamp-stop\":200}\n\n[db]\ndb-id=1\n");
  ASSERT_TRUE(bases) << bases.error().message;
  ASSERT_EQ(bases->size(), 1U);
  EXPECT_EQ((*bases)[0].ended, 100);
  EXPECT_FALSE(ParsePgbackrestInfo("[other]\n"));
  EXPECT_FALSE(ParsePgbackrestInfo("[backrest]\n[backup:current]\nx={\n"));
}

// "1\t0/3000060\tx\n" as gzip, zstd and lz4 write it.
TEST(WalNamesTest, WhatIsCompressedIsUnpackedByItsName) {
  const std::pair<const char*, const char*> cases[] = {
      {"00000002.history", "3109302f3330303030363009780a"},
      {"00000002.history.gz", "1f8b080000000000000333e434d0373600023303ce0a2e007b0733330e000000"},
      {"00000002.history.zst", "28b52ffd04587100003109302f3330303030363009780a217eb475"},
      {"00000002.history.lz4",
       "04224d186440a70e0000803109302f3330303030363009780a00000000b99dae09"},
  };
  for (const auto& [file, hex] : cases) {
    const auto text = Unpacked(file, FromHex(hex));
    ASSERT_TRUE(text) << file;
    EXPECT_EQ(*text, "1\t0/3000060\tx\n") << file;
    if (std::string_view(file).ends_with(".history")) continue;
    EXPECT_FALSE(Unpacked(file, FromHex(hex).substr(0, 12))) << file;
    EXPECT_FALSE(Unpacked(file, "nonsense")) << file;
  }
}

}  // namespace
}  // namespace fettle::exporter

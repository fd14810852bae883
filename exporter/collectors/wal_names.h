// The names that PostgreSQL and the archivers of its write-ahead log give to files, and timeline
// histories. Pure functions and values. Sources: access/xlog_internal.h, timeline.c, and the tools'
// own layouts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fettle::exporter {

enum class WalKind {
  kSegment,  // 24 hex digits: timeline, log, segment of the log
  kPartial,  // the beginning of one; it never counts
  kHistory,  // 8 hex digits and ".history"
  kBackup,   // SEGMENT.OFFSET.backup: a base backup began in that segment
};
struct WalName {
  WalKind kind = WalKind::kSegment;
  std::uint32_t timeline = 0;
  std::uint32_t log = 0;
  std::uint32_t segment = 0;  // of the log

  // From the beginning of time, whatever the timeline. `segment_bytes` is a power of two.
  std::uint64_t Number(std::uint64_t segment_bytes) const;
};
// A file's name without its directory; compressed (.gz .zst .lz4 .br .bz2 .lzo .xz), and as
// pgBackRest stores it (NAME-SHA1.EXT). nullopt for any other file.
std::optional<WalName> ParseWalName(std::string_view file);
// "000000010000000000000003".
std::string WalFileName(std::uint32_t timeline, std::uint64_t number, std::uint64_t segment_bytes);

// "16/B374D848" as bytes.
std::optional<std::uint64_t> ParseLsn(std::string_view text);
std::string FormatLsn(std::uint64_t lsn);

// WAL-G's base_SEGMENT…_backup_stop_sentinel.json: the segment in which the backup began.
std::optional<WalName> ParseWalgSentinel(std::string_view file);

// One line of a history file: the timeline was left where the next one begins.
struct WalAncestor {
  std::uint32_t timeline = 0;
  std::uint64_t switch_lsn = 0;
};
inline constexpr std::size_t kHistoryBytesMax = 1024 * 1024;
// Oldest first. Timelines and positions must ascend.
Result<std::vector<WalAncestor>> ParseHistory(std::string_view text);

// What a base backup's own description says: where its WAL begins, and when it ended.
struct WalBase {
  WalName begins;
  double ended = 0;  // seconds
};
// barman's backup.info; nullopt while it is not done.
Result<std::optional<WalBase>> ParseBarmanInfo(std::string_view text);
// pgBackRest's backup.info: all its good backups.
Result<std::vector<WalBase>> ParsePgbackrestInfo(std::string_view text);

// The content of a small file by its name's compression, up to kHistoryBytesMax.
Result<std::string> Unpacked(std::string_view file, std::string_view bytes);

}  // namespace fettle::exporter

// What backup tools say of their backups, as JSON. Pure functions over any text: what is not such a
// list is an error, never an empty one. Times are when a backup ended, or began where that is all
// the tool says. Read of restic 0.14, borg 1.2, pgBackRest 2.45, barman 3.4, WAL-G 3.
#pragma once

#include <string>
#include <string_view>

#include "exporter/collectors/watch.h"

namespace fettle::exporter {

inline constexpr std::size_t kListBytesMax = 64 * 1024 * 1024;

// restic snapshots --json
Result<FoundBackups> ReadResticSnapshots(std::string_view text);
// borg list --json, with TZ=UTC: its times have no zone
Result<FoundBackups> ReadBorgList(std::string_view text);
// pgbackrest info --output=json: one stanza, all its repositories. A stanza or repository that is
// not well is an error: the tool ends with 0 all the same.
Result<FoundBackups> ReadPgbackrestInfo(std::string_view text, const std::string& stanza);
// barman -f json list-backups SERVER
Result<FoundBackups> ReadBarmanList(std::string_view text, const std::string& server);
// wal-g backup-list --detail --json; nothing at all is what it prints if there are none
Result<FoundBackups> ReadWalgList(std::string_view text);

Result<FoundBackups> ReadToolList(BackupTool tool, std::string_view text,
                                  const std::string& subject);

}  // namespace fettle::exporter

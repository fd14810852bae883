#include "exporter/collectors/watch_lists.h"

#include <charconv>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::exporter {
namespace {

Result<Json> Parsed(std::string_view text) {
  Result<Json> json = Json::Parse(text, kListBytesMax);
  if (!json) return While("reading its list", json.error());
  return json;
}

Result<double> TimeIn(const Json& entry, std::string_view key, std::string_view zone = "") {
  const std::optional<std::string> text = entry[key].String();
  if (!text) return Fail(Cause::kInvalid, "a backup in its list has no {}", key);
  const Result<Time> time = ParseRfc3339(*text + std::string(zone));
  if (!time) return While(fmt::format("a backup's {} in its list", key), time.error());
  return ToSeconds(*time);
}

// An array of objects, each read by `read`; what is no backup yet reads as nullopt.
using Read = Result<std::optional<FoundBackup>>;
template <typename ReadOne>
Result<FoundBackups> EachOf(const Json& list, const ReadOne& read) {
  if (!list.IsArray()) return Fail(Cause::kInvalid, "its answer holds no list of backups");
  FoundBackups all;
  for (const Json& entry : list.Items()) {
    if (all.backups.size() == Watcher::kFoundMax) {
      return Fail(Cause::kLimit, "it lists more than {} backups", Watcher::kFoundMax);
    }
    if (!entry.IsObject()) return Fail(Cause::kInvalid, "its list holds what is no backup");
    Read found = read(entry);
    if (!found) return tl::unexpected(found.error());
    if (*found) all.backups.push_back(**std::move(found));
  }
  return all;
}

// pgBackRest's own words for a stanza or a repository: 0 is well, 2 is one without a backup.
Status Well(const Json& status, const std::string& what) {
  const std::int64_t code = status["code"].IntegerOr(-1);
  if (code == 0 || code == 2) return {};
  return Fail(code == 1 || code == 3 ? Cause::kNotFound : Cause::kUnavailable,
              "{} is not well: {} (code {})", what, status["message"].StringOr("no message"), code);
}

Read ReadPgbackrestBackup(const Json& entry) {
  const std::optional<double> stop = entry["timestamp"]["stop"].Number();
  if (!stop) return Fail(Cause::kInvalid, "a backup in its list has no end");
  return FoundBackup{.at = *stop,
                     .bytes = entry["info"]["size"].Number(),
                     .good = !entry["error"].BoolOr(false),
                     .repository = std::to_string(entry["database"]["repo-key"].IntegerOr(0))};
}

}  // namespace

Result<FoundBackups> ReadResticSnapshots(std::string_view text) {
  const Result<Json> json = Parsed(text);
  if (!json) return tl::unexpected(json.error());
  return EachOf(*json, [](const Json& entry) -> Read {
    const Result<double> at = TimeIn(entry, "time");
    if (!at) return tl::unexpected(at.error());
    // Since 0.17 a snapshot says what it holds.
    return FoundBackup{.at = *at, .bytes = entry["summary"]["total_bytes_processed"].Number()};
  });
}

Result<FoundBackups> ReadBorgList(std::string_view text) {
  const Result<Json> json = Parsed(text);
  if (!json) return tl::unexpected(json.error());
  return EachOf((*json)["archives"], [](const Json& entry) -> Read {
    const Result<double> at = TimeIn(entry, "time", "Z");
    if (!at) return tl::unexpected(at.error());
    return FoundBackup{.at = *at, .bytes = std::nullopt};
  });
}

Result<FoundBackups> ReadPgbackrestInfo(std::string_view text, const std::string& stanza) {
  const Result<Json> json = Parsed(text);
  if (!json) return tl::unexpected(json.error());
  for (const Json& entry : json->Items()) {
    if (entry["name"].StringOr("") != stanza) continue;
    std::set<std::string> repositories;
    for (const Json& repository : entry["repo"].Items()) {
      const std::string key = std::to_string(repository["key"].IntegerOr(0));
      if (Status well = Well(repository["status"], "repository " + key); !well) {
        return tl::unexpected(well.error());
      }
      repositories.insert(key);
    }
    if (Status well = Well(entry["status"], "stanza " + stanza); !well) {
      return tl::unexpected(well.error());
    }
    Result<FoundBackups> found = EachOf(entry["backup"], ReadPgbackrestBackup);
    if (found) found->repositories = std::move(repositories);
    return found;
  }
  return Fail(Cause::kNotFound, "it knows no stanza {}", stanza);
}

Result<FoundBackups> ReadBarmanList(std::string_view text, const std::string& server) {
  const Result<Json> json = Parsed(text);
  if (!json) return tl::unexpected(json.error());
  return EachOf((*json)[server], [](const Json& entry) -> Read {
    const std::string status = entry["status"].StringOr("");
    // Under way, or copied while its WAL is not: no backup yet, and no failure either.
    if (status != "DONE" && status != "FAILED") return std::nullopt;
    FoundBackup found{.bytes = entry["size_bytes"].Number(), .good = status == "DONE"};
    const std::string seconds = entry["end_time_timestamp"].StringOr("");
    const auto [end, error] =
        std::from_chars(seconds.data(), seconds.data() + seconds.size(), found.at);
    const bool read = error == std::errc{} && end == seconds.data() + seconds.size();
    if (found.good && !read) return Fail(Cause::kInvalid, "a backup in its list has no end");
    return found;
  });
}

Result<FoundBackups> ReadWalgList(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return FoundBackups{};
  const Result<Json> json = Parsed(text);
  if (!json) return tl::unexpected(json.error());
  if (json->IsNull()) return FoundBackups{};
  return EachOf(*json, [](const Json& entry) -> Read {
    FoundBackup found{.bytes = entry["uncompressed_size"].Number()};
    // Without its details, when the list's entry was written; older versions call it modified.
    for (const char* key : {"finish_time", "time", "modified"}) {
      if (!entry[key].exists()) continue;
      const Result<double> at = TimeIn(entry, key);
      if (!at) return tl::unexpected(at.error());
      found.at = *at;
      if (found.at > 0) return found;
    }
    return Fail(Cause::kInvalid, "a backup in its list has no end");
  });
}

Result<FoundBackups> ReadToolList(BackupTool tool, std::string_view text,
                                  const std::string& subject) {
  switch (tool) {
    case BackupTool::kRestic:
      return ReadResticSnapshots(text);
    case BackupTool::kBorg:
      return ReadBorgList(text);
    case BackupTool::kPgbackrest:
      return ReadPgbackrestInfo(text, subject);
    case BackupTool::kBarman:
      return ReadBarmanList(text, subject);
    case BackupTool::kWalg:
      return ReadWalgList(text);
  }
  return Fail("no such tool");
}

}  // namespace fettle::exporter

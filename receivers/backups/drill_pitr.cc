// A recovery to a moment: what of the archive it needs, which moment, and whether it came there.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "common/dial.h"
#include "common/duration.h"
#include "common/process.h"
#include "receivers/backups/drill.h"
#include "receivers/backups/producer.h"

namespace fettle::receivers::backups {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSegmentName = 24;
constexpr std::size_t kSegmentsMax = 100'000;
// How many segments are searched for a commit, the newest first.
constexpr int kSearchedMax = 64;
// A beat that comes late is no gap.
constexpr double kLateness = 2.5;

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789ABCDEF") == std::string_view::npos;
}

// A segment or a history without its compression, and with what it is unpacked; "" for other files.
struct Archived {
  std::string file;
  std::string unpacker;
};
Archived Known(std::string_view name) {
  Archived known;
  for (const auto& [ending, tool] :
       {std::pair(".gz", "gzip"), std::pair(".zst", "zstd"), std::pair(".lz4", "lz4")}) {
    if (!name.ends_with(ending)) continue;
    known.unpacker = tool;
    name.remove_suffix(std::string_view(ending).size());
  }
  const bool segment = name.size() == kSegmentName && IsHex(name);
  const bool history = name.size() == 16 && name.ends_with(".history") && IsHex(name.substr(0, 8));
  if (segment || history) known.file = name;
  return known;
}

// Where a base backup's log begins: "START WAL LOCATION: 0/2000028 (file
// 000000010000000000000002)".
Result<std::string> BeginsIn(const Scratch& scratch, const std::string& base_tar) {
  const Result<std::string> label =
      AskTool(scratch, {"tar", "--extract", "--to-stdout", "--file=" + base_tar, "backup_label"});
  if (!label) return tl::unexpected(label.error());
  const std::size_t at = label->find("(file ");
  const std::string file = at == std::string::npos ? "" : label->substr(at + 6, kSegmentName);
  if (file.size() != kSegmentName || !IsHex(file)) {
    return Fail(Cause::kInvalid, "the base backup does not say where its log begins");
  }
  return file;
}

Status FetchOne(Destination& wal, const std::string& key, const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return Fail(Cause::kUnavailable, "creating {} failed", path);
  bool wrote = true;
  const Status read = wal.Read(key, [&](std::string_view piece) {
    while (wrote && !piece.empty()) {
      const ssize_t n = ::write(fd.get(), piece.data(), piece.size());
      wrote = n > 0;
      if (wrote) piece.remove_prefix(static_cast<std::size_t>(n));
    }
    return wrote;
  });
  if (!wrote) return Fail(Cause::kLimit, "writing {} failed: the disk may be full", path);
  return read;
}

// The moments of commits in a segment, as pg_waldump shows them. Where it stops in the middle of a
// record it fails, and has shown what came before.
Result<std::set<std::string>> CommitsIn(const Scratch& scratch, const std::string& path) {
  const std::string bin = scratch.server_dir.empty() ? FindPostgres() : scratch.server_dir;
  std::vector<std::string> argv = scratch.as_user;
  argv.insert(argv.end(), {ProgramIn(bin, "pg_waldump"), "--rmgr=Transaction", path});
  const Result<ProcessResult> ran =
      RunProcess({.argv = std::move(argv),
                  .environment = {{"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}},
                  .timeout = scratch.timeout,
                  .output_bytes_max = 64 << 20,
                  .stop = scratch.stop});
  if (!ran) return Fail(Cause::kUnavailable, "{}", ran.error().message);
  std::set<std::string> commits;
  constexpr std::string_view kBefore = "desc: COMMIT ";
  constexpr std::size_t kMoment = std::string_view("2026-11-20 02:15:03.123456 UTC").size();
  for (std::size_t at = ran->output.find(kBefore); at != std::string::npos;
       at = ran->output.find(kBefore, at + 1)) {
    const std::string moment = ran->output.substr(at + kBefore.size(), kMoment);
    if (moment.size() == kMoment && moment.ends_with(" UTC")) commits.insert(moment);
  }
  return commits;
}

Result<double> SecondsOf(std::string moment) {
  moment[10] = 'T';
  moment.replace(moment.size() - 4, 4, "Z");
  const Result<Time> at = ParseRfc3339(moment);
  if (!at) return tl::unexpected(at.error());
  return ToSeconds(*at);
}

Result<double> AskNumber(ScratchServer& server, const PitrSpec& spec, const std::string& sql) {
  const Result<std::string> answer = server.Ask(spec.database, sql);
  if (!answer) return tl::unexpected(answer.error());
  double value = 0;
  const auto [end, error] = std::from_chars(answer->data(), answer->data() + answer->size(), value);
  if (error != std::errc{} || end != answer->data() + answer->size()) {
    return Fail(Cause::kInvalid, "no heartbeat came back");
  }
  return value;
}

}  // namespace

Result<Recovery> PrepareRecovery(Destination& wal, const Scratch& scratch, const PitrSpec& spec,
                                 const std::string& base_tar,
                                 const std::function<Status(const std::string&)>& give) {
  const Result<std::string> begins = BeginsIn(scratch, base_tar);
  if (!begins) return tl::unexpected(begins.error());
  const Result<std::vector<std::string>> keys = wal.List("");
  if (!keys) return tl::unexpected(keys.error());
  Recovery recovery{.wal_directory = scratch.directory + "/wal", .target = "", .role = spec.role};
  std::error_code failed;
  fs::create_directory(recovery.wal_directory, failed);
  if (Status given = give(recovery.wal_directory); !given) return tl::unexpected(given.error());
  // By log and segment, whatever the timeline.
  std::map<std::string, std::string> segments;
  for (const std::string& key : *keys) {
    const std::string name = key.substr(key.rfind('/') + 1);
    const Archived known = Known(name);
    if (known.file.empty()) continue;
    const bool segment = known.file.size() == kSegmentName;
    if (segment && known.file.substr(8) < begins->substr(8)) continue;
    if (segments.size() == kSegmentsMax) {
      return Fail(Cause::kLimit, "more than {} segments since the base backup", kSegmentsMax);
    }
    const std::string path = recovery.wal_directory + "/" + name;
    if (Status fetched = FetchOne(wal, key, path); !fetched) {
      return tl::unexpected(fetched.error());
    }
    if (Status given = give(path); !given) return tl::unexpected(given.error());
    if (!known.unpacker.empty()) {
      if (Status unpacked = RunTool(scratch, {known.unpacker, "-d", "-f", path}); !unpacked) {
        return tl::unexpected(unpacked.error());
      }
    }
    if (segment) {
      segments[known.file.substr(8) + known.file.substr(0, 8)] =
          recovery.wal_directory + "/" + known.file;
    }
  }
  std::set<std::string> commits;
  int searched = 0;
  for (auto at = segments.rbegin();
       at != segments.rend() && commits.size() < 2 && searched < kSearchedMax; ++at, ++searched) {
    Result<std::set<std::string>> more = CommitsIn(scratch, at->second);
    if (!more) return tl::unexpected(more.error());
    commits.merge(*more);
  }
  if (commits.size() < 2) {
    return Fail(
        "the archive's newest segments hold no two commits, so there is no moment to go to");
  }
  recovery.target = *std::prev(commits.end(), 2);
  return recovery;
}

Result<double> CheckHeartbeats(ScratchServer& server, const PitrSpec& spec, Time base_ended,
                               const std::string& target) {
  const Result<double> moment = SecondsOf(target);
  if (!moment) return tl::unexpected(moment.error());
  const Result<double> newest =
      AskNumber(server, spec, "select extract(epoch from max(at)) from " + spec.table);
  if (!newest) return tl::unexpected(newest.error());
  const double late = kLateness * ToSeconds(spec.every);
  if (*newest < *moment - late) {
    return Fail(Cause::kInvalid, "the newest heartbeat that came back is {:.0f} s older",
                *moment - *newest);
  }
  const Result<double> gap = AskNumber(
      server, spec,
      fmt::format("select coalesce(extract(epoch from max(gap)), 0) from (select at - lag(at) over "
                  "(order by at) as gap from {} where at >= to_timestamp({})) beats",
                  spec.table, ToSeconds(base_ended)));
  if (!gap) return tl::unexpected(gap.error());
  if (*gap > late) {
    return Fail(Cause::kInvalid, "heartbeats of {:.0f} s are missing after the base backup", *gap);
  }
  return *newest;
}

}  // namespace fettle::receivers::backups

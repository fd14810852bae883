#include "exporter/collectors/watch.h"

#include <algorithm>
#include <utility>

namespace fettle::exporter {
namespace {

struct Newest {
  std::optional<double> at;
  std::optional<double> bytes;
};

struct Tally {
  double good = 0;
  double bad = 0;
  double bytes = 0;
  std::map<std::string, Newest> newest;  // by repository
  std::optional<double> oldest;
  std::optional<double> newest_bad;

  void Add(const FoundBackup& found) {
    ++good;
    bytes += found.bytes.value_or(0);
    Newest& mine = newest[found.repository];
    if (!mine.at || found.at > *mine.at) mine = {found.at, found.bytes};
    oldest = std::min(oldest.value_or(found.at), found.at);
  }
  void AddBad(const FoundBackup& found, double now) {
    ++bad;
    // One of the future says nothing of when it was made.
    if (found.at > 0 && found.at <= now + WatchCollector::kFutureSeconds) {
      newest_bad = std::max(newest_bad.value_or(found.at), found.at);
    }
  }
  // Every repository must have one, and the one that lags most counts.
  Newest Slowest() const {
    std::optional<Newest> slowest;
    for (const auto& [repository, one] : newest) {
      if (!one.at) return {};
      if (!slowest || *one.at < *slowest->at) slowest = one;
    }
    return slowest.value_or(Newest{});
  }
};

MetricFamily Gauge(std::string name, std::string help, Labels labels, double value) {
  return {std::move(name), std::move(help), MetricType::kGauge, {{"", std::move(labels), value}}};
}

}  // namespace

std::string_view ToString(BackupTool tool) {
  switch (tool) {
    case BackupTool::kRestic:
      return "restic";
    case BackupTool::kBorg:
      return "borg";
    case BackupTool::kPgbackrest:
      return "pgbackrest";
    case BackupTool::kBarman:
      return "barman";
    case BackupTool::kWalg:
      return "wal_g";
  }
  return "";
}

std::string_view KindOf(const WatchConfig& config) {
  struct Namer {
    std::string_view operator()(const WatchFiles&) const { return "files"; }
    std::string_view operator()(const WatchObjects&) const { return "s3"; }
    std::string_view operator()(const WatchTool& tool) const { return ToString(tool.tool); }
    std::string_view operator()(const WatchPing&) const { return "ping"; }
  };
  return std::visit(Namer{}, config.what);
}

std::vector<MetricFamily> WatchCollector::ShowWatched(const WatchConfig& config) {
  const Labels labels{{"name", config.name}};
  return {Gauge("fettle_watch_info", "What is watched.",
                {{"name", config.name}, {"kind", std::string(KindOf(config))}}, 1),
          Gauge("fettle_watch_expected_interval_seconds", "How often a new backup is expected.",
                labels, ToSeconds(config.every)),
          Gauge("fettle_watch_grace_seconds", "How much later than expected it is missed.", labels,
                ToSeconds(config.grace))};
}

Result<std::vector<MetricFamily>> WatchCollector::Collect(const CollectContext& context) {
  const Result<FoundBackups> found = watcher_->Look(context);
  if (!found) return tl::unexpected(found.error());
  const double now = ToSeconds(context.now.wall);
  Tally tally;
  for (const std::string& repository : found->repositories) tally.newest[repository];
  for (const FoundBackup& backup : found->backups) {
    const bool small = backup.bytes && *backup.bytes < static_cast<double>(config_.min_bytes);
    if (backup.good && !small && backup.at > 0 && backup.at <= now + kFutureSeconds) {
      tally.Add(backup);
    } else {
      tally.AddBad(backup, now);
    }
  }
  const Labels labels{{"name", config_.name}};
  std::vector<MetricFamily> all = ShowWatched(config_);
  const auto show = [&](std::string name, std::string help, double value) {
    all.push_back(Gauge(std::move(name), std::move(help), labels, value));
  };
  if (std::holds_alternative<WatchTool>(config_.what)) {
    show("fettle_watch_backups", "Good backups that the tool lists.", tally.good);
  } else {
    show("fettle_watch_files", "Files or objects that match.", tally.good + tally.bad);
    show("fettle_watch_bytes", "Size of all good files or objects that match.", tally.bytes);
  }
  show("fettle_watch_bad_backups",
       "Backups that failed, are too small, or claim to be of the future.", tally.bad);
  if (tally.newest_bad) {
    show("fettle_watch_newest_bad_timestamp_seconds", "When the newest of those was made.",
         *tally.newest_bad);
  }
  if (const Newest newest = tally.Slowest(); newest.at) {
    show("fettle_watch_newest_timestamp_seconds", "When the newest good backup was made.",
         *newest.at);
    if (newest.bytes) {
      show("fettle_watch_newest_bytes", "Size of the newest good backup.", *newest.bytes);
    }
  }
  if (tally.oldest) {
    show("fettle_watch_oldest_timestamp_seconds", "When the oldest good backup was made.",
         *tally.oldest);
  }
  return all;
}

}  // namespace fettle::exporter

#include "exporter/collectors/watch.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

struct GlobFree {
  void operator()(glob_t* found) const {
    globfree(found);
    delete found;
  }
};

struct Totals {
  std::size_t files = 0;
  double bytes = 0;
  double newest_bytes = 0;
  std::optional<double> newest;  // seconds
  std::optional<double> oldest;
};

double ModifiedAt(const struct stat& status) {
  return static_cast<double>(status.st_mtim.tv_sec) +
         static_cast<double>(status.st_mtim.tv_nsec) / 1e9;
}

void Add(Totals& totals, const struct stat& status) {
  const double at = ModifiedAt(status);
  const auto bytes = static_cast<double>(status.st_size);
  ++totals.files;
  totals.bytes += bytes;
  if (!totals.newest || at > *totals.newest) {
    totals.newest = at;
    totals.newest_bytes = bytes;
  }
  totals.oldest = std::min(totals.oldest.value_or(at), at);
}

// The directory that must be there: all of the pattern before its first wildcard.
std::string FixedDirectory(const std::string& pattern) {
  const std::size_t wildcard = std::min(pattern.find_first_of("*?["), pattern.size());
  const std::size_t slash = pattern.rfind('/', wildcard == 0 ? 0 : wildcard - 1);
  return slash == 0 ? "/" : pattern.substr(0, slash);
}

}  // namespace

std::vector<WatchConfig> ReadWatchConfigs(yaml::Mapping& exporter) {
  std::vector<WatchConfig> all;
  std::set<std::string> seen;
  exporter.ForEach("watch", [&](const yaml::Node& node) {
    yaml::Mapping mapping(node, "exporter.watch", exporter.complaints());
    WatchConfig config;
    config.name = mapping.Require<std::string>("name");
    if (!config.name.empty() && !seen.insert(config.name).second) {
      mapping.Complain(PlaceOf(mapping, "name"), yaml::Shown(config.name) + " is watched twice");
    }
    config.interval = ReadInterval(mapping, config.interval);
    if (const yaml::Node* files = mapping.Child("files")) {
      yaml::Mapping inner(*files, "exporter.watch.files", exporter.complaints());
      config.glob = inner.Require<std::string>("glob");
      if (!config.glob.empty() && !config.glob.starts_with('/')) {
        inner.Complain(PlaceOf(inner, "glob"),
                       "glob must begin with /, not be " + yaml::Shown(config.glob));
      }
    } else if (const yaml::Node* restic = mapping.Child("restic")) {
      mapping.Complain(restic->place, "restic is not supported by this version");
    } else {
      mapping.Complain(mapping.place(), "\"files\" is missing");
    }
    all.push_back(std::move(config));
  });
  return all;
}

Result<std::vector<MetricFamily>> WatchCollector::Collect(const CollectContext&) {
  const std::string directory = FixedDirectory(config_.glob);
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) {
    return Fail(Cause::kNotFound, "looking into {}: {}", directory,
                std::generic_category().message(errno));
  }
  const std::unique_ptr<glob_t, GlobFree> found(new glob_t{});
  const int code = ::glob(config_.glob.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, found.get());
  if (code != 0 && code != GLOB_NOMATCH) {
    return Fail(Cause::kDenied, "looking for {}: a directory cannot be read", config_.glob);
  }
  const std::size_t matches = code == 0 ? found->gl_pathc : 0;
  if (matches > kFilesMax) {
    return Fail(Cause::kLimit, "{} matches more than {} files", config_.glob, kFilesMax);
  }
  Totals totals;
  for (std::size_t i = 0; i < matches; ++i) {
    // One that has gone since is not there; directories are no files.
    if (stat(found->gl_pathv[i], &status) == 0 && S_ISREG(status.st_mode)) Add(totals, status);
  }
  const Labels labels{{"name", config_.name}};
  std::vector<MetricFamily> all;
  const auto show = [&](std::string name, std::string help, double value) {
    all.push_back({std::move(name), std::move(help), MetricType::kGauge, {{"", labels, value}}});
  };
  show("fettle_watch_files", "Files that match.", static_cast<double>(totals.files));
  show("fettle_watch_bytes", "Size of all files that match.", totals.bytes);
  if (totals.newest) {
    show("fettle_watch_newest_timestamp_seconds", "When the newest file was last written.",
         *totals.newest);
    show("fettle_watch_newest_bytes", "Size of the newest file.", totals.newest_bytes);
    show("fettle_watch_oldest_timestamp_seconds", "When the oldest file was last written.",
         *totals.oldest);
  }
  return all;
}

}  // namespace fettle::exporter

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "exporter/collectors/watch.h"

namespace fettle::exporter {
namespace {

struct GlobFree {
  void operator()(glob_t* found) const {
    globfree(found);
    delete found;
  }
};

double ModifiedAt(const struct stat& status) {
  return static_cast<double>(status.st_mtim.tv_sec) +
         static_cast<double>(status.st_mtim.tv_nsec) / 1e9;
}

// The directory that must be there: all of the pattern before its first wildcard.
std::string FixedDirectory(const std::string& pattern) {
  const std::size_t wildcard = std::min(pattern.find_first_of("*?["), pattern.size());
  const std::size_t slash = pattern.rfind('/', wildcard == 0 ? 0 : wildcard - 1);
  return slash == 0 ? "/" : pattern.substr(0, slash);
}

class FilesWatcher final : public Watcher {
 public:
  explicit FilesWatcher(WatchFiles files) : files_(std::move(files)) {}

  Result<FoundBackups> Look(const CollectContext&) override {
    // A directory that is not there (a mount that is gone) is not an empty one.
    const std::string directory = FixedDirectory(files_.glob);
    struct stat status {};
    if (stat(directory.c_str(), &status) != 0) {
      return Fail(Cause::kNotFound, "looking into {}: {}", directory,
                  std::generic_category().message(errno));
    }
    const std::unique_ptr<glob_t, GlobFree> found(new glob_t{});
    const int code = ::glob(files_.glob.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, found.get());
    if (code != 0 && code != GLOB_NOMATCH) {
      return Fail(Cause::kDenied, "looking for {}: a directory cannot be read", files_.glob);
    }
    const std::size_t matches = code == 0 ? found->gl_pathc : 0;
    if (matches > kFoundMax) {
      return Fail(Cause::kLimit, "{} matches more than {} files", files_.glob, kFoundMax);
    }
    FoundBackups all;
    for (std::size_t i = 0; i < matches; ++i) {
      // One that has gone since is not there; directories are no files.
      if (stat(found->gl_pathv[i], &status) != 0 || !S_ISREG(status.st_mode)) continue;
      all.backups.push_back(
          {.at = ModifiedAt(status), .bytes = static_cast<double>(status.st_size)});
    }
    return all;
  }

 private:
  const WatchFiles files_;
};

}  // namespace

std::unique_ptr<Watcher> WatchFilesOf(WatchFiles files) {
  return std::make_unique<FilesWatcher>(std::move(files));
}

}  // namespace fettle::exporter

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/dial.h"
#include "receivers/backups/destination.h"

namespace fettle::receivers::backups {
namespace {

namespace fs = std::filesystem;

// What is not finished has this ending, and nothing that is finished has it.
constexpr std::string_view kPartial = ".partial";

tl::unexpected<Error> FailErrno(std::string_view what, const std::string& path) {
  const int code = errno;
  const Cause cause = code == ENOSPC || code == EDQUOT                   ? Cause::kLimit
                      : code == EACCES || code == EPERM || code == EROFS ? Cause::kDenied
                      : code == ENOENT                                   ? Cause::kNotFound
                                                                         : Cause::kFailed;
  return Fail(cause, "{} {}: {}", what, path, std::strerror(code));
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return FailErrno("writing", path);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

// A rename is only durable once its directory is.
Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0) return FailErrno("syncing", path);
  return {};
}

Status MakeDirectories(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (!failed) return {};
  errno = failed.value();
  return FailErrno("creating", path.string());
}

class FileUpload final : public Upload {
 public:
  FileUpload(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  ~FileUpload() override {
    if (!completed_) unlink((path_ + std::string(kPartial)).c_str());
  }

  Status Write(std::string_view piece) override { return WriteAll(fd_.get(), piece, path_); }

  Status Complete() override {
    const std::string partial = path_ + std::string(kPartial);
    if (fsync(fd_.get()) != 0) return FailErrno("syncing", partial);
    // link, not rename: what is there already is never replaced.
    if (link(partial.c_str(), path_.c_str()) != 0) {
      if (errno == EEXIST) return Fail(Cause::kConflict, "{} is there already", path_);
      return FailErrno("naming", path_);
    }
    unlink(partial.c_str());
    completed_ = true;
    return SyncDirectory(fs::path(path_).parent_path().string());
  }

 private:
  UniqueFd fd_;
  const std::string path_;
  bool completed_ = false;
};

class DirectoryDestination final : public Destination {
 public:
  explicit DirectoryDestination(DirectoryTarget target) : root_(std::move(target.path)) {}

  const std::string& Place() const override { return root_; }

  Result<std::unique_ptr<Upload>> Begin(const std::string& key, std::int64_t) override {
    const std::string path = root_ + "/" + key;
    if (Status made = MakeDirectories(fs::path(path).parent_path()); !made) {
      return tl::unexpected(made.error());
    }
    const std::string partial = path + std::string(kPartial);
    constexpr mode_t kOwnerOnly = 0600;
    UniqueFd fd(open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerOnly));
    if (!fd) return FailErrno("creating", partial);
    return std::make_unique<FileUpload>(std::move(fd), path);
  }

  Status PutNew(const std::string& key, const std::string& body) override {
    Result<std::unique_ptr<Upload>> upload = Begin(key, 0);
    if (!upload) return tl::unexpected(upload.error());
    if (Status wrote = (*upload)->Write(body); !wrote) return wrote;
    return (*upload)->Complete();
  }

  Status Read(const std::string& key,
              const std::function<bool(std::string_view)>& on_piece) override {
    const std::string path = root_ + "/" + key;
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return FailErrno("opening", path);
    std::vector<char> buffer(1024 * 1024);
    for (;;) {
      const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FailErrno("reading", path);
      if (got == 0) return {};
      if (!on_piece({buffer.data(), static_cast<std::size_t>(got)})) {
        return Fail("reading {} was ended", path);
      }
    }
  }

  Result<std::int64_t> Size(const std::string& key) override {
    const std::string path = root_ + "/" + key;
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return FailErrno("looking at", path);
    return std::int64_t{info.st_size};
  }

  Result<std::vector<std::string>> List(const std::string& prefix) override {
    return Files(prefix, false);
  }

  Result<std::map<std::string, std::int64_t>> Inventory(const std::string& prefix) override {
    // A disk that is not mounted is no empty place.
    struct stat info {};
    if (stat(root_.c_str(), &info) != 0) return FailErrno("looking into", root_);
    if (!S_ISDIR(info.st_mode)) return Fail("{} is no directory", root_);
    return Destination::Inventory(prefix);
  }

  Status Sweep(const std::string& prefix) override {
    const Result<std::vector<std::string>> partial = Files(prefix, true);
    if (!partial) return tl::unexpected(partial.error());
    for (const std::string& key : *partial) unlink((root_ + "/" + key).c_str());
    return {};
  }

  Status Remove(const std::string& key) override {
    const std::string path = root_ + "/" + key;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return FailErrno("removing", path);
    // An empty set leaves no directory behind; one that is not empty stays by itself.
    if (key.find('/') != std::string::npos) rmdir(fs::path(path).parent_path().c_str());
    return {};
  }

  bool Throttled() const override { return false; }

 private:
  Result<std::vector<std::string>> Files(const std::string& prefix, bool partial) const {
    std::vector<std::string> keys;
    std::error_code failed;
    const fs::path top = root_ + "/" + prefix;
    if (!fs::exists(top, failed)) return keys;
    for (auto entry = fs::recursive_directory_iterator(top, failed);
         !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed)) {
      std::string key = fs::relative(entry->path(), root_).string();
      if (entry->is_regular_file() && key.ends_with(kPartial) == partial) {
        keys.push_back(std::move(key));
      }
    }
    if (failed) return Fail("listing {}: {}", top.string(), failed.message());
    std::sort(keys.begin(), keys.end());
    return keys;
  }

  const std::string root_;
};

}  // namespace

Result<std::map<std::string, std::int64_t>> Destination::Inventory(const std::string& prefix) {
  const Result<std::vector<std::string>> keys = List(prefix);
  if (!keys) return tl::unexpected(keys.error());
  std::map<std::string, std::int64_t> sizes;
  for (const std::string& key : *keys) {
    const Result<std::int64_t> size = Size(key);
    if (size) {
      sizes[key] = *size;
    } else if (size.error().cause != Cause::kNotFound) {
      return tl::unexpected(size.error());
    }
  }
  return sizes;
}

std::unique_ptr<Destination> MakeDirectoryDestination(DirectoryTarget target) {
  return std::make_unique<DirectoryDestination>(std::move(target));
}

}  // namespace fettle::receivers::backups

#include "common/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace fettle {
namespace {

tl::unexpected<Error> FailErrno(std::string_view what, const std::string& path) {
  const Cause cause = errno == EACCES || errno == EPERM ? Cause::kDenied : Cause::kFailed;
  return Fail(cause, "{} {}: {}", what, path, std::strerror(errno));
}

}  // namespace

Status CreatePrivateDirectory(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty() && !std::filesystem::exists(parent, error)) {
    if (Status status = CreatePrivateDirectory(parent.string()); !status) return status;
  }
  if (mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return FailErrno("create directory", path);
  if (!std::filesystem::is_directory(path, error)) {
    return Fail(Cause::kInvalid, "{} is not a directory", path);
  }
  return {};
}

Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FailErrno("open directory", path);
  const int code = fsync(fd);
  close(fd);
  if (code != 0) return FailErrno("sync directory", path);
  return {};
}

Result<DirectoryLock> DirectoryLock::Take(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FailErrno("open", path);
  DirectoryLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> text{};
    const ssize_t got = pread(fd, text.data(), text.size() - 1, 0);
    std::string_view holder(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    holder = holder.substr(0, holder.find('\n'));
    return Fail(Cause::kConflict, "{} is in use by another fettle (pid {})", directory,
                holder.empty() ? "unknown" : holder);
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 ||
      pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    // The lock holds all the same; only people lose the hint (a full disk, say).
    return lock;
  }
  return lock;
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace fettle

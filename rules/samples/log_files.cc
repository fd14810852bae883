#include "rules/samples/log_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "common/directory.h"

namespace fettle::rules {
namespace {

tl::unexpected<Error> FailErrno(std::string_view what, const std::string& path) {
  const Cause cause = errno == ENOSPC || errno == EDQUOT ? Cause::kLimit : Cause::kFailed;
  return Fail(cause, "{} {}: {}", what, path, std::strerror(errno));
}

class RealFile final : public LogFiles::File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override { close(fd_); }

  Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t wrote = write(fd_, bytes.data(), bytes.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return FailErrno("write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
  }
  Status Sync() override {
    if (fdatasync(fd_) != 0) return FailErrno("sync", path_);
    return {};
  }
  Status Truncate(std::uint64_t size) override {
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return FailErrno("truncate", path_);
    return {};
  }

 private:
  const int fd_;
  const std::string path_;
};

class RealSource final : public LogFiles::Source {
 public:
  RealSource(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealSource() override { close(fd_); }

  Result<std::size_t> Read(char* to, std::size_t room) override {
    for (;;) {
      const ssize_t got = read(fd_, to, room);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return FailErrno("read", path_);
    }
  }

 private:
  const int fd_;
  const std::string path_;
};

class RealFiles final : public LogFiles {
 public:
  explicit RealFiles(std::string directory) : directory_(std::move(directory)) {}

  Result<std::unique_ptr<File>> Create(const std::string& name) override {
    if (Status made = CreatePrivateDirectory(directory_); !made)
      return tl::unexpected(made.error());
    const std::string path = Path(name);
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return FailErrno("create", path);
    auto file = std::make_unique<RealFile>(fd, path);
    if (Status synced = SyncDirectory(directory_); !synced) return tl::unexpected(synced.error());
    return file;
  }
  Result<std::unique_ptr<Source>> Open(const std::string& name) override {
    const int fd = open(Path(name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FailErrno("open", Path(name));
    return std::make_unique<RealSource>(fd, Path(name));
  }
  Result<std::vector<Entry>> List() override {
    std::vector<Entry> entries;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
      const std::uint64_t size = entry.file_size(error);
      if (!error) entries.push_back({entry.path().filename().string(), size});
    }
    if (error && error != std::errc::no_such_file_or_directory) {
      return Fail("list {}: {}", directory_, error.message());
    }
    return entries;
  }
  Status Remove(const std::string& name) override {
    if (unlink(Path(name).c_str()) != 0 && errno != ENOENT) return FailErrno("remove", Path(name));
    return {};
  }
  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(Path(from).c_str(), Path(to).c_str()) != 0) return FailErrno("rename", Path(from));
    return SyncDirectory(directory_);
  }
  Status Truncate(const std::string& name, std::uint64_t size) override {
    if (truncate(Path(name).c_str(), static_cast<off_t>(size)) != 0) {
      return FailErrno("truncate", Path(name));
    }
    return {};
  }

 private:
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
};

}  // namespace

std::unique_ptr<LogFiles> MakeLogFiles(const std::string& directory) {
  return std::make_unique<RealFiles>(directory);
}

}  // namespace fettle::rules

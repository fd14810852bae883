#include "common/secret.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace fettle {
namespace {

Cause CauseOf(int error) {
  if (error == ENOENT) return Cause::kNotFound;
  if (error == EACCES || error == EPERM) return Cause::kDenied;
  return Cause::kFailed;
}

tl::unexpected<Error> SystemFail(const char* verb, const std::string& path, int error) {
  return Fail(CauseOf(error), "{} {}: {}", verb, path, std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

Result<std::string> ReadAll(const std::string& path, std::size_t bytes_max) {
  // Not blocking, so that a pipe nobody writes to cannot hold a hand for ever.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return SystemFail("open", path, errno);
  std::string text(bytes_max + 1, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = read(file.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemFail("read", path, errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > bytes_max) return Fail(Cause::kLimit, "{} is longer than {} bytes", path, bytes_max);
  text.resize(length);
  return text;
}

}  // namespace

Secret Secret::FromText(std::string text) {
  Secret secret;
  secret.text_ = std::move(text);
  return secret;
}

Secret Secret::FromFile(std::string path) {
  Secret secret;
  secret.path_ = std::move(path);
  return secret;
}

Result<std::string> Secret::Reveal() const {
  if (path_.empty()) return text_;
  Result<std::string> text = ReadAll(path_, kFileBytesMax);
  if (!text) return text;
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  // A mount that is not there yet looks like this; logging in with "" would hide it.
  if (text->empty()) return Fail(Cause::kInvalid, "{} is empty", path_);
  return text;
}

}  // namespace fettle

#include "common/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "common/check.h"

namespace fettle {

// A child that reads no more must not end us: SIGPIPE is held back from this thread and taken away.
ssize_t WriteWithoutSignal(int fd, std::string_view text) {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::sigpending(&pending);
  const bool was_pending = ::sigismember(&pending, SIGPIPE) == 1;
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t written = ::write(fd, text.data(), text.size());
  const int error = errno;
  if (written < 0 && error == EPIPE && !was_pending) {
    const timespec at_once{};
    while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kPieceBytesMax = 64 * 1024;
// What streams through us comes in larger pieces, and may run ahead: a dump writes by 4 KiB, and
// each time that somebody has to be woken costs more than the copy.
constexpr std::size_t kStreamBytesMax = 256 * 1024;
constexpr int kStreamPipeBytes = 1024 * 1024;
constexpr std::size_t kDescribeBytesMax = 400;
constexpr std::size_t kDescribeLinesMax = 3;
// Without pidfd_open (kernels before 5.3, some sandboxes), how often the child is looked at.
constexpr int kLookAgainMillis = 20;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

std::string Reason(int error) {
  std::array<char, 128> buffer{};
  return ::strerror_r(error, buffer.data(), buffer.size());
}

// Never 0, 1 or 2, which the child's own pipes are put on.
Result<Fd> AboveStandard(Fd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  Fd higher(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!higher.open()) return Fail("duplicate a file descriptor: {}", Reason(errno));
  return higher;
}

struct Pipe {
  Fd ours;    // does not block
  Fd childs;  // does
};

Result<Pipe> MakePipe(bool we_read) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Fail("open a pipe: {}", Reason(errno));
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  auto ours = AboveStandard(std::move(we_read ? read_end : write_end));
  auto childs = AboveStandard(std::move(we_read ? write_end : read_end));
  if (!ours) return tl::unexpected(ours.error());
  if (!childs) return tl::unexpected(childs.error());
  if (::fcntl(ours->get(), F_SETFL, O_NONBLOCK) != 0) return Fail("fcntl: {}", Reason(errno));
  return Pipe{*std::move(ours), *std::move(childs)};
}

Status CheckSpec(const ProcessSpec& spec) {
  if (spec.argv.empty() || spec.argv[0].empty()) {
    return Fail(Cause::kInvalid, "there is no program to run");
  }
  for (const std::string& word : spec.argv) {
    if (word.find('\0') != std::string::npos) {
      return Fail(Cause::kInvalid, "an argument of {} holds a zero byte", spec.argv[0]);
    }
  }
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
      return Fail(Cause::kInvalid, "\"{}\" cannot be an environment variable of {}", name,
                  spec.argv[0]);
    }
  }
  struct stat directory {};
  if (!spec.directory.empty()) {
    if (::stat(spec.directory.c_str(), &directory) != 0) {
      return Fail(Cause::kNotFound, "run {} in {}: {}", spec.argv[0], spec.directory,
                  Reason(errno));
    }
    if (!S_ISDIR(directory.st_mode)) {
      return Fail(Cause::kInvalid, "run {} in {}: not a directory", spec.argv[0], spec.directory);
    }
  }
  return {};
}

std::map<std::string, std::string> EnvironmentOf(const ProcessSpec& spec) {
  std::map<std::string, std::string> environment = spec.environment;
  if (!environment.contains("PATH")) {
    const char* path = std::getenv("PATH");
    environment["PATH"] = path != nullptr ? path : kDefaultPath;
  }
  return environment;
}

// The file that argv[0] means, by the child's own PATH.
Result<std::string> FindProgram(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return name;
  bool denied = false;
  while (!path.empty()) {
    const std::string_view room = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), room.size() + 1));
    if (room.empty()) continue;  // POSIX reads it as "here", which is nobody's intention.
    std::string candidate = fmt::format("{}/{}", room, name);
    struct stat file {};
    if (::stat(candidate.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) continue;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    denied = true;
  }
  if (denied) return Fail(Cause::kDenied, "run {}: permission denied", name);
  return Fail(Cause::kNotFound, "run {}: no such program in PATH", name);
}

// posix_spawn's two attribute objects, freed whatever happens.
struct SpawnSetup {
  SpawnSetup() {
    FETTLE_CHECK(::posix_spawn_file_actions_init(&actions) == 0);
    FETTLE_CHECK(::posix_spawnattr_init(&attributes) == 0);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

// posix_spawn and not fork: no copy of a large daemon's page tables, no code of ours between fork
// and exec among threads, and exec's own error comes back. Its price is that a parent-death signal
// cannot be set; a child outlives a crash of ours, and repairs find it again by pid and start time,
// while a dump that writes to us ends by its broken pipe.
Result<pid_t> Spawn(const ProcessSpec& spec, int input, int output, int error) {
  const auto environment = EnvironmentOf(spec);
  Result<std::string> program = FindProgram(spec.argv[0], environment.at("PATH"));
  if (!program) return tl::unexpected(program.error());

  std::vector<char*> argv;
  for (const std::string& word : spec.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) {
    variables.push_back(fmt::format("{}={}", name, value));
  }
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  SpawnSetup setup;
  int failed = 0;
  const auto want = [&failed](int result) {
    if (failed == 0) failed = result;
  };
  if (input >= 0) {
    want(::posix_spawn_file_actions_adddup2(&setup.actions, input, STDIN_FILENO));
  } else {
    want(
        ::posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
  }
  want(::posix_spawn_file_actions_adddup2(&setup.actions, output, STDOUT_FILENO));
  want(::posix_spawn_file_actions_adddup2(&setup.actions, error, STDERR_FILENO));
  // Our own descriptors are close-on-exec; a library's may not be.
  want(::posix_spawn_file_actions_addclosefrom_np(&setup.actions, STDERR_FILENO + 1));
  if (!spec.directory.empty()) {
    want(::posix_spawn_file_actions_addchdir_np(&setup.actions, spec.directory.c_str()));
  }
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  want(::posix_spawnattr_setsigmask(&setup.attributes, &none));
  want(::posix_spawnattr_setsigdefault(&setup.attributes, &all));
  want(::posix_spawnattr_setpgroup(&setup.attributes, 0));
  want(::posix_spawnattr_setflags(
      &setup.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  if (failed != 0) return Fail("prepare to run {}: {}", spec.argv[0], Reason(failed));

  pid_t pid = -1;
  const int result = ::posix_spawn(&pid, program->c_str(), &setup.actions, &setup.attributes,
                                   argv.data(), envp.data());
  if (result == 0) return pid;
  Cause cause = Cause::kFailed;
  if (result == ENOENT || result == ENOTDIR) cause = Cause::kNotFound;
  if (result == EACCES || result == EPERM) cause = Cause::kDenied;
  if (result == E2BIG) cause = Cause::kLimit;
  if (result == EAGAIN || result == ENOMEM) cause = Cause::kUnavailable;
  return Fail(cause, "run {}: {}", spec.argv[0], Reason(result));
}

// One child from its first breath to its last.
class Run {
 public:
  explicit Run(const ProcessSpec& spec) : spec_(spec) {}
  Result<ProcessResult> Go();

 private:
  // Why we end it, if we do.
  enum class Ending { kNone, kTimeout, kCancelled, kReaderDone, kStrays };

  Status Start();
  void Follow();
  Result<ProcessResult> Finish();
  void LookAtTime(BootTime now);
  void End(Ending why, BootTime now);
  bool Exited();
  bool Over(BootTime now);
  void Wait(BootTime now);
  void WriteInput();
  void ReadOutput();
  void ReadError();
  static BootTime Now() { return SystemClock().Now().boot; }

  const ProcessSpec& spec_;
  pid_t pid_ = -1;
  Fd pidfd_;
  Fd wake_;
  Fd input_;
  Fd output_;
  Fd error_;
  std::string_view unwritten_;
  std::vector<char> buffer_;  // of output
  BootTime deadline_{};
  BootTime kill_at_{};
  BootTime heard_{};  // the last time anything came or changed
  Ending ending_ = Ending::kNone;
  bool killed_ = false;
  bool exited_ = false;
  ProcessResult result_;
};

// Where SIGCHLD is ignored, by a library or by whoever started us, exit statuses are thrown away.
void KeepExitStatuses() {
  struct sigaction action {};
  ::sigaction(SIGCHLD, nullptr, &action);
  if (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0) {
    ::signal(SIGCHLD, SIG_DFL);
  }
}

Status Run::Start() {
  KeepExitStatuses();
  Result<Pipe> output = MakePipe(true);
  Result<Pipe> error = MakePipe(true);
  Result<Pipe> input = spec_.standard_input.empty() ? Pipe{} : MakePipe(false);
  for (const auto* pipe : {&output, &error, &input}) {
    if (!*pipe) return While(fmt::format("run {}", spec_.argv[0]), pipe->error());
  }
  if (spec_.stop.stop_possible()) {
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_.open()) return Fail("run {}: open an eventfd: {}", spec_.argv[0], Reason(errno));
  }
  const Result<pid_t> pid = Spawn(spec_, spec_.input_fd >= 0 ? spec_.input_fd : input->childs.get(),
                                  output->childs.get(), error->childs.get());
  if (!pid) return tl::unexpected(pid.error());
  pid_ = *pid;
  pidfd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  input_ = std::move(input->ours);
  output_ = std::move(output->ours);
  // Refused to who has many pipes already; then it is as large as it is.
  if (spec_.on_output) (void)::fcntl(output_.get(), F_SETPIPE_SZ, kStreamPipeBytes);
  error_ = std::move(error->ours);
  unwritten_ = spec_.standard_input;
  heard_ = Now();
  deadline_ = heard_ + spec_.timeout;
  return {};
}

void Run::End(Ending why, BootTime now) {
  if (ending_ != Ending::kNone) return;
  ending_ = why;
  // Of strays the leader is gone already, so nobody is left to end with grace.
  kill_at_ = why == Ending::kStrays ? now : now + spec_.kill_after;
  ::kill(-pid_, SIGTERM);
}

void Run::LookAtTime(BootTime now) {
  if (ending_ == Ending::kNone) {
    if (spec_.stop.stop_requested()) {
      End(Ending::kCancelled, now);
    } else if (now >= deadline_) {
      End(Ending::kTimeout, now);
    } else if (exited_ && now - heard_ >= spec_.quiet_after_exit) {
      End(Ending::kStrays, now);
    }
  }
  if (ending_ != Ending::kNone && !killed_ && now >= kill_at_) {
    ::kill(-pid_, SIGKILL);
    killed_ = true;
    heard_ = now;
  }
}

// Looks without reaping: as long as the child is a zombie, its group's number is its own.
bool Run::Exited() {
  if (exited_) return true;
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    FETTLE_CHECK(errno == EINTR);
  }
  if (info.si_pid != pid_) return false;
  exited_ = true;
  heard_ = Now();
  return true;
}

bool Run::Over(BootTime now) {
  if (!Exited()) return false;
  if (!output_.open() && !error_.open()) return true;
  // A descendant in a group of its own survived the KILL and keeps a pipe open: it is let go.
  return killed_ && now - heard_ >= spec_.quiet_after_exit;
}

void Run::Wait(BootTime now) {
  BootTime until = ending_ == Ending::kNone ? deadline_ : kill_at_;
  if (killed_) until = heard_ + spec_.quiet_after_exit;
  if (exited_) until = std::min(until, heard_ + spec_.quiet_after_exit);
  const auto left = std::chrono::ceil<Millis>(std::max(until - now, Micros(0)));
  int timeout = static_cast<int>(std::min<Millis::rep>(left.count(), 3'600'000));
  if (!pidfd_.open() && !exited_) timeout = std::min(timeout, kLookAgainMillis);

  // After the exit a pidfd stays readable, and after a stop the eventfd: only news may wake us.
  std::array<pollfd, 5> fds{{
      {output_.get(), POLLIN, 0},
      {error_.get(), POLLIN, 0},
      {input_.get(), POLLOUT, 0},
      {exited_ ? -1 : pidfd_.get(), POLLIN, 0},
      {ending_ == Ending::kNone ? wake_.get() : -1, POLLIN, 0},
  }};
  if (::poll(fds.data(), fds.size(), timeout) < 0) FETTLE_CHECK(errno == EINTR);
  if (fds[2].revents != 0) WriteInput();
  if (fds[0].revents != 0) ReadOutput();
  if (fds[1].revents != 0) ReadError();
}

void Run::WriteInput() {
  const ssize_t written = WriteWithoutSignal(input_.get(), unwritten_.substr(0, kPieceBytesMax));
  if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (written > 0) unwritten_.remove_prefix(static_cast<std::size_t>(written));
  // A child that stops reading is its own business; its exit status tells.
  if (written < 0 || unwritten_.empty()) input_.Close();
}

void Run::ReadOutput() {
  if (buffer_.empty()) buffer_.resize(spec_.on_output ? kStreamBytesMax : kPieceBytesMax);
  std::size_t filled = 0;
  bool over = false;
  while (filled < buffer_.size()) {
    const ssize_t got = ::read(output_.get(), buffer_.data() + filled, buffer_.size() - filled);
    if (got > 0) {
      filled += static_cast<std::size_t>(got);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    over = got == 0 || errno != EAGAIN;
    break;
  }
  if (filled == 0 && !over) return;
  heard_ = Now();
  if (over) output_.Close();
  const std::string_view piece(buffer_.data(), filled);
  // Read on after an end, so that the child can end, too; nobody wants it.
  if (filled == 0 || ending_ != Ending::kNone) return;
  if (spec_.on_output) {
    if (!spec_.on_output(piece)) {
      output_.Close();
      End(Ending::kReaderDone, Now());
    }
    heard_ = Now();
    return;
  }
  const std::size_t room = spec_.output_bytes_max - result_.output.size();
  result_.output += piece.substr(0, room);
  if (piece.size() > room) result_.output_cut = true;
}

void Run::ReadError() {
  std::array<char, 4096> buffer;
  const ssize_t got = ::read(error_.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  heard_ = Now();
  if (got <= 0) return error_.Close();
  std::string& text = result_.error;
  text.append(buffer.data(), static_cast<std::size_t>(got));
  // Cut in large steps, so that a flood costs a move of the tail per tail and not per piece.
  if (text.size() > 2 * spec_.error_bytes_max + buffer.size()) {
    text.erase(0, text.size() - spec_.error_bytes_max);
  }
}

void Run::Follow() {
  const std::stop_callback on_stop(spec_.stop, [this] {
    if (!wake_.open()) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  });
  for (BootTime now = Now(); !Over(now); now = Now()) {
    LookAtTime(now);
    Wait(now);
  }
}

Result<ProcessResult> Run::Finish() {
  // Strays of a run that was ended go with it; of a run that ended itself, those that gave our
  // pipes back are daemons somebody wanted.
  if (ending_ != Ending::kNone) ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) FETTLE_CHECK(errno == EINTR);
  // Where we are the first process of a container, orphans become ours.
  while (::waitpid(-pid_, nullptr, WNOHANG) > 0) {
  }
  if (result_.error.size() > spec_.error_bytes_max) {
    result_.error.erase(0, result_.error.size() - spec_.error_bytes_max);
  }
  if (WIFSIGNALED(status)) {
    result_.signal = WTERMSIG(status);
  } else {
    result_.exit_code = WEXITSTATUS(status);
  }
  const std::string& name = spec_.argv[0];
  switch (ending_) {
    case Ending::kNone:
      return std::move(result_);
    case Ending::kTimeout:
      return Fail(Cause::kTimeout, "{} took longer than {:g}s and was ended: {}", name,
                  ToSeconds(spec_.timeout), result_.Describe());
    case Ending::kCancelled:
      return Fail("{} was cancelled: {}", name, result_.Describe());
    case Ending::kReaderDone:
      return Fail("{} was ended because its output is not wanted any more: {}", name,
                  result_.Describe());
    case Ending::kStrays:
      // Streamed output must be whole; who still holds the pipe may not have been done.
      if (spec_.on_output) {
        return Fail("{} left a process behind that kept its output open: {}", name,
                    result_.Describe());
      }
      return std::move(result_);
  }
  FETTLE_CHECK(false);
}

Result<ProcessResult> Run::Go() {
  if (Status started = Start(); !started) return tl::unexpected(started.error());
  if (spec_.on_start) spec_.on_start(pid_);
  Follow();
  return Finish();
}

}  // namespace

std::string ProcessResult::Describe() const {
  std::string text = signal != 0 ? fmt::format("ended by signal {}", signal)
                                 : fmt::format("exit status {}", exit_code);
  std::vector<std::string_view> lines;
  std::string_view rest = error;
  while (!rest.empty() && lines.size() < kDescribeLinesMax) {
    const std::size_t end = rest.find_last_not_of(" \t\r\n");
    if (end == std::string_view::npos) break;
    rest = rest.substr(0, end + 1);
    const std::size_t start = rest.find_last_of('\n');
    lines.push_back(start == std::string_view::npos ? rest : rest.substr(start + 1));
    rest = start == std::string_view::npos ? std::string_view() : rest.substr(0, start);
  }
  std::string told;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    told += told.empty() ? "" : "; ";
    told += *line;
  }
  if (told.size() > kDescribeBytesMax) {
    told = "…" + told.substr(told.size() - kDescribeBytesMax);
  }
  std::replace_if(
      told.begin(), told.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return told.empty() ? text : fmt::format("{}: {}", text, told);
}

Result<ProcessResult> RunProcess(const ProcessSpec& spec) {
  if (Status good = CheckSpec(spec); !good) return tl::unexpected(good.error());
  return Run(spec).Go();
}

}  // namespace fettle

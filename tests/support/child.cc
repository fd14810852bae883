#include "tests/support/child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "common/dial.h"
#include "tests/support/wait.h"

extern char** environ;

namespace fettle {
namespace {

[[noreturn]] void Give(const std::string& reason) {
  fmt::print(stderr, "test support: {}\n", reason);
  std::abort();
}

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

std::optional<User> UserNamed(const std::string& name) {
  if (name.empty() || geteuid() != 0) return std::nullopt;
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) Give("no user " + name);
  return User{entry->pw_uid, entry->pw_gid};
}

// Between fork and exec: only what is safe there, everything else was made before.
[[noreturn]] void Become(const std::vector<char*>& argv, const std::vector<char*>& environment,
                         const char* log_file, const std::optional<User>& user, int end_signal,
                         pid_t parent) {
  const int log = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  if (user && (setgroups(0, nullptr) != 0 || setgid(user->gid) != 0 || setuid(user->uid) != 0)) {
    _exit(126);
  }
  // After the change of user, which would clear it.
  prctl(PR_SET_PDEATHSIG, end_signal);
  if (getppid() != parent) _exit(125);
  execvpe(argv[0], argv.data(), environment.data());
  _exit(127);
}

// Forks on a thread that lives as long as the program: a child is told to end when the *thread*
// that made it does.
class Launcher {
 public:
  static pid_t Fork(const std::function<void()>& become) {
    static auto* launcher = new Launcher;
    return launcher->Ask(become);
  }

 private:
  Launcher() {
    std::thread([this] { Work(); }).detach();
  }
  pid_t Ask(const std::function<void()>& become) {
    std::promise<pid_t> answer;
    {
      const std::lock_guard lock(mutex_);
      orders_.push_back([&] {
        const pid_t pid = fork();
        if (pid == 0) become();
        answer.set_value(pid);
      });
    }
    wake_.notify_one();
    return answer.get_future().get();
  }
  void Work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !orders_.empty(); });
      const auto order = std::move(orders_.front());
      orders_.pop_front();
      lock.unlock();
      order();
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> orders_;
};

int ExitCode(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::unique_ptr<Child> Child::Start(Options options) {
  std::vector<char*> argv;
  for (std::string& word : options.argv) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> texts;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!options.environment.contains(text.substr(0, text.find('=')))) texts.push_back(text);
  }
  for (const auto& [name, value] : options.environment) texts.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  const std::string log = options.log_file.empty() ? "/dev/null" : options.log_file;
  const std::optional<User> user = UserNamed(options.user);

  const pid_t parent = getpid();
  const pid_t pid = Launcher::Fork(
      [&] { Become(argv, environment, log.c_str(), user, options.end_signal, parent); });
  if (pid < 0) Give("fork failed");
  return std::unique_ptr<Child>(new Child(std::move(options), pid));
}

int Child::Run(Options options) {
  const auto child = Start(std::move(options));
  const std::optional<int> code = child->Wait(std::chrono::minutes(2));
  return code.value_or(-1);
}

Child::~Child() {
  if (!Running()) return;
  Signal(options_.end_signal);
  if (Wait(std::chrono::seconds(5))) return;
  Signal(SIGKILL);
  Wait(std::chrono::seconds(5));
}

bool Child::Running() {
  if (exit_code_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) exit_code_ = ExitCode(status);
  return !exit_code_.has_value();
}

void Child::Signal(int signal) const {
  if (!exit_code_) kill(pid_, signal);
}

std::optional<int> Child::Wait(std::chrono::milliseconds within) {
  WaitUntil([this] { return !Running(); }, within);
  return exit_code_;
}

std::string Child::Log() const {
  std::ifstream in(options_.log_file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

int FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Give("no free port");
  }
  return ntohs(address.sin_port);
}

bool Listens(int port) {
  return Dial("127.0.0.1:" + std::to_string(port), std::chrono::milliseconds(500)).has_value();
}

void GiveTo(const std::string& path, const std::string& user) {
  const std::optional<User> owner = UserNamed(user);
  if (owner && chown(path.c_str(), owner->uid, owner->gid) != 0) Give("chown " + path);
}

}  // namespace fettle

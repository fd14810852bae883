// A real server started for tests: ended by its pid, never by its name, and never left behind (it
// is told to end if the test program dies). Its output goes to a file that failures can show.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fettle {

class Child {
 public:
  struct Options {
    std::vector<std::string> argv = {};
    std::map<std::string, std::string> environment = {};  // added to ours
    std::string log_file = {};                            // of stdout and stderr; "" is /dev/null
    std::string user = {};                                // run as, if we are root; "" is as we are
    int end_signal = SIGTERM;                             // what the destructor sends first
  };
  // Ends the test program with the reason if it cannot be started.
  static std::unique_ptr<Child> Start(Options options);
  // Runs it to its end and says its exit code (128 + signal if one ended it).
  static int Run(Options options);
  // The end signal, and SIGKILL five seconds later.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal) const;
  // The exit code, or nullopt if it still runs after that time.
  std::optional<int> Wait(std::chrono::milliseconds within);
  std::string Log() const;

 private:
  Child(Options options, pid_t pid) : options_(std::move(options)), pid_(pid) {}
  const Options options_;
  const pid_t pid_;
  std::optional<int> exit_code_;
};

// A TCP port on loopback that nobody listens on now, chosen by the kernel.
int FreePort();
// True if somebody accepts connections there.
bool Listens(int port);
// Gives a path to a user, if we are root.
void GiveTo(const std::string& path, const std::string& user);

}  // namespace fettle

// Runs a child by argv: no shell, own process group, deadline, bounded output, an environment built
// from scratch. Blocks, so it belongs to hands. Safe from any thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

struct ProcessSpec {
  std::vector<std::string> argv;                   // argv[0] is found by PATH unless it has a slash
  std::map<std::string, std::string> environment;  // all the child gets, plus PATH if absent here
  std::string directory;                           // "" stays where we are
  std::string standard_input;
  // With it, what the child reads comes from there instead. The caller's, who closes it.
  int input_fd = -1;
  Millis timeout{60'000};  // then TERM to the group, and KILL kill_after later
  Millis kill_after{5'000};
  // How long a pipe may stay open, and silent, after the child's exit. Then a descendant has kept
  // it: its group is killed. A descendant that gave the pipes back is a daemon, and is left alone.
  Millis quiet_after_exit{2'000};
  std::size_t output_bytes_max = 1024 * 1024;  // of stdout; more is cut and said so
  std::size_t error_bytes_max = 64 * 1024;     // the tail of stderr is kept
  // With it, stdout is handed over piece by piece as it comes (a slow reader holds the child back),
  // and ProcessResult::output stays empty. false ends the child.
  std::function<bool(std::string_view piece)> on_output;
  // Told the pid once the child runs.
  std::function<void(pid_t pid)> on_start;
  // A requested stop ends the child like a time-out; the error says it was cancelled.
  std::stop_token stop;
};

struct ProcessResult {
  int exit_code = 0;  // meaningful if signal == 0
  int signal = 0;     // that ended it
  std::string output;
  std::string error;
  bool output_cut = false;
  bool succeeded() const { return signal == 0 && exit_code == 0; }
  // "exit status 1: pg_dump: error: …", "ended by signal 9"; the last lines of stderr, bounded.
  std::string Describe() const;
};

// write(2) to a pipe that answers EPIPE where nobody reads any more, instead of raising SIGPIPE.
ssize_t WriteWithoutSignal(int fd, std::string_view text);

// kTimeout after the deadline (the whole group is gone by then), kNotFound if there is no such
// program, kFailed if reading was ended by on_output. A non-zero exit is a result, not an error.
Result<ProcessResult> RunProcess(const ProcessSpec& spec);

}  // namespace fettle

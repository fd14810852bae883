#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>

#include <cstdio>

#include "command.h"
#include "fettle_alertmanager.h"
#include "receivers/api/api.h"

namespace fettle {

int RunAlertmanager(const std::vector<std::string>& arguments) {
  const Result<AlertmanagerOptions> options = ReadAlertmanagerFlags(arguments);
  if (!options) {
    fmt::print(stderr, "alertmanager: error: {}\n", options.error().message);
    return 1;
  }
  if (options->help) {
    fmt::print("{}", AlertmanagerHelp());
    return 0;
  }
  if (options->version) {
    fmt::print("alertmanager, version {} (branch: fettle, revision: {})\n",
               receivers::Api::kVersion, VersionText());
    return 0;
  }
  // Before the first thread, so that every thread leaves these to this one.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Doors parse and the brain keeps: an arena a thread would hold what only passes through.
  mallopt(M_ARENA_MAX, 2);

  const SystemClock clock;
  SystemRandom random;
  LogWriter log(clock, StderrSink(), {.level = options->log_level, .format = options->log_format});
  auto program =
      AlertmanagerProgram::Start({.clock = clock, .random = random, .log = log}, *options);
  if (!program) {
    Log(log, "alertmanager").Error("could not start", {{"err", program.error().message}});
    return 1;
  }
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) return 0;
    // What went wrong is logged and shown as alertmanager_config_last_reload_successful.
    (void)(*program)->Reload();
  }
}

}  // namespace fettle

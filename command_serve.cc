#include <fmt/format.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

#include <cstdio>
#include <thread>

#include "command.h"

namespace fettle {
namespace {

// Signals become calls, on a thread that waits for nothing else.
void FollowSignals(Fettle& fettle, const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGHUP) {
      // What went wrong is logged and shown as fettle_config_last_reload_successful.
      (void)fettle.Reload();
    } else if (signal == SIGUSR2) {
      return;  // fettle has ended by itself
    } else {
      fettle.Quit();
      return;
    }
  }
}

}  // namespace

std::string VersionText() { return "fettle/" FETTLE_VERSION; }

int RunServe(const ServeOptions& options, const std::string& log_level,
             const std::string& log_format) {
  // Before the first thread, so that every thread leaves these to the one that waits for them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const SystemClock clock;
  SystemRandom random;
  LogWriter log(clock, StderrSink(),
                {.level = *ParseLogLevel(log_level),
                 .format = log_format == "json" ? LogFormat::kJson : LogFormat::kLogfmt});
  auto fettle = Fettle::Build({.clock = clock, .random = random, .log = log}, options);
  if (!fettle) {
    std::fputs(fmt::format("{}\n", fettle.error().message).c_str(), stderr);
    return 1;
  }
  if (Status started = (*fettle)->Start(); !started) {
    std::fputs(fmt::format("fettle: {}\n", started.error().message).c_str(), stderr);
    return 1;
  }
  sd_notify(0, "READY=1");
  std::jthread signal_thread([&] { FollowSignals(**fettle, signals); });
  (*fettle)->Wait();
  sd_notify(0, "STOPPING=1");
  pthread_kill(signal_thread.native_handle(), SIGUSR2);
  signal_thread.join();
  return 0;
}

}  // namespace fettle

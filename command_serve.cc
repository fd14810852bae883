#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include "command.h"
#include "common/dial.h"

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

// systemd's readiness protocol, sd_notify(3): one datagram. Its library would cost a MiB of
// resident memory for this.
void NotifySystemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return;
  std::strcpy(address.sun_path, path);
  // An abstract address begins with a zero byte, written as @.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  // Whoever does not listen does not mind.
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), size);
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
  NotifySystemd("READY=1");
  std::jthread signal_thread([&] { FollowSignals(**fettle, signals); });
  (*fettle)->Wait();
  NotifySystemd("STOPPING=1");
  pthread_kill(signal_thread.native_handle(), SIGUSR2);
  signal_thread.join();
  return 0;
}

}  // namespace fettle

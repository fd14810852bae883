// A real Docker engine of the tests' own: dockerd in a temporary directory, with its own socket,
// containers of one static busybox, and no network. Ended by pid, its mounts taken away.
//
//   FETTLE_NEEDS_DOCKER();
//   DockerDaemon& docker = *DockerDaemon::Shared();
//   const std::string id = docker.Run({.name = "shop-web-1", .labels = ComposeLabels("shop",
//   "web")}); docker.MakeUnhealthy("shop-web-1"); ASSERT_TRUE(docker.WaitForEvent("shop-web-1",
//   "health_status: unhealthy"));
//
// A container is healthy while /ok exists in it; it makes /ok when it starts, so a restart heals
// it. Waiting is for events that the helper has recorded since the container was made.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/docker_engine.h"
#include "common/http_client.h"
#include "common/metrics.h"
#include "tests/support/child.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle {

struct DockerBox {
  std::string name;
  std::map<std::string, std::string> labels = {};
  bool health_check = true;  // every `interval`, unhealthy after `retries` failures
  Millis interval{1'000};
  int retries = 1;
  bool obeys_term = true;  // otherwise only SIGKILL ends it
  std::string restart_policy = "no";
  std::vector<std::string> command = {};  // instead of waiting for ever
  std::string network_mode = "none";
  bool auto_remove = false;
  bool start = true;
};

// As Compose would label it.
std::map<std::string, std::string> ComposeLabels(const std::string& project,
                                                 const std::string& service, int number = 1);

class DockerDaemon {
 public:
  // The test program's own, started at the first use; nullptr where that is impossible, and why.
  static DockerDaemon* Shared();
  static std::string WhyNot();
  ~DockerDaemon();
  DockerDaemon(const DockerDaemon&) = delete;
  DockerDaemon& operator=(const DockerDaemon&) = delete;

  std::string Endpoint() const { return "unix://" + Socket(); }
  std::string Socket() const { return dir_ / "docker.sock"; }
  // The helper's own client; a test may also make one of Endpoint().
  DockerEngine& engine() { return *engine_; }
  // SIGKILL to the engine, whose containers' fate is then the engine's affair; and a new start.
  void Kill();
  void StartAgain();

  // Creates and (unless told otherwise) starts; says the id.
  std::string Run(const DockerBox& box);
  // By force, with what was recorded about it.
  void Remove(const std::string& container);
  void MakeUnhealthy(const std::string& container);  // takes /ok away
  void MakeHealthy(const std::string& container);
  void Pause(const std::string& container);
  void Unpause(const std::string& container);
  // What a person at a terminal does; the helper waits for the answer.
  void SomebodyStops(const std::string& container, int grace_s = 10);
  // Runs it inside; its exit code, -1 if it could not be run.
  int Exec(const std::string& container, const std::vector<std::string>& argv);
  // Any call of the API, e.g. Api("POST", "/containers/web/stop?t=1"); the path without version.
  HttpResponse Api(const std::string& method, const std::string& path,
                   const std::string& body = "");

  // How often the event was seen of containers of that name, and a wait for the `nth`.
  int Count(const std::string& container, const std::string& action) const;
  bool WaitForEvent(const std::string& container, const std::string& action, int nth = 1,
                    std::chrono::milliseconds within = std::chrono::seconds(30)) const;
  std::vector<EngineEvent> Events(const std::string& container) const;

 private:
  DockerDaemon() = default;
  struct Outcome;
  static const Outcome& TheOne();
  // These three say why not, or "".
  std::string Begin();
  std::string Spawn();
  std::string ImportImage();
  void FollowEvents();
  void Unmount() const;
  std::vector<EngineEvent> EventsLocked(const std::string& container) const;
  int CountLocked(const std::string& container, const std::string& action) const;

  TempDir dir_;
  Metrics metrics_;
  RecordedLog log_;
  HttpClient http_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<DockerEngine> engine_;

  mutable std::mutex mutex_;  // guards the events
  mutable std::condition_variable changed_;
  std::vector<EngineEvent> events_;
  bool following_ = false;
  std::jthread follower_;
};

}  // namespace fettle

// Skips loudly where no engine can run; fails instead where CI=true says that one must.
#define FETTLE_NEEDS_DOCKER()                                                            \
  do {                                                                                   \
    if (::fettle::DockerDaemon::Shared() == nullptr) {                                   \
      const char* ci = ::getenv("CI");                                                   \
      if (ci != nullptr && ::std::string(ci) == "true") {                                \
        FAIL() << "no Docker engine: " << ::fettle::DockerDaemon::WhyNot();              \
      }                                                                                  \
      GTEST_SKIP() << "SKIPPED, no Docker engine: " << ::fettle::DockerDaemon::WhyNot(); \
    }                                                                                    \
  } while (false)

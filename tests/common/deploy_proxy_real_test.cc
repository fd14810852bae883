// deploy/engine-proxy.cfg in front of a real engine: what fettle needs passes, everything else is
// 403.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/docker_daemon.h"
#include "tests/support/raw_client.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using ::testing::StartsWith;

constexpr const char* kHaproxy = "/usr/sbin/haproxy";

class DeployProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FETTLE_NEEDS_DOCKER();
    if (access(kHaproxy, X_OK) != 0)
      FAIL() << "haproxy is not installed: deploy/packages test installs it";
    docker_ = DockerDaemon::Shared();
    port_ = FreePort();
    // The shipped text, with this test's addresses.
    std::ifstream in(FETTLE_SOURCE "/deploy/engine-proxy.cfg");
    std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    for (const auto& [shipped, here] :
         {std::pair<std::string, std::string>{"bind :2375", "bind " + Address()},
          {"unix@/var/run/docker.sock", "unix@" + docker_->Socket()}}) {
      const std::size_t at = text.find(shipped);
      ASSERT_NE(at, std::string::npos) << shipped;
      text.replace(at, shipped.size(), here);
    }
    const std::string config = dir_.Write("haproxy.cfg", text);
    ASSERT_EQ(Child::Run({.argv = {kHaproxy, "-c", "-f", config}}), 0);
    haproxy_ = Child::Start({.argv = {kHaproxy, "-db", "-f", config}, .log_file = dir_ / "log"});
    ASSERT_TRUE(WaitUntil([&] { return Listens(port_); })) << haproxy_->Log();
    docker_->Run({.name = "proxied"});
  }
  void TearDown() override {
    if (haproxy_) docker_->Remove("proxied");
  }
  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }
  // The answer's first line and what follows.
  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& body = "") const {
    RawClient client(Address());
    return client.Ask(fmt::format(
        "{} {} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
        "Connection: close\r\n\r\n{}",
        method, path, body.size(), body));
  }

  DockerDaemon* docker_ = nullptr;
  int port_ = 0;
  TempDir dir_;
  std::unique_ptr<Child> haproxy_;
};

TEST_F(DeployProxyTest, LetsFettleObserveAndRestart) {
  Metrics metrics;
  RecordedLog log;
  HttpClient http;
  const auto made = DockerEngine::Create({http, metrics, log.For("docker")},
                                         {.name = "proxy", .endpoint = "tcp://" + Address()});
  ASSERT_TRUE(made) << made.error().message;
  Engine& engine = **made;
  std::atomic<bool> ready = false;
  std::atomic<int> starts = 0;
  std::jthread follower([&](const std::stop_token& stop) {
    (void)engine.Follow(
        Time{}, [&] { ready = true; },
        [&](const EngineEvent& event) { starts += event.action == "start" ? 1 : 0; }, stop);
  });
  ASSERT_TRUE(WaitUntil([&] { return ready.load(); }));
  EXPECT_TRUE(engine.Ping());
  const auto list = engine.List({});
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->size(), 1U);
  EXPECT_TRUE(engine.Stats("proxied"));
  EXPECT_TRUE(engine.Logs("proxied", 10, 1000));
  const std::string first_run = engine.Inspect("proxied")->started_at_raw;
  for (const Status& acted :
       {engine.Restart("proxied", 1), engine.Stop("proxied", 1), engine.Start("proxied")}) {
    EXPECT_TRUE(acted) << acted.error().message;
  }
  EXPECT_NE(engine.Inspect("proxied")->started_at_raw, first_run);
  EXPECT_TRUE(WaitUntil([&] { return starts >= 2; })) << "events pass while they happen";
  const Status killed = engine.Kill("proxied", "SIGKILL");
  ASSERT_FALSE(killed);
  EXPECT_EQ(killed.error().cause, Cause::kDenied) << killed.error().message;
}

TEST_F(DeployProxyTest, RefusesEverythingElse) {
  EXPECT_THAT(Ask("GET", "/v1.41/containers/json?all=1"), StartsWith("HTTP/1.1 200"));
  const auto before = docker_->engine().Inspect("proxied");
  ASSERT_TRUE(before) << before.error().message;
  const std::string mounts = R"({"Binds": ["/:/host"], "Privileged": true})";
  const std::vector<std::vector<std::string>> refused = {
      {"POST", "/containers/proxied/kill"},
      {"POST", "/containers/proxied/pause"},
      {"POST", "/containers/proxied/rename?name=other"},
      {"POST", "/containers/proxied/update", R"({"Memory": 1})"},
      {"POST", "/containers/proxied/exec", R"({"Cmd": ["/bin/sh"]})"},
      {"POST", "/containers/proxied/attach?stream=1"},
      {"POST", "/containers/create", R"({"Image": "box:1"})"},
      {"POST", "/containers/prune"},
      {"DELETE", "/containers/proxied?force=1"},
      {"PUT", "/containers/proxied/archive?path=/"},
      {"GET", "/containers/proxied/archive?path=/etc"},
      {"GET", "/containers/proxied/export"},
      {"GET", "/containers/proxied/attach/ws"},
      {"GET", "/containers/proxied/restart"},
      {"DELETE", "/containers/json"},
      {"POST", "/containers/json"},
      {"GET", "/images/json"},
      {"POST", "/images/create?fromImage=box"},
      {"POST", "/build"},
      {"POST", "/commit?container=proxied"},
      {"GET", "/volumes"},
      {"POST", "/volumes/create"},
      {"GET", "/networks"},
      {"GET", "/secrets"},
      {"POST", "/swarm/init"},
      {"GET", "/plugins"},
      {"POST", "/auth"},
      {"GET", "/"},
      {"GET", "//containers/json"},
      {"GET", "/containers/json/"},
      {"GET", "/v1.41/containers/json/../../images/json"},
      {"GET", "/%76ersion"},
      {"POST", "/containers/proxied%2Fkill?x=/restart"},
      {"POST", "/containers/proxied/kill?x=/containers/proxied/restart"},
      {"POST", "/v1.23/containers/proxied/start", mounts},
      {"POST", "/v1.9/containers/proxied/start"},
      {"POST", "/v1.41/containers/proxied/start", mounts},
  };
  for (const std::vector<std::string>& call : refused) {
    EXPECT_THAT(Ask(call[0], call[1], call.size() > 2 ? call[2] : ""), StartsWith("HTTP/1.1 403"))
        << call[0] << " " << call[1];
  }
  const auto after = docker_->engine().Inspect("proxied");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->state, ContainerState::kRunning);
  EXPECT_EQ(after->started_at_raw, before->started_at_raw);
}

}  // namespace
}  // namespace fettle

// The engine client against a real Docker, and the contract that the fake must keep as well.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/common/engine_contract.h"
#include "tests/support/docker_daemon.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

class DockerBench final : public EngineBench {
 public:
  explicit DockerBench(DockerDaemon& docker) : docker_(docker) {}
  Engine& engine() override { return docker_.engine(); }
  std::string Run(const Box& box) override {
    const std::string id = docker_.Run({.name = box.name,
                                        .labels = box.labels,
                                        .health_check = box.health_check,
                                        .interval = Millis(200),
                                        .obeys_term = box.obeys_term,
                                        .auto_remove = box.auto_remove,
                                        .start = box.start});
    if (box.start && box.health_check) {
      EXPECT_TRUE(docker_.WaitForEvent(id, "health_status: healthy"));
    }
    return id;
  }
  void TurnUnhealthy(const std::string& container) override { docker_.MakeUnhealthy(container); }
  void TurnHealthy(const std::string& container) override { docker_.MakeHealthy(container); }
  void Pause(const std::string& container) override { docker_.Pause(container); }
  void SomebodyStops(const std::string& container) override { docker_.SomebodyStops(container); }
  void Remove(const std::string& container) override { docker_.Remove(container); }
  std::vector<std::string> PrintOutAndExit3() override {
    return {"/bin/sh", "-c", "echo out; exit 3"};
  }

 private:
  DockerDaemon& docker_;
};

}  // namespace

std::unique_ptr<EngineBench> MakeEngineBench() {
  const auto need = []() { FETTLE_NEEDS_DOCKER(); };
  need();
  DockerDaemon* docker = DockerDaemon::Shared();
  return docker == nullptr ? nullptr : std::make_unique<DockerBench>(*docker);
}

namespace {

class RealDockerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FETTLE_NEEDS_DOCKER();
    docker_ = DockerDaemon::Shared();
  }
  void TearDown() override {
    for (const std::string& name : made_) docker_->Remove(name);
  }
  std::string Run(const DockerBox& box) {
    made_.push_back(box.name);
    return docker_->Run(box);
  }
  DockerDaemon* docker_ = nullptr;
  std::vector<std::string> made_;
};

TEST_F(RealDockerTest, HearsOfAnUnhealthyContainerWithinMilliseconds) {
  Run({.name = "sick", .interval = Millis(50)});
  ASSERT_TRUE(docker_->WaitForEvent("sick", "health_status: healthy"));
  const SystemClock clock;
  std::vector<double> latencies;
  std::mutex mutex;
  std::jthread follower([&](const std::stop_token& stop) {
    (void)docker_->engine().Follow(
        Time{}, [] {},
        [&](const EngineEvent& event) {
          if (event.action != "health_status: unhealthy") return;
          const std::lock_guard lock(mutex);
          latencies.push_back(ToSeconds(clock.Now().wall - event.at));
        },
        stop);
  });
  for (int trial = 1; trial <= 10; ++trial) {
    docker_->MakeUnhealthy("sick");
    ASSERT_TRUE(docker_->WaitForEvent("sick", "health_status: unhealthy", trial));
    docker_->MakeHealthy("sick");
    ASSERT_TRUE(docker_->WaitForEvent("sick", "health_status: healthy", trial + 1));
  }
  follower.request_stop();
  follower.join();
  ASSERT_GE(latencies.size(), 9U);
  std::sort(latencies.begin(), latencies.end());
  RecordProperty("median_ms", fmt::format("{:.1f}", latencies[latencies.size() / 2] * 1000));
  EXPECT_LT(latencies[latencies.size() / 2], 0.05);
}

TEST_F(RealDockerTest, ReadsTheLastLinesOfALogWithoutItsFrames) {
  Run({.name = "talker",
       .health_check = false,
       .command = {"/bin/sh", "-c", "echo one; echo two >&2; echo three"}});
  ASSERT_TRUE(docker_->WaitForEvent("talker", "die"));
  EXPECT_EQ(
      *docker_->engine().Logs("talker", 10, 1000).map([](std::string text) { return text.size(); }),
      std::string("one\ntwo\nthree\n").size())
      << "stdout and stderr, in whatever order they were read";
  const auto last = docker_->engine().Logs("talker", 10, 4);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->size(), 4U);
}

TEST_F(RealDockerTest, MeasuresWhatAContainerUses) {
  Run({.name = "busy"});
  const auto stats = docker_->engine().Stats("busy");
  ASSERT_TRUE(stats) << stats.error().message;
  EXPECT_GT(stats->cpu_seconds, 0);
  EXPECT_GE(stats->memory_bytes, 0);
}

TEST_F(RealDockerTest, ACommandThatOutlivesItsDeadlineIsFoundLater) {
  Run({.name = "slow"});
  Engine& engine = docker_->engine();
  const auto exec = engine.ExecCreate("slow", {"/bin/sh", "-c", "sleep 1; exit 7"});
  ASSERT_TRUE(exec);
  EXPECT_EQ(engine.ExecStart(*exec, Millis(100)).error().cause, Cause::kTimeout);
  EXPECT_TRUE(engine.ExecInspect(*exec)->running);
  EXPECT_TRUE(WaitUntil([&] { return !engine.ExecInspect(*exec)->running; }));
  EXPECT_EQ(engine.ExecInspect(*exec)->exit_code, 7);
}

TEST_F(RealDockerTest, NoticesThatTheEngineDiedAndThatItIsBack) {
  Run({.name = "survivor", .restart_policy = "always"});
  Engine& engine = docker_->engine();
  std::atomic<bool> ready = false;
  Status ended;
  std::thread follower([&] {
    ended = engine.Follow(
        Time{}, [&] { ready = true; }, [](const EngineEvent&) {}, std::stop_token());
  });
  ASSERT_TRUE(WaitUntil([&] { return ready.load(); }));
  docker_->Kill();
  follower.join();
  EXPECT_EQ(ended.error().cause, Cause::kUnavailable) << ended.error().message;
  EXPECT_EQ(engine.Ping().error().cause, Cause::kUnavailable);
  EXPECT_EQ(engine.Restart("survivor", 1).error().cause, Cause::kUnavailable)
      << "nothing was sent, so nothing happened";
  docker_->StartAgain();
  EXPECT_TRUE(docker_->engine().Ping());
  EXPECT_TRUE(WaitUntil([&] {
    const auto survivor = docker_->engine().Inspect("survivor");
    return survivor && survivor->state == ContainerState::kRunning;
  }));
}

}  // namespace

}  // namespace fettle

// What fettle relies on in an engine, run over the fake and over a real Docker: so the fake cannot
// promise what the real one does not keep. Included by one test file of each program.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/engine.h"

namespace fettle {

// An engine, and hands to change the world beside it.
class EngineBench {
 public:
  virtual ~EngineBench() = default;
  virtual Engine& engine() = 0;
  struct Box {
    std::string name;
    std::map<std::string, std::string> labels = {};
    bool health_check = false;
    bool obeys_term = true;
    bool start = true;
    bool auto_remove = false;
  };
  // Returns once it runs, and is healthy if it has a health check.
  virtual std::string Run(const Box& box) = 0;
  // Return at once.
  virtual void TurnUnhealthy(const std::string& container) = 0;
  virtual void TurnHealthy(const std::string& container) = 0;
  virtual void Pause(const std::string& container) = 0;
  virtual void SomebodyStops(const std::string& container) = 0;
  virtual void Remove(const std::string& container) = 0;
  // A command that prints "out" and ends with 3.
  virtual std::vector<std::string> PrintOutAndExit3() = 0;
};

// Defined by the including file; nullptr skips the test, which the function has then said why.
std::unique_ptr<EngineBench> MakeEngineBench();

class EngineContractTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bench_ = MakeEngineBench();
    if (bench_ == nullptr && !HasFailure()) GTEST_SKIP() << "there is no such engine here";
  }
  void TearDown() override {
    follower_.request_stop();
    if (follower_.joinable()) follower_.join();
    if (bench_ == nullptr) return;
    for (const std::string& id : made_) bench_->Remove(id);
  }
  Engine& engine() { return bench_->engine(); }
  std::string Run(EngineBench::Box box) {
    made_.push_back(bench_->Run(box));
    return made_.back();
  }
  Container Look(const std::string& id) {
    const Result<Container> container = engine().Inspect(id);
    EXPECT_TRUE(container) << container.error().message;
    return container ? *container : Container{};
  }
  static Cause CauseOf(const Status& status) {
    EXPECT_FALSE(status);
    return status ? Cause::kFailed : status.error().cause;
  }

  void Follow(Time since = Time{}) {
    follower_ = std::jthread([this, since](const std::stop_token& stop) {
      const Status ended = engine().Follow(
          since,
          [this] {
            const std::lock_guard lock(mutex_);
            ready_ = true;
            heard_.notify_all();
          },
          [this](const EngineEvent& event) {
            const std::lock_guard lock(mutex_);
            events_.push_back(event);
            heard_.notify_all();
          },
          stop);
      EXPECT_TRUE(ended) << ended.error().message;
    });
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(heard_.wait_for(lock, std::chrono::seconds(10), [this] { return ready_; }));
  }
  // The actions of one container up to and with the `nth` occurrence of `last`.
  std::vector<std::string> HearUntil(const std::string& id, const std::string& last, int nth = 1) {
    std::vector<std::string> actions;
    std::unique_lock lock(mutex_);
    heard_.wait_for(lock, std::chrono::seconds(30), [&] {
      actions.clear();
      for (const EngineEvent& event : events_) {
        if (event.container_id == id) actions.push_back(event.action);
      }
      return std::count(actions.begin(), actions.end(), last) >= nth;
    });
    return actions;
  }
  EngineEvent Heard(const std::string& id, const std::string& action) {
    const std::lock_guard lock(mutex_);
    for (const EngineEvent& event : events_) {
      if (event.container_id == id && event.action == action) return event;
    }
    ADD_FAILURE() << "no " << action;
    return {};
  }

  std::unique_ptr<EngineBench> bench_;
  std::vector<std::string> made_;
  std::mutex mutex_;
  std::condition_variable heard_;
  bool ready_ = false;
  std::vector<EngineEvent> events_;
  std::jthread follower_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(EngineContractTest, InspectsWhatRuns) {
  const std::string id = Run(
      {.name = "shop-web-1",
       .labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}},
       .health_check = true});
  const Container container = Look(id);
  EXPECT_EQ(container.id, id);
  EXPECT_EQ(container.name, "shop-web-1");
  EXPECT_EQ(container.Project(), "shop");
  EXPECT_EQ(container.Service(), "web");
  EXPECT_EQ(container.state, ContainerState::kRunning);
  EXPECT_EQ(container.health, ContainerHealth::kHealthy);
  EXPECT_EQ(container.failing_streak, 0);
  EXPECT_GT(container.pid, 0);
  EXPECT_FALSE(container.auto_remove);
  EXPECT_EQ(container.restart_policy, "no");
  EXPECT_EQ(container.image, "box:1");
  EXPECT_NE(container.started_at, Time{});
  EXPECT_EQ(container.finished_at_raw, "0001-01-01T00:00:00Z");
  EXPECT_EQ(container.finished_at, Time{});
  EXPECT_EQ(Look("shop-web-1").id, id) << "a name serves as well as an id";
}

TEST_F(EngineContractTest, ListsByLabelsRunningOrNot) {
  Run({.name = "contract-a", .labels = {{"team", "red"}, {"tier", "1"}}});
  Run({.name = "contract-b", .labels = {{"team", "red"}}, .start = false});
  Run({.name = "contract-c", .labels = {{"team", "blue"}}});
  const auto names = [&](const std::vector<std::string>& filters) {
    std::vector<std::string> found;
    const auto containers = engine().List(filters);
    EXPECT_TRUE(containers);
    if (!containers) return found;
    for (const Container& container : *containers) {
      if (container.name.starts_with("contract-")) found.push_back(container.name);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_THAT(names({}), ElementsAre("contract-a", "contract-b", "contract-c"));
  EXPECT_THAT(names({"team=red"}), ElementsAre("contract-a", "contract-b"));
  EXPECT_THAT(names({"team"}), SizeIs(3));
  EXPECT_THAT(names({"team=red", "tier=1"}), ElementsAre("contract-a"));
  EXPECT_THAT(names({"team=green"}), IsEmpty());
}

TEST_F(EngineContractTest, KnowsNoSuchContainer) {
  EXPECT_TRUE(engine().Ping());
  EXPECT_EQ(CauseOf(engine().Restart("nobody", 1)), Cause::kNotFound);
  EXPECT_EQ(CauseOf(engine().Start("nobody")), Cause::kNotFound);
  EXPECT_EQ(CauseOf(engine().Stop("nobody", 1)), Cause::kNotFound);
  EXPECT_EQ(CauseOf(engine().Kill("nobody", "SIGHUP")), Cause::kNotFound);
  EXPECT_EQ(engine().Inspect("nobody").error().cause, Cause::kNotFound);
  EXPECT_EQ(engine().ExecCreate("nobody", {"/bin/true"}).error().cause, Cause::kNotFound);
  EXPECT_EQ(engine().ExecInspect("nobody").error().cause, Cause::kNotFound);
  EXPECT_EQ(engine().Inspect("../../info").error().cause, Cause::kNotFound)
      << "a name never becomes another path";
}

TEST_F(EngineContractTest, RestartsInOrderAndMovesStartedAt) {
  const std::string id = Run({.name = "contract-a"});
  const Container before = Look(id);
  Follow();
  ASSERT_TRUE(engine().Restart(id, 5));
  EXPECT_THAT(HearUntil(id, "restart"), ElementsAre("kill", "die", "stop", "start", "restart"));
  EXPECT_EQ(Heard(id, "kill").attributes["signal"], "15");
  EXPECT_EQ(Heard(id, "die").attributes["exitCode"], "0");
  EXPECT_EQ(Heard(id, "die").attributes["name"], "contract-a");
  const Container after = Look(id);
  EXPECT_EQ(after.state, ContainerState::kRunning);
  EXPECT_EQ(after.id, before.id);
  EXPECT_NE(after.started_at_raw, before.started_at_raw);
  EXPECT_NE(after.pid, before.pid);
  EXPECT_GE(after.started_at, before.started_at);
  EXPECT_GE(Heard(id, "start").at_ns, Heard(id, "die").at_ns);
}

TEST_F(EngineContractTest, RestartKillsWhatIgnoresTerm) {
  const std::string id = Run({.name = "contract-a", .obeys_term = false});
  Follow();
  ASSERT_TRUE(engine().Restart(id, 1));
  EXPECT_THAT(HearUntil(id, "restart"),
              ElementsAre("kill", "kill", "die", "stop", "start", "restart"));
  EXPECT_EQ(Heard(id, "die").attributes["exitCode"], "137");
}

TEST_F(EngineContractTest, RestartStartsWhatWasStopped) {
  const std::string id = Run({.name = "contract-a"});
  ASSERT_TRUE(engine().Stop(id, 5));
  EXPECT_EQ(Look(id).state, ContainerState::kExited);
  Follow();
  ASSERT_TRUE(engine().Restart(id, 5));
  EXPECT_THAT(HearUntil(id, "restart"), ElementsAre("start", "restart"));
  EXPECT_EQ(Look(id).state, ContainerState::kRunning);
}

TEST_F(EngineContractTest, RestartUnpausesWhatWasPaused) {
  const std::string id = Run({.name = "contract-a"});
  bench_->Pause(id);
  EXPECT_EQ(Look(id).state, ContainerState::kPaused);
  Follow();
  ASSERT_TRUE(engine().Restart(id, 5));
  EXPECT_THAT(HearUntil(id, "restart"),
              ElementsAre("kill", "unpause", "die", "stop", "start", "restart"));
  EXPECT_EQ(Look(id).state, ContainerState::kRunning);
}

TEST_F(EngineContractTest, RestartKeepsAnAutoRemovedContainer) {
  const std::string id = Run({.name = "contract-a", .auto_remove = true});
  ASSERT_TRUE(engine().Restart(id, 5));
  EXPECT_EQ(Look(id).state, ContainerState::kRunning);
  EXPECT_TRUE(Look(id).auto_remove);
  Follow();
  ASSERT_TRUE(engine().Stop(id, 1));
  HearUntil(id, "destroy");
  EXPECT_EQ(engine().Inspect(id).error().cause, Cause::kNotFound);
}

TEST_F(EngineContractTest, StoppingTwiceIsOneStop) {
  const std::string id = Run({.name = "contract-a"});
  Follow();
  ASSERT_TRUE(engine().Stop(id, 5));
  ASSERT_TRUE(engine().Stop(id, 5));
  ASSERT_TRUE(engine().Start(id));
  EXPECT_THAT(HearUntil(id, "start"), ElementsAre("kill", "die", "stop", "start"));
  EXPECT_EQ(Look(id).exit_code, 0);
  EXPECT_NE(Look(id).finished_at_raw, "0001-01-01T00:00:00Z");
}

TEST_F(EngineContractTest, StartingTwiceIsOneStart) {
  const std::string id = Run({.name = "contract-a", .start = false});
  EXPECT_EQ(Look(id).state, ContainerState::kCreated);
  Follow();
  ASSERT_TRUE(engine().Start(id));
  ASSERT_TRUE(engine().Start(id));
  ASSERT_TRUE(engine().Kill(id, "SIGKILL"));
  EXPECT_THAT(HearUntil(id, "die"), ElementsAre("start", "kill", "die"));
  EXPECT_EQ(Look(id).exit_code, 137);
}

TEST_F(EngineContractTest, CannotStartWhatIsPaused) {
  const std::string id = Run({.name = "contract-a"});
  bench_->Pause(id);
  EXPECT_EQ(CauseOf(engine().Start(id)), Cause::kConflict);
  EXPECT_EQ(Look(id).state, ContainerState::kPaused);
}

TEST_F(EngineContractTest, KillsOnlyWhatRuns) {
  const std::string id = Run({.name = "contract-a"});
  Follow();
  ASSERT_TRUE(engine().Kill(id, "SIGWINCH")) << "a signal that nobody dies of";
  EXPECT_EQ(Look(id).state, ContainerState::kRunning);
  ASSERT_TRUE(engine().Kill(id, "SIGTERM"));
  HearUntil(id, "die");
  EXPECT_EQ(CauseOf(engine().Kill(id, "SIGKILL")), Cause::kConflict);
  EXPECT_EQ(Heard(id, "kill").attributes["signal"], "28");
}

TEST_F(EngineContractTest, APausedContainerLooksUnhealthyWithoutAStreak) {
  const std::string id = Run({.name = "contract-a", .health_check = true});
  Follow();
  bench_->Pause(id);
  EXPECT_EQ(Look(id).health, ContainerHealth::kUnhealthy);
  EXPECT_EQ(Look(id).failing_streak, 0);
  EXPECT_THAT(HearUntil(id, "pause"), ElementsAre("pause")) << "and no event says unhealthy";
}

TEST_F(EngineContractTest, TellsWhenAContainerTurnsUnhealthy) {
  const std::string id = Run({.name = "contract-a", .health_check = true});
  Follow();
  bench_->TurnUnhealthy(id);
  EXPECT_THAT(HearUntil(id, "health_status: unhealthy"), ElementsAre("health_status: unhealthy"));
  EXPECT_EQ(Look(id).health, ContainerHealth::kUnhealthy);
  EXPECT_GT(Look(id).failing_streak, 0);
  bench_->TurnHealthy(id);
  EXPECT_THAT(HearUntil(id, "health_status: healthy"),
              ElementsAre("health_status: unhealthy", "health_status: healthy"));
  EXPECT_EQ(Look(id).health, ContainerHealth::kHealthy);
}

TEST_F(EngineContractTest, HealthStartsAnewAfterARestart) {
  const std::string id = Run({.name = "contract-a", .health_check = true});
  Follow();
  ASSERT_TRUE(engine().Stop(id, 5));
  EXPECT_EQ(Look(id).health, ContainerHealth::kUnhealthy);
  EXPECT_EQ(Look(id).failing_streak, 0);
  ASSERT_TRUE(engine().Start(id));
  EXPECT_NE(Look(id).health, ContainerHealth::kUnhealthy) << "starting, or healthy again already";
  EXPECT_THAT(HearUntil(id, "start"), ElementsAre("kill", "die", "stop", "start"));
}

TEST_F(EngineContractTest, TellsASomebodysStopApart) {
  const std::string id = Run({.name = "contract-a"});
  Follow();
  bench_->SomebodyStops(id);
  EXPECT_THAT(HearUntil(id, "stop"), ElementsAre("kill", "die", "stop"));
  EXPECT_EQ(Look(id).state, ContainerState::kExited);
}

TEST_F(EngineContractTest, AnExecRunsAtMostOnce) {
  const std::string id = Run({.name = "contract-a"});
  const Result<std::string> exec = engine().ExecCreate(id, bench_->PrintOutAndExit3());
  ASSERT_TRUE(exec);
  const auto before = engine().ExecInspect(*exec);
  ASSERT_TRUE(before);
  EXPECT_FALSE(before->running);
  EXPECT_EQ(before->exit_code, std::nullopt);
  const Result<ExecResult> result = engine().ExecStart(*exec, std::chrono::seconds(20));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->output, "out\n");
  EXPECT_EQ(result->exec_id, *exec);
  EXPECT_EQ(engine().ExecStart(*exec, std::chrono::seconds(20)).error().cause, Cause::kConflict);
  ASSERT_TRUE(engine().Restart(id, 5));
  const auto after = engine().ExecInspect(*exec);
  ASSERT_TRUE(after) << "it is remembered beyond a restart";
  EXPECT_EQ(after->exit_code, 3);
}

TEST_F(EngineContractTest, ExecsOnlyInWhatRuns) {
  const std::string id = Run({.name = "contract-a"});
  bench_->Pause(id);
  EXPECT_EQ(engine().ExecCreate(id, {"/bin/true"}).error().cause, Cause::kConflict);
  ASSERT_TRUE(engine().Stop(id, 5));
  EXPECT_EQ(engine().ExecCreate(id, {"/bin/true"}).error().cause, Cause::kConflict);
}

TEST_F(EngineContractTest, FollowsFromATimeOn) {
  const std::string id = Run({.name = "contract-a"});
  ASSERT_TRUE(engine().Stop(id, 5));
  const Time stopped = Look(id).finished_at;
  ASSERT_TRUE(engine().Start(id));
  Follow(stopped - std::chrono::hours(1));
  const std::vector<std::string> actions = HearUntil(id, "start", 2);
  EXPECT_THAT(actions, ElementsAre("create", "start", "kill", "die", "stop", "start"));
}

TEST_F(EngineContractTest, RefusesStatsOfWhatDoesNotRun) {
  const std::string id = Run({.name = "contract-a"});
  EXPECT_TRUE(engine().Stats(id));
  ASSERT_TRUE(engine().Stop(id, 5));
  EXPECT_EQ(engine().Stats(id).error().cause, Cause::kConflict);
}

}  // namespace fettle

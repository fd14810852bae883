// What the fake engine can be told to do wrong, and what it remembers. That it behaves like a real
// one otherwise is the contract suite's subject.
#include "tests/support/fake_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/manual_clock.h"

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeEngineTest : public ::testing::Test {
 protected:
  std::string StartedAt(const std::string& name) { return engine_.Inspect(name)->started_at_raw; }
  ContainerState State(const std::string& name) { return engine_.Inspect(name)->state; }

  ManualClock clock_;
  FakeEngine engine_{clock_};
};

TEST_F(FakeEngineTest, RecordsWhatWasCalledByNameAndWhatReallyStarted) {
  const std::string id = engine_.AddService("shop", "web");
  ASSERT_TRUE(engine_.Inspect(id));
  ASSERT_TRUE(engine_.Restart(id, 10));
  ASSERT_TRUE(engine_.Kill("shop-web-1", "SIGHUP"));
  engine_.SomebodyRestarts("shop-web-1");
  EXPECT_THAT(engine_.Acts(), ElementsAre("restart shop-web-1 t=10", "kill shop-web-1 SIGHUP"));
  EXPECT_THAT(engine_.Calls(), ElementsAre("inspect shop-web-1", "restart shop-web-1 t=10",
                                           "kill shop-web-1 SIGHUP"));
  EXPECT_EQ(engine_.Starts(id), 2);
}

TEST_F(FakeEngineTest, StampsEveryStartAnewThoughTheClockStandsStill) {
  engine_.Add({.name = "web"});
  const std::string before = StartedAt("web");
  ASSERT_TRUE(engine_.Restart("web", 1));
  const std::string between = StartedAt("web");
  ASSERT_TRUE(engine_.Restart("web", 1));
  EXPECT_LT(before, between);
  EXPECT_LT(between, StartedAt("web"));
}

TEST_F(FakeEngineTest, ATimeOutMayHideWhatHappenedWhatWillAndWhatNeverDoes) {
  engine_.Add({.name = "web"});
  struct Case {
    Happens happens;
    int starts_at_once;
    int starts_in_the_end;
    ContainerState state;
  };
  for (const Case& c : {Case{Happens::kNow, 1, 1, ContainerState::kRunning},
                        Case{Happens::kLater, 0, 1, ContainerState::kRunning},
                        Case{Happens::kNever, 0, 0, ContainerState::kRunning},
                        Case{Happens::kHalf, 0, 0, ContainerState::kExited}}) {
    const int before = engine_.Starts("web");
    engine_.FailNext("restart", TimesOut(c.happens));
    const Status status = engine_.Restart("web", 10);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().cause, Cause::kTimeout);
    EXPECT_EQ(engine_.Starts("web") - before, c.starts_at_once);
    engine_.LetHappen();
    EXPECT_EQ(engine_.Starts("web") - before, c.starts_in_the_end);
    EXPECT_EQ(State("web"), c.state);
  }
}

TEST_F(FakeEngineTest, FailsOnceOrUntilHealed) {
  engine_.Add({.name = "web"});
  engine_.FailNext("inspect", Denied());
  EXPECT_EQ(engine_.Inspect("web").error().cause, Cause::kDenied);
  EXPECT_TRUE(engine_.Inspect("web"));
  engine_.FailAll("list", Unavailable());
  EXPECT_FALSE(engine_.List({}));
  EXPECT_FALSE(engine_.List({}));
  engine_.Heal();
  EXPECT_TRUE(engine_.List({}));
}

TEST_F(FakeEngineTest, ReachesNothingWhileDown) {
  engine_.Add({.name = "web"});
  engine_.GoDown();
  EXPECT_EQ(engine_.Restart("web", 1).error().cause, Cause::kUnavailable);
  EXPECT_THAT(engine_.Acts(), IsEmpty());
  engine_.ComeUp();
  EXPECT_TRUE(engine_.Restart("web", 1));
}

TEST_F(FakeEngineTest, HangsUntilReleased) {
  engine_.Add({.name = "web"});
  engine_.Hang("restart");
  std::thread caller([&] { EXPECT_TRUE(engine_.Restart("web", 1)); });
  while (engine_.Acts().empty()) std::this_thread::yield();
  EXPECT_EQ(engine_.Starts("web"), 0);
  engine_.Release();
  caller.join();
  EXPECT_EQ(engine_.Starts("web"), 1);
}

TEST_F(FakeEngineTest, LetsATestInterfereJustBeforeACallHappens) {
  engine_.Add({.name = "web"});
  std::vector<std::string> seen;
  engine_.BeforeCall([&](const std::string& line) {
    seen.push_back(line);
    engine_.GoDown();
  });
  EXPECT_EQ(engine_.Restart("web", 1).error().cause, Cause::kUnavailable);
  EXPECT_THAT(seen, ElementsAre("restart web t=1"));
  EXPECT_EQ(engine_.Starts("web"), 0);
}

TEST_F(FakeEngineTest, AnExecDoesWhatTheTestSays) {
  engine_.Add({.name = "db"});
  engine_.OnExec([](const Container& container, const std::vector<std::string>& argv) {
    return ExecResult{.exit_code = 3, .output = container.name + " ran " + argv.at(1)};
  });
  const auto id = engine_.ExecCreate("db", {"/bin/sh", "x.sh"});
  ASSERT_TRUE(id);
  const auto result = engine_.ExecStart(*id, Millis(1000));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "db ran x.sh");
  EXPECT_EQ(engine_.ExecInspect(*id)->exit_code, 3);
  EXPECT_EQ(engine_.ExecStart(*id, Millis(1000)).error().cause, Cause::kConflict);
}

TEST_F(FakeEngineTest, TellsFollowersAndLosesEventsOnDemand) {
  engine_.Add({.name = "web", .health = ContainerHealth::kHealthy});
  std::vector<std::string> heard;
  std::jthread follower([&](const std::stop_token& stop) {
    (void)engine_.Follow(
        Time{}, [] {}, [&](const EngineEvent& event) { heard.push_back(event.action); }, stop);
  });
  ASSERT_TRUE(engine_.WaitForFollowers(1));
  engine_.TurnUnhealthy("web");
  engine_.LoseEvents(true);
  engine_.TurnHealthy("web");
  engine_.LoseEvents(false);
  engine_.Die("web", 1);
  EXPECT_THAT(heard, ElementsAre("health_status: unhealthy", "die"));
  EXPECT_THAT(engine_.EventNames(), ElementsAre("web create", "web health_status: unhealthy",
                                                "web health_status: healthy", "web die"));
  engine_.BreakStreams();
  ASSERT_TRUE(engine_.WaitForFollowers(0));
}

TEST_F(FakeEngineTest, StartsAgainWhatItsPolicySays) {
  engine_.Add({.name = "never", .restart_policy = "no"});
  engine_.Add({.name = "always", .restart_policy = "always"});
  engine_.Add({.name = "on-failure", .restart_policy = "on-failure"});
  for (const char* name : {"never", "always", "on-failure"}) engine_.Die(name, 0);
  EXPECT_EQ(State("never"), ContainerState::kExited);
  EXPECT_EQ(State("always"), ContainerState::kRunning);
  EXPECT_EQ(engine_.Inspect("always")->restart_count, 1);
  EXPECT_EQ(State("on-failure"), ContainerState::kExited);
  ASSERT_TRUE(engine_.Start("on-failure"));
  engine_.Die("on-failure", 2, true);
  EXPECT_EQ(State("on-failure"), ContainerState::kRunning);
}

TEST_F(FakeEngineTest, ADeployBringsTheSameNameWithANewId) {
  const std::string old_id = engine_.AddService("shop", "web");
  const std::string new_id = engine_.Recreate("shop-web-1");
  EXPECT_NE(old_id, new_id);
  EXPECT_EQ(engine_.Inspect(old_id).error().cause, Cause::kNotFound);
  EXPECT_EQ(engine_.Inspect(new_id)->Service(), "web");
}

TEST_F(FakeEngineTest, AChildOfAStoppedContainersNetworkCannotStart) {
  const std::string parent = engine_.Add({.name = "vpn", .state = ContainerState::kExited});
  engine_.Add({.name = "app", .network_mode = "container:" + parent});
  EXPECT_EQ(engine_.Restart("app", 1).error().cause, Cause::kFailed);
  ASSERT_TRUE(engine_.Start("vpn"));
  EXPECT_TRUE(engine_.Start("app"));
}

TEST(ContainerTest, WithoutComposeIsItsOwnService) {
  Container container;
  container.name = "db";
  EXPECT_EQ(container.Project(), "");
  EXPECT_EQ(container.Service(), "db");
  EXPECT_EQ(container.Number(), "1");
  container.labels = {{"com.docker.compose.project", "shop"},
                      {"com.docker.compose.service", "web"},
                      {"com.docker.compose.container-number", "3"}};
  EXPECT_EQ(container.Project() + "/" + container.Service() + "/" + container.Number(),
            "shop/web/3");
}

}  // namespace
}  // namespace fettle

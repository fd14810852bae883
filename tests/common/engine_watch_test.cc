#include "common/engine_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_engine.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

// Keeps the news.
class Ear final : public EngineListener {
 public:
  void OnEngineEvent(const EngineEvent& event, const Moment&) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(event.action);
  }
  void OnInventory(const std::vector<Container>& containers, const Moment&) override {
    const std::lock_guard lock(mutex_);
    inventories_.push_back(containers.size());
  }
  std::vector<std::string> Events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::size_t Inventories() const {
    const std::lock_guard lock(mutex_);
    return inventories_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> events_;
  std::vector<std::size_t> inventories_;
};

class EngineWatchTest : public testing::Test {
 protected:
  EngineWatchTest() { watch_.Add(ear_); }
  void Follow() {
    watch_.Start();
    // Subscribed, and the list read after that.
    ASSERT_TRUE(WaitUntil([this] { return ear_.Inventories() > 0; }));
  }
  Container Known(const std::string& name) {
    for (const Container& container : watch_.Containers()) {
      if (container.name == name) return container;
    }
    return {};
  }
  double Counter(const std::string& name) {
    for (const MetricFamily& family : metrics_.Collect()) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }

  ManualClock clock_;
  FakeEngine engine_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  Ear ear_;
  EngineWatch watch_{
      {.engine = engine_, .clock = clock_, .metrics = metrics_, .log = log_.For("engine")}};
};

TEST_F(EngineWatchTest, ListsAfterItHasSubscribed) {
  engine_.AddService("shop", "web");
  Follow();
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kRunning);
  EXPECT_EQ(ear_.Inventories(), 1U);
  EXPECT_TRUE(watch_.Following());
}

TEST_F(EngineWatchTest, KnowsWhatAnEventSaysWithoutAsking) {
  engine_.AddService("shop", "web");
  engine_.TurnHealthy("shop-web-1");
  Follow();
  const std::size_t calls = engine_.Calls().size();
  engine_.TurnUnhealthy("shop-web-1");
  ASSERT_TRUE(engine_.WaitForFollowers());
  EXPECT_EQ(Known("shop-web-1").health, ContainerHealth::kUnhealthy);
  EXPECT_GT(Known("shop-web-1").failing_streak, 0);
  EXPECT_EQ(engine_.Calls().size(), calls);
  EXPECT_THAT(ear_.Events(), Contains("health_status: unhealthy"));
}

TEST_F(EngineWatchTest, LooksAtAContainerThatStartedStoppedOrWentAway) {
  engine_.AddService("shop", "web");
  Follow();
  engine_.SomebodyStops("shop-web-1");
  ASSERT_TRUE(engine_.WaitForFollowers());
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kExited);
  engine_.SomebodyStarts("shop-web-1");
  ASSERT_TRUE(engine_.WaitForFollowers());
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kRunning);
  engine_.Pause("shop-web-1");
  ASSERT_TRUE(engine_.WaitForFollowers());
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kPaused);
  engine_.Remove("shop-web-1");
  ASSERT_TRUE(engine_.WaitForFollowers());
  EXPECT_THAT(watch_.Containers(), IsEmpty());
  engine_.AddService("shop", "api");
  ASSERT_TRUE(engine_.WaitForFollowers());
  EXPECT_EQ(Known("shop-api-1").state, ContainerState::kRunning);
}

TEST_F(EngineWatchTest, AReconcileFindsWhatALossyStreamDropped_D22) {
  engine_.AddService("shop", "web");
  Follow();
  EXPECT_EQ(Counter("fettle_engine_reconcile_drift_total"), 0);
  engine_.LoseEvents(true);
  engine_.SomebodyStops("shop-web-1");
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kRunning);
  ASSERT_TRUE(watch_.Reconcile());
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kExited);
  EXPECT_EQ(Counter("fettle_engine_reconcile_drift_total"), 1);
  ASSERT_TRUE(watch_.Reconcile());
  EXPECT_EQ(Counter("fettle_engine_reconcile_drift_total"), 1);
}

TEST_F(EngineWatchTest, ComesBackWhenTheStreamBreaks) {
  engine_.AddService("shop", "web");
  Follow();
  engine_.BreakStreams();
  engine_.SomebodyStops("shop-web-1");
  EXPECT_TRUE(WaitUntil([this] { return ear_.Inventories() > 1; }));
  EXPECT_EQ(Known("shop-web-1").state, ContainerState::kExited);
  EXPECT_GE(Counter("fettle_engine_events_reconnects_total"), 1);
}

TEST_F(EngineWatchTest, SaysOnceThatTheEngineIsAwayAndEndsPromptly) {
  engine_.GoDown();
  watch_.Start();
  EXPECT_FALSE(watch_.Reconcile());
  EXPECT_FALSE(watch_.Following());
  watch_.Stop();
  watch_.Stop();
}

}  // namespace
}  // namespace fettle

#include "exporter/collectors/docker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/fake_engine.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/wait.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// Keeps the last page that was published between turns.
class Printer final : public Publisher {
 public:
  void Publish(const Collector&, std::vector<MetricFamily> families, const Moment&) override {
    const std::lock_guard lock(mutex_);
    page_ = std::move(families);
    ++published_;
  }
  std::vector<MetricFamily> Last() const {
    const std::lock_guard lock(mutex_);
    return page_;
  }
  int Published() const {
    const std::lock_guard lock(mutex_);
    return published_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<MetricFamily> page_;
  int published_ = 0;
};

std::set<std::string> Lines(const std::vector<MetricFamily>& families) {
  std::set<std::string> lines;
  for (const MetricFamily& family : families) {
    for (const MetricPoint& point : family.points) {
      lines.insert(fmt::format("{}{} {}", family.name, point.labels.ToString(), point.value));
    }
  }
  return lines;
}

class DockerCollectorTest : public testing::Test {
 protected:
  DockerCollectorTest() { watch_.Add(collector_); }
  std::set<std::string> Turn() {
    const auto families = collector_.Collect({clock_.Now(), clock_.Now().boot});
    EXPECT_TRUE(families);
    return families ? Lines(*families) : std::set<std::string>{};
  }

  ManualClock clock_;
  FakeEngine engine_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  EngineWatch watch_{
      {.engine = engine_, .clock = clock_, .metrics = metrics_, .log = log_.For("engine")}};
  Printer printer_;
  DockerCollector collector_{{.engine = engine_, .watch = watch_, .publisher = printer_}};
};

const char* const kWeb = R"(container="shop-web-1", )";

TEST_F(DockerCollectorTest, ShowsStatesHealthAndUsage) {
  engine_.AddService("shop", "web");
  engine_.TurnHealthy("shop-web-1");
  engine_.SetStats("shop-web-1",
                   {.cpu_seconds = 1.5, .memory_bytes = 1e6, .memory_limit_bytes = 2e6});
  const std::set<std::string> lines = Turn();
  const std::string labels = R"(project="shop", service="web")";
  for (const std::string& line : {
           fmt::format(R"(fettle_container_state{{{}{}, state="running"}} 1)", kWeb, labels),
           fmt::format(R"(fettle_container_state{{{}{}, state="exited"}} 0)", kWeb, labels),
           fmt::format(R"(fettle_container_health{{{}health="healthy", {}}} 1)", kWeb, labels),
           fmt::format(R"(fettle_container_health{{{}health="unhealthy", {}}} 0)", kWeb, labels),
           fmt::format(R"(fettle_container_restarts_total{{{}{}}} 0)", kWeb, labels),
           fmt::format(R"(fettle_container_cpu_seconds_total{{{}{}}} 1.5)", kWeb, labels),
           fmt::format(R"(fettle_container_memory_bytes{{{}{}}} 1000000)", kWeb, labels),
           fmt::format(R"(fettle_container_memory_limit_bytes{{{}{}}} 2000000)", kWeb, labels),
       }) {
    EXPECT_THAT(lines, Contains(line));
  }
  EXPECT_THAT(lines, Not(Contains(HasSubstr("fettle_container_exit_code"))));
}

TEST_F(DockerCollectorTest, AStoppedOrPausedContainerHasNoHealthAndNoUsage) {
  engine_.AddService("shop", "web");
  engine_.TurnUnhealthy("shop-web-1");
  EXPECT_THAT(Turn(),
              Contains(HasSubstr(R"(health="unhealthy", project="shop", service="web"} 1)")));
  engine_.Pause("shop-web-1");
  EXPECT_THAT(Turn(), Not(Contains(HasSubstr("fettle_container_health"))));
  engine_.Unpause("shop-web-1");
  engine_.Die("shop-web-1", 137, true);
  const std::set<std::string> lines = Turn();
  EXPECT_THAT(lines, Not(Contains(HasSubstr("fettle_container_health"))));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("fettle_container_memory_bytes"))));
  EXPECT_THAT(lines, Contains(HasSubstr("fettle_container_exit_code{container=\"shop-web-1\", "
                                        "project=\"shop\", service=\"web\"} 137")));
  EXPECT_THAT(lines, Contains(HasSubstr("fettle_container_oom_killed{container=\"shop-web-1\", "
                                        "project=\"shop\", service=\"web\"} 1")));
}

TEST_F(DockerCollectorTest, PublishesAnEventAtOnce) {
  engine_.AddService("shop", "web");
  engine_.TurnHealthy("shop-web-1");
  watch_.Start();
  ASSERT_TRUE(WaitUntil([this] { return !watch_.Containers().empty(); }));
  engine_.TurnUnhealthy("shop-web-1");
  ASSERT_TRUE(WaitUntil([this] { return printer_.Published() > 0; }));
  EXPECT_THAT(Lines(printer_.Last()),
              Contains(HasSubstr(R"(health="unhealthy", project="shop", service="web"} 1)")));
  watch_.Stop();
}

TEST_F(DockerCollectorTest, AnEngineThatIsAwayIsAFailedTurn) {
  engine_.AddService("shop", "web");
  engine_.GoDown();
  const auto families = collector_.Collect({clock_.Now(), clock_.Now().boot});
  ASSERT_FALSE(families);
  EXPECT_EQ(families.error().cause, Cause::kUnavailable);
}

TEST_F(DockerCollectorTest, AContainerWithoutNumbersIsShownWithoutThem) {
  engine_.AddService("shop", "web");
  engine_.FailAll("stats", Unavailable());
  const std::set<std::string> lines = Turn();
  EXPECT_THAT(lines, Contains(HasSubstr("fettle_container_state")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("fettle_container_cpu_seconds_total"))));
}

}  // namespace
}  // namespace fettle::exporter

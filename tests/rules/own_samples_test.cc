// Rules over our own samples: the real store and engine below the manager.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "rules/builtin_rules.h"
#include "tests/rules/rule_town.h"
#include "tests/support/wait.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

// A town whose rules ask a real engine about real samples.
class OwnSamplesTest : public testing::Test {
 protected:
  OwnSamplesTest() {
    samples_.OnEventChange([this](std::span<const LabelsPtr> changed, Time newest) {
      manager_.OnEventChange(changed, newest);
    });
  }
  void Load(const std::string& text) {
    yaml::Complaints complaints;
    Load(ReadRules(text, "f", complaints));
    ASSERT_EQ(complaints.ToString(), "");
  }
  void Load(std::vector<GroupSpec> groups) {
    manager_.Update(RuleManager::Options{}, std::move(groups), clock_.Now());
  }
  void Settle() {
    do {
      brain_.RunUntil(clock_.Now());
    } while (hands_.Work() > 0);
  }
  void Pass(Micros duration) {
    const BootTime until = clock_.Now().boot + duration;
    while (const auto next = brain_.NextDeadline()) {
      if (*next > until) break;
      clock_.Pass(std::max(Micros(0), *next - clock_.Now().boot));
      Settle();
    }
    clock_.Pass(until - clock_.Now().boot);
    Settle();
  }
  void Append(const Labels& labels, double value, Origin origin) {
    ASSERT_TRUE(samples_.Append({{{labels, value, clock_.Now().wall}}, origin}));
    Settle();
  }
  Lines TakeTold() {
    Lines lines;
    for (const AlertBatch& batch : alerts_.batches) {
      for (const Alert& alert : batch.alerts) {
        lines.push_back((alert.ResolvedAt(clock_.Now().wall) ? "resolved " : "firing ") +
                        std::string(alert.labels.Get("alertname")));
      }
    }
    alerts_.batches.clear();
    return lines;
  }
  std::vector<std::string> Query(const std::string& text) {
    const auto tree = promql::Parse(text).value();
    const auto answer = engine_.Instant(*tree, clock_.Now().wall, promql::Engine::kNoDeadline);
    Lines lines;
    for (const promql::Element& element : answer.value().value.vector) {
      lines.push_back(fmt::format("{} {}", element.labels->ToString(), element.value));
    }
    return lines;
  }
  static Labels Health(const std::string& health) {
    return {{"__name__", "fettle_container_health"},
            {"project", "shop"},
            {"service", "web"},
            {"container", "shop-web-1"},
            {"health", health}};
  }

  ManualClock clock_;
  Brain brain_;
  InlineHands hands_;
  SampleStore samples_{{}};
  promql::Engine engine_{{.samples = samples_, .clock = clock_}, {}};
  EngineQuery query_{engine_};
  FakeAlertSink alerts_;
  MemoryStore store_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  RuleManager manager_{{.brain = brain_,
                        .hands = hands_,
                        .clock = clock_,
                        .query = query_,
                        .samples = samples_,
                        .alerts = alerts_,
                        .store = store_,
                        .metrics = metrics_,
                        .log = log_.For("rules")}};
};

TEST_F(OwnSamplesTest, AnEventFiresTheShippedAlertAtOnceAndEndsItAtOnce) {
  Load(BuiltinGroups({"docker"}));
  Append(Health("unhealthy"), 0, Origin::kEvent);
  EXPECT_EQ(TakeTold(), Lines{});
  clock_.Pass(150ms);
  Append(Health("unhealthy"), 1, Origin::kEvent);
  EXPECT_EQ(TakeTold(), Lines{"firing ContainerUnhealthy"});
  clock_.Pass(5s);
  Append(Health("unhealthy"), 0, Origin::kEvent);
  EXPECT_EQ(TakeTold(), Lines{"resolved ContainerUnhealthy"});
}

TEST_F(OwnSamplesTest, OnlyEventsWakeRules) {
  Load(BuiltinGroups({"docker"}));
  for (const Origin origin :
       {Origin::kCollector, Origin::kScrape, Origin::kRemoteWrite, Origin::kRule}) {
    clock_.Pass(1s);
    Append(Health("unhealthy"), 1, origin);
    clock_.Pass(1s);
    Append(Health("unhealthy"), 0, origin);
  }
  // The same value again is no change.
  clock_.Pass(1s);
  Append(Health("unhealthy"), 0, Origin::kEvent);
  EXPECT_EQ(TakeTold(), Lines{});
}

TEST_F(OwnSamplesTest, ABackupThatFailsIsToldAtOnceAndUntilOneSucceeds) {
  Load(BuiltinGroups({"backups"}));
  const Labels end{{"__name__", "fettle_backup_last_end_timestamp_seconds"}, {"backup", "db"}};
  const Labels success{{"__name__", "fettle_backup_last_success_timestamp_seconds"},
                       {"backup", "db"}};
  Append(end, 100, Origin::kEvent);
  EXPECT_EQ(TakeTold(), Lines{"firing BackupFailed"});
  clock_.Pass(1min);
  Append(success, 160, Origin::kEvent);
  Append(end, 160, Origin::kEvent);
  Pass(1s);
  EXPECT_EQ(TakeTold(), Lines{"resolved BackupFailed"});
}

TEST_F(OwnSamplesTest, ALaterRuleSeesAnEarlierOnesSampleAtTheSameMoment) {
  Load(R"(groups: [{name: g, rules: [
    {record: doubled, expr: "2 * base"},
    {alert: High, expr: doubled > 5, labels: {severity: page}},
    {record: alerting, expr: 'sum by (alertname) (ALERTS{alertstate="firing"})'}]}])");
  Append({{"__name__", "base"}, {"job", "api"}}, 3, Origin::kCollector);
  Pass(15s);
  EXPECT_EQ(Query("doubled"), Lines{"doubled{job=\"api\"} 6"});
  EXPECT_EQ(TakeTold(), Lines{"firing High"});
  EXPECT_EQ(Query("alerting"), Lines{"alerting{alertname=\"High\"} 1"});
  EXPECT_EQ(Query("ALERTS"), Lines{"ALERTS{alertname=\"High\", alertstate=\"firing\", "
                                   "job=\"api\", severity=\"page\"} 1"});
  Append({{"__name__", "base"}, {"job", "api"}}, 1, Origin::kCollector);
  Pass(15s);
  EXPECT_EQ(Query("ALERTS"), Lines{});
  EXPECT_EQ(Query("doubled"), Lines{"doubled{job=\"api\"} 2"});
}

TEST_F(OwnSamplesTest, ASelectorThatFindsNothingIsVisible) {
  Load(R"(groups: [{name: g, rules: [{alert: Dead, expr: renamed_metric > 0},
                                     {alert: Alive, expr: base > 5}]}])");
  Append({{"__name__", "base"}}, 3, Origin::kCollector);
  Pass(15s);
  const GroupView group = manager_.View().at(0);
  EXPECT_EQ(group.rules[0].status.samples_read, 0U);
  EXPECT_GT(group.rules[1].status.samples_read, 0U);
  EXPECT_EQ(group.rules[1].status.returned, 0U);
}

// Threads as in the daemon: the brain on its own, four hands, and events from elsewhere.
TEST(OwnSamplesThreadsTest, EventsFromOtherThreadsBecomeAlertsWhileDoorsLook) {
  struct CountingSink final : AlertSink {
    void Post(AlertBatch batch, Then then) override {
      told += static_cast<int>(batch.alerts.size());
      then({});
    }
    std::atomic<int> told = 0;
  };
  const SystemClock clock;
  CountingSink alerts;
  Metrics metrics;
  RecordedLog log;
  MemoryStore store(clock);
  SampleStore samples({});
  const promql::Engine engine({.samples = samples, .clock = clock}, {});
  const EngineQuery query(engine);
  Brain brain;
  HandPool hands({.name = "rules", .threads = 4});
  RuleManager manager({.brain = brain,
                       .hands = hands,
                       .clock = clock,
                       .query = query,
                       .samples = samples,
                       .alerts = alerts,
                       .store = store,
                       .metrics = metrics,
                       .log = log.For("rules")});
  samples.OnEventChange([&](std::span<const LabelsPtr> changed, Time newest) {
    manager.OnEventChange(changed, newest);
  });
  manager.Update({.evaluation_interval = 100ms}, BuiltinGroups({"docker"}), clock.Now());
  {
    const std::jthread thread([&](std::stop_token stop) { brain.Run(clock, stop); });
    const std::jthread door([&](std::stop_token stop) {
      while (!stop.stop_requested()) manager.View();
    });
    std::vector<std::jthread> sources;
    for (int source = 0; source < 4; ++source) {
      sources.emplace_back([&, source] {
        for (int i = 0; i < 25; ++i) {
          const Labels labels{{"__name__", "fettle_container_health"},
                              {"container", fmt::format("c{}-{}", source, i)},
                              {"health", "unhealthy"}};
          (void)samples.Append({{{labels, 1, clock.Now().wall}}, Origin::kEvent});
        }
      });
    }
    sources.clear();
    EXPECT_TRUE(WaitUntil([&] { return alerts.told >= 100; })) << alerts.told;
    std::atomic<bool> stopped = false;
    brain.Finish(
        [&](const Moment& now) { manager.Stop(now, [&](const Moment&) { stopped = true; }); });
    EXPECT_TRUE(WaitUntil([&] { return stopped.load(); }));
  }
}

}  // namespace
}  // namespace fettle::rules

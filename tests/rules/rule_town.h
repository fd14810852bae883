// A town of rules: the manager with everything around it made up, and time that the test passes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/duration.h"
#include "rules/manager.h"
#include "tests/support/fake_alert_sink.h"
#include "tests/support/fake_rule_query.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/recorded_samples.h"

namespace fettle::rules {

class RuleTown {
 public:
  RuleTown() { Boot(); }
  // The brain's callbacks may outlive the manager, not the other way round.
  ~RuleTown() { manager_.reset(); }

  // Loads rule files given as text; they are all called "f".
  void Load(const std::string& text) {
    yaml::Complaints complaints;
    std::vector<GroupSpec> groups = ReadRules(text, "f", complaints);
    ASSERT_EQ(complaints.ToString(), "");
    manager_->Update(options, std::move(groups), clock.Now());
    Settle();
  }
  // Lets time go by; every timer runs at its moment and hands work at once.
  void Pass(Micros duration) {
    const BootTime until = clock.Now().boot + duration;
    Settle();
    while (const auto next = brain->NextDeadline()) {
      if (*next > until) break;
      clock.Pass(std::max(Micros(0), *next - clock.Now().boot));
      Settle();
    }
    clock.Pass(until - clock.Now().boot);
    Settle();
  }
  void Settle() {
    do {
      brain->RunUntil(clock.Now());
    } while (!hands_held && hands.Work() > 0);
  }
  // An event source changed these series.
  void Change(std::vector<Labels> series) {
    std::vector<LabelsPtr> changed;
    for (Labels& labels : series) {
      changed.push_back(std::make_shared<const Labels>(std::move(labels)));
    }
    manager_->OnEventChange(changed);
    Settle();
  }
  // kill -9 and a new start, with what the store has.
  void Restart(Micros away = Micros(0)) {
    hands.Drop();
    manager_.reset();
    brain = std::make_unique<Brain>();
    clock.Pass(away);
    Boot();
    const Status restored = manager_->Restore(clock.Now());
    EXPECT_TRUE(restored);
  }
  // "firing Down{a="b"} 00:00:15" of each alert told since the last call; the moment is its start.
  std::vector<std::string> TakeTold() {
    std::vector<std::string> lines;
    for (const AlertBatch& batch : alerts.batches) {
      EXPECT_EQ(batch.source, AlertSource::kRules);
      for (const Alert& alert : batch.alerts) {
        Labels labels = alert.labels;
        labels.Remove("alertname");
        lines.push_back(std::string(alert.ResolvedAt(clock.Now().wall) ? "resolved " : "firing ") +
                        std::string(alert.labels.Get("alertname")) + labels.ToString() + " " +
                        Clock(alert.starts_at));
      }
    }
    alerts.batches.clear();
    return lines;
  }
  static std::string Clock(Time time) { return FormatRfc3339(time).substr(11, 8); }
  RuleManager& manager() { return *manager_; }
  RuleView Rule(std::size_t index = 0) const { return manager_->View().at(0).rules.at(index); }
  double Metric(const std::string& name) const {
    double sum = 0;
    for (const MetricFamily& family : metrics.Collect()) {
      if (family.name != name) continue;
      for (const MetricPoint& point : family.points) {
        if (point.suffix.empty() || point.suffix == "_count") sum += point.value;
      }
    }
    return sum;
  }
  bool HasMetric(const std::string& name) const {
    for (const MetricFamily& family : metrics.Collect()) {
      if (family.name == name && !family.points.empty()) return true;
    }
    return false;
  }

  ManualClock clock;
  std::unique_ptr<Brain> brain = std::make_unique<Brain>();
  InlineHands hands;
  bool hands_held = false;  // work waits for the test
  FakeRuleQuery query;
  RecordedSamples samples;
  FakeAlertSink alerts;
  MemoryStore store{clock};
  Metrics metrics;
  RecordedLog log;
  RuleManager::Options options;

 private:
  void Boot() {
    manager_ = std::make_unique<RuleManager>(RuleManager::Deps{.brain = *brain,
                                                               .hands = hands,
                                                               .clock = clock,
                                                               .query = query,
                                                               .samples = samples,
                                                               .alerts = alerts,
                                                               .store = store,
                                                               .metrics = metrics,
                                                               .log = log.For("rules")});
  }
  std::unique_ptr<RuleManager> manager_;
};

}  // namespace fettle::rules

// The shipped packs' promtool tests, evaluated by our own engine, samples and state machine: the
// verdicts must be promtool's (which builtin_rules_real_test.cc asks).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rules/builtin_rules.h"
#include "rules/group.h"
#include "rules/promql/series_description.h"
#include "tests/support/fake_alert_sink.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"

namespace fettle::rules {
namespace {

// Labels and annotations of one firing alert.
using Shown = std::pair<std::map<std::string, std::string>, std::map<std::string, std::string>>;

std::map<std::string, std::string> Texts(const Labels& labels) {
  return {labels.begin(), labels.end()};
}
std::map<std::string, std::string> Texts(const yaml::Node* node) {
  std::map<std::string, std::string> texts;
  if (node == nullptr) return texts;
  for (const auto& entry : node->entries) texts[entry.key.text] = entry.value.text;
  return texts;
}

Millis DurationOf(const yaml::Node* node) { return yaml::Decode<Millis>(*node).value(); }

// One entry of `tests:` with the pack's groups.
class PackTest {
 public:
  PackTest(const yaml::Node& test, std::vector<GroupSpec> groups, Millis interval)
      : test_(test), interval_(interval) {
    for (GroupSpec& spec : groups) {
      groups_.push_back(std::make_shared<Group>(
          Group::Deps{query_, samples_, alerts_, store_, brain_, clock_, metrics_,
                      log_.For("rules")},
          Group::Options{.world = std::make_shared<const RuleWorld>(RuleWorld::Make("", {})),
                         .default_interval = interval},
          std::move(spec)));
    }
    ReadSamples();
  }

  void Run() {
    const std::vector<yaml::Node>& checks = test_.Find("alert_rule_test")->items;
    Millis last(0);
    for (const yaml::Node& one : checks) last = std::max(last, DurationOf(one.Find("eval_time")));
    for (Millis at(0); at <= last; at += interval_) {
      Append(Time(at));
      for (const auto& group : groups_) group->Evaluate(Time(at));
      for (const yaml::Node& one : checks) {
        const Millis wanted = DurationOf(one.Find("eval_time"));
        if (wanted >= at && wanted < at + interval_) Check(one);
      }
    }
  }

 private:
  void ReadSamples() {
    const Millis step = DurationOf(test_.Find("interval"));
    for (const yaml::Node& series : test_.Find("input_series")->items) {
      const Labels labels = promql::ParseMetric(series.Find("series")->text).value();
      Time at{};
      const auto values = promql::ParseSequence(series.Find("values")->text).value();
      for (const promql::SequenceValue& value : values) {
        if (!value.omitted) waiting_.emplace(at, Sample{labels, value.value, at});
        at += step;
      }
    }
  }
  void Append(Time until) {
    SampleBatch batch;
    while (!waiting_.empty() && waiting_.begin()->first <= until) {
      batch.samples.push_back(std::move(waiting_.begin()->second));
      waiting_.erase(waiting_.begin());
    }
    ASSERT_TRUE(samples_.Append(batch));
  }
  void Check(const yaml::Node& one) const {
    SCOPED_TRACE(one.place.file + ":" + std::to_string(one.place.line));
    std::set<Shown> expected;
    if (const yaml::Node* alerts = one.Find("exp_alerts")) {
      for (const yaml::Node& alert : alerts->items) {
        auto labels = Texts(alert.Find("exp_labels"));
        labels["alertname"] = one.Find("alertname")->text;
        expected.emplace(labels, Texts(alert.Find("exp_annotations")));
      }
    }
    std::set<Shown> got;
    for (const auto& group : groups_) {
      for (const RuleView& rule : group->View().rules) {
        EXPECT_EQ(rule.status.last_error, "") << rule.spec.name;
        if (rule.spec.name != one.Find("alertname")->text) continue;
        for (const ActiveAlert& alert : rule.alerts) {
          if (alert.state != AlertState::kFiring) continue;
          got.emplace(Texts(alert.labels), Texts(alert.annotations));
        }
      }
    }
    EXPECT_EQ(got, expected);
  }

  const yaml::Node& test_;
  const Millis interval_;
  ManualClock clock_;
  Brain brain_;
  SampleStore samples_{{.retention = std::chrono::hours(24 * 60)}};
  promql::Engine engine_{{.samples = samples_, .clock = clock_},
                         {.default_step = std::chrono::minutes(1)}};
  EngineQuery query_{engine_};
  FakeAlertSink alerts_;
  MemoryStore store_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  std::vector<std::shared_ptr<Group>> groups_;
  std::multimap<Time, Sample> waiting_;
};

TEST(PackTest, EveryPackGivesTheVerdictsOfPromtool) {
  int tests = 0;
  for (const BuiltinPack& pack : BuiltinPacks()) {
    const std::string kind(pack.kind);
    yaml::Complaints complaints;
    yaml::LoadOptions options;
    options.expand_environment = false;
    const auto root =
        yaml::LoadFile(std::string(FETTLE_SOURCE) + "/dashboards/rules/" + kind + "_test.yml",
                       complaints, options);
    ASSERT_TRUE(root) << complaints.ToString();
    std::vector<GroupSpec> groups = BuiltinGroups({kind});
    std::erase_if(groups,
                  [&](const GroupSpec& group) { return group.file != "builtin/" + kind + ".yml"; });
    for (const yaml::Node& test : root->Find("tests")->items) {
      SCOPED_TRACE(kind + ": " + test.Find("name")->text);
      PackTest(test, groups, DurationOf(root->Find("evaluation_interval"))).Run();
      ++tests;
    }
  }
  EXPECT_GT(tests, 30);
}

}  // namespace
}  // namespace fettle::rules

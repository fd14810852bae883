// A group of rules: evaluates them in order, each one's samples written before the next one asks.
// Semantics: Prometheus 3.x, rules/group.go.
//
// Evaluate() and React() run on a hand and never two at once (GroupRunner sees to that). View() is
// safe from any thread. TakeOver() and what restores belong to the brain, while nothing evaluates.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/alert.h"
#include "common/brain.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sample.h"
#include "common/store.h"
#include "rules/alerting_rule.h"
#include "rules/group_view.h"
#include "rules/recording_rule.h"
#include "rules/rule_file.h"
#include "rules/rule_metrics.h"
#include "rules/rule_query.h"
#include "rules/rule_watch.h"

namespace fettle::rules {

class Group : public std::enable_shared_from_this<Group> {
 public:
  struct Deps {
    const RuleQuery& query;
    SampleSink& samples;
    AlertSink& alerts;
    Store& store;
    Brain& brain;
    const Clock& clock;  // for durations and deadlines
    Metrics& metrics;
    Log log;
  };
  struct Options {
    std::shared_ptr<const RuleWorld> world;
    Millis default_interval = std::chrono::seconds(15);
    Millis resend_delay = std::chrono::minutes(1);
    Millis query_timeout = std::chrono::minutes(2);
    promql::ParserOptions parser{};  // of what templates ask
  };
  // A rule is called dead only after it was evaluated for so long: at a start, nothing is there
  // yet.
  static constexpr Millis kDeadAfter = std::chrono::minutes(10);
  // What the store keeps alerts of rules as; the record's key is the group's.
  static constexpr const char* kRecordKind = "rule_alert";

  Group(Deps deps, Options options, GroupSpec spec);

  // Evaluates every rule at a slot's time and writes what they say.
  void Evaluate(Time slot);
  // Evaluates some alerting rules now because what they select has changed: their alerts move and
  // are told, but no sample is written. `noted` is when the change was seen.
  void React(Time at, const std::vector<std::size_t>& rules, BootTime noted);
  // Ends an evaluation under way after the rule it is at. Any thread.
  void Stop() { stopped_ = true; }

  // Takes over the alerts and series of the same rules (by name and labels, in order) of a group
  // that has stopped. Series of rules that are gone are marked stale at the next evaluation, and
  // their alerts forgotten.
  void TakeOver(Group& from);
  // Adds an alert remembered from before a restart; false if there is no such rule any more.
  bool Restore(const std::string& rule, ActiveAlert alert);
  // For a group that is gone for good: its alerts are forgotten, its series end at `at`.
  void ForgetAlerts();
  void MarkAllStale(Time at);

  GroupView View() const;
  // Names of rules whose last evaluation failed, and why.
  std::vector<std::pair<std::string, std::string>> Failures() const;
  bool HasActiveAlerts() const;
  const GroupSpec& spec() const { return spec_; }
  Millis interval() const { return interval_; }
  GroupMetrics& metrics() { return metrics_; }
  // Which rule of the group, as the store remembers it.
  const std::string& RuleIdentity(std::size_t rule) const { return rules_[rule].identity; }

 private:
  using SeriesByHash = std::map<std::uint64_t, Labels>;
  struct Rule {
    explicit Rule(const promql::ExprPtr& tree) : watch(tree) {}
    std::string identity;
    bool selects = true;  // it has a selector: without samples it cannot know
    std::optional<AlertingRule> alerting;
    std::optional<RecordingRule> recording;
    SeriesByHash series;                 // of the last evaluation
    std::vector<std::uint64_t> unsaved;  // alerts whose record is out of date
    RuleStatus status;
    RuleWatch watch;
  };
  struct Pass;

  void EvaluateRule(std::size_t index, Pass& pass);
  Result<std::vector<Sample>> AdvanceAlerts(std::size_t index, const RuleAnswer& answer,
                                            const Pass& pass, BootTime deadline);
  // What is now where an alert's condition was true; nothing if that cannot be told.
  promql::Vector AskValue(std::size_t index, const Pass& pass, BootTime deadline) const;
  void WriteSamples(Rule& rule, std::vector<Sample> samples, const Pass& pass);
  void MarkFailed(Rule& rule, const Error& error);
  void Tell(std::size_t index, AlertingRule::Sending sending);
  void Save(std::size_t index, std::map<std::uint64_t, std::optional<ActiveAlert>> changes);
  void CleanStaleSeries(Time at);
  void NoteEvaluation(Rule& rule, Pass& pass, const Moment& began, const RuleAnswer* answer);
  void ShowDead(Time at);
  Record RecordOf(const Rule& rule, std::uint64_t fingerprint, const ActiveAlert& alert) const;
  std::string RecordId(const Rule& rule, std::uint64_t fingerprint) const;
  Millis query_offset() const { return spec_.query_offset.value_or(Millis(0)); }

  const Deps deps_;
  const Options options_;
  const GroupSpec spec_;
  const Millis interval_;
  GroupMetrics metrics_;
  std::atomic<bool> stopped_ = false;

  mutable std::mutex mutex_;  // guards everything below; never held while asking or telling
  std::vector<Rule> rules_;
  std::vector<Labels> stale_series_;  // of rules that are gone
  std::int64_t evaluations_ = 0;      // at slots
  std::optional<Time> first_evaluation_;
  std::optional<Time> last_evaluation_;  // by the clock, not the slot
  double evaluation_seconds_ = 0;
  std::map<std::string, int> dead_;  // shown as such: how many rules of that name
};

}  // namespace fettle::rules

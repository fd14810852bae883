#include "rules/rule_metrics.h"

#include <utility>
#include <vector>

namespace fettle::rules {
namespace {

// Prometheus' buckets for both of its histograms of rules.
const std::vector<double>& Buckets() {
  static const std::vector<double> kBuckets = {0.01, 0.1, 1, 10, 100, 1000};
  return kBuckets;
}
const std::vector<double>& DelayBuckets() {
  static const std::vector<double> kBuckets = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                               0.1,   0.2,   0.5,   1,    5};
  return kBuckets;
}

constexpr const char* kInterval = "prometheus_rule_group_interval_seconds";
constexpr const char* kRules = "prometheus_rule_group_rules";
constexpr const char* kLastAt = "prometheus_rule_group_last_evaluation_timestamp_seconds";
constexpr const char* kLastSeconds = "prometheus_rule_group_last_duration_seconds";
constexpr const char* kLastSum = "prometheus_rule_group_last_rule_duration_sum_seconds";
constexpr const char* kLastRestore = "prometheus_rule_group_last_restore_duration_seconds";
constexpr const char* kDead = "fettle_rule_dead";
constexpr const char* kLastSamples = "prometheus_rule_group_last_evaluation_samples";

}  // namespace

GroupMetrics::GroupMetrics(Metrics& metrics, std::string key)
    : evaluations(metrics.Counter("prometheus_rule_evaluations_total",
                                  "The total number of rule evaluations.", {{"rule_group", key}})),
      failures(metrics.Counter("prometheus_rule_evaluation_failures_total",
                               "The total number of rule evaluation failures.",
                               {{"rule_group", key}})),
      iterations(metrics.Counter(
          "prometheus_rule_group_iterations_total",
          "The total number of scheduled rule group evaluations, whether executed or missed.",
          {{"rule_group", key}})),
      iterations_missed(metrics.Counter("prometheus_rule_group_iterations_missed_total",
                                        "The total number of rule group evaluations missed due to "
                                        "slow rule group evaluation.",
                                        {{"rule_group", key}})),
      reactive(metrics.Counter(
          "fettle_rule_reactive_evaluations_total",
          "Evaluations of a group's reactive rules between its slots, because of an event.",
          {{"rule_group", key}})),
      unsent(metrics.Counter("fettle_rule_alerts_unsent_total",
                             "Alerts that the receivers could not take; they are told again.",
                             {{"rule_group", key}})),
      evaluation_seconds(metrics.Histogram("prometheus_rule_evaluation_duration_seconds",
                                           "The duration for a rule to execute.", Buckets())),
      group_seconds(metrics.Histogram("prometheus_rule_group_duration_seconds",
                                      "The duration of rule group evaluations.", Buckets())),
      reactive_delay(metrics.Histogram(
          "fettle_rule_reactive_delay_seconds",
          "From the change of a series of an event source to its alerts being handed over.",
          DelayBuckets())),
      expansions(metrics.Counter("prometheus_template_text_expansions_total",
                                 "The total number of template text expansions.")),
      expansion_failures(metrics.Counter("prometheus_template_text_expansion_failures_total",
                                         "The total number of template text expansion failures.")),
      state_failures(
          metrics.Counter("fettle_rule_state_commit_failures_total",
                          "Transitions of alerts that could not be stored; they are tried again.")),
      metrics_(metrics),
      key_(std::move(key)) {}

void GroupMetrics::Set(const char* name, const char* help, double value) {
  metrics_.Gauge(name, help, labels()).Set(value);
}

void GroupMetrics::SetShape(Millis interval, std::size_t rules) {
  Set(kInterval, "The interval of a rule group.", ToSeconds(interval));
  Set(kRules, "The number of rules.", static_cast<double>(rules));
}

void GroupMetrics::SetLast(Time at, double seconds, double rules_seconds, std::size_t samples) {
  Set(kLastAt, "The timestamp of the last rule group evaluation in seconds.", ToSeconds(at));
  Set(kLastSeconds, "The duration of the last rule group evaluation.", seconds);
  Set(kLastSum, "The sum of time in seconds it took to evaluate each rule in the group.",
      rules_seconds);
  Set(kLastSamples, "The number of samples returned during the last rule group evaluation.",
      static_cast<double>(samples));
}

void GroupMetrics::SetRestored(double seconds) {
  Set(kLastRestore, "The duration of the last alert rules alerts restoration.", seconds);
}

void GroupMetrics::SetDead(const std::string& rule, int count) {
  const std::lock_guard lock(mutex_);
  Labels labels_of_rule = labels();
  labels_of_rule.Set("rule", rule);
  if (count == 0) {
    metrics_.RemoveGauge(kDead, labels_of_rule);
    dead_.erase(rule);
    return;
  }
  metrics_
      .Gauge(kDead, "Rules that can never say anything: a series they need was never there.",
             labels_of_rule)
      .Set(count);
  dead_.insert(rule);
}

void GroupMetrics::Forget() {
  for (const std::string& rule : std::set<std::string>(dead_)) SetDead(rule, 0);
  for (const char* const name :
       {kInterval, kRules, kLastAt, kLastSeconds, kLastSum, kLastSamples, kLastRestore}) {
    metrics_.RemoveGauge(name, labels());
  }
}

}  // namespace fettle::rules

#include "receivers/repair_metrics.h"

#include <array>

namespace fettle::receivers {
namespace {

// From a millisecond (the engine said unhealthy and own rules fired at once) to an hour.
const std::vector<double>& Buckets() {
  static const std::vector<double> buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                           0.25,  0.5,    1,     2.5,  5,     10,   30,
                                           60,    120,    300,   900,  3600};
  return buckets;
}

constexpr std::array kModes{Mode::kOff, Mode::kObserve, Mode::kApprove, Mode::kAuto};
constexpr char kModeName[] = "fettle_repair_mode";
constexpr char kModeHelp[] = "1 for the mode that the repair has under the ceiling.";
constexpr char kOpenName[] = "fettle_incidents_open";
constexpr char kOpenHelp[] = "Incidents that are open now.";
constexpr char kSuccessName[] = "fettle_repair_last_success_timestamp_seconds";

std::string Text(std::string_view text) { return std::string(text); }

}  // namespace

void RepairMetrics::Triggered(const std::string& repair, std::string_view outcome) {
  metrics_
      .Counter("fettle_repair_triggers_total",
               "Alerts that reached a repair, by what became of them.",
               {{"repair", repair}, {"outcome", Text(outcome)}})
      .Increment();
}

void RepairMetrics::Decided(const std::string& repair, std::string_view decision,
                            std::string_view reason) {
  metrics_
      .Counter("fettle_repair_decisions_total",
               "Decisions on repairs that differ from the one before; reason names the guard.",
               {{"repair", repair}, {"decision", Text(decision)}, {"reason", Text(reason)}})
      .Increment();
}

void RepairMetrics::Attempted(const std::string& repair, std::string_view action,
                              std::string_view result) {
  metrics_
      .Counter("fettle_repair_attempts_total", "Attempts that have ended, by their outcome.",
               {{"repair", repair}, {"action", Text(action)}, {"result", Text(result)}})
      .Increment();
}

void RepairMetrics::Verified(const std::string& repair, std::string_view action, bool helped) {
  metrics_
      .Counter("fettle_repair_verified_total", "Attempts that were verified: did it help?",
               {{"repair", repair}, {"action", Text(action)}, {"helped", helped ? "yes" : "no"}})
      .Increment();
}

void RepairMetrics::Closed(const std::string& repair, std::string_view outcome) {
  metrics_
      .Counter("fettle_incidents_closed_total",
               "Incidents that were closed; self_healed needed no attempt.",
               {{"repair", repair}, {"outcome", Text(outcome)}})
      .Increment();
}

void RepairMetrics::Escalated(const std::string& repair, std::string_view reason) {
  metrics_
      .Counter("fettle_repair_escalations_total", "Incidents that were left to a person.",
               {{"repair", repair}, {"reason", Text(reason)}})
      .Increment();
}

void RepairMetrics::StoreFailed() {
  metrics_
      .Counter("fettle_repair_store_errors_total",
               "Transitions that could not be stored; nothing is done until they can be.")
      .Increment();
}

void RepairMetrics::SetOpen(const std::string& repair, int incidents) {
  metrics_.Gauge(kOpenName, kOpenHelp, {{"repair", repair}}).Set(incidents);
}

void RepairMetrics::SetMode(const std::string& repair, Mode mode) {
  for (const Mode each : kModes) {
    metrics_.Gauge(kModeName, kModeHelp, {{"repair", repair}, {"mode", Text(ToString(each))}})
        .Set(each == mode ? 1 : 0);
  }
}

void RepairMetrics::RemoveRepair(const std::string& repair) {
  metrics_.RemoveGauge(kOpenName, {{"repair", repair}});
  metrics_.RemoveGauge(kSuccessName, {{"repair", repair}});
  for (const Mode each : kModes) {
    metrics_.RemoveGauge(kModeName, {{"repair", repair}, {"mode", Text(ToString(each))}});
  }
}

void RepairMetrics::SetCallsUnderWay(int calls) {
  metrics_.Gauge("fettle_repair_calls_under_way", "Attempts whose outcome is not known yet.")
      .Set(calls);
}

void RepairMetrics::SetBootHold(bool held) {
  metrics_
      .Gauge("fettle_repair_boot_hold",
             "1 while fettle has just started and waits to see every container.")
      .Set(held ? 1 : 0);
}

void RepairMetrics::SetLastSuccess(const std::string& repair, Time at) {
  metrics_
      .Gauge(kSuccessName, "When an attempt of the repair was last verified to have helped.",
             {{"repair", repair}})
      .Set(ToSeconds(at));
}

void RepairMetrics::ObserveDetectToAct(const std::string& repair, Micros duration) {
  metrics_
      .Histogram("fettle_repair_detect_to_act_seconds",
                 "From the alert's arrival to the first call of an incident.", Buckets(),
                 {{"repair", repair}})
      .Observe(ToSeconds(duration));
}

void RepairMetrics::ObserveAct(const std::string& repair, std::string_view action,
                               Micros duration) {
  metrics_
      .Histogram("fettle_repair_act_seconds", "From an attempt's intent to its outcome.", Buckets(),
                 {{"repair", repair}, {"action", Text(action)}})
      .Observe(ToSeconds(duration));
}

void RepairMetrics::ObserveActToVerified(const std::string& repair, Micros duration) {
  metrics_
      .Histogram("fettle_repair_act_to_verified_seconds",
                 "From an attempt's outcome to its verification, hold included.", Buckets(),
                 {{"repair", repair}})
      .Observe(ToSeconds(duration));
}

void RepairMetrics::ObserveTimeToRepair(const std::string& repair, Millis duration) {
  metrics_
      .Histogram("fettle_repair_mttr_seconds", "From the alert's beginning to the verified repair.",
                 Buckets(), {{"repair", repair}})
      .Observe(ToSeconds(duration));
}

}  // namespace fettle::receivers

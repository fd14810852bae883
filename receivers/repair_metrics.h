// The mender's own metrics: names, labels and meaning in one place.
//
// Labels are the repair's name and words of ours; never an alert's label. Safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/metrics.h"
#include "receivers/repairs_config.h"

namespace fettle::receivers {

class RepairMetrics {
 public:
  explicit RepairMetrics(Metrics& metrics) : metrics_(metrics) {}

  // outcome: opened, merged, repeated, ended (it was over before it came), no_target.
  void Triggered(const std::string& repair, std::string_view outcome);
  // decision: act, hold, observe; reason: a guard's name, "" for act.
  void Decided(const std::string& repair, std::string_view decision, std::string_view reason);
  void Attempted(const std::string& repair, std::string_view action, std::string_view result);
  void Verified(const std::string& repair, std::string_view action, bool helped);
  void Closed(const std::string& repair, std::string_view outcome);
  void Escalated(const std::string& repair, std::string_view reason);
  void StoreFailed();

  void SetOpen(const std::string& repair, int incidents);
  void SetMode(const std::string& repair, Mode mode);
  void RemoveRepair(const std::string& repair);
  void SetCallsUnderWay(int calls);
  void SetBootHold(bool held);
  void SetLastSuccess(const std::string& repair, Time at);

  void ObserveDetectToAct(const std::string& repair, Micros duration);
  void ObserveAct(const std::string& repair, std::string_view action, Micros duration);
  void ObserveActToVerified(const std::string& repair, Micros duration);
  void ObserveTimeToRepair(const std::string& repair, Millis duration);

 private:
  Metrics& metrics_;
};

}  // namespace fettle::receivers

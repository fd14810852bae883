// What anyone hands to the receivers. Values.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/result.h"

namespace fettle {

struct Alert {
  Labels labels;       // the identity; includes alertname
  Labels annotations;  // for people
  Time starts_at;
  Time ends_at;  // epoch (Time{}) while firing without a known end
  std::string generator_url;

  bool ResolvedAt(Time now) const { return ends_at != Time{} && ends_at <= now; }
};

// Who says so. It decides what is done with it: alerts that come by /webhook were told to people
// by the Alertmanager that sent them, so they mend but are not told again unless configured.
enum class AlertSource { kRules, kApi, kWebhook, kEvents };

struct AlertBatch {
  AlertSource source = AlertSource::kRules;
  std::vector<Alert> alerts;
};

// The seam between who judges and who acts. Safe from any thread.
class AlertSink {
 public:
  using Then = std::function<void(Status)>;
  virtual ~AlertSink() = default;
  // Takes the batch; `then` runs once, on some thread, after the alerts are stored (or could not
  // be: the sender repeats itself). It must only hand the news on.
  virtual void Post(AlertBatch batch, Then then) = 0;
};

}  // namespace fettle

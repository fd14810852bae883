// POST /webhook: what an Alertmanager (webhook version 4) or Grafana (its superset, version 1 with
// an orgId) tells us about its alerts. Source: prometheus.io/docs/alerting/latest/configuration,
// grafana.com/docs … /integrations/webhook-notifier.
//
// Strict about what decides something (version, status, labels, times), indifferent to fields that
// it does not know. Duplicates are fine: keys are per alert, never per message. The fingerprint is
// our own; a sender's that differs is counted.
//
// Answers: 200 once the alerts are stored (or there were none); 400 broken JSON; 413 more than
// kAlertsMax alerts; 422 a version, message or alert that is not understood (what is understood is
// stored all the same); 503 if they could not be stored, because senders repeat only after 5xx.
// Never 429 or 500. Every answer but 200 has the reason as text. Safe from any thread; waits for
// the store, so it belongs to doors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/alert.h"
#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/result.h"

namespace fettle::receivers {

// One message, read. `complaints` has a sentence for each alert that is not understood.
struct WebhookMessage {
  AlertBatch batch;
  std::vector<std::string> complaints;
  std::size_t mismatched_fingerprints = 0;
  std::size_t truncated = 0;  // alerts the sender left out
  bool unsupported_version = false;
};

class WebhookIntake {
 public:
  static constexpr std::size_t kAlertsMax = 20'000;
  // A sender waits at least 10 s (its group_interval) for an answer.
  static constexpr Millis kAnswerWithin{8'000};

  struct Deps {
    AlertSink& sink;
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  explicit WebhookIntake(Deps deps);

  HttpResponse Handle(const HttpRequest& request);

  // kInvalid: not JSON, or not a message; kLimit: too many alerts.
  static Result<WebhookMessage> Read(std::string_view body, Time now);

 private:
  HttpResponse Refuse(int status, const char* result, const std::string& reason,
                      const HttpRequest& request);
  prometheus::Counter& Requests(const char* result);
  Status Store(AlertBatch batch);

  Deps deps_;
  prometheus::Counter& mismatched_;
  prometheus::Counter& truncated_;
};

}  // namespace fettle::receivers

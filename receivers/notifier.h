// Telling people: the one method that a kind of receiver implements. The pipeline measures, retries
// and records around it, so that a new kind cannot forget.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "receivers/notification.h"

namespace fettle::receivers {

// What telling came to; whether to try again is part of the answer.
struct Outcome {
  Status status;
  bool retry = false;
  // The metric's label if it failed: clientError, serverError, contextDeadlineExceeded, other.
  const char* reason = "other";
  // To be remembered with the group and given back next time.
  std::map<std::string, std::string> data = {};

  static Outcome Done() { return {}; }
  static Outcome Failed(Error error, bool retry, const char* reason = "other") {
    return {tl::unexpected<Error>(std::move(error)), retry, reason};
  }
};

class Notifier {
 public:
  virtual ~Notifier() = default;
  // On a hand; may be called for several groups at once. Ends within `timeout`, or soon after
  // `stop`.
  virtual Outcome Notify(const Notification& notification, Millis timeout,
                         const std::stop_token& stop) = 0;
};

// One entry of a receiver in alertmanager.yml.
struct Integration {
  std::string receiver;
  std::string kind;       // "webhook"
  std::size_t index = 0;  // among those of its kind
  bool send_resolved = true;
  std::shared_ptr<Notifier> notifier;
};

}  // namespace fettle::receivers

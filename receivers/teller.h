// Tells a receiver of alertmanager.yml something now, past routing and grouping: escalations and
// reports of repairs. Asked on the brain; the sending is a hand's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/alert.h"
#include "common/clock.h"
#include "common/result.h"

namespace fettle::receivers {

class Teller {
 public:
  using Then = std::function<void(Status, const Moment& now)>;
  virtual ~Teller() = default;
  // True if alertmanager.yml has such a receiver: checked when the configuration is loaded.
  virtual bool Knows(const std::string& receiver) const = 0;
  // Tells the receiver of these alerts, with retries inside the deadline; `then` runs on the brain.
  // `group` keeps messages of one incident together (threads, PagerDuty's dedup key).
  virtual void Tell(const std::string& receiver, const std::string& group,
                    std::vector<Alert> alerts, Millis timeout, Then then) = 0;
};

}  // namespace fettle::receivers

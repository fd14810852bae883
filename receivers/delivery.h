// Tells one integration one thing: tries, waits, tries again until the deadline.
//
// The waits grow by half from 0.5 s to 60 s, each give or take 50 %, counted from the start of a
// try, as Alertmanager's. Whether another try makes sense is the notifier's word. Starts on the
// brain and ends there; the tries are made by the integration's lane.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "common/brain.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "receivers/lanes.h"
#include "receivers/notifier.h"
#include "receivers/turns.h"

namespace fettle::receivers {

struct DeliveryDeps {
  Brain& brain;
  const Clock& clock;
  Lanes& lanes;
  Random& random;
  Metrics& metrics;
  Log log;
  std::stop_token stop;  // ends tries under way and makes no more
};

class Delivery final : public std::enable_shared_from_this<Delivery> {
 public:
  static constexpr Millis kFirstWait{500};
  static constexpr Millis kWaitMax{60'000};
  static constexpr double kGrowth = 1.5;
  static constexpr double kJitter = 0.5;

  // `then` runs once, on the brain.
  using Then = std::function<void(const Outcome& outcome, const Moment& now)>;
  // With a turn, each try begins only while that holds.
  static void Start(const DeliveryDeps& deps, const Integration& integration,
                    Notification notification, BootTime deadline, Then then, const Moment& now,
                    std::shared_ptr<const Turn> turn = nullptr);

 private:
  Delivery(const DeliveryDeps& deps, const Integration& integration, Notification notification,
           BootTime deadline, Then then, std::shared_ptr<const Turn> turn);
  bool TurnIsOver(BootTime now) const { return turn_ != nullptr && !turn_->Holds(now); }
  void Try(const Moment& now);
  void Tried(Outcome outcome, Micros took, const Moment& now);
  void End(const Outcome& outcome, const Moment& now);
  Millis NextWait();
  prometheus::Counter& Count(const char* name, const char* help, const char* reason = nullptr);

  DeliveryDeps deps_;
  const Integration integration_;
  const std::shared_ptr<const Notification> notification_;
  const BootTime deadline_;
  Then then_;
  const std::shared_ptr<const Turn> turn_;
  int tries_ = 0;
  BootTime started_{};
  double wait_ms_ = static_cast<double>(kFirstWait.count());
};

// "receiver/webhook[0]": names the lane.
std::string LaneOf(const Integration& integration);

}  // namespace fettle::receivers

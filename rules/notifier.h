// Tells upstream Alertmanagers (API v2) what the rules say, beside the own receivers.
//
// Each Alertmanager has a queue and turns of its own, so that a dead one delays no other. What
// could not be delivered is tried again, with growing pauses, until it can: a newer word on the
// same alert takes its place. An Alertmanager that comes back after a failure is told everything
// that fires, because it may have forgotten. Payload, batches, limits: Prometheus 3.5, notifier/.
//
// Post() and View() are safe from any thread; Use() is the brain's; Drain() comes after the hands
// were closed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/alert.h"
#include "common/brain.h"
#include "common/hands.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "rules/alertmanagers_config.h"

namespace fettle::rules {

class Notifier final : public AlertSink {
 public:
  // Of one Alertmanager; beyond it the oldest go, counted.
  static constexpr std::size_t kQueueMax = 10'000;
  static constexpr std::size_t kBatchMax = 256;
  // After a failure: this long, then twice as long each time.
  static constexpr Millis kPauseMin{1'000};
  static constexpr Millis kPauseMax{30'000};
  // Alerts that are remembered as firing; of further ones a returning Alertmanager hears with their
  // next resend.
  static constexpr std::size_t kFiringMax = 100'000;

  struct Deps {
    Brain& brain;
    Hands& hands;  // for sending alone
    Hands& looks;  // for discovery
    const Clock& clock;
    HttpTransport& transport;
    const NameLookup& lookup;
    AlertSink& next;  // the own receivers, who are told in any case
    Metrics& metrics;
    Log log;
    std::function<std::unique_ptr<Engine>(const DockerDiscovery& config)> make_engine;
  };
  explicit Notifier(Deps deps);
  ~Notifier() override;
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // A whole configuration; what waits for an Alertmanager that stays goes on waiting.
  void Use(NotifierConfig config, const Moment& now);
  void Post(AlertBatch batch, Then then) override;
  // What waits is sent while that is possible, until the time is over.
  void Drain(Millis within);

  struct Seen {
    std::vector<std::string> active;
    std::vector<std::string> dropped;  // by relabelling
  };
  Seen View() const;

 private:
  using AlertPtr = std::shared_ptr<const Alert>;
  struct Upstream;
  struct Group;
  void Learn(Group& group, const std::vector<TargetGroup>& found, const Moment& now);
  void Settle(const Moment& now);
  void Kick();
  void SendIfDue(const std::shared_ptr<Upstream>& upstream, const Moment& now);
  void OnSent(const std::shared_ptr<Upstream>& upstream, bool delivered, const Moment& now);
  void RememberFiring(const std::vector<AlertPtr>& alerts, Time now);
  std::vector<AlertPtr> Firing(Time now) const;
  void CountQueues() const;

  const Deps deps_;
  // The brain's.
  std::vector<std::unique_ptr<Group>> groups_;
  bool starting_ = false;
  // Callbacks of the brain that come after the notifier's end find it gone.
  std::shared_ptr<Notifier*> self_;

  mutable std::mutex mutex_;  // guards everything below
  Relabeling alert_relabeling_;
  std::map<std::string, std::shared_ptr<Upstream>> upstreams_;  // by URL
  std::vector<std::string> dropped_;
  std::map<std::uint64_t, AlertPtr> firing_;  // by fingerprint
  bool active_ = false;                       // somebody is configured
  bool kicked_ = false;
};

}  // namespace fettle::rules

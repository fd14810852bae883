// Gates: may something expensive begin? Answered by a condition in PromQL, and by a budget of which
// estimates are reserved, so that a thousand who ask at once do not spend it a thousand times.
//
// A gate allows iff `when` returns something and spent + reserved + estimate <= limit x threshold.
// Where nothing is known (the condition could not be asked, or what it compares has no value; the
// budget has none, or its data are older than `stale_after`) `on_stale` decides, and the answer
// says so.
//
// Reserved of a budget, by whichever gate, is what was reserved and neither settled nor expired,
// and what was settled after the moment up to which the budget's data are complete: from then on
// the data are believed to hold it.
//
// Look() asks the rules and blocks: a door's or a hand's. Decide() is the brain's, where all that
// are asked at one time are decided one after the other. A reservation counts from its decision,
// and is answered once it is stored. Store records: kind "reservation", key the gate's name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/judge.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/store.h"
#include "receivers/gates_config.h"

namespace fettle::receivers {

// What the rules know at one moment; absent: unknown.
struct GateFacts {
  std::optional<bool> condition;  // true without a `when`
  std::optional<double> spent_usd;
  std::optional<double> limit_usd;
  std::optional<Time> data_through;
  std::string trouble;  // why something is unknown
};

struct GateRequest {
  std::string operation;  // for people and the audit
  double estimate_usd = 0;
  bool reserve = false;
  Millis ttl{0};                // 0: the gate's
  std::string idempotency_key;  // the same key gets the same reservation
  std::string by;
};

struct GateAnswer {
  bool allow = false;
  bool degraded = false;  // decided by on_stale
  std::string reason;     // "ok", "condition", "budget" or "stale": a metric's label
  std::string sentence;
  std::string reservation_id;
  std::optional<double> remaining_usd;  // after this
  std::optional<Time> data_through;
};

struct Reservation {
  std::string id;
  std::string gate;
  std::string budget;
  std::string operation;
  std::string idempotency_key;
  double estimate_usd = 0;
  Time at;
  Time expires_at;
  std::optional<double> actual_usd;  // settled
  Time settled_at;
};

class Gates {
 public:
  static constexpr Millis kTtlMax = std::chrono::hours(30 * 24);
  static constexpr double kEstimateMaxUsd = 1e9;
  // Beyond this many reservations that are kept, further ones are denied (kLimit).
  static constexpr std::size_t kReservationsMax = 100'000;
  // How long one is kept after it was settled or expired: it may still be settled, or asked for.
  static constexpr Millis kKept = std::chrono::hours(7 * 24);
  static constexpr Millis kForgetEvery = std::chrono::minutes(10);
  static constexpr Millis kAskTimeout{5'000};

  struct Deps {
    Brain& brain;
    Store& store;
    Random& random;
    const Judge& judge;
    Metrics& metrics;
    Log log;
  };
  Gates(Deps deps, std::vector<GateSpec> gates);
  ~Gates();
  Gates(const Gates&) = delete;
  Gates& operator=(const Gates&) = delete;

  // Blocks; at start-up, before the brain runs.
  Status Restore(const Moment& now);

  // Any thread. nullptr if there is no such gate.
  const GateSpec* Find(const std::string& name) const;
  const std::vector<GateSpec>& specs() const { return gates_; }
  // Any thread; blocks for kAskTimeout a question at most.
  GateFacts Look(const GateSpec& gate, Time now) const;

  // `then` runs on the brain; an error only if a reservation could not be stored or made.
  using Then = std::function<void(Result<GateAnswer>)>;
  void Decide(const GateSpec& gate, const GateFacts& facts, const GateRequest& request, Then then,
              const Moment& now);
  // kNotFound; kConflict if it is settled with another sum. The same sum again is fine.
  using SettleThen = std::function<void(Status)>;
  void Settle(const std::string& gate, const std::string& id, double actual_usd,
              const std::string& by, SettleThen then, const Moment& now);

  // Of the gate, the newest first.
  std::vector<Reservation> ReservationsOf(const std::string& gate) const;
  double ReservedUsd(const std::string& budget, std::optional<Time> data_through, Time now) const;

 private:
  GateAnswer Judged(const GateSpec& gate, const GateFacts& facts, double estimate_usd,
                    Time now) const;
  void Reserve(const GateSpec& gate, const GateRequest& request, GateAnswer answer, Then then,
               const Moment& now);
  void Count(const GateSpec& gate, const GateAnswer& answer) const;
  const Reservation* Known(const GateSpec& gate, const std::string& key) const;
  void Show(Time now);
  void Forget(const Moment& now);

  const Deps deps_;
  const std::vector<GateSpec> gates_;
  std::map<std::string, Reservation> reservations_;  // by id; those on their way to the store, too
  Brain::Ticket forgetting_;
};

std::string EncodeReservation(const Reservation& reservation);
Result<Reservation> DecodeReservation(std::string_view body);

}  // namespace fettle::receivers

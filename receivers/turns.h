// Whose turn it is to tell, where several replicas share one store: a claim for each telling, kept
// up for as long as it takes. Belongs to the brain.
//
// A telling begins when its claim is granted, and each of its tries only while the lease holds by
// our own clock, so that a process that slept does not go on where another has taken over. When the
// store cannot be asked, `on_loss` decides: silence, or the risk that people are told twice.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/brain.h"
#include "common/replicas.h"

namespace fettle::receivers {

// One turn that was granted. Any thread may ask.
class Turn {
 public:
  explicit Turn(ClaimMark mark) : mark_(std::move(mark)) {}
  const ClaimMark& mark() const { return mark_; }
  bool Holds(BootTime now) const { return now.time_since_epoch().count() < until_.load(); }

 private:
  friend class Turns;
  const ClaimMark mark_;
  std::atomic<std::int64_t> until_{0};
  Brain::Ticket renewal_;
};

// What is done without the store.
enum class OnLoss {
  kLocalIfSingleton,  // tell if no other replica lived at last sight
  kObserve,           // tell nobody
  kTell,              // tell, as Alertmanager does in a partition
};

// By its name in the configuration: local_if_singleton, observe, tell.
std::optional<OnLoss> ParseOnLoss(std::string_view name);

class Turns {
 public:
  // Another takes over so long after its holder died.
  static constexpr Millis kLease{5'000};
  static constexpr Millis kRenewEvery{1'500};

  struct Deps {
    Brain& brain;
    Replicas& replicas;
    Store& store;
  };
  Turns(Deps deps, OnLoss on_loss);
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  enum class Verdict {
    kMine,
    kOthers,   // it is another replica's turn
    kUnknown,  // nobody can say: wait
    kNobodys,  // nobody can say: tell without
  };
  // `then` runs on the brain; with a turn if it is ours, which lasts until End() or Release().
  using Then = std::function<void(Verdict, std::shared_ptr<Turn> turn, const Moment& now)>;
  void Take(const std::string& resource, Then then);
  // No longer kept up: what to give back (Batch::released) with the commit of what was done.
  // Nothing if there was no turn.
  std::vector<ClaimMark> End(const std::shared_ptr<Turn>& turn);
  // Given back because nothing was done.
  void Release(const std::shared_ptr<Turn>& turn);

 private:
  void RenewLater(const std::shared_ptr<Turn>& turn, const Moment& now);
  Verdict WithoutStore() const;

  Deps deps_;
  const OnLoss on_loss_;
  // Answers that come after the end find nobody.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fettle::receivers

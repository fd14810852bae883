// The alerts believed to be true now: stores, merges, resolves, forgets.
//
// The way of a posting: checked and given its defaults on the caller's thread; appended to the
// store; folded into the live set on the brain; then all its changes handed to each consumer, in
// the order they subscribed. A restart restores the live set from the store. Merging is
// Alertmanager's (posting.h). The end of a firing alert that nobody repeats is stored when it
// comes, so that a restart knows whose senders still have their time to repeat. Post() and Look()
// are safe from any thread; everything else belongs to the brain.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/alert.h"
#include "common/brain.h"
#include "receivers/alert_log.h"
#include "receivers/consumer.h"
#include "receivers/label_index.h"
#include "receivers/posting.h"

namespace fettle::receivers {

// What a door may read, for as long as it likes. `alerts` are sorted by fingerprint and include
// those that ended but are not forgotten yet.
struct AlertsSnapshot {
  std::uint64_t version = 0;
  std::vector<std::shared_ptr<const LiveAlert>> alerts;
};

class Alerts final : public AlertSink {
 public:
  struct Options {
    PostingDefaults defaults;
    // Resolved alerts are forgotten at this rhythm.
    Millis gc_interval{30 * 60'000};
    // Beyond this many, new alerts are refused with kLimit; what is known is still updated and
    // resolved. The sender repeats itself.
    std::size_t alerts_max = 1'000'000;
  };
  struct Deps {
    Brain& brain;
    Hands& hands;  // folds what is stored, in the background
    Store& store;
    const Clock& clock;
    Metrics& metrics;
    Log log;
    std::string replica = {};  // this one's name, where several share the store
  };
  Alerts(Deps deps, Options options);
  ~Alerts() override;

  // Reads back what was stored. Blocks; at start-up, before the brain runs and before any Post().
  Status Restore(const Moment& now);

  // Hears of every alert there is, at once, and of every change from now on. A consumer must
  // unsubscribe before it goes, and may do neither inside Consider().
  void Subscribe(AlertConsumer& consumer, const Moment& now);
  void Unsubscribe(AlertConsumer& consumer);

  // The valid alerts are stored even if others of the batch are not; then `then` gets kInvalid with
  // one sentence a line. kUnavailable or kLimit if they could not be stored: post again later.
  void Post(AlertBatch batch, Then then) override;
  // On the brain: what another replica has stored. Its alerts are folded like our own.
  void Hear(const Record& record, const Moment& now);
  // A reload may change it; alerts that are there keep their end.
  void SetResolveTimeout(Millis timeout) { resolve_timeout_.store(timeout.count()); }

  // Built on demand, once a version.
  std::shared_ptr<const AlertsSnapshot> Snapshot();
  // Those that can match, without looking at all of them; nullopt if it takes the snapshot to
  // tell, or if they are many. Sorted by fingerprint. On the brain.
  std::optional<std::vector<std::shared_ptr<const LiveAlert>>> Among(
      const Matchers& matchers) const;
  // The same, asked from any other thread.
  Result<std::shared_ptr<const AlertsSnapshot>> Look(Millis timeout);
  // How many fire. On the brain.
  std::size_t Firing() const { return ends_.size(); }
  std::uint64_t version() const { return version_; }
  // One alert, or nullptr.
  std::shared_ptr<const LiveAlert> Find(std::uint64_t fingerprint) const;

 private:
  using Live = std::shared_ptr<const LiveAlert>;
  // The wall clock may be set: no expiry waits longer than this to look at it again.
  static constexpr Millis kLookAgain{30'000};
  // Near the limit, the live set is searched for forgettable ones no more often than this.
  static constexpr Millis kForgetEvery{10'000};
  static constexpr std::size_t kAmongMax = LabelIndex::kFewMax;

  void Append(std::shared_ptr<const Posting> posting, std::string complaints, Then then);
  void StoreWhatFits(Posting posting, std::string complaints, Then then, const Moment& now);
  void Fold(const Posting& posting, const Moment& now);
  // What is believed afterwards, or nullptr if that is no news.
  Live Put(LiveAlert young, const Moment& now);
  Live PutLapsed(const LiveAlert& over, const Moment& now);
  Live Believe(LiveAlert alert, const Moment& now);
  void Tell(const std::vector<Live>& changed, const Moment& now);
  void Expire(const Moment& now);
  void ExpireLater(const Posting& posting, const Moment& now);
  void Wait(const Moment& now);
  void Forget(const Moment& now);
  void CollectGarbageLater(const Moment& now);
  void Changed();

  Deps deps_;
  const Options options_;
  std::atomic<std::int64_t> resolve_timeout_;
  AlertLog log_;
  std::vector<AlertConsumer*> consumers_;

  std::map<std::uint64_t, Live> live_;             // by fingerprint
  LabelIndex index_;                               // of live_
  std::set<std::pair<Time, std::uint64_t>> ends_;  // of those that still fire
  Brain::Ticket expiry_;
  Brain::Ticket garbage_;
  BootTime forget_not_before_{};
  std::uint64_t version_ = 1;
  std::shared_ptr<const AlertsSnapshot> snapshot_;

  std::atomic<std::size_t> live_count_{0};
  std::atomic<std::size_t> on_the_way_{0};  // accepted, not folded yet

  std::array<prometheus::Counter*, 4> received_{};  // by source
  std::array<prometheus::Counter*, 4> invalid_{};
  prometheus::Counter& refused_;
  prometheus::Counter& collisions_;
  prometheus::Gauge& live_gauge_;
};

}  // namespace fettle::receivers

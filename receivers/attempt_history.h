// What was tried lately, over all incidents: what cooldown, backoff and attempt windows count.
//
// Built from the attempts' records at start and kept up to date by the mender; so limits survive a
// restart. Owned by the brain. Durations are measured on the boot clock, also across a restart of
// the process; across a boot of the machine the wall clock is believed less an hour. So a clock
// that was set does not make fettle act early.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "receivers/incidents.h"
#include "receivers/repairs_config.h"

namespace fettle::receivers {

class AttemptHistory {
 public:
  // The oldest is forgotten beyond; 100 a minute for a week is 10 times more than a window may say.
  static constexpr std::size_t kEntriesMax = 100'000;
  // The kubelet's number: so long well, and backoff starts from the beginning.
  static constexpr Millis kResetAfter{600'000};
  static constexpr Millis kBackoffBase{10'000};
  static constexpr Millis kBackoffMax{600'000};

  struct Entry {
    std::string attempt;
    std::string incident;
    std::string repair;
    std::string target;
    std::string instance;
    int pass = 0;
    Time at;  // of the intent, by the wall clock
    BootTime began{};
    std::optional<BootTime> ended;
    std::optional<BootTime> verified;
  };

  // An attempt of an earlier process, as found in the store.
  void Restore(const Attempt& attempt, const Moment& now);
  void Begin(const Attempt& attempt, const Moment& now);
  void End(const Attempt& attempt, const Moment& now);
  void Verified(const Attempt& attempt, const Moment& now);
  // It called nothing, so it does not count.
  void Cancel(const Attempt& attempt);

  // Attempts of a repair on one instance of a target begun within `span` and after `released_at`.
  int Count(std::string_view repair, std::string_view target, std::string_view instance,
            Millis span, Time released_at, const Moment& now) const;
  // Attempts of all repairs.
  int CountAll(Millis span, const Moment& now) const;
  // When the oldest of those in the window leaves it.
  Millis UntilOneLeaves(std::string_view repair, std::string_view target, std::string_view instance,
                        Millis span, Time released_at, const Moment& now) const;
  Millis UntilOneLeaves(Millis span, const Moment& now) const;

  // The last attempt of a repair on a target after `released_at`, or nullptr.
  const Entry* Last(std::string_view repair, std::string_view target, Time released_at) const;
  // Passes since the target was last well for kResetAfter.
  int Strikes(std::string_view repair, std::string_view target, Time released_at,
              const Moment& now) const;
  // How long after its end the next pass waits: base·2^(strikes−1), at most the maximum, times a
  // jitter of 0.8 to 1.2 that the attempt's id decides.
  static Millis Backoff(int strikes, std::string_view attempt_id);

  void Forget(const Moment& now);  // what no window can count any more
  std::size_t size() const { return all_.size(); }

 private:
  using Key = std::pair<std::string, std::string>;
  const std::vector<Entry>* Of(std::string_view repair, std::string_view target) const;
  Entry* Find(const Attempt& attempt);
  void Insert(Entry entry);

  std::map<Key, std::vector<Entry>> by_target_;  // each in order of `began`
  std::deque<BootTime> all_;                     // sorted
};

}  // namespace fettle::receivers

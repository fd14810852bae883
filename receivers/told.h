// What was already said to whom, and whether it is time to say something: Alertmanager's
// notification log, durable. One entry per (group, receiver, kind, index).
//
// An entry is believed when it is recorded; if the store cannot take it, the next start may say the
// same again, never the running process. Belongs to the brain. Source of the rules: Alertmanager's
// notify (DedupStage) and nflog.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/brain.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/store.h"

namespace fettle::receivers {

// Who is told of which group.
struct Ear {
  std::string group_key;
  std::string receiver;
  std::string kind;  // "webhook"
  std::size_t index = 0;
};

// Fingerprints of what fires and of what is resolved in a group; sorted.
struct GroupState {
  std::vector<std::uint64_t> firing;
  std::vector<std::uint64_t> resolved;
};

struct ToldEntry {
  Time at;
  GroupState state;
  // What the notifier wants to know again next time, such as the message to edit.
  std::map<std::string, std::string> data;
  Time expires_at;
};

// Why something is to be said; kNothingNew if it is not.
enum class Reason {
  kNothingNew,
  kFirst,
  kNewAlerts,
  kSomeResolved,
  kAllResolved,
  kRepeat,
};
// "first notification", as Alertmanager's messages carry it.
std::string_view ToString(Reason reason);
// Names an ear in records and claims.
std::string IdOf(const Ear& ear);

// `entry` may be nullptr: never told.
Reason WhyTell(const ToldEntry* entry, const GroupState& now_is, Millis repeat_interval,
               bool send_resolved, Time now);

class Told {
 public:
  struct Options {
    Millis retention{120 * 3'600'000};  // an entry lives twice its repeat interval, this at most
    Millis maintenance{15 * 60'000};
  };
  struct Deps {
    Brain& brain;
    Store& store;
    Metrics& metrics;
    Log log;
  };
  Told(Deps deps, Options options);
  ~Told();
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;

  // Blocks; at start-up.
  Status Restore(const Moment& now);
  const ToldEntry* Find(const Ear& ear) const;
  // `then` runs on the brain, once it is stored or could not be. `entry.expires_at` is set here.
  // The claim under which it was told, if any, is given back with it.
  using Then = std::function<void(Status, const Moment& now)>;
  void Record(const Ear& ear, ToldEntry entry, Millis repeat_interval, Then then,
              std::vector<ClaimMark> released = {});
  // What another replica has stored; the last telling counts.
  Status Hear(const fettle::Record& record);
  std::size_t size() const { return entries_.size(); }

 private:
  void Maintain(const Moment& now);

  Deps deps_;
  const Options options_;
  std::unordered_map<std::string, ToldEntry> entries_;  // by the record's id
  Brain::Ticket maintenance_;
  prometheus::Gauge& kept_;
};

}  // namespace fettle::receivers

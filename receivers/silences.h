// What people asked not to hear for a while. Durable: a silence counts, and is answered, once it is
// stored; one change at a time. Belongs to the brain.
//
// Which silences match an alert is remembered per fingerprint together with the number of the
// newest silence it was compared with, so that a new silence costs each alert one comparison.
// Source of the rules: Alertmanager's silence package.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/brain.h"
#include "common/log.h"
#include "common/matcher.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/store.h"

namespace fettle::receivers {

// A value. Pending before it starts, active, then expired and kept for a while.
struct Silence {
  enum class State { kPending, kActive, kExpired };
  std::string id;  // empty: a new one
  Matchers matchers;
  Time starts_at;  // Time{} or the past: now
  Time ends_at;
  Time updated_at;
  std::string created_by;
  std::string comment;
  std::map<std::string, std::string> annotations;

  State StateAt(Time now) const;
  bool Matches(const Labels& labels) const { return MatchAll(matchers, labels); }
};

class Silences {
 public:
  struct Options {
    Millis retention{120 * 3'600'000};  // of expired ones
    Millis maintenance{15 * 60'000};
    std::size_t silences_max = 100'000;         // then kLimit
    std::size_t silence_bytes_max = 64 * 1024;  // then kLimit
  };
  // Forgets all it remembered about alerts when it would remember more.
  static constexpr std::size_t kRememberedMax = 1'000'000;

  struct Deps {
    Brain& brain;
    Store& store;
    Random& random;
    Metrics& metrics;
    Log log;
  };
  Silences(Deps deps, Options options);
  ~Silences();
  Silences(const Silences&) = delete;
  Silences& operator=(const Silences&) = delete;

  // Blocks; at start-up.
  Status Restore(const Moment& now);

  // Creates, changes or replaces one; the id that counts now. kInvalid in Alertmanager's words,
  // kNotFound for an unknown id, kLimit, or why it was not stored. `then` runs on the brain.
  using SetThen = std::function<void(Result<std::string>)>;
  void Set(Silence silence, SetThen then);
  // Ends it now; kNotFound. One that is over already is fine.
  using ExpireThen = std::function<void(Status)>;
  void Expire(const std::string& id, ExpireThen then);

  // What another replica has stored; the last word counts.
  Status Hear(const Record& record);

  // The active ones that keep the alert quiet, sorted.
  std::vector<std::string> Quieting(std::uint64_t fingerprint, const Labels& labels, Time now);
  std::shared_ptr<const Silence> Find(const std::string& id) const;
  std::vector<std::shared_ptr<const Silence>> All() const;
  // Moves with every change.
  std::uint64_t version() const { return version_; }

 private:
  using Change = std::function<void(const Moment& now)>;
  struct Remembered {
    std::uint64_t compared_with = 0;
    std::vector<std::string> matching;
  };

  void Enqueue(Change change);
  void Next(const Moment& now);
  void SetNow(Silence silence, const SetThen& then, const Moment& now);
  void ExpireNow(const std::string& id, const ExpireThen& then, const Moment& now);
  // Stores them all or none, then believes them, then runs `then`.
  void Commit(std::vector<Silence> silences, std::function<void(Status)> then);
  void Believe(Silence silence);
  void ForgetOld(const Moment& now);
  void Maintain(const Moment& now);
  Status Check(const Silence& silence, Time now) const;

  Deps deps_;
  const Options options_;
  std::map<std::string, std::shared_ptr<const Silence>> silences_;
  std::vector<std::pair<std::uint64_t, std::string>> newest_;  // by number, ascending
  std::uint64_t last_number_ = 0;
  std::uint64_t version_ = 1;
  std::unordered_map<std::uint64_t, Remembered> remembered_;
  std::deque<Change> changes_;
  bool changing_ = false;
  Brain::Ticket maintenance_;
  prometheus::Gauge& kept_;
};

std::string EncodeSilence(const Silence& silence);
Result<Silence> DecodeSilence(std::string_view body);

}  // namespace fettle::receivers

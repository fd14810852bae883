// The store that several fettles share: PostgreSQL, with claims and news of one another.
//
// One thread commits what waits in one transaction, asks what the others committed before it, tells
// that first (Follow) and then the outcomes: so whoever is granted a claim or sees its commit done
// has heard of everything before. A NOTIFY wakes it for others' news; once a second it says that
// this replica lives. Reads have a connection of their own. Safe from any thread.
//
// Where PostgreSQL cannot be reached, or answers too late, everything that waits fails at once
// (kUnavailable) until it can be again; whether a commit that was cut off happened is unknown, and
// what it wrote is told by Follow later if it did.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/postgres_session.h"
#include "common/random.h"
#include "common/replicas.h"
#include "common/store.h"

namespace fettle {

class PostgresStore final : public Store, public Replicas {
 public:
  // Batches and claims that may wait, and bytes of batches; then kUnavailable.
  static constexpr std::size_t kWaitingMax = 20'000;
  static constexpr std::size_t kWaitingBytesMax = 256 * 1024 * 1024;
  static constexpr std::size_t kSmallBytes = 64 * 1024;
  // One transaction takes at most so many of them.
  static constexpr std::size_t kGroupMax = 1'000;
  static constexpr std::size_t kTrimRows = 1'000;
  static constexpr Millis kConnectTimeout{3'000};
  static constexpr Millis kConnectAgain{500};
  static constexpr Millis kBeatEvery{1'000};

  struct Deps {
    const Clock& clock;
    Random& random;
    Metrics& metrics;
    Log log;
  };
  struct Options {
    Secret dsn;
    std::string id;       // of this replica: the same after a restart, nobody else's
    std::string name;     // as people know it; the id if empty
    std::string address;  // likewise
  };
  // Creates the tables if need be.
  static Result<std::unique_ptr<PostgresStore>> Open(Deps deps, Options options);
  // Commits what waits and gives all claims back.
  ~PostgresStore() override;

  void Commit(Batch batch, Store::Then then) override;
  Result<std::vector<Record>> Read(const RecordQuery& query) override;
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t from_seq, std::size_t limit) override;
  Status VerifyAudit() override;
  Status TrimAudit(Time before) override;
  Status Health() const override;

  void Take(std::string resource, Millis lease, Claims::Then then) override;
  const std::string& name() const override { return options_.id; }
  std::vector<Replica> Live() const override;
  bool InTouch() const override { return Health().has_value(); }
  void Follow(Hear hear) override;

 private:
  struct Waiting {
    std::optional<Batch> batch;  // else a claim
    Store::Then then;
    std::string resource;
    Millis lease{0};
    Claims::Then granted;
    std::size_t bytes = 0;
  };
  struct Counters;

  PostgresStore(Deps deps, Options options);
  Result<PostgresSession> Connect();
  bool Enqueue(Waiting waiting);
  void Work(const std::stop_token& stop);
  // True if there is a connection.
  bool Reach(const std::stop_token& stop);
  std::vector<Waiting> NextGroup();
  void CommitGroup(std::vector<Waiting> group);
  Result<std::vector<PostgresSession::Outcome>> TryCommit(const std::vector<Waiting>& group);
  Status Listen(const std::stop_token& stop);
  Status HearNews();
  Status BeatIfDue();
  void Lose(const Error& why);
  void Answer(Waiting& waiting, PostgresSession::Outcome outcome, BootTime asked);
  void SetHealth(Status health);
  // Runs `work` on the reading connection.
  template <typename T>
  Result<T> Reading(const std::function<Result<T>(PostgresSession&)>& work);

  const Deps deps_;
  const Options options_;
  const std::string holder_;
  const std::unique_ptr<Counters> counters_;
  int wake_fd_ = -1;

  std::mutex read_mutex_;  // guards the reading session
  std::optional<PostgresSession> reader_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any wake_;
  std::deque<Waiting> queue_;
  std::size_t queue_bytes_ = 0;
  Status health_;
  std::vector<Replica> live_;

  std::mutex hear_mutex_;  // guards it, also while it runs: so its end is known to who replaces it
  Hear hear_;

  std::optional<PostgresSession> session_;  // the thread's, once that runs
  std::int64_t seen_ = 0;                   // likewise; outlives a session
  BootTime next_beat_{};                    // likewise
  std::jthread thread_;
};

}  // namespace fettle

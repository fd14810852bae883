// The statements of the shared store over one connection to PostgreSQL, and its tables: everything
// is in fettle_* tables where the connection's search_path points. Blocks; one thread at a time.
//
// Every transaction that writes or claims takes the one row of fettle_feed first: so all of them
// happen one after the other, whoever asks, changes are numbered in the order of their commits, and
// there are no deadlocks. After an error other than kConflict in an outcome the connection may be
// in any state: open a new session.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/audit_chain.h"
#include "common/postgres.h"
#include "common/replicas.h"
#include "common/store.h"

namespace fettle {

class PostgresSession {
 public:
  // Of the tables; one that a newer fettle made is refused.
  static constexpr int kSchemaVersion = 1;
  static constexpr Millis kStatementTimeout{5'000};
  static constexpr Millis kReadTimeout{60'000};
  static constexpr std::size_t kReadBytesMax = std::size_t{4} * 1024 * 1024 * 1024;
  // How long a replica is believed to live after its last beat.
  static constexpr Millis kLifeSign{4'000};

  struct Identity {
    std::string id;    // of the replica
    std::string name;  // as people know it
    std::string address;
    std::string incarnation;  // of this connection: whose changes are no news
    std::string holder;       // of this process: whose claims are its own
  };
  static Result<PostgresSession> Open(const Secret& dsn, Identity who, Millis timeout);

  // A batch, or a claim to take if `batch` is nullptr.
  struct Item {
    const Batch* batch = nullptr;
    std::string resource;
    Millis lease{0};
  };
  struct Outcome {
    Status status;
    std::int64_t epoch = 0;  // of the claim
  };
  // One transaction; what others have committed before it is among the next News().
  Result<std::vector<Outcome>> Commit(const std::vector<Item>& items, Time now);
  // What others wrote since the last time, beginning with Open(); near-free if that is nothing.
  Result<std::vector<Record>> News();
  // Says that this replica lives and asks who else does; this one first.
  Result<std::vector<Replica>> Beat();
  void Leave();
  // From now on Wait() is told of others' commits.
  Status Listen() { return Do("LISTEN fettle"); }
  // Postgres::WaitForNotice.
  Result<bool> Wait(int wake_fd, Millis timeout) {
    return connection_.WaitForNotice(wake_fd, timeout);
  }

  Result<std::vector<Record>> Read(const RecordQuery& query);
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t from_seq, std::size_t limit);
  Status VerifyAudit();
  // At most `rows_max` of the oldest; how many went.
  Result<std::size_t> TrimAudit(Time before, std::size_t rows_max);
  std::int64_t seen() const { return seen_; }
  void set_seen(std::int64_t seen) { seen_ = seen; }

 private:
  using Texts = std::vector<std::string>;
  PostgresSession(Postgres connection, Identity who)
      : connection_(std::move(connection)), who_(std::move(who)) {}
  Result<PostgresRows> Ask(const std::string& sql, const Texts& parameters = {});
  Status Do(const std::string& sql, const Texts& parameters = {});
  // The whole of `work` in one transaction, after everybody else's.
  template <typename Work>
  Status Transact(const std::string& begin, Work work);
  Status Prepare();
  Result<std::int64_t> NextChange(bool writes);
  Result<Outcome> Run(const Item& item, std::int64_t change, Time now);
  // The inner status is kConflict or fine.
  Result<Status> Apply(const Batch& batch, std::int64_t change, Time now);
  Result<Status> ApplyAll(const Batch& batch, std::int64_t change, Time now);
  Result<Status> Put(const Write& write, std::int64_t change);
  Result<Status> Remove(const Erase& erase);
  Result<Status> Check(const std::string& kind, const std::string& id, std::int64_t expected);
  Status Note(const std::string& body, Time now);
  Result<Outcome> Take(const Item& item);
  Result<AuditPoint> Link(const std::string& name);
  Status SaveLink(const std::string& name, const AuditPoint& point);

  Postgres connection_;
  Identity who_;
  std::int64_t seen_ = 0;
};

}  // namespace fettle

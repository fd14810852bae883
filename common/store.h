// Durable state: records with compare-and-set, and the hash-chained audit.
//
// One shape for every embedding (SQLite by default, PostgreSQL, memory with faults for tests).
// Commit() is asynchronous: one writer commits all waiting batches in one transaction, so that
// answers, acts and later transitions happen only in `then`, after the disk has them.
// Commit and Read are safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/claims.h"
#include "common/clock.h"
#include "common/result.h"

namespace fettle {

// (kind, id) is the identity. `key` is for finding (several records may share one), `due_at` for
// finding what is due. `body` is JSON that only its owner reads.
struct Record {
  std::string kind;  // "incident", "attempt", "alerts", "silence", "backup_run", …
  std::string id;
  std::string key;
  std::int64_t version = 0;  // 1 after the first write, then one more each time
  std::optional<Time> due_at;
  std::string body;
};

struct Write {
  static constexpr std::int64_t kAnyVersion = -1;
  Record record;                        // its version is ignored
  std::int64_t expected = kAnyVersion;  // 0: must not exist yet
};
struct Erase {
  std::string kind;
  std::string id;
  std::int64_t expected = Write::kAnyVersion;
};

// All of it or nothing of it. A write whose expected version is not the stored one fails the whole
// batch with Cause::kConflict; batches beside it in the same transaction are not touched.
struct Batch {
  std::vector<Write> writes;
  std::vector<Erase> erasures;
  std::vector<std::string> audit;  // JSON bodies, appended to the chain in order
  // Claims that must still be this process's, else kConflict, and claims that it gives back with
  // this commit. Where a store has one user (SQLite, memory), every claim is its own.
  std::vector<ClaimMark> held = {};
  std::vector<ClaimMark> released = {};
};

struct RecordQuery {
  std::string kind;
  std::string id;              // "" means any
  std::string key;             // "" means any
  std::optional<Time> due_by;  // only records with due_at <= due_by
  std::size_t limit = 1'000'000;
};

// One link of the chain; common/audit_chain.h says how the hash is made.
struct AuditEntry {
  std::int64_t seq = 0;
  Time at;
  std::string body;
  std::string hash_hex;
};

class Store {
 public:
  // A record's or audit entry's body is refused (Cause::kLimit) beyond the first, a kind, id or key
  // beyond the second.
  static constexpr std::size_t kBodyBytesMax = 16 * 1024 * 1024;
  static constexpr std::size_t kNameBytesMax = 1024;
  using Then = std::function<void(Status)>;

  virtual ~Store() = default;
  // `then` runs once on the store's writer thread (or inside Commit for the memory store) and must
  // only hand the news on, with Brain::Finish or a promise. A batch that is refused at once
  // (limits, too many waiting: kUnavailable) is told so inside Commit. An empty batch is a barrier.
  virtual void Commit(Batch batch, Then then) = 0;
  // What is committed, ordered by (due_at if asked for, then id). Blocks: for start-up, doors,
  // hands.
  virtual Result<std::vector<Record>> Read(const RecordQuery& query) = 0;
  virtual Result<std::vector<AuditEntry>> ReadAudit(std::int64_t from_seq, std::size_t limit) = 0;
  // Walks the chain; kFailed names the first bad entry.
  virtual Status VerifyAudit() = 0;
  // Forgets the oldest entries, up to the first that is not older than `before`; what is left stays
  // verifiable from the checkpoint kept in their place. Blocks. (Records are their owners' to
  // erase.)
  virtual Status TrimAudit(Time before) = 0;
  // Whether commits succeed now; the sentence if not. For /-/healthy and metrics.
  virtual Status Health() const = 0;
};

// What every embedding decides the same way. CheckBatch: kInvalid for an empty or unprintable name,
// kLimit for one too long. CheckVersion: kConflict unless `expected` is any or the stored version
// (0: there is none).
Status CheckBatch(const Batch& batch);
Status CheckVersion(std::string_view kind, std::string_view id, std::int64_t expected,
                    std::int64_t stored);

// Commit and wait, for start-up, hands and commands. Never on the brain.
Status CommitAndWait(Store& store, Batch batch);

}  // namespace fettle

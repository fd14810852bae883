// The schema of the embedded store, and the one connection that writes to it.
//
// Everything here runs on one thread at a time; SqliteStore is the thread and the queue around it.
// A failed transaction leaves everything as it was.
//
//   record(kind, id, key, version, due_at, body)   unique by (kind, id)
//   audit(seq, at, body, hash)                     common/audit_chain.h
//   chain(name, seq, hash)                         'head': the newest link; 'checkpoint': the
//   newest
//                                                  that was trimmed away
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/audit_chain.h"
#include "common/sqlite.h"
#include "common/store.h"

namespace fettle {

class SqliteWriter {
 public:
  static constexpr std::int64_t kSchemaVersion = 1;
  // "fettle" on a telephone's keys; tells our file from somebody else's database.
  static constexpr std::int64_t kApplicationId = 338853;

  // Creates the file (0600) and the tables if need be. Refuses a database of something else, and
  // one that a newer fettle wrote.
  static Result<SqliteWriter> Open(const std::string& path);

  // One transaction; a status for each batch. An error means that none of them was kept.
  Result<std::vector<Status>> Commit(const std::vector<const Batch*>& batches, Time now);
  // Forgets at most `rows_max` of the oldest entries, if older than `before`; says how many went.
  // Refuses to forget what does not follow from the checkpoint.
  Result<std::size_t> TrimAudit(Time before, std::size_t rows_max);
  // Writes something that changes nothing: whether commits would succeed.
  Status Probe();
  // Whether the last transaction failed for want of room.
  bool DiskWasFull() const { return disk_was_full_; }
  int WalPages() const { return connection_.WalPages(); }
  Status Checkpoint() { return connection_.Checkpoint(); }

 private:
  explicit SqliteWriter(sqlite::Connection connection) : connection_(std::move(connection)) {}
  Status Prepare();
  // Runs `work` in a transaction of its own.
  template <typename Work>
  Status Transact(Work work);
  Status Apply(const Batch& batch, Time now);
  Status ApplyAll(const Batch& batch, Time now);
  Status Put(const Write& write);
  Status Remove(const Erase& erase);
  Status Note(const std::string& body, Time now);
  Status SaveLink(std::string_view name, const AuditPoint& point);
  Result<std::int64_t> VersionOf(const std::string& kind, const std::string& id);

  sqlite::Connection connection_;
  AuditPoint head_;
  bool disk_was_full_ = false;
  sqlite::Statement upsert_, insert_, update_, remove_, remove_version_, version_;
  sqlite::Statement note_, save_link_, oldest_, forget_;
  sqlite::Statement begin_, commit_, rollback_, savepoint_, release_, undo_;
};

// Reads one row of `chain`; the beginning if it is not there.
Result<AuditPoint> ReadLink(sqlite::Connection& connection, std::string_view name);

}  // namespace fettle

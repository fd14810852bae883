// The embedded store: SQLite in WAL mode with synchronous=FULL, one file, one writer thread.
//
// Whatever waits while the disk syncs is committed together in the next transaction, so that many
// small commits cost about as much as one. Reads have a connection of their own and see what is
// committed. Safe from any thread. The destructor commits what waits and tells it.
//
// A failing disk fails the commits that meet it and makes Health() say why; while it is so, a
// small write every probe_interval finds out when it is over. If the disk is full, each waiting
// batch is tried alone, so that a decision may still fit where a flood does not. People may read
// the file with sqlite3 while the daemon runs.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/directory.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sqlite.h"
#include "common/sqlite_writer.h"
#include "common/store.h"

namespace fettle {

class SqliteStore final : public Store {
 public:
  // Batches and bytes that may wait; beyond either, Commit answers kUnavailable. A batch of at most
  // kSmallBytes, as decisions are, is only counted, so that a flood of alerts does not refuse it.
  static constexpr std::size_t kWaitingMax = 20'000;
  static constexpr std::size_t kWaitingBytesMax = 256 * 1024 * 1024;
  static constexpr std::size_t kSmallBytes = 64 * 1024;
  // One transaction takes at most so many bytes of what waits (and always at least one batch).
  static constexpr std::size_t kGroupBytesMax = 32 * 1024 * 1024;
  // Pages of 8 KiB in the write-ahead log before they are moved to the file.
  static constexpr int kWalPagesMax = 2'000;
  static constexpr std::size_t kTrimRows = 1'000;

  struct Deps {
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  struct Options {
    std::string directory;   // created if need be (0700); the file in it is fettle.db (0600)
    bool read_only = false;  // for commands beside a running daemon; commits are kDenied
    Millis probe_interval{5'000};
  };
  // kConflict if another fettle writes there; kInvalid or kFailed with a sentence if the file is
  // not ours, newer, or damaged.
  static Result<std::unique_ptr<SqliteStore>> Open(Deps deps, Options options);
  ~SqliteStore() override;

  void Commit(Batch batch, Then then) override;
  Result<std::vector<Record>> Read(const RecordQuery& query) override;
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t from_seq, std::size_t limit) override;
  Status VerifyAudit() override;
  Status TrimAudit(Time before) override;
  Status Health() const override;

 private:
  struct Waiting {
    Batch batch;
    Then then;
    std::size_t bytes = 0;
    std::function<void(SqliteWriter&)> job;  // instead of the batch
  };
  struct Counters;

  SqliteStore(Deps deps, Options options);
  Status OpenForWriting();
  Status OpenForReading();
  void WriteUntilStopped(const std::stop_token& stop);
  // Empty if it is time to probe, or to stop.
  std::vector<Waiting> NextGroup(const std::stop_token& stop);
  void CommitGroup(std::vector<Waiting> group);
  // A status for each, whatever happens.
  std::vector<Status> TryCommit(const std::vector<const Batch*>& batches);
  void CheckpointIfLong();
  Status CheckInPlace() const;
  void SetHealth(Status health);
  Result<std::vector<AuditEntry>> ReadAuditLocked(std::int64_t from_seq, std::size_t limit);

  const Deps deps_;
  const Options options_;
  const std::string path_;
  const std::unique_ptr<Counters> counters_;
  DirectoryLock lock_;
  std::uint64_t inode_ = 0;

  std::mutex read_mutex_;  // guards the reading connection and its statements
  std::optional<sqlite::Connection> reader_;
  std::array<sqlite::Statement, 8> selects_;  // by which conditions they have
  sqlite::Statement select_audit_;

  mutable std::mutex mutex_;  // guards the queue and the health
  std::condition_variable_any wake_;
  std::deque<Waiting> queue_;
  std::size_t queue_bytes_ = 0;
  Status health_;

  std::optional<SqliteWriter> writer_;  // the writer thread's, once that runs
  bool checkpoint_failed_ = false;      // the writer thread's
  std::jthread thread_;
};

}  // namespace fettle

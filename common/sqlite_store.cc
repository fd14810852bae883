#include "common/sqlite_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <future>
#include <utility>

#include "common/audit_chain.h"
#include "common/digest.h"

namespace fettle {
namespace {

constexpr int kReaderBusyMs = 5'000;
constexpr std::size_t kVerifyPage = 256;

std::size_t BytesOf(const Batch& batch) {
  std::size_t bytes = 0;
  for (const Write& write : batch.writes) {
    bytes += write.record.body.size() + write.record.id.size() + write.record.key.size();
  }
  for (const std::string& body : batch.audit) bytes += body.size();
  return bytes;
}

std::uint64_t InodeOf(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

// Which conditions a query has, as the index of its statement.
std::size_t Shape(const RecordQuery& query) {
  return (query.id.empty() ? 0U : 1U) | (query.key.empty() ? 0U : 2U) | (query.due_by ? 4U : 0U);
}

std::string SelectFor(std::size_t shape) {
  std::string sql = "SELECT kind, id, key, version, due_at, body FROM record WHERE kind=?1";
  if ((shape & 1U) != 0) sql += " AND id=?2";
  if ((shape & 2U) != 0) sql += " AND key=?3 AND key<>''";
  if ((shape & 4U) != 0) sql += " AND due_at<=?4";
  sql += (shape & 4U) != 0 ? " ORDER BY due_at, id" : " ORDER BY id";
  return sql + " LIMIT ?5";
}

std::int64_t LimitOf(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX));
}

}  // namespace

struct SqliteStore::Counters {
  explicit Counters(Metrics& metrics)
      : ok(Commits(metrics, "ok")),
        conflict(Commits(metrics, "conflict")),
        failed(Commits(metrics, "failed")),
        refused(Commits(metrics, "refused")),
        seconds(metrics.Histogram(
            "fettle_store_commit_seconds",
            "Time a transaction of the embedded store took, with all the batches in it.",
            {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5})),
        waiting(metrics.Gauge("fettle_store_waiting_batches",
                              "Batches that wait for the embedded store's writer.")),
        healthy(metrics.Gauge("fettle_store_healthy",
                              "Whether commits to the embedded store succeed (1) or fail (0).")),
        checkpoint_failures(
            metrics.Counter("fettle_store_checkpoint_failures_total",
                            "Failed moves of the embedded store's write-ahead log to its file.")) {}

  static prometheus::Counter& Commits(Metrics& metrics, const char* result) {
    return metrics.Counter("fettle_store_commits_total",
                           "Batches handed to the embedded store, by what became of them.",
                           {{"result", result}});
  }

  prometheus::Counter& ok;
  prometheus::Counter& conflict;
  prometheus::Counter& failed;
  prometheus::Counter& refused;
  prometheus::Histogram& seconds;
  prometheus::Gauge& waiting;
  prometheus::Gauge& healthy;
  prometheus::Counter& checkpoint_failures;
};

SqliteStore::SqliteStore(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      path_(options_.directory + "/fettle.db"),
      counters_(std::make_unique<Counters>(deps_.metrics)) {
  counters_->healthy.Set(1);
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::Open(Deps deps, Options options) {
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(deps), std::move(options)));
  const std::string intention = "opening the store " + store->path_;
  if (!store->options_.read_only) {
    if (Status status = store->OpenForWriting(); !status) return While(intention, status.error());
  }
  if (Status status = store->OpenForReading(); !status) return While(intention, status.error());
  if (store->writer_) {
    store->thread_ = std::jthread(
        [raw = store.get()](const std::stop_token& stop) { raw->WriteUntilStopped(stop); });
  }
  return store;
}

Status SqliteStore::OpenForWriting() {
  if (Status status = CreatePrivateDirectory(options_.directory); !status) return status;
  Result<DirectoryLock> lock = DirectoryLock::Take(options_.directory);
  if (!lock) return tl::unexpected<Error>(lock.error());
  lock_ = std::move(*lock);
  const bool is_new = InodeOf(path_) == 0;
  Result<SqliteWriter> writer = SqliteWriter::Open(path_);
  if (!writer) return tl::unexpected<Error>(writer.error());
  writer_.emplace(std::move(*writer));
  inode_ = InodeOf(path_);
  return is_new ? SyncDirectory(options_.directory) : Status{};
}

Status SqliteStore::OpenForReading() {
  Result<sqlite::Connection> reader =
      sqlite::Connection::Open(path_, sqlite::Connection::Mode::kReadOnly, kReaderBusyMs);
  if (!reader) return tl::unexpected<Error>(reader.error());
  reader_.emplace(std::move(*reader));
  for (std::size_t shape = 0; shape < selects_.size(); ++shape) {
    Result<sqlite::Statement> select = reader_->Prepare(SelectFor(shape));
    if (!select) return tl::unexpected<Error>(select.error());
    selects_[shape] = std::move(*select);
  }
  Result<sqlite::Statement> audit =
      reader_->Prepare("SELECT seq, at, body, hash FROM audit WHERE seq>=?1 ORDER BY seq LIMIT ?2");
  if (!audit) return tl::unexpected<Error>(audit.error());
  select_audit_ = std::move(*audit);
  return {};
}

SqliteStore::~SqliteStore() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  // The writer goes last: the last one to close moves the write-ahead log to the file.
  selects_ = {};
  select_audit_ = {};
  reader_.reset();
}

// ---- commits

void SqliteStore::Commit(Batch batch, Then then) {
  if (options_.read_only) {
    then(Fail(Cause::kDenied, "{} was opened to be read only", path_));
    return;
  }
  if (Status status = CheckBatch(batch); !status) {
    counters_->refused.Increment();
    then(std::move(status));
    return;
  }
  const std::size_t bytes = BytesOf(batch);
  {
    const std::lock_guard lock(mutex_);
    const bool fits = queue_.size() < kWaitingMax &&
                      (bytes <= kSmallBytes || queue_bytes_ + bytes <= kWaitingBytesMax);
    if (fits) {
      queue_.push_back(Waiting{std::move(batch), std::move(then), bytes, nullptr});
      queue_bytes_ += bytes;
      counters_->waiting.Set(static_cast<double>(queue_.size()));
      wake_.notify_one();
      return;
    }
  }
  counters_->refused.Increment();
  then(Fail(Cause::kUnavailable, "too much waits to be written to {}", path_));
}

void SqliteStore::WriteUntilStopped(const std::stop_token& stop) {
  for (;;) {
    std::vector<Waiting> group = NextGroup(stop);
    if (!group.empty()) {
      CommitGroup(std::move(group));
      CheckpointIfLong();
    } else if (stop.stop_requested()) {
      return;
    } else {
      Status in_place = CheckInPlace();
      SetHealth(in_place ? writer_->Probe() : std::move(in_place));
    }
  }
}

std::vector<SqliteStore::Waiting> SqliteStore::NextGroup(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto something = [this] { return !queue_.empty(); };
  if (health_) {
    wake_.wait(lock, stop, something);
  } else {
    wake_.wait_for(lock, stop, options_.probe_interval, something);
  }
  std::vector<Waiting> group;
  std::size_t bytes = 0;
  while (!queue_.empty()) {
    Waiting& next = queue_.front();
    // A job runs alone, between two groups.
    if (!group.empty() && (next.job || group.back().job || bytes + next.bytes > kGroupBytesMax)) {
      break;
    }
    bytes += next.bytes;
    group.push_back(std::move(next));
    queue_.pop_front();
  }
  queue_bytes_ -= bytes;
  counters_->waiting.Set(static_cast<double>(queue_.size()));
  return group;
}

void SqliteStore::CommitGroup(std::vector<Waiting> group) {
  if (group.front().job) return group.front().job(*writer_);
  std::vector<const Batch*> batches;
  batches.reserve(group.size());
  for (const Waiting& waiting : group) batches.push_back(&waiting.batch);
  std::vector<Status> outcomes = TryCommit(batches);
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (outcomes[i]) {
      counters_->ok.Increment();
    } else if (outcomes[i].error().cause == Cause::kConflict) {
      counters_->conflict.Increment();
    } else {
      counters_->failed.Increment();
    }
    group[i].then(std::move(outcomes[i]));
  }
}

std::vector<Status> SqliteStore::TryCommit(const std::vector<const Batch*>& batches) {
  const Moment started = deps_.clock.Now();
  Status in_place = CheckInPlace();
  Result<std::vector<Status>> outcomes =
      in_place ? writer_->Commit(batches, started.wall) : tl::unexpected<Error>(in_place.error());
  counters_->seconds.Observe(ToSeconds(deps_.clock.Now().boot - started.boot));
  if (outcomes) {
    SetHealth({});
    return std::move(*outcomes);
  }
  if (in_place && writer_->DiskWasFull() && batches.size() > 1) {
    std::vector<Status> alone;
    alone.reserve(batches.size());
    for (const Batch* batch : batches) alone.push_back(TryCommit({batch}).front());
    return alone;
  }
  Status failure = While("writing to " + path_, outcomes.error());
  SetHealth(failure);
  return std::vector<Status>(batches.size(), failure);
}

// SQLite would go on writing to a file that no longer has a name, and all of it would be lost.
Status SqliteStore::CheckInPlace() const {
  if (InodeOf(path_) == inode_) return {};
  return Fail("the file was moved or deleted while in use: put it back or restart");
}

void SqliteStore::CheckpointIfLong() {
  if (writer_->WalPages() < kWalPagesMax) return;
  const Status status = writer_->Checkpoint();
  if (!status) {
    counters_->checkpoint_failures.Increment();
    if (!checkpoint_failed_) {
      deps_.log.Warn("the write-ahead log cannot be moved to the file and grows",
                     {{"path", path_}, {"err", status.error().message}});
    }
  }
  checkpoint_failed_ = !status;
}

void SqliteStore::SetHealth(Status health) {
  bool was_healthy = false;
  {
    const std::lock_guard lock(mutex_);
    was_healthy = health_.has_value();
    health_ = health;
  }
  if (was_healthy == health.has_value()) return;
  counters_->healthy.Set(health ? 1 : 0);
  if (health) {
    deps_.log.Info("commits succeed again", {{"path", path_}});
  } else {
    deps_.log.Error("commits fail", {{"path", path_}, {"err", health.error().message}});
  }
}

Status SqliteStore::Health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- reads

Result<std::vector<Record>> SqliteStore::Read(const RecordQuery& query) {
  const std::lock_guard lock(read_mutex_);
  sqlite::Statement& select = selects_[Shape(query)];
  sqlite::Rows rows(select);
  select.Bind(1, query.kind).Bind(5, LimitOf(query.limit));
  if (!query.id.empty()) select.Bind(2, query.id);
  if (!query.key.empty()) select.Bind(3, query.key);
  if (query.due_by) select.Bind(4, ToMillis(*query.due_by));
  std::vector<Record> records;
  for (;;) {
    Result<bool> row = rows.Next();
    if (!row) return While("reading " + path_, row.error());
    if (!*row) return records;
    Record record{select.Text(0),    select.Text(1), select.Text(2),
                  select.Integer(3), std::nullopt,   select.Text(5)};
    if (!select.IsNull(4)) record.due_at = TimeFromMillis(select.Integer(4));
    records.push_back(std::move(record));
  }
}

Result<std::vector<AuditEntry>> SqliteStore::ReadAudit(std::int64_t from_seq, std::size_t limit) {
  const std::lock_guard lock(read_mutex_);
  return ReadAuditLocked(from_seq, limit);
}

Result<std::vector<AuditEntry>> SqliteStore::ReadAuditLocked(std::int64_t from_seq,
                                                             std::size_t limit) {
  sqlite::Rows rows(select_audit_.Bind(1, from_seq).Bind(2, LimitOf(limit)));
  std::vector<AuditEntry> entries;
  for (;;) {
    Result<bool> row = rows.Next();
    if (!row) return While("reading " + path_, row.error());
    if (!*row) return entries;
    entries.push_back(AuditEntry{select_audit_.Integer(0), TimeFromMillis(select_audit_.Integer(1)),
                                 select_audit_.Text(2), Hex(select_audit_.Text(3))});
  }
}

Status SqliteStore::VerifyAudit() {
  AuditPoint walked;
  AuditPoint head;
  for (bool first = true;; first = false) {
    std::vector<AuditEntry> page;
    {
      // In pages, so that other readers get their turn; what is trimmed meanwhile is skipped.
      const std::lock_guard lock(read_mutex_);
      if (Status begun = reader_->Execute("BEGIN"); !begun) return begun;
      Result<AuditPoint> checkpoint = ReadLink(*reader_, "checkpoint");
      Result<AuditPoint> newest = ReadLink(*reader_, "head");
      if (checkpoint && (first || checkpoint->seq > walked.seq)) walked = *checkpoint;
      Result<std::vector<AuditEntry>> entries = ReadAuditLocked(walked.seq + 1, kVerifyPage);
      Status ended = reader_->Execute("COMMIT");
      for (const Error* error :
           {checkpoint ? nullptr : &checkpoint.error(), newest ? nullptr : &newest.error(),
            entries ? nullptr : &entries.error(), ended ? nullptr : &ended.error()}) {
        if (error != nullptr) return tl::unexpected<Error>(*error);
      }
      head = std::move(*newest);
      page = std::move(*entries);
    }
    if (page.empty()) return CheckEnd(walked, head);
    for (const AuditEntry& entry : page) {
      Result<AuditPoint> next = Follow(walked, entry);
      if (!next) return tl::unexpected<Error>(next.error());
      walked = std::move(*next);
    }
  }
}

Status SqliteStore::TrimAudit(Time before) {
  if (options_.read_only) return Fail(Cause::kDenied, "{} was opened to be read only", path_);
  for (;;) {
    auto promise = std::make_shared<std::promise<Result<std::size_t>>>();
    std::future<Result<std::size_t>> trimmed = promise->get_future();
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(Waiting{{}, nullptr, 0, [promise, before](SqliteWriter& writer) {
                                 promise->set_value(writer.TrimAudit(before, kTrimRows));
                               }});
      wake_.notify_one();
    }
    const Result<std::size_t> count = trimmed.get();
    if (!count) return While("trimming the audit in " + path_, count.error());
    if (*count < kTrimRows) return {};
  }
}

}  // namespace fettle

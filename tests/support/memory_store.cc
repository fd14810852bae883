#include "tests/support/memory_store.h"

#include <algorithm>

#include "common/check.h"
#include "common/digest.h"

namespace fettle {

void MemoryStore::Commit(Batch batch, Then then) {
  if (Status status = CheckBatch(batch); !status) {
    then(std::move(status));
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (crashed_) return;
    pending_.push_back(Pending{std::move(batch), std::move(then), std::nullopt});
    if (held_) return;
  }
  CommitWaiting();
}

Status MemoryStore::CheckVersions(const Batch& batch) const {
  // What the batch itself has changed so far; a record may appear in it more than once.
  std::map<std::pair<std::string, std::string>, std::int64_t> changed;
  const auto check = [&](const std::string& kind, const std::string& id, std::int64_t expected,
                         bool erase) -> Status {
    const auto stored = records_.find({kind, id});
    auto [version, first] = changed.try_emplace(
        {kind, id}, stored == records_.end() ? std::int64_t{0} : stored->second.version);
    Status status = CheckVersion(kind, id, expected, version->second);
    version->second = erase ? 0 : version->second + 1;
    return status;
  };
  for (const Write& write : batch.writes) {
    Status status = check(write.record.kind, write.record.id, write.expected, false);
    if (!status) return status;
  }
  for (const Erase& erase : batch.erasures) {
    Status status = check(erase.kind, erase.id, erase.expected, true);
    if (!status) return status;
  }
  return {};
}

Status MemoryStore::Apply(const Batch& batch) {
  if (Status status = CheckVersions(batch); !status) return status;
  for (const Write& write : batch.writes) {
    Record& record = records_[{write.record.kind, write.record.id}];
    const std::int64_t version = record.version;
    record = write.record;
    record.version = version + 1;
  }
  for (const Erase& erase : batch.erasures) records_.erase({erase.kind, erase.id});
  for (const std::string& body : batch.audit) {
    const Time at = clock_.Now().wall;
    head_ = Append(head_, at, body);
    audit_.push_back(AuditEntry{head_.seq, at, body, Hex(head_.hash)});
  }
  return {};
}

void MemoryStore::SyncOne(Pending& pending) {
  const int nth = ++seen_;
  const auto failing = failing_.find(nth);
  const auto crashing = crashing_.find(nth);
  if (crashing != crashing_.end() && crashing->second == Kept::kNo) return CrashLocked();
  if (fail_all_) {
    pending.outcome = tl::unexpected<Error>(*fail_all_);
  } else if (failing != failing_.end()) {
    pending.outcome = tl::unexpected<Error>(failing->second);
  } else {
    pending.outcome = Apply(pending.batch);
    if (*pending.outcome) ++commits_;
  }
  if (crashing != crashing_.end()) CrashLocked();
}

std::size_t MemoryStore::Sync(std::size_t count) {
  std::size_t synced = 0;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < pending_.size() && synced < count && !crashed_; ++i) {
      if (pending_[i].outcome) continue;
      ++synced;
      SyncOne(pending_[i]);
    }
  }
  RunCrashHook();
  return synced;
}

std::size_t MemoryStore::Tell() {
  std::size_t told = 0;
  for (;; ++told) {
    Pending pending;
    {
      const std::lock_guard lock(mutex_);
      if (pending_.empty() || !pending_.front().outcome) return told;
      pending = std::move(pending_.front());
      pending_.pop_front();
    }
    pending.then(*pending.outcome);
  }
}

std::size_t MemoryStore::CommitWaiting() {
  Sync();
  return Tell();
}

std::size_t MemoryStore::Waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      pending_.begin(), pending_.end(), [](const Pending& pending) { return !pending.outcome; }));
}

void MemoryStore::HoldCommits() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void MemoryStore::ReleaseCommits() {
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }
  CommitWaiting();
}

void MemoryStore::FailNth(int nth, Error error) {
  const std::lock_guard lock(mutex_);
  failing_.insert_or_assign(seen_ + nth, std::move(error));
}

void MemoryStore::FailCommits(Error error) {
  const std::lock_guard lock(mutex_);
  fail_all_ = std::move(error);
}

void MemoryStore::FailReads(Error error) {
  const std::lock_guard lock(mutex_);
  fail_reads_ = std::move(error);
}

void MemoryStore::Heal() {
  const std::lock_guard lock(mutex_);
  failing_.clear();
  fail_all_.reset();
  fail_reads_.reset();
}

void MemoryStore::CrashLocked() {
  crashed_ = true;
  crash_hook_due_ = true;
  crashing_.clear();
  pending_.clear();
}

void MemoryStore::RunCrashHook() {
  std::function<void()> hook;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(crash_hook_due_, false)) return;
    hook = on_crash_;
  }
  if (hook) hook();
}

void MemoryStore::Crash() {
  {
    const std::lock_guard lock(mutex_);
    CrashLocked();
  }
  RunCrashHook();
}

void MemoryStore::CrashAtNth(int nth, Kept kept) {
  const std::lock_guard lock(mutex_);
  crashing_.insert_or_assign(seen_ + nth, kept);
}

void MemoryStore::OnCrash(std::function<void()> on_crash) {
  const std::lock_guard lock(mutex_);
  on_crash_ = std::move(on_crash);
}

bool MemoryStore::Crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

void MemoryStore::Restart() {
  const std::lock_guard lock(mutex_);
  pending_.clear();
  crashing_.clear();
  crashed_ = false;
}

Result<std::vector<Record>> MemoryStore::Read(const RecordQuery& query) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return Fail(Cause::kUnavailable, "the store has crashed");
  if (fail_reads_) return tl::unexpected<Error>(*fail_reads_);
  std::vector<Record> found;
  for (const auto& [identity, record] : records_) {
    if (record.kind != query.kind) continue;
    if (!query.id.empty() && record.id != query.id) continue;
    if (!query.key.empty() && record.key != query.key) continue;
    if (query.due_by && (!record.due_at || *record.due_at > *query.due_by)) continue;
    found.push_back(record);
  }
  if (query.due_by) {
    std::stable_sort(found.begin(), found.end(),
                     [](const Record& a, const Record& b) { return *a.due_at < *b.due_at; });
  }
  if (found.size() > query.limit) found.resize(query.limit);
  return found;
}

Result<std::vector<AuditEntry>> MemoryStore::ReadAudit(std::int64_t from_seq, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return Fail(Cause::kUnavailable, "the store has crashed");
  if (fail_reads_) return tl::unexpected<Error>(*fail_reads_);
  std::vector<AuditEntry> found;
  for (const AuditEntry& entry : audit_) {
    if (found.size() >= limit) break;
    if (entry.seq >= from_seq) found.push_back(entry);
  }
  return found;
}

Status MemoryStore::VerifyAudit() {
  const std::lock_guard lock(mutex_);
  AuditPoint walked = checkpoint_;
  for (const AuditEntry& entry : audit_) {
    Result<AuditPoint> next = Follow(walked, entry);
    if (!next) return tl::unexpected<Error>(next.error());
    walked = *next;
  }
  return CheckEnd(walked, head_);
}

Status MemoryStore::TrimAudit(Time before) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return Fail(Cause::kUnavailable, "the store has crashed");
  while (!audit_.empty() && audit_.front().at < before) {
    Result<AuditPoint> next = Follow(checkpoint_, audit_.front());
    if (!next) return While("trimming the audit", next.error());
    checkpoint_ = *next;
    audit_.erase(audit_.begin());
  }
  return {};
}

Status MemoryStore::Health() const {
  const std::lock_guard lock(mutex_);
  if (crashed_) return Fail(Cause::kUnavailable, "the store has crashed");
  if (fail_all_) return tl::unexpected<Error>(*fail_all_);
  return {};
}

std::optional<Record> MemoryStore::Find(std::string_view kind, std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find({std::string(kind), std::string(id)});
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

std::vector<Record> MemoryStore::All(std::string_view kind) const {
  const std::lock_guard lock(mutex_);
  std::vector<Record> found;
  for (const auto& [identity, record] : records_) {
    if (record.kind == kind) found.push_back(record);
  }
  return found;
}

std::vector<std::string> MemoryStore::AuditBodies() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> bodies;
  bodies.reserve(audit_.size());
  for (const AuditEntry& entry : audit_) bodies.push_back(entry.body);
  return bodies;
}

int MemoryStore::Commits() const {
  const std::lock_guard lock(mutex_);
  return commits_;
}

void MemoryStore::TamperForTest(std::int64_t seq, std::string body) {
  const std::lock_guard lock(mutex_);
  for (AuditEntry& entry : audit_) {
    if (entry.seq == seq) entry.body = std::move(body);
  }
}

void MemoryStore::DropNewestAuditForTest() {
  const std::lock_guard lock(mutex_);
  FETTLE_CHECK(!audit_.empty());
  audit_.pop_back();
}

}  // namespace fettle

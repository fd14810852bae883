// A store in memory with the semantics of the real ones, that fails and crashes as a test says.
//
// Without a word from the test every commit succeeds inside Commit(). Time comes from the clock it
// is given. Safe from any thread; `then` runs outside its lock, so it may commit again.
//
//   MemoryStore store(clock);
//   store.HoldCommits();                     // commits wait …
//   store.CommitWaiting();                   // … until now, in order
//   store.FailNth(3, Error{"disk full", Cause::kUnavailable});
//   for (int n = 1; ; ++n) { store.CrashAtNth(n, Kept::kYes); …; store.Restart(); }
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/audit_chain.h"
#include "common/store.h"

namespace fettle {

// Whether the batch that is being committed when the process dies is found after the restart. In
// neither case is anybody told.
enum class Kept { kNo, kYes };

class MemoryStore final : public Store {
 public:
  // The clock stamps audit entries; it must outlive the store.
  explicit MemoryStore(const Clock& clock) : clock_(clock) {}

  void Commit(Batch batch, Then then) override;
  Result<std::vector<Record>> Read(const RecordQuery& query) override;
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t from_seq, std::size_t limit) override;
  Status VerifyAudit() override;
  Status TrimAudit(Time before) override;
  Status Health() const override;

  // When. CommitWaiting makes everything that waits durable and tells, and says how many; Sync does
  // only the first half for the first `count`, Tell only the second.
  void HoldCommits();
  void ReleaseCommits();  // commits what waits; from now on inside Commit() again
  std::size_t CommitWaiting();
  std::size_t Sync(std::size_t count = static_cast<std::size_t>(-1));
  std::size_t Tell();
  std::size_t Waiting() const;

  // Faults. Commits count from now: 1 is the next one.
  void FailNth(int nth, Error error);
  void FailCommits(Error error);  // each, until Heal; Health() says the same
  void FailReads(Error error);    // until Heal
  void Heal();

  // Crashes. What waits is lost, nobody is told, and until Restart() commits vanish and reads fail.
  // `on_crash` runs at that moment, so that a test can also cut the dying process off elsewhere.
  void Crash();
  void CrashAtNth(int nth, Kept kept);
  void OnCrash(std::function<void()> on_crash);
  bool Crashed() const;
  void Restart();

  // What a test looks at: the durable state.
  std::optional<Record> Find(std::string_view kind, std::string_view id) const;
  std::vector<Record> All(std::string_view kind) const;
  std::vector<std::string> AuditBodies() const;
  // Batches that became durable since the beginning.
  int Commits() const;
  // Changes an entry behind the chain's back.
  void TamperForTest(std::int64_t seq, std::string body);
  void DropNewestAuditForTest();

 private:
  struct Pending {
    Batch batch;
    Then then;
    std::optional<Status> outcome;  // set once it is durable or has failed
  };

  Status CheckVersions(const Batch& batch) const;
  Status Apply(const Batch& batch);
  void SyncOne(Pending& pending);
  void CrashLocked();
  void RunCrashHook();

  const Clock& clock_;
  mutable std::mutex mutex_;  // guards everything below

  std::map<std::pair<std::string, std::string>, Record> records_;
  std::vector<AuditEntry> audit_;
  AuditPoint checkpoint_;
  AuditPoint head_;
  int commits_ = 0;

  std::deque<Pending> pending_;
  bool held_ = false;
  int seen_ = 0;  // commits asked for, for the Nth
  std::map<int, Error> failing_;
  std::optional<Error> fail_all_;
  std::optional<Error> fail_reads_;
  std::map<int, Kept> crashing_;
  bool crashed_ = false;
  bool crash_hook_due_ = false;
  std::function<void()> on_crash_;
};

}  // namespace fettle

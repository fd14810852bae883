// The embedded store on a disk that fails: what was acknowledged is there, whatever happened.
#include "common/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/faulty_disk.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Batch Putting(const std::string& id, std::size_t bytes = 10) {
  return {.writes = {{.record = {.kind = "k", .id = id, .body = std::string(bytes, 'x')}}},
          .audit = {id}};
}

class SqliteStoreTest : public ::testing::Test {
 protected:
  using Options = SqliteStore::Options;
  Result<std::unique_ptr<SqliteStore>> TryOpen(Options options = {}) {
    if (options.directory.empty()) options.directory = Directory();
    return SqliteStore::Open({clock_, metrics_, log_.For("store")}, std::move(options));
  }
  void Open(Options options = {}) {
    auto opened = TryOpen(std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  std::string Directory() const { return dir_ / "data"; }
  std::string File() const { return dir_ / "data/fettle.db"; }
  Status Put(const std::string& id, std::size_t bytes = 10) {
    return CommitAndWait(*store_, Putting(id, bytes));
  }
  std::set<std::string> Ids() {
    std::set<std::string> ids;
    auto records = store_->Read({.kind = "k"});
    EXPECT_TRUE(records) << records.error().message;
    if (records) {
      for (const Record& record : *records) ids.insert(record.id);
    }
    return ids;
  }
  FaultyDisk& UseFaultyDisk() {
    store_.reset();
    faulty_.reset();
    return faulty_.emplace();
  }
  double Commits(const std::string& result) {
    return metrics_
        .Counter("fettle_store_commits_total",
                 "Batches handed to the embedded store, by what became of them.",
                 {{"result", result}})
        .Value();
  }
  static unsigned Mode(const std::string& path) {
    struct stat found {};
    EXPECT_EQ(stat(path.c_str(), &found), 0) << path;
    return found.st_mode & 0777U;
  }
  void Run(const std::string& sql) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(File().c_str(), &raw), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(raw);
  }

  TempDir dir_;
  ManualClock clock_;
  Metrics metrics_;
  RecordedLog log_;
  std::optional<FaultyDisk> faulty_;  // beneath the store, and so outlives it
  std::unique_ptr<SqliteStore> store_;
};

// ---- the file

TEST_F(SqliteStoreTest, KeepsItsFilesToItself) {
  const mode_t before = umask(0);
  Open({.directory = dir_ / "a/b/data"});
  ASSERT_TRUE(Put("a"));
  umask(before);
  EXPECT_EQ(Mode(dir_ / "a"), 0700U);
  EXPECT_EQ(Mode(dir_ / "a/b/data"), 0700U);
  for (const char* name : {"fettle.db", "fettle.db-wal", "fettle.db-shm", "lock"}) {
    EXPECT_EQ(Mode(dir_ / "a/b/data/" + name), 0600U) << name;
  }
}

TEST_F(SqliteStoreTest, LeavesTheDirectoryOfOthersAsItIs) {
  std::filesystem::create_directory(Directory());
  ASSERT_EQ(chmod(Directory().c_str(), 0755), 0);
  Open();
  EXPECT_EQ(Mode(Directory()), 0755U);
}

TEST_F(SqliteStoreTest, IsWrittenByOneProcessAtATime) {
  Open();
  const auto second = TryOpen();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().cause, Cause::kConflict);
  EXPECT_EQ(second.error().message,
            fmt::format("opening the store {}: {} is in use by another fettle (pid {})", File(),
                        Directory(), getpid()));
  store_.reset();
  EXPECT_TRUE(TryOpen());
}

TEST_F(SqliteStoreTest, ACommandMayReadBesideIt) {
  Open();
  ASSERT_TRUE(Put("a"));
  auto reader = TryOpen({.read_only = true});
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_THAT(*(*reader)->Read({.kind = "k"}), SizeIs(1));
  EXPECT_TRUE((*reader)->VerifyAudit());
  ASSERT_TRUE(Put("b"));
  EXPECT_THAT(*(*reader)->Read({.kind = "k"}), SizeIs(2));
  EXPECT_EQ(CommitAndWait(**reader, Putting("c")).error().cause, Cause::kDenied);
  EXPECT_EQ((*reader)->TrimAudit(clock_.Now().wall).error().cause, Cause::kDenied);
}

TEST_F(SqliteStoreTest, ReadsNothingFromNowhere) {
  const auto reader = TryOpen({.read_only = true});
  ASSERT_FALSE(reader);
  EXPECT_THAT(reader.error().message, HasSubstr("the file cannot be opened"));
  EXPECT_FALSE(std::filesystem::exists(Directory())) << "and leaves no trace of having looked";
}

TEST_F(SqliteStoreTest, RefusesWhatIsNotItsOwn) {
  struct Case {
    std::string content;  // "" is made by `sql`
    std::string sql;
    Cause cause;
    std::string sentence;
  };
  for (const Case& c : {
           Case{"this is a diary, not a database, and has been for more than a hundred years now",
                "", Cause::kFailed, "the file is no SQLite database: move it away to begin anew"},
           Case{"", "CREATE TABLE bookmarks(url)", Cause::kInvalid,
                "the file is a database of another program"},
           Case{"", "PRAGMA application_id=338853; PRAGMA user_version=2; CREATE TABLE x(y)",
                Cause::kInvalid,
                "the file was written by a newer fettle (schema 2, this one knows 1)"},
       }) {
    std::filesystem::remove_all(Directory());
    std::filesystem::create_directory(Directory());
    if (c.sql.empty()) {
      dir_.Write("data/fettle.db", c.content);
    } else {
      Run(c.sql);
    }
    const auto opened = TryOpen();
    ASSERT_FALSE(opened) << c.sentence;
    EXPECT_EQ(opened.error().cause, c.cause);
    EXPECT_EQ(opened.error().message, fmt::format("opening the store {}: {}", File(), c.sentence));
  }
}

TEST_F(SqliteStoreTest, SaysThatItsDirectoryCannotBe) {
  dir_.Write("data", "a file");
  const auto opened = TryOpen();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message,
            fmt::format("opening the store {}: {} is not a directory", File(), Directory()));
}

TEST_F(SqliteStoreTest, PeopleCanQueryIt) {
  Open();
  ASSERT_TRUE(CommitAndWait(
      *store_,
      {.writes = {{.record = {.kind = "incident", .id = "i1", .body = R"({"state":"held"})"}}}}));
  Run("CREATE TEMP TABLE found AS SELECT body->>'state' AS state FROM record "
      "WHERE kind='incident'; SELECT 1/(count(*)=1) FROM found WHERE state='held';");
}

TEST_F(SqliteStoreTest, ADamagedPageFailsReadsWithASentence_S02) {
  Open();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Put(std::to_string(i), 3'000));
  store_.reset();
  std::fstream file(File(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8192 * 2);
  file << std::string(8192 * 40, '\xff');
  file.close();
  auto opened = TryOpen();
  if (!opened) {
    EXPECT_THAT(opened.error().message, HasSubstr("the file is damaged"));
    return;
  }
  store_ = std::move(*opened);
  const auto read = store_->Read({.kind = "k"});
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("the file is damaged"));
  const Status put = Put("7", 3'000);
  ASSERT_FALSE(put);
  EXPECT_THAT(put.error().message, HasSubstr("writing to " + File() + ": the file is damaged"));
  EXPECT_EQ(store_->Health().error().message, put.error().message);
}

// ---- commits

TEST_F(SqliteStoreTest, CommitsAndTellsWhatWaitsBeforeItGoes) {
  FaultyDisk& disk = UseFaultyDisk();
  Open();
  disk.Stall();
  std::atomic<int> told = 0;
  for (int i = 0; i < 500; ++i) {
    store_->Commit(Putting(std::to_string(i)), [&](const Status& status) {
      if (status) ++told;
    });
  }
  std::thread resumer([&] { disk.Resume(); });
  store_.reset();
  resumer.join();
  EXPECT_EQ(told, 500);
  Open();
  EXPECT_THAT(Ids(), SizeIs(500));
}

TEST_F(SqliteStoreTest, GroupsWhatWaitsIntoOneTransaction) {
  FaultyDisk& disk = UseFaultyDisk();
  Open();
  ASSERT_TRUE(Put("first"));
  const int one = disk.Calls();
  ASSERT_TRUE(Put("second"));
  const int calls_of_one = disk.Calls() - one;
  disk.Stall();
  std::vector<std::string> told;
  const auto note = [&](const Status& status) { told.push_back(status ? "ok" : "failed"); };
  store_->Commit(Putting("a"), note);
  ASSERT_TRUE(WaitUntil([&] { return disk.Calls() > one + calls_of_one; }));
  for (int i = 0; i < 100; ++i) store_->Commit(Putting(std::to_string(i)), note);
  const int before = disk.Calls();
  disk.Resume();
  ASSERT_TRUE(CommitAndWait(*store_, {}));
  EXPECT_THAT(told, SizeIs(101));
  EXPECT_LT(disk.Calls() - before, 10 * calls_of_one) << "not a hundred transactions";
}

TEST_F(SqliteStoreTest, RefusesBeyondItsLimitsButStillTakesDecisions) {
  FaultyDisk& disk = UseFaultyDisk();
  Open();
  disk.Stall();
  std::atomic<int> ok = 0;
  std::atomic<int> refused = 0;
  const auto count = [&](const Status& status) {
    EXPECT_TRUE(status || status.error().cause == Cause::kUnavailable);
    ++(status ? ok : refused);
  };
  // Bodies of 12 MiB: in flight two, waiting at most twenty-one.
  for (int i = 0; i < 40; ++i) store_->Commit(Putting(std::to_string(i), 12 * 1024 * 1024), count);
  EXPECT_GE(refused, 10);
  const int refused_floods = refused;
  store_->Commit(Putting("decision"), count);
  EXPECT_EQ(refused, refused_floods);
  for (std::size_t i = 0; i < SqliteStore::kWaitingMax; ++i) store_->Commit({}, count);
  EXPECT_GT(refused, refused_floods) << "by number, though they are small";
  disk.Resume();
  store_.reset();
  EXPECT_EQ(ok + refused, 41 + static_cast<int>(SqliteStore::kWaitingMax));
  EXPECT_EQ(Commits("refused"), refused);
  EXPECT_EQ(Commits("ok"), ok);
}

TEST_F(SqliteStoreTest, CountsWhatBecomesOfBatches) {
  Open();
  ASSERT_TRUE(Put("a"));
  EXPECT_FALSE(CommitAndWait(
      *store_, {.writes = {{.record = {.kind = "k", .id = "a", .body = "x"}, .expected = 0}}}));
  EXPECT_FALSE(CommitAndWait(*store_, {.writes = {{.record = {.kind = "", .id = "a"}}}}));
  EXPECT_EQ(Commits("ok"), 1);
  EXPECT_EQ(Commits("conflict"), 1);
  EXPECT_EQ(Commits("refused"), 1);
  EXPECT_EQ(Commits("failed"), 0);
}

// ---- disks

TEST_F(SqliteStoreTest, SaysWhyCommitsFailAndHealsBySelf) {
  struct Case {
    int code;
    Cause cause;
    std::string sentence;
  };
  for (const Case& c : {Case{SQLITE_FULL, Cause::kUnavailable, "the disk is full"},
                        Case{SQLITE_IOERR_FSYNC, Cause::kUnavailable,
                             "the disk does not read or write (disk I/O error, code 1034)"},
                        Case{SQLITE_READONLY, Cause::kUnavailable,
                             "the file or its file system is read-only (attempt to write a "
                             "readonly database)"}}) {
    FaultyDisk& disk = UseFaultyDisk();
    std::filesystem::remove_all(Directory());
    Open({.probe_interval = Millis(10)});
    ASSERT_TRUE(Put("before"));
    disk.FailAll(c.code);
    const Status status = Put("lost");
    ASSERT_FALSE(status) << c.sentence;
    EXPECT_EQ(status.error().message, "writing to " + File() + ": " + c.sentence);
    EXPECT_EQ(status.error().cause, c.cause);
    EXPECT_FALSE(store_->Health());
    EXPECT_THAT(Ids(), ElementsAre("before")) << "reads go on";
    disk.Heal();
    EXPECT_TRUE(WaitUntil([&] { return store_->Health().has_value(); })) << "without a commit";
    ASSERT_TRUE(Put("after"));
    EXPECT_THAT(Ids(), ElementsAre("after", "before"));
    EXPECT_TRUE(store_->VerifyAudit());
    store_.reset();
  }
  EXPECT_TRUE(log_.Contains("commits fail"));
  EXPECT_TRUE(log_.Contains("commits succeed again"));
}

TEST_F(SqliteStoreTest, ADecisionStillFitsWhereAFloodDoesNot) {
  FaultyDisk& disk = UseFaultyDisk();
  Open();
  ASSERT_TRUE(Put("first"));
  disk.Stall();
  std::vector<std::string> told;
  const auto note = [&told](const std::string& id) {
    return [&told, id](const Status& status) {
      told.push_back(id + (status ? " kept" : " " + status.error().message));
    };
  };
  store_->Commit(Putting("a"), note("a"));
  ASSERT_TRUE(WaitUntil([&] {
    return metrics_
               .Gauge("fettle_store_waiting_batches",
                      "Batches that wait for the embedded store's "
                      "writer.")
               .Value() == 0;
  }));
  store_->Commit(Putting("flood", 2'000'000), note("flood"));
  store_->Commit(Putting("decision"), note("decision"));
  disk.LeaveRoomFor(200'000);
  disk.Resume();
  ASSERT_TRUE(CommitAndWait(*store_, {}));
  EXPECT_THAT(told, ElementsAre("a kept", HasSubstr("the disk is full"), "decision kept"));
  disk.Heal();
  EXPECT_THAT(Ids(), ElementsAre("a", "decision", "first"));
  EXPECT_TRUE(store_->VerifyAudit());
}

TEST_F(SqliteStoreTest, NoticesThatItsFileWasTakenAway) {
  Open();
  ASSERT_TRUE(Put("a"));
  std::filesystem::rename(File(), dir_ / "elsewhere.db");
  const Status status = Put("b");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "writing to " + File() +
                ": the file was moved or deleted while in use: put it back or restart");
  std::filesystem::rename(dir_ / "elsewhere.db", File());
  EXPECT_TRUE(Put("c"));
}

// Commits a story until the disk fails for good; what was acknowledged comes back.
class SqliteFaultTest : public SqliteStoreTest {
 protected:
  // Opens, commits, reopens and trims; adds each id that was acknowledged.
  void TellStory() {
    for (int chapter = 0; chapter < 2; ++chapter) {
      auto opened = TryOpen();
      if (!opened) return;
      store_ = std::move(*opened);
      for (int i = 0; i < 4; ++i) {
        const std::string id = fmt::format("{}-{}", chapter, i);
        tried_.insert(id);
        if (Put(id, 5'000)) acknowledged_.insert(id);
      }
      (void)store_->TrimAudit(clock_.Now().wall - std::chrono::minutes(1));
      clock_.Pass(std::chrono::minutes(2));
      store_.reset();
    }
  }
  void ExpectNothingLost() {
    Open();
    const std::set<std::string> ids = Ids();
    EXPECT_TRUE(std::includes(ids.begin(), ids.end(), acknowledged_.begin(), acknowledged_.end()));
    EXPECT_TRUE(std::includes(tried_.begin(), tried_.end(), ids.begin(), ids.end()));
    const Status verified = store_->VerifyAudit();
    EXPECT_TRUE(verified) << verified.error().message;
    EXPECT_TRUE(Put("after all"));
    store_.reset();
    std::filesystem::remove_all(Directory());
    acknowledged_.clear();
    tried_.clear();
  }

  FaultyDisk& disk_ = UseFaultyDisk();
  std::set<std::string> acknowledged_;
  std::set<std::string> tried_;
};

TEST_F(SqliteFaultTest, LosesNothingAcknowledgedWhenAnyOneCallFails) {
  TellStory();
  const int calls = disk_.Calls();
  ASSERT_THAT(acknowledged_, SizeIs(8));
  ExpectNothingLost();
  for (int nth = 1; nth <= calls; ++nth) {
    const int code = std::array{SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_FULL}.at(
        static_cast<std::size_t>(nth) % 3);
    SCOPED_TRACE(fmt::format("call {} of {} fails with {}", nth, calls, code));
    disk_.FailNth(nth, code);
    TellStory();
    disk_.Heal();
    ExpectNothingLost();
    if (HasFailure()) return;
  }
}

TEST_F(SqliteFaultTest, LosesNothingAcknowledgedWhenThePowerIsCutAtAnyCall_S02) {
  TellStory();
  const int calls = disk_.Calls();
  ExpectNothingLost();
  for (int nth = 1; nth <= calls; ++nth) {
    SCOPED_TRACE(fmt::format("the power is cut at call {} of {}", nth, calls));
    disk_.RememberSynced();
    disk_.CutPowerAtNth(nth);
    TellStory();
    ASSERT_TRUE(disk_.PowerIsCut());
    store_.reset();
    disk_.Reboot();
    ExpectNothingLost();
    if (HasFailure()) return;
  }
}

// A child commits as fast as it can and says what was acknowledged, until SIGKILL.
TEST_F(SqliteStoreTest, LosesNothingAcknowledgedWhenTheProcessIsKilled) {
  for (const std::size_t acknowledged_min : {1UL, 50UL, 700UL}) {
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(pipes[0]);
      auto opened = TryOpen();
      if (!opened) _exit(1);
      for (std::uint32_t i = 0;; ++i) {
        (*opened)->Commit(Putting(std::to_string(i), 300),
                          [i, fd = pipes[1]](const Status& status) {
                            // A disk that is slower than this loop lets some be refused.
                            if (!status) return;
                            if (write(fd, &i, sizeof i) != sizeof i) _exit(2);
                          });
      }
    }
    close(pipes[1]);
    std::set<std::string> acknowledged;
    std::uint32_t id = 0;
    const auto next = [&] {
      if (read(pipes[0], &id, sizeof id) != sizeof id) return false;
      acknowledged.insert(std::to_string(id));
      return true;
    };
    while (acknowledged.size() < acknowledged_min && next()) continue;
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << status;
    while (next()) continue;  // what it had said before it died
    close(pipes[0]);
    ASSERT_GE(acknowledged.size(), acknowledged_min);
    Open();
    const std::set<std::string> ids = Ids();
    EXPECT_TRUE(std::includes(ids.begin(), ids.end(), acknowledged.begin(), acknowledged.end()));
    EXPECT_TRUE(store_->VerifyAudit());
    store_.reset();
    std::filesystem::remove_all(Directory());
  }
}

// ---- the audit

TEST_F(SqliteStoreTest, VerifiesAndTrimsAnAuditOfManyPages) {
  Open();
  Batch batch;
  for (int i = 0; i < 3'000; ++i) batch.audit.push_back(std::to_string(i));
  ASSERT_TRUE(CommitAndWait(*store_, std::move(batch)));
  clock_.Pass(std::chrono::hours(1));
  ASSERT_TRUE(CommitAndWait(*store_, {.audit = {"kept"}}));
  EXPECT_TRUE(store_->VerifyAudit());
  ASSERT_TRUE(store_->TrimAudit(clock_.Now().wall));
  EXPECT_THAT(*store_->ReadAudit(0, 10), SizeIs(1));
  EXPECT_EQ(store_->ReadAudit(0, 10)->front().seq, 3'001);
  EXPECT_TRUE(store_->VerifyAudit());
}

TEST_F(SqliteStoreTest, RefusesToTrimAwayTheTraceOfAChange) {
  Open();
  for (const char* body : {"one", "two", "three"}) {
    ASSERT_TRUE(CommitAndWait(*store_, {.audit = {body}}));
  }
  Run("UPDATE audit SET body='nothing' WHERE seq=2");
  const Status status = store_->TrimAudit(clock_.Now().wall + std::chrono::hours(1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "trimming the audit in " + File() +
                ": audit entry 2 was changed: its hash does not follow from entry 1");
  EXPECT_THAT(*store_->ReadAudit(0, 10), SizeIs(3));
}

TEST_F(SqliteStoreTest, VerifiesWhileItIsWrittenAndTrimmed) {
  Open();
  std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      clock_.Pass(Millis(10));
      EXPECT_TRUE(CommitAndWait(*store_, {.audit = {"a", "b", "c"}}));
      EXPECT_TRUE(store_->TrimAudit(clock_.Now().wall - Millis(200)));
    }
  });
  for (int i = 0; i < 200; ++i) {
    const Status verified = store_->VerifyAudit();
    ASSERT_TRUE(verified) << verified.error().message;
  }
}

}  // namespace
}  // namespace fettle

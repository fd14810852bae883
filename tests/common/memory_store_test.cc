// The faults of the memory store, on which the crash tests of everything else rest.
#include "tests/support/memory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/manual_clock.h"

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MemoryStoreTest : public ::testing::Test {
 protected:
  void Put(const std::string& id) {
    store_.Commit({.writes = {{.record = {.kind = "k", .id = id, .body = "{}"}}}},
                  [this, id](const Status& status) {
                    told_.push_back(id + (status ? "" : ": " + status.error().message));
                  });
  }
  std::vector<std::string> Kept() const {
    std::vector<std::string> ids;
    for (const Record& record : store_.All("k")) ids.push_back(record.id);
    return ids;
  }

  ManualClock clock_;
  MemoryStore store_{clock_};
  std::vector<std::string> told_;
};

TEST_F(MemoryStoreTest, CommitsAtOnceUnlessHeld) {
  Put("a");
  EXPECT_THAT(told_, ElementsAre("a"));
  store_.HoldCommits();
  Put("b");
  Put("c");
  EXPECT_EQ(store_.Waiting(), 2U);
  EXPECT_THAT(Kept(), ElementsAre("a"));
  EXPECT_EQ(store_.CommitWaiting(), 2U);
  EXPECT_THAT(told_, ElementsAre("a", "b", "c"));
  Put("d");
  store_.ReleaseCommits();
  Put("e");
  EXPECT_THAT(told_, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(store_.Commits(), 5);
}

TEST_F(MemoryStoreTest, IsDurableBeforeItTells) {
  store_.HoldCommits();
  Put("a");
  Put("b");
  EXPECT_EQ(store_.Sync(1), 1U);
  EXPECT_THAT(Kept(), ElementsAre("a"));
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(store_.Tell(), 1U);
  EXPECT_THAT(told_, ElementsAre("a"));
  EXPECT_EQ(store_.Waiting(), 1U);
}

TEST_F(MemoryStoreTest, ACommitMadeWhileBeingToldIsCommittedToo) {
  std::vector<std::string> told;
  store_.Commit({}, [&](const Status&) {
    Put("inner");
    told.emplace_back("outer");
  });
  EXPECT_THAT(told, ElementsAre("outer"));
  EXPECT_THAT(told_, ElementsAre("inner"));
}

TEST_F(MemoryStoreTest, FailsTheNthCommitAndNoOther) {
  store_.FailNth(2, Error{"the disk is full", Cause::kUnavailable});
  Put("a");
  Put("b");
  Put("c");
  EXPECT_THAT(told_, ElementsAre("a", "b: the disk is full", "c"));
  EXPECT_THAT(Kept(), ElementsAre("a", "c"));
}

TEST_F(MemoryStoreTest, FailsUntilHealedAndSaysSo) {
  store_.FailCommits(Error{"the disk is read-only", Cause::kDenied});
  store_.FailReads(Error{"the disk is gone"});
  Put("a");
  EXPECT_THAT(told_, ElementsAre("a: the disk is read-only"));
  EXPECT_EQ(store_.Health().error().message, "the disk is read-only");
  EXPECT_EQ(store_.Read({.kind = "k"}).error().message, "the disk is gone");
  store_.Heal();
  Put("b");
  EXPECT_TRUE(store_.Health());
  EXPECT_EQ(store_.Read({.kind = "k"})->size(), 1U);
}

TEST_F(MemoryStoreTest, ACrashLosesWhatWaitsAndTellsNobody) {
  Put("a");
  store_.HoldCommits();
  Put("b");
  Put("c");
  store_.Sync(1);
  store_.Crash();
  EXPECT_TRUE(store_.Crashed());
  EXPECT_FALSE(store_.Health());
  Put("d");
  EXPECT_FALSE(store_.Read({.kind = "k"}));
  store_.Restart();
  EXPECT_THAT(Kept(), ElementsAre("a", "b"));
  EXPECT_THAT(told_, ElementsAre("a"));
  EXPECT_EQ(store_.Waiting(), 0U);
}

TEST_F(MemoryStoreTest, CrashesAtTheNthCommitBeforeOrAfterItIsKept) {
  int crashes = 0;
  store_.OnCrash([&] { ++crashes; });
  store_.CrashAtNth(2, fettle::Kept::kNo);
  for (const char* id : {"a", "b", "c"}) Put(id);
  EXPECT_EQ(crashes, 1);
  store_.Restart();
  EXPECT_THAT(Kept(), ElementsAre("a"));

  store_.CrashAtNth(2, fettle::Kept::kYes);
  for (const char* id : {"d", "e", "f"}) Put(id);
  EXPECT_EQ(crashes, 2);
  store_.Restart();
  EXPECT_THAT(Kept(), ElementsAre("a", "d", "e"));
  EXPECT_THAT(told_, ElementsAre("a", "d"));
}

TEST_F(MemoryStoreTest, WaitingForACommitThatACrashSwallowedIsAnError) {
  store_.CrashAtNth(1, fettle::Kept::kYes);
  const Status status = CommitAndWait(store_, {.audit = {"x"}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().cause, Cause::kUnavailable);
  EXPECT_EQ(status.error().message, "the store was closed before it answered");
}

}  // namespace
}  // namespace fettle

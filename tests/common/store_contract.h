// What every store promises, run over each of them. Included by one test file of each program,
// which says over which.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/digest.h"
#include "common/store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/store_bench.h"

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Time kNoon = TimeFromMillis(1'767'268'800'000);

class StoreContractTest : public ::testing::TestWithParam<std::string> {
 protected:
  Store& store() { return bench_->store(); }

  Status Put(const std::string& id, const std::string& body,
             std::int64_t expected = Write::kAnyVersion) {
    return CommitAndWait(store(),
                         {.writes = {{.record = {.kind = "incident", .id = id, .body = body},
                                      .expected = expected}}});
  }
  Status PutDue(const std::string& id, Time due) {
    return CommitAndWait(
        store(),
        {.writes = {{.record = {.kind = "timer", .id = id, .due_at = due, .body = "{}"}}}});
  }
  // "id@version=body" of every incident.
  std::vector<std::string> Incidents() { return Lines({.kind = "incident"}); }
  std::vector<std::string> Lines(const RecordQuery& query) {
    auto records = store().Read(query);
    if (!records) return {records.error().message};
    std::vector<std::string> lines;
    for (const Record& record : *records) {
      lines.push_back(fmt::format("{}@{}={}", record.id, record.version, record.body));
    }
    return lines;
  }
  std::vector<std::string> Audit() {
    auto entries = store().ReadAudit(0, 1'000);
    if (!entries) return {entries.error().message};
    std::vector<std::string> bodies;
    for (const AuditEntry& entry : *entries) {
      bodies.push_back(fmt::format("{} {}", entry.seq, entry.body));
    }
    return bodies;
  }
  Status Note(const std::string& body) { return CommitAndWait(store(), {.audit = {body}}); }

  ManualClock clock_;
  std::unique_ptr<StoreBench> bench_ = MakeStoreBench(GetParam(), clock_);
};

TEST_P(StoreContractTest, GivesBackEverythingOfARecord) {
  const Record record{.kind = "silence",
                      .id = "s-1",
                      .key = "team a",
                      .due_at = kNoon,
                      .body = std::string("{\"a\":\"ü\"}") + '\0' + "rest"};
  ASSERT_TRUE(CommitAndWait(store(), {.writes = {{.record = record}}}));
  const auto read = store().Read({.kind = "silence"});
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 1U);
  const Record& found = read->front();
  EXPECT_EQ(found.kind, record.kind);
  EXPECT_EQ(found.id, record.id);
  EXPECT_EQ(found.key, record.key);
  EXPECT_EQ(found.version, 1);
  EXPECT_EQ(found.due_at, record.due_at);
  EXPECT_EQ(found.body, record.body);
}

TEST_P(StoreContractTest, CountsVersionsFromOneAndForgetsThemWithTheRecord) {
  ASSERT_TRUE(Put("a", "1"));
  ASSERT_TRUE(Put("a", "2"));
  EXPECT_THAT(Incidents(), ElementsAre("a@2=2"));
  ASSERT_TRUE(CommitAndWait(store(), {.erasures = {{.kind = "incident", .id = "a"}}}));
  EXPECT_THAT(Incidents(), IsEmpty());
  ASSERT_TRUE(Put("a", "3", 0));
  EXPECT_THAT(Incidents(), ElementsAre("a@1=3"));
}

TEST_P(StoreContractTest, WritesOnlyOverTheExpectedVersion) {
  struct Case {
    std::int64_t expected;
    std::string sentence;  // "" is success
  };
  const std::vector<Case> over_version_two = {
      {Write::kAnyVersion, ""},
      {2, ""},
      {1, "record incident/a is in version 2, version 1 was expected"},
      {3, "record incident/a is in version 2, version 3 was expected"},
      {0, "record incident/a exists already, in version 2"},
  };
  for (const Case& c : over_version_two) {
    (void)CommitAndWait(store(), {.erasures = {{.kind = "incident", .id = "a"}}});
    ASSERT_TRUE(Put("a", "1"));
    ASSERT_TRUE(Put("a", "2"));
    const Status status = Put("a", "new", c.expected);
    if (c.sentence.empty()) {
      EXPECT_TRUE(status) << status.error().message;
      EXPECT_THAT(Incidents(), ElementsAre("a@3=new"));
    } else {
      ASSERT_FALSE(status) << c.expected;
      EXPECT_EQ(status.error().message, c.sentence);
      EXPECT_EQ(status.error().cause, Cause::kConflict);
      EXPECT_THAT(Incidents(), ElementsAre("a@2=2"));
    }
  }
  const Status absent = Put("nobody", "x", 4);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().message,
            "record incident/nobody does not exist, version 4 was expected");
}

TEST_P(StoreContractTest, ErasesOnlyTheExpectedVersion) {
  const auto erase = [&](const std::string& id, std::int64_t expected) {
    return CommitAndWait(store(),
                         {.erasures = {{.kind = "incident", .id = id, .expected = expected}}});
  };
  ASSERT_TRUE(Put("a", "1"));
  EXPECT_FALSE(erase("a", 2));
  EXPECT_FALSE(erase("a", 0));
  EXPECT_FALSE(erase("b", 1));
  EXPECT_THAT(Incidents(), ElementsAre("a@1=1"));
  EXPECT_TRUE(erase("a", 1));
  EXPECT_TRUE(erase("a", Write::kAnyVersion)) << "what is gone already is fine";
  EXPECT_TRUE(erase("a", 0));
  EXPECT_THAT(Incidents(), IsEmpty());
}

TEST_P(StoreContractTest, CommitsAllOfABatchOrNothing) {
  ASSERT_TRUE(Put("b", "old"));
  const auto incident = [](const std::string& id, std::int64_t expected) {
    return Write{.record = {.kind = "incident", .id = id, .body = "new"}, .expected = expected};
  };
  const Status status = CommitAndWait(
      store(), {.writes = {incident("a", 0), incident("b", 7)}, .audit = {"never happened"}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().cause, Cause::kConflict);
  EXPECT_THAT(Incidents(), ElementsAre("b@1=old"));
  EXPECT_THAT(Audit(), IsEmpty());

  const Status late =
      CommitAndWait(store(), {.writes = {incident("c", 0)},
                              .erasures = {{.kind = "incident", .id = "b", .expected = 9}},
                              .audit = {"never happened either"}});
  ASSERT_FALSE(late);
  EXPECT_THAT(Incidents(), ElementsAre("b@1=old"));

  ASSERT_TRUE(CommitAndWait(store(), {.writes = {incident("a", 0), incident("b", 1)},
                                      .audit = {"happened", "and this"}}));
  EXPECT_THAT(Incidents(), ElementsAre("a@1=new", "b@2=new"));
  EXPECT_THAT(Audit(), ElementsAre("1 happened", "2 and this"));
}

TEST_P(StoreContractTest, SeesItsOwnEarlierWritesWithinABatch) {
  const auto write = [](std::int64_t expected) {
    return Write{.record = {.kind = "incident", .id = "a", .body = "x"}, .expected = expected};
  };
  ASSERT_TRUE(CommitAndWait(store(), {.writes = {write(0), write(1)}}));
  EXPECT_THAT(Incidents(), ElementsAre("a@2=x"));
  ASSERT_TRUE(CommitAndWait(
      store(),
      {.writes = {write(2)}, .erasures = {{.kind = "incident", .id = "a", .expected = 3}}}));
  EXPECT_THAT(Incidents(), IsEmpty());
}

TEST_P(StoreContractTest, AConflictFailsOnlyItsOwnBatch) {
  // All of them are waiting before the first is committed, as far as a store groups them.
  std::vector<std::string> told;
  const auto commit = [&](const std::string& id, std::int64_t expected) {
    store().Commit(
        {.writes = {{.record = {.kind = "incident", .id = id, .body = "x"}, .expected = expected},
                    {.record = {.kind = "incident", .id = id + "2", .body = "x"}}},
         .audit = {id}},
        [&told, id](const Status& status) {
          told.push_back(id + (status ? " kept" : " refused"));
        });
  };
  bench_->WhileNothingIsCommitted([&] {
    commit("a", 0);
    commit("b", 5);
    commit("c", 0);
  });
  ASSERT_TRUE(CommitAndWait(store(), {}));  // a barrier
  EXPECT_THAT(told, ElementsAre("a kept", "b refused", "c kept"));
  EXPECT_THAT(Incidents(), ElementsAre("a@1=x", "a2@1=x", "c@1=x", "c2@1=x"));
  EXPECT_THAT(Audit(), ElementsAre("1 a", "2 c"));
  EXPECT_TRUE(store().VerifyAudit());
}

TEST_P(StoreContractTest, FindsByKindIdAndKey) {
  const auto put = [&](std::string kind, std::string id, std::string key) {
    ASSERT_TRUE(CommitAndWait(store(), {.writes = {{.record = {.kind = std::move(kind),
                                                               .id = std::move(id),
                                                               .key = std::move(key),
                                                               .body = "{}"}}}}));
  };
  put("alert", "2", "red");
  put("alert", "10", "blue");
  put("alert", "1", "red");
  put("alerts", "1", "red");
  EXPECT_THAT(Lines({.kind = "alert"}), ElementsAre("1@1={}", "10@1={}", "2@1={}"));
  EXPECT_THAT(Lines({.kind = "alert", .key = "red"}), ElementsAre("1@1={}", "2@1={}"));
  EXPECT_THAT(Lines({.kind = "alert", .id = "2"}), ElementsAre("2@1={}"));
  EXPECT_THAT(Lines({.kind = "alert", .id = "2", .key = "blue"}), IsEmpty());
  EXPECT_THAT(Lines({.kind = "alert", .limit = 2}), ElementsAre("1@1={}", "10@1={}"));
  EXPECT_THAT(Lines({.kind = "ale"}), IsEmpty());
}

TEST_P(StoreContractTest, FindsWhatIsDueSoonestFirst) {
  ASSERT_TRUE(PutDue("b", kNoon + Millis(1)));
  ASSERT_TRUE(PutDue("a", kNoon + Millis(2)));
  ASSERT_TRUE(PutDue("d", kNoon));
  ASSERT_TRUE(PutDue("c", kNoon));
  ASSERT_TRUE(CommitAndWait(
      store(), {.writes = {{.record = {.kind = "timer", .id = "never", .body = "{}"}}}}));
  EXPECT_THAT(Lines({.kind = "timer", .due_by = kNoon + Millis(1)}),
              ElementsAre("c@1={}", "d@1={}", "b@1={}"));
  EXPECT_THAT(Lines({.kind = "timer", .due_by = kNoon, .limit = 1}), ElementsAre("c@1={}"));
  EXPECT_THAT(Lines({.kind = "timer", .due_by = kNoon - Millis(1)}), IsEmpty());
  EXPECT_THAT(Lines({.kind = "timer"}),
              ElementsAre("a@1={}", "b@1={}", "c@1={}", "d@1={}", "never@1={}"));
}

TEST_P(StoreContractTest, RefusesWhatIsTooLongOrNamelessAndKeepsNothingOfIt) {
  const std::string long_body(Store::kBodyBytesMax + 1, 'x');
  const std::string long_name(Store::kNameBytesMax + 1, 'x');
  struct Case {
    std::string what;
    Batch batch;
    Cause cause;
    std::string sentence;
  };
  const auto record = [](std::string kind, std::string id, std::string key, std::string body) {
    return Batch{.writes = {{.record = {.kind = "incident", .id = "good", .body = "x"}},
                            {.record = {.kind = std::move(kind),
                                        .id = std::move(id),
                                        .key = std::move(key),
                                        .body = std::move(body)}}}};
  };
  const std::vector<Case> cases = {
      {"body", record("incident", "a", "", long_body), Cause::kLimit,
       "record incident/a has 16777217 bytes, at most 16777216 are kept"},
      {"audit", {.audit = {long_body}}, Cause::kLimit, "an audit entry has 16777217 bytes"},
      {"id", record("incident", long_name, "", ""), Cause::kLimit, "id has 1025 bytes"},
      {"key", record("incident", "a", long_name, ""), Cause::kLimit, "key has 1025 bytes"},
      {"no id", record("incident", "", "", ""), Cause::kInvalid, "needs a kind and an id"},
      {"no kind", record("", "a", "", ""), Cause::kInvalid, "needs a kind and an id"},
      {"not text", record("incident", "\xff", "", ""), Cause::kInvalid, "id is not text"},
      {"a zero", record("incident", "a", std::string(1, '\0'), ""), Cause::kInvalid,
       "key is not text"},
      {"erasure", {.erasures = {{.kind = "incident", .id = ""}}}, Cause::kInvalid, "needs a kind"},
  };
  for (const Case& c : cases) {
    const Status status = CommitAndWait(store(), c.batch);
    ASSERT_FALSE(status) << c.what;
    EXPECT_EQ(status.error().cause, c.cause) << c.what;
    EXPECT_THAT(status.error().message, HasSubstr(c.sentence));
  }
  EXPECT_THAT(Incidents(), IsEmpty());
  EXPECT_TRUE(Put("largest", std::string(Store::kBodyBytesMax, 'x')));
}

TEST_P(StoreContractTest, KeepsWhatItSaidItKeptAcrossAReopening) {
  ASSERT_TRUE(Put("a", "1"));
  ASSERT_TRUE(Put("a", "2"));
  ASSERT_TRUE(Note("first"));
  bench_->Reopen();
  EXPECT_THAT(Incidents(), ElementsAre("a@2=2"));
  ASSERT_TRUE(Put("a", "3", 2));
  ASSERT_TRUE(Note("second"));
  EXPECT_THAT(Audit(), ElementsAre("1 first", "2 second"));
  EXPECT_TRUE(store().VerifyAudit());
}

TEST_P(StoreContractTest, StampsAndChainsTheAudit) {
  ASSERT_TRUE(Note("one"));
  const Time first = clock_.Now().wall;
  clock_.Pass(Millis(1500));
  ASSERT_TRUE(Note("two"));
  const auto entries = store().ReadAudit(1, 10);
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ((*entries)[0].at, first);
  EXPECT_EQ((*entries)[1].at, first + Millis(1500));
  // The formula again, by hand: 32 zero bytes, seq and at in 8 bytes each, the body.
  const auto eight = [](std::int64_t value) {
    std::string bytes(8, '\0');
    for (std::size_t i = 8; i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
    return bytes;
  };
  const std::string one = Sha256(std::string(32, '\0') + eight(1) + eight(ToMillis(first)) + "one");
  EXPECT_EQ((*entries)[0].hash_hex, Hex(one));
  EXPECT_EQ((*entries)[1].hash_hex,
            Hex(Sha256(one + eight(2) + eight(ToMillis(first) + 1500) + "two")));
  EXPECT_EQ(store().ReadAudit(2, 10)->size(), 1U);
  EXPECT_EQ(store().ReadAudit(1, 1)->size(), 1U);
  EXPECT_EQ(store().ReadAudit(3, 10)->size(), 0U);
}

TEST_P(StoreContractTest, NoticesAChangedAuditEntry) {
  for (const char* body : {"one", "two", "three"}) ASSERT_TRUE(Note(body));
  ASSERT_TRUE(store().VerifyAudit());
  bench_->Tamper(2, "nothing to see");
  const Status status = store().VerifyAudit();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().cause, Cause::kFailed);
  EXPECT_EQ(status.error().message,
            "audit entry 2 was changed: its hash does not follow from entry 1");
}

TEST_P(StoreContractTest, NoticesThatTheNewestAuditEntryIsGone) {
  for (const char* body : {"one", "two", "three"}) ASSERT_TRUE(Note(body));
  bench_->DropNewestAudit();
  const Status status = store().VerifyAudit();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "audit entry 3 is missing: the chain should go on to 3");
}

TEST_P(StoreContractTest, TrimsTheAuditAndKeepsTheRestVerifiable) {
  for (const char* body : {"one", "two", "three"}) {
    ASSERT_TRUE(Note(body));
    clock_.Pass(std::chrono::hours(1));
  }
  const Time start = clock_.Now().wall - std::chrono::hours(3);
  ASSERT_TRUE(store().TrimAudit(start));
  EXPECT_EQ(Audit().size(), 3U) << "an entry of that very time stays";
  ASSERT_TRUE(store().TrimAudit(start + std::chrono::hours(2)));
  EXPECT_THAT(Audit(), ElementsAre("3 three"));
  EXPECT_TRUE(store().VerifyAudit());
  ASSERT_TRUE(Note("four"));
  bench_->Reopen();
  EXPECT_THAT(Audit(), ElementsAre("3 three", "4 four"));
  EXPECT_TRUE(store().VerifyAudit());

  ASSERT_TRUE(store().TrimAudit(clock_.Now().wall + std::chrono::hours(1)));
  EXPECT_THAT(Audit(), IsEmpty());
  EXPECT_TRUE(store().VerifyAudit());
  ASSERT_TRUE(Note("five"));
  EXPECT_THAT(Audit(), ElementsAre("5 five"));
  bench_->Tamper(5, "six");
  EXPECT_FALSE(store().VerifyAudit());
}

TEST_P(StoreContractTest, TrimsOnlyAPrefixWhenTheClockWasSetBack) {
  ASSERT_TRUE(Note("one"));
  clock_.StepWall(std::chrono::hours(5));
  ASSERT_TRUE(Note("from the future"));
  clock_.StepWall(-std::chrono::hours(5));
  ASSERT_TRUE(Note("three"));
  ASSERT_TRUE(store().TrimAudit(clock_.Now().wall + std::chrono::hours(1)));
  EXPECT_THAT(Audit(), ElementsAre("2 from the future", "3 three"));
  EXPECT_TRUE(store().VerifyAudit());
}

TEST_P(StoreContractTest, TellsInTheOrderOfTheCommits) {
  std::vector<int> told;
  for (int i = 0; i < 200; ++i) {
    store().Commit({.writes = {{.record = {.kind = "k", .id = "same", .body = std::to_string(i)}}}},
                   [&told, i](const Status&) { told.push_back(i); });
  }
  ASSERT_TRUE(CommitAndWait(store(), {}));
  ASSERT_EQ(told.size(), 200U);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_THAT(Lines({.kind = "k"}), ElementsAre("same@200=199"));
}

TEST_P(StoreContractTest, IsHealthyWhileCommitsSucceed) {
  ASSERT_TRUE(Put("a", "1"));
  EXPECT_FALSE(Put("a", "2", 9));
  EXPECT_TRUE(store().Health()) << "a conflict is the caller's affair";
}

// The same story, told by a seed to the store and to a plain map, must end in the same state.
TEST_P(StoreContractTest, AgreesWithAMapOnRandomStories) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    bench_ = MakeStoreBench(GetParam(), clock_);
    std::map<std::string, std::pair<std::int64_t, std::string>> model;
    std::size_t notes = 0;
    for (int step = 0; step < 150; ++step) {
      Batch batch;
      auto after = model;
      bool conflict = false;
      for (auto i = random() % 3; i > 0; --i) {
        const std::string id = std::to_string(random() % 5);
        const std::string body = std::to_string(random());
        const std::int64_t expected = static_cast<std::int64_t>(random() % 5) - 1;
        auto& [version, text] = after[id];
        conflict = conflict || (expected != Write::kAnyVersion && expected != version);
        ++version;
        text = body;
        batch.writes.push_back(
            {.record = {.kind = "incident", .id = id, .body = body}, .expected = expected});
      }
      if (random() % 4 == 0) {
        const std::string id = std::to_string(random() % 5);
        after.erase(id);
        batch.erasures.push_back({.kind = "incident", .id = id});
      }
      if (random() % 2 == 0) batch.audit.push_back(std::to_string(step));
      const bool noted = !batch.audit.empty();
      const Status status = CommitAndWait(store(), std::move(batch));
      ASSERT_EQ(status.has_value(), !conflict) << step;
      if (!conflict) {
        model = after;
        if (noted) ++notes;
      }
      if (random() % 40 == 0) bench_->Reopen();
    }
    std::vector<std::string> expected;
    for (const auto& [id, value] : model) {
      expected.push_back(fmt::format("{}@{}={}", id, value.first, value.second));
    }
    EXPECT_EQ(Incidents(), expected);
    EXPECT_EQ(Audit().size(), notes);
    EXPECT_TRUE(store().VerifyAudit());
  }
}

}  // namespace
}  // namespace fettle

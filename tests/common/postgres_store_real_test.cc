// The store that replicas share, on a real PostgreSQL: the contract of all stores, and then what
// replicas rely on. Goal: two never hold one claim, and whoever gets it knows what was done under
// it.
#include <future>
#include <mutex>

#include "common/postgres_store.h"
#include "tests/common/store_contract.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/wait.h"

namespace fettle {

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContractTest, ::testing::Values("Postgres"),
                         [](const auto& tested) { return tested.param; });

namespace {

// One process that shares the store.
class Fellow {
 public:
  Fellow(const std::string& dsn, const std::string& id) {
    auto opened =
        PostgresStore::Open({clock_, random_, metrics_, log_.For("store")},
                            {.dsn = Secret::FromText(dsn), .id = id, .address = id + ":1"});
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    store_ = *std::move(opened);
    store_->Follow([this](std::vector<Record> records) {
      const std::lock_guard lock(mutex_);
      for (const Record& record : records) heard_.push_back(record.id + "=" + record.body);
    });
  }
  PostgresStore& store() { return *store_; }
  Result<Claim> Take(const std::string& resource, Millis lease = Millis(60'000)) {
    auto answer = std::make_shared<std::promise<Result<Claim>>>();
    store_->Take(resource, lease, [answer](Result<Claim> claim) { answer->set_value(claim); });
    return answer->get_future().get();
  }
  Status Put(const std::string& id, const std::string& body, Batch batch = {}) {
    batch.writes.push_back({.record = {.kind = "k", .id = id, .body = body}});
    return CommitAndWait(*store_, std::move(batch));
  }
  std::vector<std::string> Heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  RecordedLog log_;
  mutable std::mutex mutex_;
  std::vector<std::string> heard_;
  std::unique_ptr<PostgresStore> store_;  // the first to go: it calls
};

PostgresServer& Server() { return PostgresServer::Shared(); }
std::string NewDatabase() { return Server().Dsn(Server().CreateDatabase()); }

TEST(PostgresStoreTest, AClaimIsOneReplicasUntilItIsGivenBackOrItsLeaseEnds) {
  const std::string dsn = NewDatabase();
  Fellow a(dsn, "a");
  Fellow b(dsn, "b");
  const Result<Claim> first = a.Take("repair");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->mark.epoch, 1);
  EXPECT_EQ(a.Take("repair")->mark.epoch, 1) << "prolonged";
  const Result<Claim> busy = b.Take("repair");
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().cause, Cause::kConflict);
  EXPECT_TRUE(b.Take("another"));

  ASSERT_TRUE(a.Put("x", "1", {.held = {first->mark}}));
  ASSERT_TRUE(a.Put("x", "2", {.held = {first->mark}, .released = {first->mark}}));
  const Result<Claim> second = b.Take("repair", Claims::kLeaseMin);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->mark.epoch, 2);
  // Whoever is granted it has heard what was done under it.
  ASSERT_FALSE(b.Heard().empty());
  EXPECT_EQ(b.Heard().back(), "x=2");
  const Status fenced = a.Put("x", "3", {.held = {first->mark}});
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().cause, Cause::kConflict);
  // b says nothing more: its lease ends by the server's clock.
  EXPECT_TRUE(WaitUntil([&] { return a.Take("repair").has_value(); }));
  EXPECT_EQ(a.Take("repair")->mark.epoch, 3);
  EXPECT_FALSE(b.Put("x", "4", {.held = {second->mark}}));
}

TEST(PostgresStoreTest, OthersHearEveryCommitInOrderAndNeverTheirOwn) {
  const std::string dsn = NewDatabase();
  Fellow a(dsn, "a");
  Fellow b(dsn, "b");
  std::vector<std::string> of_a;
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_TRUE(a.Put("a" + n, n));
    ASSERT_TRUE(b.Put("b" + n, n));
    of_a.push_back("a" + n + "=" + n);
  }
  EXPECT_TRUE(WaitUntil([&] { return b.Heard().size() >= 50 && a.Heard().size() >= 50; }));
  EXPECT_EQ(b.Heard(), of_a);
  const std::vector<Replica> live = b.store().Live();
  EXPECT_TRUE(WaitUntil([&] { return a.store().Live().size() == 2; }));
  EXPECT_EQ(live.front().name, "b") << "itself first";
  EXPECT_EQ(live.front().address, "b:1");
}

TEST(PostgresStoreTest, WithoutTheServerItSaysSoAtOnceAndGoesOnAfterwards) {
  auto server = PostgresServer::Start();
  const std::string dsn = server->Dsn();
  Fellow a(dsn, "a");
  Fellow b(dsn, "b");
  ASSERT_TRUE(a.Put("x", "before"));
  server->Stop();
  EXPECT_TRUE(WaitUntil([&] { return !a.store().InTouch(); }));
  const Status status = a.Put("x", "lost");
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().retryable()) << status.error().message;
  EXPECT_TRUE(a.Take("c").error().retryable());
  server->Restart();
  EXPECT_TRUE(WaitUntil([&] { return a.Put("x", "after").has_value(); }));
  EXPECT_TRUE(WaitUntil([&] { return !b.Heard().empty() && b.Heard().back() == "x=after"; }));
}

TEST(PostgresStoreTest, RefusesTablesOfANewerFettle) {
  const std::string dsn = NewDatabase();
  { const Fellow a(dsn, "a"); }
  auto connection = Postgres::Connect(Secret::FromText(dsn), Millis(10'000));
  ASSERT_TRUE(connection->Query("UPDATE fettle_feed SET schema=99", {}, Millis(5'000)));
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  RecordedLog log;
  const auto opened = PostgresStore::Open({clock, random, metrics, log.For("store")},
                                          {.dsn = Secret::FromText(dsn), .id = "b"});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("the tables are a newer fettle's"));
}

}  // namespace
}  // namespace fettle

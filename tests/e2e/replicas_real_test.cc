// Two drop-ins on one PostgreSQL: one tells each group, the other takes over within seconds, and
// both know the same. Goal: whatever dies or is cut off, people are told once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <atomic>
#include <mutex>

#include "tests/support/drop_in.h"
#include "tests/support/postgres_server.h"
#include "tests/support/test_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr const char* kConfig = R"(
route: {receiver: team, group_by: [alertname], group_wait: 200ms, group_interval: 30s, repeat_interval: 1h}
receivers: [{name: team, webhook_configs: [{url: 'URL/team'}]}]
)";

// People who are told, once `up`; until then they answer 500.
class People {
 public:
  People() {
    server_.Route(
        "POST", "/team",
        [this](const HttpRequest& request) {
          ++asked;
          if (!up) return TextResponse(500, "out of order");
          const Result<Json> json = Json::Parse(request.body);
          const std::lock_guard lock(mutex_);
          told_.push_back((*json)["status"].StringOr("") + " " +
                          (*json)["groupLabels"]["alertname"].StringOr(""));
          return TextResponse(200, "");
        },
        Role::kPublic);
    server_.Start();
  }
  std::string Config() const {
    std::string config = kConfig;
    RE2::Replace(&config, "URL", server_.url());
    return config;
  }
  // Sorted.
  std::vector<std::string> Told() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> told = told_;
    std::sort(told.begin(), told.end());
    return told;
  }
  bool WaitForTold(std::size_t count) const {
    return WaitUntil([&] { return Told().size() >= count; }, 60s);
  }
  // Nothing more comes for longer than it takes another replica to take over.
  std::vector<std::string> ToldInTheEnd() const {
    (void)WaitUntil([] { return false; }, 7s);
    return Told();
  }

  std::atomic<bool> up{true};
  std::atomic<int> asked{0};

 private:
  TestServer server_;
  mutable std::mutex mutex_;
  std::vector<std::string> told_;
};

class ReplicasRealTest : public testing::Test {
 protected:
  std::unique_ptr<DropIn> Replica(const std::string& name, const std::string& dsn) {
    dir_.Write("dsn-" + name, dsn);
    return std::make_unique<DropIn>(
        DropIn::Kind::kFettle, people.Config(),
        std::vector<std::string>{"--store.postgres.dsn-file", dir_ / ("dsn-" + name),
                                 "--cluster.peer-name", name});
  }
  std::unique_ptr<DropIn> Replica(const std::string& name) {
    return Replica(name, PostgresServer::Shared().Dsn(database_));
  }
  static void Fire(const DropIn& at, const std::string& name) {
    EXPECT_EQ(at.Post("/api/v2/alerts", "[{\"labels\":{\"alertname\":\"" + name + "\"}}]").status,
              200);
  }
  static std::vector<std::string> Peers(const DropIn& of) {
    std::vector<std::string> names;
    for (const Json& peer : of.GetJson("/api/v2/status")["cluster"]["peers"].Items()) {
      names.push_back(peer["name"].StringOr(""));
    }
    return names;
  }
  static std::size_t Count(const DropIn& at, const std::string& path) {
    return at.GetJson(path).Items().size();
  }
  std::string Value(const std::string& sql) {
    return PostgresServer::Shared().Value(sql, database_);
  }

  const std::string database_ = PostgresServer::Shared().CreateDatabase();
  const TempDir dir_;
  People people;
};

TEST_F(ReplicasRealTest, KnowTheSameAndEachOther) {
  auto a = Replica("a");
  auto b = Replica("b");
  EXPECT_TRUE(WaitUntil([&] { return Peers(*a).size() == 2; }));
  EXPECT_THAT(Peers(*a), ElementsAre("a", "b"));
  EXPECT_THAT(Peers(*b), ElementsAre("b", "a")) << "itself first";

  Fire(*a, "A");
  EXPECT_TRUE(WaitUntil([&] { return Count(*b, "/api/v2/alerts") == 1; }));
  const HttpResponse silence = b->Post(
      "/api/v2/silences",
      R"({"comment":"","createdBy":"","startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z",)"
      R"("matchers":[{"name":"alertname","value":"B","isRegex":false}]})");
  EXPECT_EQ(silence.status, 200) << silence.body;
  EXPECT_TRUE(WaitUntil([&] { return Count(*a, "/api/v2/silences") == 1; }));
  Fire(*a, "B");
  Fire(*b, "C");
  EXPECT_TRUE(people.WaitForTold(2));
  // What is told and not yet noted would be told again.
  EXPECT_TRUE(WaitUntil(
      [&] { return Value("SELECT count(*) FROM fettle_record WHERE kind='told'") == "2"; }));
  // All of it is still there when all of them have died.
  a->Kill();
  b->Kill();
  a->Start();
  EXPECT_EQ(Count(*a, "/api/v2/alerts"), 3U);
  EXPECT_EQ(Count(*a, "/api/v2/alerts?silenced=false"), 2U);
  EXPECT_EQ(Count(*a, "/api/v2/silences"), 1U);
  EXPECT_THAT(people.ToldInTheEnd(), ElementsAre("firing A", "firing C"));
  EXPECT_EQ(a->Stop(), 0);
}

TEST_F(ReplicasRealTest, AReceiverThatWasDownIsToldEachGroupOnce) {
  auto a = Replica("a");
  auto b = Replica("b");
  people.up = false;
  std::vector<std::string> want;
  for (int i = 10; i < 30; ++i) {
    const std::string name = "G" + std::to_string(i);
    want.push_back("firing " + name);
    // As Prometheus does: all of them hear of all alerts.
    Fire(*a, name);
    Fire(*b, name);
  }
  EXPECT_TRUE(WaitUntil([&] { return people.asked >= 20; }, 60s));
  (void)WaitUntil([] { return false; }, 5s);
  people.up = true;
  EXPECT_TRUE(people.WaitForTold(20));
  EXPECT_EQ(people.ToldInTheEnd(), want);
}

TEST_F(ReplicasRealTest, WhenTheTellingOneIsKilledTheOtherTakesOver) {
  std::map<std::string, std::unique_ptr<DropIn>> replicas;
  for (const char* name : {"a", "b"}) replicas[name] = Replica(name);
  people.up = false;
  Fire(*replicas["a"], "K");
  EXPECT_TRUE(WaitUntil([&] { return people.asked >= 2; }));
  const std::string teller = Value(
      "SELECT name FROM fettle_replica r JOIN fettle_claim c ON c.holder LIKE r.id || '/%'"
      " WHERE c.expires_at > clock_timestamp()");
  ASSERT_TRUE(replicas.contains(teller)) << teller;
  replicas[teller]->Kill();
  people.up = true;
  EXPECT_TRUE(people.WaitForTold(1));
  replicas[teller]->Start();
  EXPECT_THAT(people.ToldInTheEnd(), ElementsAre("firing K"));
}

TEST_F(ReplicasRealTest, OneThatIsCutOffTellsNobodyAndComesBack) {
  PostgresServer& server = PostgresServer::Shared();
  server.Execute("GRANT postgres TO app", database_);
  auto a = Replica("a", server.PasswordDsn(database_));
  auto b = Replica("b");
  EXPECT_TRUE(WaitUntil([&] { return Peers(*a).size() == 2; }));
  Fire(*a, "Before");
  EXPECT_TRUE(people.WaitForTold(1));
  server.Execute("ALTER ROLE app NOLOGIN", database_);
  server.Execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename='app'",
                 database_);
  const std::string alert = R"([{"labels":{"alertname":"During"}}])";
  EXPECT_TRUE(WaitUntil([&] { return a->Post("/api/v2/alerts", alert).status == 503; }));
  EXPECT_EQ(a->Get("/api/v2/alerts").status, 200) << "what it knew can still be asked";
  Fire(*b, "During");
  EXPECT_TRUE(people.WaitForTold(2));
  EXPECT_TRUE(WaitUntil([&] { return Peers(*b).size() == 1; }));
  server.Execute("ALTER ROLE app LOGIN", database_);
  EXPECT_TRUE(WaitUntil([&] { return a->Post("/api/v2/alerts", alert).status == 200; }));
  EXPECT_TRUE(WaitUntil([&] { return Count(*a, "/api/v2/alerts") == 2; }));
  EXPECT_THAT(people.ToldInTheEnd(), ElementsAre("firing Before", "firing During"));
}

}  // namespace
}  // namespace fettle

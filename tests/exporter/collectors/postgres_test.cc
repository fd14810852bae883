// The PostgreSQL collector with a server that answers as the test says. Goal: rows become series as
// configured, unknown is absent, one broken query costs its own series only, a dead server is up 0.
#include "exporter/collectors/postgres.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporter/collectors/postgres_queries.h"
#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What the server answers to a statement that contains the words; "" rows to everything else.
struct World {
  std::vector<std::pair<std::string, Result<PostgresRows>>> answers;
  std::vector<std::string> asked;
  int connections = 0;
  std::optional<Error> refused;

  SqlConnector Connector() {
    return [this](Millis) -> Result<std::unique_ptr<SqlSession>> {
      ++connections;
      if (refused) return tl::unexpected(*refused);
      return std::unique_ptr<SqlSession>(std::make_unique<Session>(*this));
    };
  }
  struct Session final : SqlSession {
    explicit Session(World& w) : world(w) {}
    Result<PostgresRows> Query(const std::string& sql, Millis) override {
      world.asked.push_back(sql);
      for (const auto& [words, answer] : world.answers) {
        if (sql.find(words) != std::string::npos) return answer;
      }
      return PostgresRows{};
    }
    World& world;
  };
};

struct Fixture {
  explicit Fixture(PostgresCollectorConfig c = {}) : config(std::move(c)) {
    config.target = "leads";
    collector =
        std::make_unique<PostgresCollector>(PostgresCollector::Deps{.connect = world.Connector(),
                                                                    .clock = clock,
                                                                    .metrics = metrics,
                                                                    .log = log.For("postgres")},
                                            config);
  }
  Result<std::vector<MetricFamily>> Collect() {
    const Moment now = clock.Now();
    return collector->Collect({now, now.boot + Millis(10'000)});
  }
  std::vector<std::string> Lines() {
    const auto families = Collect();
    EXPECT_TRUE(families.has_value()) << families.error().message;
    return LinesOf(*families);
  }
  World world;
  ManualClock clock;
  Metrics metrics;
  RecordedLog log;
  PostgresCollectorConfig config;
  std::unique_ptr<PostgresCollector> collector;
};

PostgresCollectorConfig Asking(PostgresQuery query) {
  PostgresCollectorConfig config;
  config.queries.push_back(std::move(query));
  return config;
}

TEST(PostgresCollectorTest, ShowsWhatTheConfiguredQueryCounts) {
  Fixture f(Asking(
      {.metric = "leads_new_total", .type = MetricType::kCounter, .sql = "select from leads"}));
  f.world.answers = {{"from leads", PostgresRows{{"count"}, {{"42"}}}}};
  EXPECT_THAT(f.Lines(), ElementsAre("fettle_pg_up{target=\"leads\"} 1",
                                     "leads_new_total{target=\"leads\"} 42"));
}

TEST(PostgresCollectorTest, TakesLabelsAndValueByColumn) {
  Fixture f(
      Asking({.metric = "jobs", .sql = "from jobs", .value = "n", .labels = {"state", "kind"}}));
  f.world.answers = {{"from jobs", PostgresRows{{"kind", "n", "state", "extra"},
                                                {{"a", "1", "open", "x"},
                                                 {"b", "2.5", "open", "x"},
                                                 {"c", "t", std::nullopt, "x"},
                                                 {"d", std::nullopt, "open", "x"}}}}};
  EXPECT_THAT(f.Lines(), ElementsAre("fettle_pg_up{target=\"leads\"} 1",
                                     "jobs{kind=\"a\", state=\"open\", target=\"leads\"} 1",
                                     "jobs{kind=\"b\", state=\"open\", target=\"leads\"} 2.5",
                                     "jobs{kind=\"c\", target=\"leads\"} 1"));
}

TEST(PostgresCollectorTest, AQueryThatFailsTakesAwayItsOwnSeriesOnly) {
  PostgresCollectorConfig config = Asking({.metric = "good", .sql = "from good"});
  config.queries.push_back({.metric = "bad", .sql = "from bad"});
  Fixture f(config);
  f.world.answers = {{"from good", PostgresRows{{"n"}, {{"1"}}}},
                     {"from bad", Fail(Cause::kNotFound, "there is no table bad")}};
  EXPECT_THAT(f.Lines(),
              ElementsAre("fettle_pg_up{target=\"leads\"} 1", "good{target=\"leads\"} 1"));
  f.Lines();
  EXPECT_EQ(
      f.metrics
          .Counter("fettle_pg_query_failures_total", "", {{"target", "leads"}, {"query", "bad"}})
          .Value(),
      2);
  // Told once, not at every turn; and again when it fails anew.
  EXPECT_EQ(f.log.Lines().size(), 1U);
  f.world.answers[1].second = PostgresRows{{"n"}, {{"7"}}};
  EXPECT_EQ(f.Lines().size(), 3U);
  f.world.answers[1].second = Fail("broken again");
  f.Lines();
  EXPECT_EQ(f.log.Lines().size(), 2U);
}

TEST(PostgresCollectorTest, NamesWhatIsWrongWithAnAnswer) {
  const auto told = [](PostgresQuery query, PostgresRows rows) {
    query.sql = "from it";
    query.metric = "m";
    Fixture f(Asking(std::move(query)));
    f.world.answers = {{"from it", std::move(rows)}};
    EXPECT_THAT(f.Lines(), ElementsAre("fettle_pg_up{target=\"leads\"} 1"));
    return f.log.Lines().at(0);
  };
  EXPECT_THAT(told({}, {{"at"}, {{"2026-01-01 00:00:00+00"}}}),
              HasSubstr("is no number (of a time, ask extract(epoch from"));
  EXPECT_THAT(told({}, {{"a", "b"}, {{"1", "2"}}}), HasSubstr("2 columns that are no labels"));
  EXPECT_THAT(told({.labels = {"kind"}}, {{"n"}, {{"1"}}}), HasSubstr("no column"));
  EXPECT_THAT(told({.value = "n"}, {{"count"}, {{"1"}}}), HasSubstr("no column"));
  EXPECT_THAT(told({.value = "n", .labels = {"k"}}, {{"k", "n"}, {{"x", "1"}, {"x", "2"}}}),
              HasSubstr("two rows have the labels"));
}

TEST(PostgresCollectorTest, AsksInAReadOnlyTransaction) {
  Fixture f(Asking({.metric = "m", .sql = "delete from leads"}));
  f.Lines();
  const auto at = std::find(f.world.asked.begin(), f.world.asked.end(), "delete from leads");
  ASSERT_NE(at, f.world.asked.end());
  EXPECT_EQ(*(at - 1), "begin read only");
  EXPECT_EQ(*(at + 1), "rollback");
}

TEST(PostgresCollectorTest, KeepsItsConnectionAndMakesANewOneWhenItBreaks) {
  Fixture f;
  f.Lines();
  f.Lines();
  EXPECT_EQ(f.world.connections, 1);
  f.world.answers = {{"select 1", Fail(Cause::kUnavailable, "the connection is broken")}};
  f.Lines();
  EXPECT_EQ(f.world.connections, 2);
}

TEST(PostgresCollectorTest, ADeadServerIsUpZeroAndTheRestAbsent) {
  Fixture f(Asking({.metric = "m", .sql = "from m"}));
  f.world.refused = Error{"connection refused", Cause::kUnavailable};
  const auto families = f.Collect();
  ASSERT_FALSE(families.has_value());
  EXPECT_EQ(families.error().message, "connection refused");
  EXPECT_THAT(LinesOf(f.collector->WhenDown()), ElementsAre("fettle_pg_up{target=\"leads\"} 0"));
}

TEST(PostgresCollectorTest, AServerThatDiesInTheMiddleIsDownNow) {
  Fixture f(Asking({.metric = "m", .sql = "from m"}));
  f.Lines();
  f.world.answers = {{"from m", Fail(Cause::kUnavailable, "gone")},
                     {"select 1", Fail(Cause::kUnavailable, "gone")}};
  // The kept connection is tried, then a new one; the server goes away after that.
  const SqlConnector connector = f.world.Connector();
  f.world.answers.pop_back();
  f.world.refused = Error{"connection refused", Cause::kUnavailable};
  f.world.answers.emplace_back("select 1", PostgresRows{});
  const auto alive = f.Collect();
  ASSERT_TRUE(alive.has_value());  // it still answers select 1: only the query failed
  f.world.answers.back().second = Fail(Cause::kUnavailable, "gone");
  EXPECT_FALSE(f.Collect().has_value());
}

TEST(PostgresCollectorTest, AsksForTheArchiveOnlyIfToldTo) {
  EXPECT_EQ(QuestionsOf({}).size() + 3, QuestionsOf({.archive = true}).size());
}

// ---- configuration ---------------------------------------------------------------------------

Connections Known() {
  Connections connections;
  connections.postgres["leads"].dsn = Secret::FromText("host=x");
  return connections;
}

auto ReadConfig(const std::string& text) {
  return ReadText(text, [](yaml::Mapping& exporter) {
    return ReadPostgresCollectorConfigs(exporter, Known());
  });
}

TEST(PostgresCollectorTest, ReadsItsConfiguration) {
  const auto [configs, complaints] = ReadConfig(R"(
postgres:
- connection: leads
  archive: true
  interval: 1m
  queries:
  - {metric: leads_new_total, type: counter, sql: "select count(*) from leads", help: New leads.}
  - {metric: leads, sql: "select 1 as n, 'x' as kind", value: n, labels: [kind], timeout: 2s}
)");
  EXPECT_EQ(complaints, "");
  ASSERT_EQ(configs.size(), 1U);
  EXPECT_EQ(configs[0].target, "leads");
  EXPECT_TRUE(configs[0].archive);
  EXPECT_EQ(configs[0].interval, Millis(60'000));
  ASSERT_EQ(configs[0].queries.size(), 2U);
  EXPECT_EQ(configs[0].queries[0].type, MetricType::kCounter);
  EXPECT_EQ(configs[0].queries[0].help, "New leads.");
  EXPECT_EQ(configs[0].queries[1].labels, std::vector<std::string>{"kind"});
  EXPECT_EQ(configs[0].queries[1].timeout, Millis(2'000));
}

TEST(PostgresCollectorTest, ComplainsAboutEverythingAtOnce) {
  const std::string complaints = ReadConfig(R"(
postgres:
- connection: lead
- connection: leads
  queries:
  - {metric: new, type: counter, sql: "select 1"}
  - {metric: "a b", sql: "select 1"}
  - {metric: ok, sql: "select 1", labels: [target]}
  - {metric: ok, sql: "select 1"}
  - {metric: fettle_pg_up, sql: "select 1", typ: gauge}
  - {sql: "select 1"}
- connection: leads
)")
                                     .second;
  for (const std::string expected :
       {"f.yml:3:15: exporter.postgres: there is no connection named \"lead\", did you mean "
        "\"leads\"?",
        "a counter's name must end in _total", "\"a b\" cannot be a metric's name",
        "\"target\" cannot be a label here", "\"ok\" is asked for twice",
        "names that begin with fettle_ are fettle's own", "unknown key \"typ\"",
        "\"metric\" is missing", "\"leads\" is observed twice"}) {
    EXPECT_THAT(complaints, HasSubstr(expected));
  }
}

}  // namespace
}  // namespace fettle::exporter

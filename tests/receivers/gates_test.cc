// Gates: what they decide and why, that reservations never exceed a budget whoever asks and
// whatever crashes, and the HTTP around it.
#include "receivers/gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/json.h"
#include "receivers/gates_api.h"
#include "tests/support/fake_judge.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"

namespace fettle::receivers {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using namespace std::chrono_literals;

const char kSpent[] = "fettle_budget_spent_usd{budget=\"gpu\"}";
const char kLimit[] = "fettle_budget_limit_usd{budget=\"gpu\"}";
const char kThrough[] = "fettle_budget_data_through_timestamp_seconds{budget=\"gpu\"}";

struct Yard {
  explicit Yard(std::uint32_t seed = 1) : random(seed) {
    judge.Value(kSpent, 100);
    judge.Value(kLimit, 500);
    Fresh();
    Boot();
  }
  void Fresh() { judge.Value(kThrough, ToSeconds(clock.Now().wall)); }
  void Boot() {
    gates.reset();
    brain = std::make_unique<Brain>();
    metrics = std::make_unique<Metrics>();
    gates = std::make_unique<Gates>(
        Gates::Deps{*brain, store, random, judge, *metrics, log.For("gates")},
        std::vector<GateSpec>{
            {.name = "burst", .when = "queue > 100", .budget = "gpu", .threshold = 0.9},
            {.name = "other", .budget = "gpu"},
            {.name = "lax", .when = "idle", .allow_stale = true},
            {.name = "strict", .when = "queue > 100"}});
    api = std::make_unique<GatesApi>(GatesApi::Deps{*brain, *gates, clock});
    EXPECT_TRUE(gates->Restore(clock.Now()));
    brain->RunUntil(clock.Now());
  }
  void Pass(Millis time) {
    clock.Pass(time);
    brain->RunUntil(clock.Now());
  }
  // "200 {…}"
  std::string Post(const std::string& path, const std::string& body) {
    const HttpResponse answer =
        api->Do({.method = "POST", .url = "/api/fettle/v1/gates/" + path, .body = body});
    return std::to_string(answer.status) + " " + answer.body.substr(0, answer.body.size() - 1);
  }
  Json Ask(const std::string& gate, const std::string& body) {
    const HttpResponse answer =
        api->Do({.method = "POST", .url = "/api/fettle/v1/gates/" + gate, .body = body});
    const Result<Json> json = Json::Parse(answer.body);
    EXPECT_TRUE(json) << answer.body;
    EXPECT_EQ(answer.status, (*json)["decision"].StringOr("") == "allow" ? 200 : 403);
    return *json;
  }
  // "deny budget", "allow ok"
  std::string Said(const std::string& gate, const std::string& body = "") {
    const Json answer = Ask(gate, body);
    return answer["decision"].StringOr("") + " " + answer["reason"].StringOr("") +
           (answer["degraded"].BoolOr(false) ? " degraded" : "");
  }

  ManualClock clock;
  MemoryStore store{clock};
  RecordedLog log;
  SeededRandom random;
  FakeJudge judge;
  std::unique_ptr<Brain> brain;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<Gates> gates;
  std::unique_ptr<GatesApi> api;
};

TEST(GatesTest, TheConditionAndTheBudgetMustBothAllowIt) {
  Yard yard;
  yard.judge.Value("queue", 7);
  EXPECT_EQ(yard.Said("burst"), "deny condition");
  yard.judge.Say("queue > 100", true);
  EXPECT_EQ(yard.Said("burst", R"({"estimate_usd":350})"), "allow ok") << "450 of 500 x 0.9";
  EXPECT_EQ(yard.Said("burst", R"({"estimate_usd":350.01})"), "deny budget");
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":400})"), "allow ok");
  const Json denied = yard.Ask("burst", R"({"estimate_usd":500,"reserve":true})");
  EXPECT_EQ(denied["sentence"].StringOr(""),
            "500.00 USD is estimated, and of budget gpu 350.00 USD is left: 100.00 USD of 450.00 "
            "USD spent, 0.00 USD reserved");
  EXPECT_EQ(denied["remaining_usd"].NumberOr(0), 350);
  EXPECT_EQ(yard.metrics
                ->Counter("fettle_gate_decisions_total", "",
                          {{"gate", "burst"}, {"decision", "deny"}, {"reason", "budget"}})
                .Value(),
            2);
}

TEST(GatesTest, WhatIsUnknownIsDecidedByOnStale) {
  Yard yard;
  EXPECT_EQ(yard.Said("strict"), "deny stale degraded") << "the queue has no value";
  EXPECT_THAT(yard.Ask("strict", "")["sentence"].StringOr(""), HasSubstr("queue has no value"));
  yard.judge.Value("queue", 7);
  EXPECT_EQ(yard.Said("strict"), "deny condition");
  EXPECT_EQ(yard.Said("lax"), "deny condition") << "it is no comparison, so nothing is false";
  yard.judge.Break("the samples burn");
  EXPECT_EQ(yard.Said("lax"), "allow stale degraded");
  EXPECT_THAT(yard.Ask("lax", "")["sentence"].StringOr(""), HasSubstr("the samples burn"));
  EXPECT_EQ(yard.Said("other"), "deny stale degraded");
  yard.judge.Break("");
  yard.judge.Value(kSpent, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(yard.Said("other"), "deny stale degraded");
  yard.judge.Value(kSpent, 0);
  EXPECT_EQ(yard.Said("other"), "allow ok");
  yard.Pass(73h);
  EXPECT_EQ(yard.Said("other"), "deny stale degraded") << "the data are three days old";
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":501})"), "deny budget")
      << "what is known forbids";
}

TEST(GatesTest, AReservationCountsUntilItIsSettledOrExpires) {
  Yard yard;
  const Json first = yard.Ask(
      "other", R"({"operation":"train","estimate_usd":300,"reserve":true,"idempotency_key":"k"})");
  const std::string id = first["reservation_id"].StringOr("");
  EXPECT_EQ(first["remaining_usd"].NumberOr(0), 100);
  EXPECT_EQ(
      yard.Ask("other",
               R"({"estimate_usd":300,"reserve":true,"idempotency_key":"k"})")["reservation_id"]
          .StringOr(""),
      id);
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":101})"), "deny budget");
  yard.Boot();
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":101})"), "deny budget")
      << "it survives a restart";
  EXPECT_EQ(yard.metrics->Gauge("fettle_budget_reserved_usd", "", {{"budget", "gpu"}}).Value(),
            300);

  EXPECT_EQ(yard.Post("other/reservations/" + id, R"({"actual_usd":50})"), "200 {}");
  EXPECT_EQ(yard.Post("other/reservations/" + id, R"({"actual_usd":50})"), "200 {}");
  EXPECT_THAT(yard.Post("other/reservations/" + id, R"({"actual_usd":51})"), StartsWith("409 "));
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":350})"), "allow ok");
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":350.5})"), "deny budget") << "50 were spent";
  yard.Pass(1min);
  yard.Fresh();
  yard.judge.Value(kSpent, 150);
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":350})"), "allow ok") << "the data hold it now";

  (void)yard.Ask("other", R"({"estimate_usd":350,"reserve":true,"ttl_seconds":60})");
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":1})"), "deny budget");
  yard.Pass(60s);
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":1})"), "allow ok");
  yard.Pass(Gates::kKept + 2h);
  EXPECT_TRUE(yard.store.All("reservation").empty());
}

TEST(GatesTest, WhatIsWrongIsSaid) {
  Yard yard;
  EXPECT_EQ(yard.Post("nosuch", ""), R"(404 {"error":"there is no gate named \"nosuch\""})");
  EXPECT_THAT(yard.Post("other/x", ""), StartsWith("404 "));
  EXPECT_THAT(yard.Post("other/reservations/x", R"({"actual_usd":1})"), StartsWith("404 "));
  for (const char* body :
       {"[]", "{", R"({"estimate_usd":-1})", R"({"estimate_usd":1e10})", R"({"estimate_usd":"1"})",
        R"({"estimate_usd":1e999})", R"({"estimate":1})", R"({"reserve":1})",
        R"({"ttl_seconds":0})", R"({"ttl_seconds":1e9})", R"({"operation":7})"}) {
    EXPECT_THAT(yard.Post("other", body), StartsWith("400 ")) << body;
  }
  EXPECT_THAT(yard.Post("other/reservations/x", R"({"actual_usd":-1})"), StartsWith("400 "));
  yard.store.FailNth(1, Error{"disk full", Cause::kUnavailable});
  EXPECT_EQ(yard.Post("other", R"({"estimate_usd":400,"reserve":true})"),
            R"(503 {"error":"disk full"})");
  EXPECT_EQ(yard.Said("other", R"({"estimate_usd":400})"), "allow ok") << "nothing is reserved";
}

TEST(GatesTest, EveryDecisionIsAudited) {
  Yard yard;
  (void)yard.Said("other", R"({"operation":"train","estimate_usd":401})");
  EXPECT_THAT(yard.store.AuditBodies(),
              testing::ElementsAre(testing::AllOf(HasSubstr(R"("operation":"train")"),
                                                  HasSubstr(R"("decision":"deny")"))));
}

// A thousand ask at once, the store takes its time, fails and dies in between, and never is more
// promised than there is.
TEST(GatesTest, AThousandReservationsNeverExceedTheBudget) {
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    Yard yard(seed);
    SeededRandom dice(seed * 7919);
    double promised = 0;
    const auto pick = [&](std::uint64_t below) { return dice.Next() % below; };
    for (int round = 0; round < 4; ++round) {
      yard.store.HoldCommits();
      const GateSpec& gate = *yard.gates->Find("other");
      const GateFacts facts = yard.gates->Look(gate, yard.clock.Now().wall);
      for (int i = 0; i < 250; ++i) {
        const double usd = static_cast<double>(1 + pick(40));
        yard.gates->Decide(
            gate, facts, {.operation = "x", .estimate_usd = usd, .reserve = true},
            [&promised, usd](const Result<GateAnswer>& answer) {
              if (answer && answer->allow) promised += usd;
            },
            yard.clock.Now());
        if (pick(10) == 0) {
          if (pick(3) == 0) yard.store.FailNth(1, Error{"busy", Cause::kUnavailable});
          yard.store.CommitWaiting();
          yard.brain->RunUntil(yard.clock.Now());
        }
      }
      if (pick(2) == 0) {
        yard.store.Crash();
        yard.store.Restart();
        yard.store.ReleaseCommits();
        yard.Boot();
      } else {
        yard.store.ReleaseCommits();
        yard.brain->RunUntil(yard.clock.Now());
      }
      ASSERT_LE(promised, 400) << "seed " << seed;
      ASSERT_LE(yard.gates->ReservedUsd("gpu", yard.clock.Now().wall, yard.clock.Now().wall), 400)
          << "seed " << seed;
    }
    ASSERT_GT(promised, 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace fettle::receivers

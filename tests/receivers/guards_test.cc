// The guards as the table that they are: what makes each of them say no, what it says and when to
// ask again, which of several speaks first, and what a half-done attempt may pass.
#include "receivers/guards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tests/support/manual_clock.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Everything that facts refer to, and nothing that speaks against acting.
struct World {
  ManualClock clock;
  RepairsConfig config;
  RepairSpec repair{.name = "heal-web", .mode = Mode::kAuto};
  RungSpec rung{.action = RestartSpec{}};
  Incident incident{.id = "i-1", .repair = "heal-web", .target = "web"};
  Subject subject{.name = "web"};
  ActionTraits action{.kind = "restart", .on_container = true, .counted = true};
  AttemptHistory history;
  std::vector<Container> containers{Web("web-1"), Web("web-2")};
  bool chosen = true;
  std::function<void(Facts&)> more = [](Facts&) {};

  static Container Web(const std::string& name) {
    Container one;
    one.id = one.name = name;
    one.state = ContainerState::kRunning;
    one.health = ContainerHealth::kUnhealthy;
    one.failing_streak = 3;
    return one;
  }
  Container& first() { return containers.front(); }
  // Attempts of other incidents, ended so long ago.
  void Tried(int times, Millis ago) {
    for (int i = 0; i < times; ++i) {
      Attempt attempt{.id = fmt::format("a-{}", i),
                      .incident = fmt::format("before-{}", i),
                      .repair = "heal-web",
                      .target = "web",
                      .instance = "web-1",
                      .kind = "restart"};
      attempt.intent_at = clock.Now().wall;
      history.Begin(attempt, clock.Now());
      history.End(attempt, clock.Now());
    }
    clock.Pass(ago);
  }
  std::optional<Denial> Ask() {
    Facts facts{.now = clock.Now(),
                .config = config,
                .repair = repair,
                .rung = rung,
                .incident = incident,
                .subject = subject,
                .action = action,
                .history = history,
                .containers = containers,
                .chosen = chosen ? &containers.front() : nullptr,
                .mode = Mode::kAuto};
    more(facts);
    return FirstDenial(facts);
  }
};

struct Case {
  std::string_view reason;
  std::function<void(World&)> make;
  std::string sentence;         // part of it
  std::optional<Millis> again;  // when time alone lifts it
  bool finishing_passes;        // a half-done attempt is not held back by it
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.reason << ": " << one.sentence; }

// Sets one of the facts that are not part of the world.
std::function<void(World&)> Fact(std::function<void(Facts&)> set) {
  return [set](World& world) { world.more = set; };
}

// In the guards' own order.
std::vector<Case> Cases() {
  return {
      {"kill_switch",
       [](World& w) {
         w.config.guards.kill_switch_file = "/data/STOP";
         w.more = [](Facts& f) { f.kill_switch = true; };
       },
       "/data/STOP exists", std::nullopt, false},
      {"mode", Fact([](Facts& f) { f.mode = Mode::kObserve; }), "mode is observe", std::nullopt,
       true},
      {"mode", Fact([](Facts& f) { f.mode = Mode::kOff; }), "mode is off", std::nullopt, true},
      {"held", [](World& w) { w.incident.on_hold = true; }, "held by a person", std::nullopt,
       false},
      {"boot_hold", Fact([](Facts& f) { f.boot_hold = 7s; }), "has just started", 7s, true},
      {"untrusted_source",
       [](World& w) {
         w.repair.sources = {AlertSource::kRules};
         w.incident.triggers = {{.source = AlertSource::kWebhook}};
       },
       "where this repair does not listen", std::nullopt, true},
      {"stale_evidence",
       [](World& w) {
         w.first().health = ContainerHealth::kHealthy;
         w.incident.triggers = {{.starts_at = w.clock.Now().wall - 2h,
                                 .source = AlertSource::kWebhook,
                                 .first_seen = w.clock.Now().wall}};
       },
       "2h old when it came, and nothing else says that web is ill", std::nullopt, true},
      {"self_partitioned", Fact([](Facts& f) { f.cut_off = "up returns nothing"; }),
       "fettle itself seems cut off: up returns nothing", 5s, true},
      {"quiet", Fact([](Facts& f) { f.quiet = "silenced by ann"; }), "silenced by ann",
       std::nullopt, true},
      {"maintenance", Fact([](Facts& f) { f.maintenance = "nights"; }), "it is nights",
       std::nullopt, true},
      {"after_deploy", Fact([](Facts& f) {
         f.deploy = Facts::Against{"a deploy has just ended", 40s};
       }),
       "a deploy has just ended", 40s, true},
      {"engine_unavailable", Fact([](Facts& f) { f.look_error = "nobody listens"; }),
       "nobody listens", 2s, false},
      {"no_target",
       [](World& w) {
         w.containers.clear();
         w.chosen = false;
       },
       "no container is web", 2s, false},
      {"no_target", [](World& w) { w.chosen = false; }, "every container of web has been acted on",
       2s, false},
      {"not_opted_in", [](World& w) { w.first().labels[kLabelMend] = "false"; },
       "fettle.mend = false", std::nullopt, false},
      {"protected", [](World& w) { w.first().labels[kLabelProtected] = "true"; },
       "fettle.protected", std::nullopt, false},
      {"hold_label", [](World& w) { w.first().labels[kLabelHold] = "until monday"; },
       "until monday", std::nullopt, false},
      {"self_dependency", Fact([](Facts& f) { f.own_part = "fettle itself"; }),
       "web-1 is fettle itself", std::nullopt, false},
      {"operator_intent", Fact([](Facts& f) {
         f.intent = OperatorIntent::Hold{true, "somebody stopped it", 9s};
       }),
       "somebody stopped it", 9s, false},
      {"in_transition", Fact([](Facts& f) {
         f.intent = OperatorIntent::Hold{false, "the engine restarts it", {}};
       }),
       "the engine restarts it", 3s, false},
      {"in_transition", [](World& w) { w.first().health = ContainerHealth::kStarting; },
       "still starting", 3s, false},
      {"in_transition", [](World& w) { w.first().failing_streak = 0; }, "not been probed", 3s,
       false},
      {"in_transition",
       [](World& w) {
         w.incident.triggers = {{.starts_at = w.clock.Now().wall}};
         w.first().started_at = w.clock.Now().wall + 1s;
         w.clock.Pass(5s);
       },
       "started 4s ago, after the alert began", 6s, false},
      {"active_backups",
       [](World& w) {
         w.repair.guards.any_backup_holds = true;
         w.more = [](Facts& f) { f.backups = {"leads-db"}; };
       },
       "backup leads-db is running", 5s, false},
      {"dependency_down", Fact([](Facts& f) {
         f.dependency = Facts::Against{"shop/db, which it needs, is exited", 5s};
       }),
       "shop/db", 5s, true},
      {"settling",
       [](World& w) {
         w.repair.settle = 20s;
         w.incident.triggers = {{.first_seen = w.clock.Now().wall}};
         w.clock.Pass(5s);
       },
       "given 20s to settle", 15s, true},
      {"quorum",
       [](World& w) {
         w.repair.guards.quorum = 3;
         w.incident.triggers = {{.labels = {{"alertname", "A"}}}};
       },
       "2 of at least 3 say that it is ill", 2s, true},
      {"flapping", Fact([](Facts& f) { f.beginnings = 4; }), "it began 4 times in the last 30m",
       std::nullopt, true},
      {"cooldown", [](World& w) { w.Tried(1, 20s); }, "ended 20s ago and the cooldown is 1m", 40s,
       true},
      {"attempts_exhausted",
       [](World& w) {
         w.incident.first_pass = false;
         w.Tried(3, 30min);
       },
       "3 attempts in the last 1h (at most 3)", 30min, true},
      {"rate_limited",
       [](World& w) {
         w.config.guards.attempts = {{1, 1h}};
         w.Tried(1, 20min);
       },
       "all repairs together made 1 attempts in the last 1h (at most 1)", 40min, true},
      {"blast_radius",
       [](World& w) {
         for (Container& one : w.containers) one.health = ContainerHealth::kHealthy;
         w.repair.guards.min_healthy = 2;
       },
       "1 of 2 replicas would stay healthy, at least 2 must", 2s, true},
      {"storm", Fact([](Facts& f) {
         f.storm = Facts::Against{"5 of 8 targets fell ill", 90s};
       }),
       "5 of 8", 90s, true},
      {"target_busy", Fact([](Facts& f) { f.busy_with = "heal-db"; }), "heal-db is at work on it",
       std::nullopt, false},
      {"concurrent",
       [](World& w) {
         w.config.guards.concurrent = 2;
         w.more = [](Facts& f) { f.calls_under_way = 2; };
       },
       "2 calls are under way, at most 2", std::nullopt, true},
      {"approval", Fact([](Facts& f) { f.mode = Mode::kApprove; }),
       "restart on web-1 waits for approval", std::nullopt, true},
  };
}

class GuardTest : public testing::TestWithParam<Case> {};

TEST_P(GuardTest, SaysNoWithItsReasonAndWhenToAskAgain) {
  World world;
  ASSERT_FALSE(world.Ask()) << "nothing speaks against acting";
  GetParam().make(world);
  const std::optional<Denial> denial = world.Ask();
  ASSERT_TRUE(denial);
  EXPECT_EQ(denial->reason, GetParam().reason);
  EXPECT_THAT(denial->sentence, HasSubstr(GetParam().sentence));
  EXPECT_EQ(denial->again, GetParam().again);
}

TEST_P(GuardTest, MayOrMayNotHoldBackAHalfDoneAttempt) {
  World world;
  GetParam().make(world);
  world.more = [more = world.more](Facts& facts) {
    more(facts);
    facts.finishing = true;
  };
  EXPECT_EQ(!world.Ask(), GetParam().finishing_passes);
}

INSTANTIATE_TEST_SUITE_P(Each, GuardTest, testing::ValuesIn(Cases()), [](const auto& one) {
  return fmt::format("{}_{}", one.param.reason, one.index);
});

// backoff needs attempts that did not last within one episode: the ladder's own waiting.
TEST(GuardsTest, BackoffWaitsLongerAfterEachAttemptThatDidNotLast) {
  World world;
  world.incident.first_pass = false;
  world.repair.guards.attempts.clear();
  std::vector<Millis> waits;
  for (int i = 1; i <= 3; ++i) {
    world.Tried(i == 1 ? 1 : 0, 0s);
    Attempt attempt{.id = fmt::format("b-{}", i), .incident = "i-1", .repair = "heal-web"};
    attempt.target = "web";
    attempt.pass = i;
    world.incident.pass = i + 1;
    world.history.Begin(attempt, world.clock.Now());
    world.history.End(attempt, world.clock.Now());
    const std::optional<Denial> denial = world.Ask();
    ASSERT_TRUE(denial);
    EXPECT_EQ(denial->reason, "backoff");
    waits.push_back(*denial->again);
    world.clock.Pass(*denial->again);
    EXPECT_FALSE(world.Ask()) << "time alone lifts it";
  }
  EXPECT_LT(waits[0], waits[1]);
  EXPECT_LT(waits[1], waits[2]);
}

TEST(GuardsTest, EachGuardIsShownAndTheyAreAskedInTheirOrder) {
  std::vector<std::string_view> shown;
  for (const Case& one : Cases()) {
    if (shown.empty() || shown.back() != one.reason) shown.push_back(one.reason);
    if (one.reason == "cooldown") shown.push_back("backoff");
  }
  std::vector<std::string_view> asked;
  for (const Guard& guard : AllGuards()) asked.push_back(guard.reason);
  EXPECT_EQ(shown, asked);

  // Everything at once: the first of them speaks.
  World world;
  std::vector<std::function<void(Facts&)>> facts;
  for (const Case& one : Cases()) {
    if (one.reason == "no_target" || one.reason == "in_transition") continue;
    one.make(world);
    facts.push_back(world.more);
  }
  world.more = [facts](Facts& all) {
    for (const auto& set : facts) set(all);
  };
  EXPECT_EQ(world.Ask()->reason, "kill_switch");
}

TEST(GuardsTest, WhatInterruptsNothingIsHeldByFewer) {
  World world;
  world.action = {.kind = "escalate", .on_container = false, .counted = false};
  world.chosen = false;
  world.containers.clear();
  world.Tried(30, 1s);
  world.more = [](Facts& facts) {
    facts.boot_hold = 5s;
    facts.look_error = "nobody listens";
    facts.calls_under_way = 100;
    facts.mode = Mode::kApprove;
  };
  EXPECT_FALSE(world.Ask()) << "a person is told all the same";
}

TEST(GuardsTest, ExceptionsThatAPersonOrTheConfigurationMade) {
  World silenced;
  silenced.rung.while_silenced = true;
  silenced.more = [](Facts& facts) { facts.quiet = "silenced"; };
  EXPECT_FALSE(silenced.Ask());

  World approved;
  approved.incident.approved_pass = approved.incident.pass;
  approved.incident.approved_until = approved.clock.Now().wall + 1s;
  approved.more = [](Facts& facts) { facts.mode = Mode::kApprove; };
  EXPECT_FALSE(approved.Ask());
  approved.clock.Pass(1s);
  EXPECT_EQ(approved.Ask()->reason, "approval") << "an approval ends";
  approved.incident.approved_until = approved.clock.Now().wall + 1h;
  approved.incident.pass += 1;
  EXPECT_EQ(approved.Ask()->reason, "approval") << "and is for one pass";

  World released;
  released.Tried(10, 1s);
  EXPECT_EQ(released.Ask()->reason, "cooldown");
  released.incident.released_at = released.clock.Now().wall;
  EXPECT_FALSE(released.Ask()) << "retry: what was before does not count";

  World again;
  again.first().health = ContainerHealth::kHealthy;
  again.incident.triggers = {{.starts_at = again.clock.Now().wall - 2h,
                              .source = AlertSource::kWebhook,
                              .first_seen = again.clock.Now().wall}};
  EXPECT_EQ(again.Ask()->reason, "stale_evidence");
  again.incident.triggers.front().said_again = true;
  EXPECT_FALSE(again.Ask()) << "its sender says so again";

  World three;
  three.repair.guards.quorum = 3;
  three.incident.triggers = {{.labels = {{"alertname", "A"}}}};
  three.more = [](Facts& facts) { facts.verified_well = true; };
  EXPECT_EQ(three.Ask()->reason, "quorum") << "an expression that holds is no voice against it";
  three.more = [](Facts& facts) { facts.verified_well = false; };
  EXPECT_FALSE(three.Ask()) << "the alert, the engine, and the expression";

  World named;
  named.repair.guards.backups_that_hold = {"leads-db"};
  named.more = [](Facts& facts) { facts.backups = {"logs"}; };
  EXPECT_FALSE(named.Ask()) << "another backup";

  World ours;
  ours.incident.triggers = {{.starts_at = ours.clock.Now().wall}};
  ours.first().started_at = ours.clock.Now().wall + 1s;
  ours.clock.Pass(5s);
  ours.more = [](Facts& facts) { facts.ours_is_running = true; };
  EXPECT_FALSE(ours.Ask()) << "fettle's own start is no one else's cure";
}

}  // namespace
}  // namespace fettle::receivers

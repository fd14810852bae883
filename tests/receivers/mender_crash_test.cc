// The other actions, with the process killed at every step: before and after each store commit and
// each call of the engine. Each has its own promise, whatever dies when.
#include "tests/receivers/workshop.h"
#include "tests/support/crashing_engine.h"

namespace fettle::receivers {
namespace {

// What the engine went through for one cause, at most and at least.
struct Promise {
  const char* name;
  const char* action;
  const char* call;  // as the engine's Acts() begin
  const char* more_services;
  int calls_max;
  int calls_min;
};
void PrintTo(const Promise& promise, std::ostream* out) { *out << promise.name; }

// A HUP may arrive twice. Of another signal nobody knows whether it arrived, so it may be lost.
constexpr Promise kPromises[] = {
    {"start", "{start: {}}", "start shop-web-1", "", 2, 1},
    {"stop", "{stop: {}}", "stop shop-web-1", "", 2, 1},
    {"hup", "{kill: {signal: HUP}}", "kill shop-web-1", "", 2, 1},
    {"usr1", "{kill: {signal: USR1}}", "kill shop-web-1", "", 1, 0},
    {"group", "{restart: {with: dependants}}", "restart shop-web-1", "proxy edge", 2, 1},
};

class MenderCrashTest : public testing::TestWithParam<Promise> {
 protected:
  static std::string Config(const Promise& promise) {
    return fmt::format(R"(
targets: [{{name: web, docker: {{project: shop, service: web}}}}]
repairs:
- {{name: mend, matchers: ['alertname="Down"'], target: web, mode: auto, verify: {{expr: ok, within: 20s, hold: 0s}},
   actions: [{}, {{escalate: {{receiver: oncall}}}}]}}
)",
                       promise.action);
  }
  static void Add(Workshop& shop, const std::string& service, const std::string& needs) {
    shop.engine.Add({.name = "shop-" + service + "-1",
                     .labels = {{"com.docker.compose.project", "shop"},
                                {"com.docker.compose.service", service},
                                {"com.docker.compose.depends_on", needs}},
                     .health = ContainerHealth::kHealthy,
                     .heals_when_started = true});
  }
  static void Fall(Workshop& shop, const Promise& promise) {
    if (std::string(promise.name) == "start") {
      shop.engine.Die("shop-web-1", 1);
    } else {
      shop.engine.TurnUnhealthy("shop-web-1");
    }
  }
  static int Count(Workshop& shop, const std::string& begin) {
    const std::vector<std::string> acts = shop.engine.Acts();
    return static_cast<int>(std::count_if(acts.begin(), acts.end(), [&](const std::string& line) {
      return line.starts_with(begin);
    }));
  }
  // True if the process died on the way.
  static bool Tell(Workshop& shop, CrashingEngine& engine, const Promise& promise, int place,
                   int nth) {
    shop.engine_in_between = &engine;
    shop.on_store_crash = [] { throw ProcessDied{}; };
    Add(shop, "web", "");
    if (promise.more_services[0] != 0) {
      Add(shop, "proxy", "web:service_healthy:false");
      Add(shop, "edge", "proxy:service_started:false");
    }
    if (place < 2) shop.store.CrashAtNth(nth, place == 0 ? Kept::kNo : Kept::kYes);
    if (place >= 2) {
      engine.CrashAt(nth,
                     place == 2 ? CrashingEngine::When::kBefore : CrashingEngine::When::kAfter);
    }
    bool died = false;
    bool fell = false;
    for (int life = 0; life < 2; ++life) {
      try {
        shop.Boot();
        if (!std::exchange(fell, true)) Fall(shop, promise);
        for (int i = 0; i < 8; ++i) {
          EXPECT_TRUE(shop.TryFire("Down").has_value());
          shop.Pass(5s);
          if (i == 5) shop.judge.Say("ok", true);
        }
        break;
      } catch (const ProcessDied&) {
        died = true;
        shop.Crash();
      }
    }
    return died;
  }
};

TEST_P(MenderCrashTest, KeepsItsPromiseWhereverTheProcessDies_S01) {
  const Promise& promise = GetParam();
  int points = 0;
  for (int place = 0; place < 4; ++place) {
    for (int nth = 1; nth < 100; ++nth) {
      SCOPED_TRACE(fmt::format("place {} step {}", place, nth));
      Workshop shop(Config(promise));
      CrashingEngine engine(shop.engine);
      if (!Tell(shop, engine, promise, place, nth)) break;  // there is no such step
      ++points;
      EXPECT_LE(Count(shop, promise.call), promise.calls_max)
          << testing::PrintToString(shop.engine.Acts());
      EXPECT_GE(Count(shop, promise.call), promise.calls_min)
          << testing::PrintToString(shop.engine.Acts());
      EXPECT_TRUE(shop.store.VerifyAudit().has_value());
      for (const char* member : {"web", "proxy", "edge"}) {
        if (promise.more_services[0] == 0) continue;
        EXPECT_LE(shop.engine.Starts(fmt::format("shop-{}-1", member)), 1) << member;
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_GE(points, 20);
}

INSTANTIATE_TEST_SUITE_P(Each, MenderCrashTest, testing::ValuesIn(kPromises),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace fettle::receivers

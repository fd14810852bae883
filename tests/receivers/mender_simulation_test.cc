// Random lives: alerts, sick and crashing containers, operators who stop, start, pause and restart
// them, an engine that fails, hangs up and forgets, a store that fails, clocks that are set, and a
// process that is killed anywhere. A seed tells its story again; FETTLE_SIMULATION_SEEDS asks for
// more of them.
//
// What must hold, whatever happens:
//   I1 never two calls on one container at once;
//   I2 never more attempts in a window than are allowed;
//   I3 nothing is done to a container that is paused or that somebody stopped;
//   I4 every incident ends: closed, held, or left to a person;
//   I5 the audit chain verifies;
//   I7 once faults stop, whoever was sick is healthy again, or a person has been told, and nobody
//      is left stopped by fettle.
#include <random>
#include <set>

#include "tests/receivers/workshop.h"
#include "tests/support/crashing_engine.h"

namespace fettle::receivers {
namespace {

constexpr char kThreeServices[] = R"(
targets:
- {name: web, docker: {project: shop, service: web}}
- {name: db, docker: {project: shop, service: db}, stop_timeout: 30s}
- {name: any, docker: {label: fettle.mend}}
guards: {concurrent: 2, attempts: [30/1h]}
repairs:
- {name: heal-web, matchers: ['alertname="Sick"', 'service="web"'], target: web, mode: auto,
   guards: {cooldown: 30s, attempts: [3/1h, 7/24h]}, verify: {within: 30s, hold: 10s},
   actions: [{restart: {}, attempts: 2}, {restart: {}}, {escalate: {receiver: oncall}}]}
- {name: heal-db, matchers: ['alertname="Sick"', 'service="db"'], target: {label: service}, mode: auto,
   guards: {cooldown: 10s, attempts: [4/1h]}, verify: {within: 30s, hold: 5s},
   actions: [{restart: {}, attempts: 3}]}
- {name: heal-any, matchers: ['alertname="Sick"', 'service="worker"'], target: any, mode: auto,
   verify: {within: 20s, hold: 5s}, actions: [{restart: {}}, {escalate: {receiver: oncall}}]}
)";

struct Allowed {
  std::string repair;
  int attempts;
  Millis span;
};
const Allowed kAllowed[] = {{"heal-web", 3, 1h},
                            {"heal-web", 7, 24h},
                            {"heal-db", 4, 1h},
                            {"heal-any", 3, 1h},
                            {"heal-any", 7, 24h}};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : random_(seed), shop_(kThreeServices), engine_(shop_.engine) {
    shop_.engine_in_between = &engine_;
    shop_.on_store_crash = [] { throw ProcessDied{}; };
    for (const char* name : {"shop-web-1", "shop-web-2", "shop-db-1", "shop-worker-1"}) Add(name);
    shop_.engine.BeforeCall([this](const std::string& line) { BeforeCall(line); });
  }

  void Run(int steps) {
    for (int step = 0; step < steps; ++step) {
      Survive([&] {
        if (!shop_.IsUp()) shop_.Boot();
        Happen();
        Watch();
        shop_.Pass(Millis(static_cast<std::int64_t>(Below(15'000))));
      });
      CheckAttempts();
      if (testing::Test::HasFailure()) return;
    }
    Quieten();
  }

 private:
  struct World {
    bool stopped_by_somebody = false;
    bool paused = false;
    std::optional<Time> sick_since;
  };

  std::uint64_t Below(std::uint64_t n) { return random_() % n; }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }

  void Add(const std::string& name) {
    const std::string service = name.substr(5, name.size() - 7);
    shop_.engine.Add(
        {.name = name,
         .labels = {{"com.docker.compose.project", "shop"},
                    {"com.docker.compose.service", service},
                    {"com.docker.compose.container-number", name.substr(name.size() - 1)},
                    {service == "worker" ? "fettle.mend" : "other", "true"}},
         .health = ContainerHealth::kHealthy,
         .restart_policy = OneIn(2) ? "no" : "unless-stopped",
         .heals_when_started = true});
    world_[name] = {};
  }
  std::string AnyContainer() {
    auto it = world_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(Below(world_.size())));
    return it->first;
  }
  // Past all faults.
  Container Inspect(const std::string& name) {
    Container seen;
    shop_.engine.Edit(name, [&](Container& container) { seen = container; });
    return seen;
  }
  // Whether an own attempt on the container may be under way: then who stopped it cannot be known.
  bool AttemptIsOpen(const std::string& name) {
    for (const Record& record : shop_.store.All("attempt")) {
      const auto attempt = ToAttempt(record);
      if (attempt->instance == name && attempt->state == AttemptState::kIntent) return true;
    }
    return false;
  }

  // One thing happens in the world.
  void Happen() {
    const std::string name = AnyContainer();
    const Container now = Inspect(name);
    World& world = world_[name];
    switch (Below(22)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (now.state == ContainerState::kRunning) shop_.engine.TurnUnhealthy(name);
        break;
      case 4:
        if (now.state == ContainerState::kRunning) shop_.engine.Die(name, OneIn(2) ? 1 : 139);
        break;
      case 5:
        if (now.state == ContainerState::kRunning && !AttemptIsOpen(name)) {
          shop_.engine.SomebodyStops(name);
          world.stopped_by_somebody = true;
        }
        break;
      case 6:
      case 7:
        if (now.state == ContainerState::kExited) shop_.engine.SomebodyStarts(name);
        world.stopped_by_somebody = false;
        break;
      case 8:
        if (now.state != ContainerState::kRunning) break;
        shop_.engine.Pause(name);
        world.paused = true;
        break;
      case 9:
      case 10:
        if (now.state == ContainerState::kPaused) shop_.engine.Unpause(name);
        world.paused = false;
        break;
      case 11:
        if (now.state == ContainerState::kRunning) shop_.engine.SomebodyRestarts(name);
        break;
      case 12:
        shop_.engine.Recreate(name);
        shop_.engine.TurnHealthy(name);
        world = {.sick_since = world.sick_since};
        break;
      case 13:
      case 14:
        shop_.engine.FailNext(OneIn(3) ? "start" : "restart", AnyFault());
        break;
      case 15:
        shop_.engine.FailNext(OneIn(2) ? "inspect" : "list", Unavailable());
        break;
      case 16:
        shop_.store.FailNth(1 + static_cast<int>(Below(3)), Error{"disk full", Cause::kFailed});
        break;
      case 17:
        shop_.hears_events = !shop_.hears_events;
        break;
      case 18:
        shop_.clock.StepWall(Millis(static_cast<std::int64_t>(Below(7'200'000)) - 3'600'000));
        break;
      case 19:
        shop_.quiet.silenced.contains("Sick")
            ? static_cast<void>(shop_.quiet.silenced.clear())
            : static_cast<void>(shop_.quiet.silenced["Sick"] = "silenced by 17");
        break;
      case 20:
        shop_.store.CrashAtNth(1 + static_cast<int>(Below(4)), OneIn(2) ? Kept::kNo : Kept::kYes);
        break;
      case 21:
        engine_.CrashAt(1 + static_cast<int>(Below(4)),
                        OneIn(2) ? CrashingEngine::When::kBefore : CrashingEngine::When::kAfter);
        break;
      default:
        break;
    }
  }
  Fault AnyFault() {
    const Happens happens[] = {Happens::kNever, Happens::kNow, Happens::kHalf};
    const Error errors[] = {{"no answer", Cause::kTimeout},
                            {"connection reset", Cause::kUnavailable},
                            {"driver failed", Cause::kFailed}};
    return Fault{errors[Below(3)], happens[Below(3)]};
  }

  // What a health check and then a rule would say of the world now.
  void Watch() {
    for (auto& [name, world] : world_) {
      const bool unknown =
          Inspect(name).health != ContainerHealth::kHealthy && Inspect(name).failing_streak == 0;
      if (Inspect(name).state == ContainerState::kRunning && unknown)
        shop_.engine.TurnHealthy(name);
      const Container now = Inspect(name);
      const bool sick =
          now.state != ContainerState::kRunning || now.health == ContainerHealth::kUnhealthy;
      const Workshop::Said said{.labels = {{"alertname", "Sick"},
                                           {"project", "shop"},
                                           {"service", now.Service()},
                                           {"container", name}},
                                .source = AlertSource::kRules};
      if (sick) {
        world.sick_since = world.sick_since.value_or(shop_.clock.Now().wall);
        (void)shop_.TryFire(said);
      } else if (world.sick_since) {
        if (shop_.TryResolve(said)) world.sick_since.reset();
      }
    }
  }

  // I3, at the moment of the call.
  void BeforeCall(const std::string& line) {
    const bool acts = line.starts_with("restart") || line.starts_with("start");
    if (!acts) return;
    std::string name = line.substr(line.find(' ') + 1);
    name = name.substr(0, name.find(' '));
    EXPECT_FALSE(world_[name].stopped_by_somebody) << line << ": somebody stopped it";
    EXPECT_FALSE(world_[name].paused) << line << ": it is paused";
  }

  // I1 and I2, by what is stored.
  void CheckAttempts() {
    std::set<std::string> open;
    std::vector<Attempt> attempts;
    for (const Record& record : shop_.store.All("attempt")) {
      auto& [version, parsed] = parsed_[record.id];
      if (version != record.version) parsed = *ToAttempt(record);
      version = record.version;
      attempts.push_back(parsed);
      const Attempt& attempt = parsed;
      if (attempt.state == AttemptState::kIntent && !attempt.instance.empty()) {
        EXPECT_TRUE(open.insert(attempt.identity.at("id")).second) << attempt.instance;
      }
    }
    for (const Allowed& allowed : kAllowed) {
      for (const Attempt& last : attempts) {
        int count = 0;
        for (const Attempt& other : attempts) {
          const bool counts = other.repair == allowed.repair && other.instance == last.instance &&
                              other.target == last.target && other.kind == "restart" &&
                              other.state != AttemptState::kCancelled &&
                              other.intent_boot <= last.intent_boot &&
                              other.intent_boot > last.intent_boot - allowed.span;
          if (counts) ++count;
        }
        EXPECT_LE(count, allowed.attempts) << allowed.repair << " " << last.instance;
      }
    }
  }

  // Faults stop, and nobody touches anything any more.
  void Quieten() {
    shop_.engine.Heal();
    engine_.CrashAt(1'000'000'000, CrashingEngine::When::kBefore);
    shop_.store.Heal();
    shop_.hears_events = true;
    shop_.quiet.silenced.clear();
    for (auto& [name, world] : world_) {
      if (Inspect(name).state == ContainerState::kPaused) shop_.engine.Unpause(name);
      world.paused = false;
    }
    for (int i = 0; i < 6 * 60; ++i) {
      Survive([&] {
        if (!shop_.IsUp()) shop_.Boot();
        Watch();
        shop_.Pass(60s);
      });
      CheckAttempts();
      if (testing::Test::HasFailure() || (i > 30 && Unsaid().empty())) break;
    }
    EXPECT_EQ(Unsaid(), "");
    EXPECT_TRUE(shop_.store.VerifyAudit().has_value());
  }

  // I4 and I7. A container that somebody stopped, or that looks so, is rightly left alone.
  std::string Unsaid() {
    std::string unsaid;
    for (const Mender::View& view : shop_.mender().Open(shop_.clock.Now())) {
      const Incident& incident = view.incident;
      const bool rests =
          incident.state == IncidentState::kHeld || incident.state == IncidentState::kEscalated ||
          (incident.state == IncidentState::kSuppressed &&
           (incident.reason == "operator_intent" || incident.reason == "in_transition" ||
            incident.reason == "approval"));
      if (!rests) {
        unsaid += fmt::format("{} {} {} {}; ", incident.repair, ToString(incident.state),
                              incident.reason, incident.sentence);
      }
    }
    for (const auto& [name, world] : world_) {
      const Container now = Inspect(name);
      if (LooksWell(now)) continue;
      bool explained = world.stopped_by_somebody;
      for (const Mender::View& view : shop_.mender().Open(shop_.clock.Now())) {
        if (!view.incident.target.ends_with(now.Service())) continue;
        explained = explained || view.incident.state == IncidentState::kEscalated ||
                    view.incident.state == IncidentState::kSuppressed;
      }
      if (!explained) {
        unsaid += fmt::format("{} is {} {} {}; ", name, ToString(now.state), ToString(now.health),
                              now.failing_streak);
      }
    }
    return unsaid;
  }

  void Survive(const std::function<void()>& life) {
    try {
      life();
    } catch (const ProcessDied&) {
      shop_.Crash();
    }
  }

  std::mt19937_64 random_;
  Workshop shop_;
  CrashingEngine engine_;
  std::map<std::string, World> world_;
  std::map<std::string, std::pair<std::int64_t, Attempt>> parsed_;  // by id, with the version
};

class MenderSimulationTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(MenderSimulationTest, NeverMakesItWorse) {
  Simulation simulation(GetParam());
  simulation.Run(120);
}

std::uint64_t Seeds() {
  const char* asked = std::getenv("FETTLE_SIMULATION_SEEDS");
  return asked == nullptr ? 25 : std::strtoull(asked, nullptr, 10);
}

INSTANTIATE_TEST_SUITE_P(Seed, MenderSimulationTest, testing::Range(std::uint64_t{1}, Seeds() + 1),
                         [](const auto& instance) { return std::to_string(instance.param); });

}  // namespace
}  // namespace fettle::receivers

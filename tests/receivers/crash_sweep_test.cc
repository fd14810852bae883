// Kills the process at every step of a repair and lets a new one go on: before and after each store
// commit, before and after each call of the engine, and once more at each step of the second life.
// Whatever happens, the container is restarted once for one cause and is never left down.
#include <filesystem>
#include <fstream>

#include "tests/receivers/workshop.h"
#include "tests/support/crashing_engine.h"

namespace fettle::receivers {
namespace {

struct Crash {
  enum class Where { kCommitLost, kCommitKept, kBeforeCall, kAfterCall };
  Where where = Where::kCommitLost;
  int nth = 1;
};
constexpr Crash::Where kPlaces[] = {Crash::Where::kCommitLost, Crash::Where::kCommitKept,
                                    Crash::Where::kBeforeCall, Crash::Where::kAfterCall};

std::string Say(const std::vector<Crash>& crashes) {
  static constexpr const char* kWords[] = {"commit lost", "commit kept", "before call",
                                           "after call"};
  std::string text;
  for (const Crash& crash : crashes) {
    text += fmt::format("[{} {}]", kWords[static_cast<int>(crash.where)], crash.nth);
  }
  return text.empty() ? "no crash" : text;
}

// How the engine treats the first restart.
struct Fate {
  const char* name;
  std::optional<Fault> fault;
  int restarts_max;   // calls for one cause; the second one is the allowed reissue
  int starts_max;     // what the container went through
  bool half = false;  // it stops and does not start
};
void PrintTo(const Fate& fate, std::ostream* out) { *out << fate.name; }

std::vector<Fate> Fates() {
  const Error reset{"connection reset", Cause::kUnavailable};
  return {
      {"answers", std::nullopt, 2, 1},
      {"times out, done", TimesOut(Happens::kNow), 1, 1},
      {"times out, not done", TimesOut(Happens::kNever), 2, 1},
      {"dies in between", Fault{reset, Happens::kHalf}, 1, 1, true},
      {"refuses after stopping", Fault{Error{"port is taken"}, Happens::kHalf}, 1, 1},
  };
}

// One life after another on the same disk and engine.
class Story {
 public:
  explicit Story(const Fate& fate) : engine_(shop_.engine) {
    shop_.engine_in_between = &engine_;
    shop_.engine.Add(
        {.name = "shop-web-1",
         .labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "web"}},
         .health = ContainerHealth::kHealthy,
         .restart_policy = "unless-stopped",
         .heals_when_started = true});
    if (fate.fault) shop_.engine.FailNext("restart", *fate.fault);
    shop_.on_store_crash = [] { throw ProcessDied{}; };
  }

  // Lives until each crash of the list has happened or had no chance to, and then to the end.
  void Tell(const std::vector<Crash>& crashes) {
    bool sick = false;
    for (std::size_t life = 0;; ++life) {
      if (life < crashes.size()) Arm(crashes[life]);
      try {
        shop_.Boot();
        if (!sick) shop_.engine.TurnUnhealthy("shop-web-1");
        sick = true;
        Live();
        return;
      } catch (const ProcessDied&) {
        ++died_;
        shop_.Crash();
      }
    }
  }
  int died() const { return died_; }

  void Check(const Fate& fate) {
    const std::vector<std::string> acts = shop_.engine.Acts();
    const auto restarts = std::count_if(acts.begin(), acts.end(), [](const std::string& line) {
      return line.starts_with("restart");
    });
    EXPECT_LE(restarts, fate.restarts_max) << testing::PrintToString(acts);
    EXPECT_LE(shop_.engine.Starts("shop-web-1"), fate.starts_max) << testing::PrintToString(acts);
    EXPECT_EQ(shop_.engine.Inspect("shop-web-1")->state, ContainerState::kRunning);
    EXPECT_TRUE(shop_.store.VerifyAudit().has_value());
    // An intent whose call left no trace twice is a person's matter: nothing was interrupted.
    const bool may_be_lost = died_ >= 2 || (died_ == 1 && fate.restarts_max == 2 && fate.fault);
    if (may_be_lost && shop_.StateOf("heal-web") == "escalated") {
      EXPECT_EQ(shop_.engine.Starts("shop-web-1"), 0);
      EXPECT_FALSE(shop_.teller().told.empty());
      return;
    }
    EXPECT_EQ(shop_.engine.Starts("shop-web-1"), 1) << testing::PrintToString(acts);
    EXPECT_EQ(shop_.StateOf("heal-web"), "held");
    EXPECT_TRUE(shop_.teller().told.empty());
  }

 private:
  void Arm(const Crash& crash) {
    switch (crash.where) {
      case Crash::Where::kCommitLost:
        shop_.store.CrashAtNth(crash.nth, Kept::kNo);
        break;
      case Crash::Where::kCommitKept:
        shop_.store.CrashAtNth(crash.nth, Kept::kYes);
        break;
      case Crash::Where::kBeforeCall:
        engine_.CrashAt(crash.nth, CrashingEngine::When::kBefore);
        break;
      case Crash::Where::kAfterCall:
        engine_.CrashAt(crash.nth, CrashingEngine::When::kAfter);
        break;
    }
  }
  // Its sender repeats the alert, as long as it fires; it never says that it ended.
  void Live() {
    for (int i = 0; i < 12; ++i) {
      const Status accepted = shop_.TryFire("WebDown");
      EXPECT_TRUE(accepted.has_value());
      shop_.Pass(10s);
      const std::string state = shop_.StateOf("heal-web");
      if (state == "held" || state == "escalated") break;
    }
    shop_.Pass(30s);
  }

  Workshop shop_;
  CrashingEngine engine_;
  int died_ = 0;
};

class CrashSweepTest : public testing::TestWithParam<Fate> {};

TEST_P(CrashSweepTest, WithoutACrashItIsRestartedOnce) {
  Story story(GetParam());
  story.Tell({});
  story.Check(GetParam());
}

TEST_P(CrashSweepTest, OneCrashAnywhere_S01) {
  int points = 0;
  for (const Crash::Where where : kPlaces) {
    for (int nth = 1;; ++nth) {
      const std::vector<Crash> crashes{{where, nth}};
      SCOPED_TRACE(Say(crashes));
      Story story(GetParam());
      story.Tell(crashes);
      if (story.died() == 0) break;  // there is no such step
      story.Check(GetParam());
      ++points;
      if (HasFailure()) return;
    }
  }
  EXPECT_GE(points, 40);
}

TEST_P(CrashSweepTest, TwoCrashesAnywhereInTheFirstSteps) {
  if (GetParam().restarts_max == 1 && GetParam().starts_max == 1 && !GetParam().half) {
    GTEST_SKIP() << "nothing that the other fates do not show";
  }
  for (const Crash::Where first : kPlaces) {
    for (int i = 1; i <= 5; ++i) {
      for (const Crash::Where second : kPlaces) {
        for (int j = 1; j <= 4; ++j) {
          const std::vector<Crash> crashes{{first, i}, {second, j}};
          SCOPED_TRACE(Say(crashes));
          Story story(GetParam());
          story.Tell(crashes);
          story.Check(GetParam());
          if (HasFailure()) return;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachFateOfTheFirstCall, CrashSweepTest, testing::ValuesIn(Fates()),
                         [](const auto& instance) {
                           std::string name = instance.param.name;
                           for (char& c : name) c = c == ' ' || c == ',' ? '_' : c;
                           return name;
                         });

// A program runs at most once, whenever the process dies.
TEST(CrashSweepExecTest, AProgramRunsAtMostOnce) {
  int points = 0;
  int indeterminate = 0;
  for (const Kept kept : {Kept::kNo, Kept::kYes}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(fmt::format("commit {} {}", nth, kept == Kept::kYes ? "kept" : "lost"));
      const TempDir dir;
      const std::string count = dir / "count";
      const std::string program = dir.Write("run", fmt::format("#!/bin/sh\necho x >> {}\n", count));
      std::filesystem::permissions(program, std::filesystem::perms::owner_all);
      Workshop shop(
          fmt::format("repairs:\n- {{name: tidy, matchers: ['alertname=\"Full\"'], mode: auto, "
                      "verify: {{expr: ok, within: 5s, hold: 0s}}, "
                      "actions: [{{exec: {{argv: [{}]}}}}, {{escalate: {{receiver: oncall}}}}]}}\n",
                      program));
      shop.on_store_crash = [] { throw ProcessDied{}; };
      shop.store.CrashAtNth(nth, kept);
      bool died = false;
      for (int life = 0; life < 2; ++life) {
        try {
          shop.Boot();
          for (int i = 0; i < 4; ++i) {
            shop.Fire("Full");
            shop.Pass(10s);
          }
          break;
        } catch (const ProcessDied&) {
          died = true;
          shop.Crash();
        }
      }
      if (!died) break;
      ++points;
      std::ifstream in(count);
      const std::string ran((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
      EXPECT_LE(ran.size(), 2u);  // "x\n"
      EXPECT_EQ(shop.StateOf("tidy"), "escalated");
      EXPECT_GE(shop.teller().told.size(), 1u);
      EXPECT_LE(shop.teller().told.size(), 2u);  // said again if nobody knows whether it was said
      const std::vector<std::string> attempts = shop.Attempts("tidy");
      if (attempts[0].starts_with("exec indeterminate")) ++indeterminate;
      if (HasFailure()) return;
    }
  }
  EXPECT_GE(points, 8);
  EXPECT_GE(indeterminate, 1);
}

}  // namespace
}  // namespace fettle::receivers

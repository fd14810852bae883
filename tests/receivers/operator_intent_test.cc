// Who ended it: stories of engine events, a container as inspect shows it then, and whether a
// healer may touch it.
#include "receivers/operator_intent.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;

// Events of one container, a word each: "kill" (with TERM), "kill:HUP", "die", "stop", "start",
// "destroy"; "call" and "end" are the limits of fettle's own call; "5s" lets time pass.
struct Story {
  const char* what;
  std::string events;
  ContainerState state;
  int exit_code;
  std::string policy;
  std::string held;  // "" may be mended; "person" or "moving" before the sentence
  bool ours_is_down = false;
  bool oom = false;
};
void PrintTo(const Story& story, std::ostream* out) { *out << story.what; }

constexpr auto kExited = ContainerState::kExited;
constexpr auto kRunning = ContainerState::kRunning;

std::vector<Story> Stories() {
  return {
      {"nothing happened", "", kRunning, 0, "no", ""},
      {"a person stopped it", "kill die stop", kExited, 0, "always",
       "person: somebody stopped web"},
      {"a person killed it", "kill:KILL die", kExited, 137, "no", "person: somebody stopped web"},
      {"somebody is stopping it", "kill", kRunning, 0, "no", "person: somebody is stopping web"},
      {"the stop never ended", "kill 601s", kRunning, 0, "no", ""},
      {"a signal that ends nothing", "kill:HUP", kRunning, 0, "no", ""},
      {"a person restarted it", "kill die stop start", kRunning, 0, "no", ""},
      {"it crashed and nobody restarts it", "die", kExited, 1, "no", ""},
      {"it crashed, and the engine restarts it", "die", kExited, 1, "always",
       "moving: web crashed just now and the engine restarts it"},
      {"the engine did not restart it", "die 11s", kExited, 1, "always", ""},
      {"it ended well by itself", "die", kExited, 0, "no",
       "person: web ended by itself with exit code 0, which is no failure"},
      {"fettle's own stop", "call kill die stop end", kExited, 1, "no", ""},
      {"fettle's own stop left it down", "call kill die stop end", kExited, 137, "always", "",
       true},
      {"stopped by a person within fettle's call, after its start",
       "call kill die stop start kill die stop end", kExited, 0, "always",
       "person: somebody stopped web"},
      {"stopped by a person after fettle's restart", "call kill die stop start end kill die stop",
       kExited, 0, "no", "person: somebody stopped web"},
      {"a person stopped what fettle had left down", "call kill die stop end start kill die stop",
       kExited, 137, "no", "person: somebody stopped web", true},
      {"nobody saw the end, and the policy would have restarted it", "", kExited, 1,
       "unless-stopped",
       "person: web has exited although its restart policy is unless-stopped: somebody stopped it"},
      {"nobody saw whose signal it was", "", kExited, 143, "no",
       "person: web was ended by a signal (exit code 143) and nobody saw whose it was"},
      {"nobody saw it, but the kernel ended it for memory", "", kExited, 137, "no", "", false,
       true},
      {"nobody saw it crash", "", kExited, 1, "on-failure", ""},
      {"it is another container by that name now", "kill die stop destroy", kExited, 1, "no", ""},
      {"paused", "", ContainerState::kPaused, 0, "no", "person: web is paused"},
      {"never started", "", ContainerState::kCreated, 0, "no",
       "moving: web has never been started"},
      {"the engine restarts it by itself", "die", ContainerState::kRestarting, 1, "always",
       "moving: web is being restarted by the engine itself"},
      {"being removed", "", ContainerState::kRemoving, 0, "no", "moving: web is being removed"},
      {"dead", "", ContainerState::kDead, 0, "no", "moving: web is being removed"},
  };
}

class OperatorIntentTest : public testing::TestWithParam<Story> {};

TEST_P(OperatorIntentTest, TellsWhoEndedIt) {
  const Story& story = GetParam();
  ManualClock clock;
  OperatorIntent intent;
  Container web;
  web.id = "id-1";
  web.name = "web";
  web.state = story.state;
  web.exit_code = story.exit_code;
  web.restart_policy = story.policy;
  web.oom_killed = story.oom;
  web.started_at = clock.Now().wall;
  std::istringstream words(story.events);
  for (std::string word; words >> word;) {
    if (word == "call") {
      intent.CallBegins("id-1");
    } else if (word == "end") {
      intent.CallEnds("id-1");
    } else if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) {
      clock.Pass(std::chrono::seconds(std::stoi(word)));
    } else {
      const std::size_t colon = word.find(':');
      EngineEvent event{.action = word.substr(0, colon), .container_id = "id-1"};
      event.at = clock.Now().wall;
      if (event.action == "kill") {
        event.attributes["signal"] = colon == std::string::npos ? "15" : word.substr(colon + 1);
      }
      if (event.action == "die") web.finished_at = event.at;
      intent.OnEvent(event, clock.Now());
    }
  }
  const auto hold = intent.Why(web, story.ours_is_down, clock.Now());
  const std::string said =
      hold ? (hold->operators ? "person: " : "moving: ") + hold->sentence : std::string();
  EXPECT_EQ(said, story.held);
}

INSTANTIATE_TEST_SUITE_P(Each, OperatorIntentTest, testing::ValuesIn(Stories()));

TEST(StopSignalTest, AsEventsNameThem) {
  for (const char* signal : {"15", "SIGTERM", "TERM", "9", "SIGKILL", "2", "SIGINT", "QUIT", ""}) {
    EXPECT_TRUE(IsStopSignal(signal)) << signal;
  }
  for (const char* signal : {"1", "SIGHUP", "SIGUSR1", "10", "WAT"}) {
    EXPECT_FALSE(IsStopSignal(signal)) << signal;
  }
}

}  // namespace
}  // namespace fettle::receivers

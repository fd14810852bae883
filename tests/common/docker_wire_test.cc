// What an engine says, read: recorded answers of Docker 20.10, Podman's ways, and lies.
#include "common/docker_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace fettle::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Recorded(const std::string& name) {
  std::ifstream in(std::string(FETTLE_TEST_DATA) + "/docker/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<EngineEvent> EventsIn(std::string_view stream, std::size_t piece) {
  std::vector<EngineEvent> events;
  JsonLines lines;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    lines.Feed(stream.substr(at, piece), [&](std::string_view text) {
      const auto event = ParseEvent(text);
      EXPECT_TRUE(event) << event.error().message;
      if (event) events.push_back(*event);
    });
  }
  return events;
}

std::string Frame(char stream, const std::string& text) {
  std::string frame = {stream,
                       0,
                       0,
                       0,
                       0,
                       0,
                       static_cast<char>(text.size() / 256),
                       static_cast<char>(text.size() % 256)};
  return frame + text;
}

std::string Tail(const std::vector<std::string>& pieces, std::size_t bytes_max) {
  LogTail tail(bytes_max);
  for (const std::string& piece : pieces) tail.Feed(piece);
  return tail.Take();
}

TEST(DockerInspectTest, ReadsARecordedAnswer) {
  const auto container = ParseInspect(Recorded("inspect.json"));
  ASSERT_TRUE(container) << container.error().message;
  EXPECT_EQ(container->id, "fc4ff167269caa7abc1eddb3068d70aa243cb9c71bb8636cb616bfdf57231e54");
  EXPECT_EQ(container->name, "shop-web-1");
  EXPECT_EQ(container->image, "box:1");
  EXPECT_EQ(container->Project() + "/" + container->Service(), "shop/web");
  EXPECT_EQ(container->Label("fettle.mend"), "true");
  EXPECT_EQ(container->state, ContainerState::kRunning);
  EXPECT_EQ(container->health, ContainerHealth::kUnhealthy);
  EXPECT_EQ(container->failing_streak, 4);
  EXPECT_EQ(container->last_health_output, "checking\n");
  EXPECT_EQ(container->exit_code, 0);
  EXPECT_EQ(container->pid, 13702);
  EXPECT_EQ(container->started_at_raw, "2026-11-20T11:31:19.854555545Z");
  EXPECT_EQ(ToMillis(container->started_at), 1795174279854);
  EXPECT_EQ(container->finished_at, Time{});
  EXPECT_EQ(container->restart_policy, "unless-stopped");
  EXPECT_EQ(container->network_mode, "none");
  EXPECT_EQ(container->stop_signal, "SIGQUIT");
  EXPECT_EQ(container->stop_timeout_s, 7);
  EXPECT_FALSE(container->auto_remove);
  EXPECT_FALSE(container->oom_killed);
}

TEST(DockerInspectTest, NamesEveryStateAsDockerAndPodmanDo) {
  struct Case {
    const char* state;
    ContainerState expected;
  };
  for (const Case& c : {
           Case{R"({"Status":"created"})", ContainerState::kCreated},
           Case{R"({"Status":"configured"})", ContainerState::kCreated},
           Case{R"({"Status":"running","Running":true})", ContainerState::kRunning},
           Case{R"({"Status":"paused","Running":true,"Paused":true})", ContainerState::kPaused},
           Case{R"({"Status":"restarting","Running":true})", ContainerState::kRestarting},
           Case{R"({"Status":"removing"})", ContainerState::kRemoving},
           Case{R"({"Status":"exited"})", ContainerState::kExited},
           Case{R"({"Status":"stopped"})", ContainerState::kExited},
           Case{R"({"Status":"dead"})", ContainerState::kDead},
           Case{R"({"Status":"hibernating","Running":true})", ContainerState::kRunning},
           Case{R"({"Status":7,"Paused":true})", ContainerState::kPaused},
           Case{R"({"Dead":true})", ContainerState::kDead},
           Case{R"({"Restarting":true,"Running":true})", ContainerState::kRestarting},
           Case{R"({})", ContainerState::kExited},
       }) {
    const auto container = ParseInspect(fmt::format(R"({{"Id":"a","State":{}}})", c.state));
    ASSERT_TRUE(container) << c.state;
    EXPECT_EQ(container->state, c.expected) << c.state;
  }
}

TEST(DockerInspectTest, NamesEveryHealth) {
  struct Case {
    const char* health;
    ContainerHealth expected;
  };
  for (const Case& c :
       {Case{R"(null)", ContainerHealth::kNone},
        Case{R"({"Status":"","FailingStreak":0,"Log":null})", ContainerHealth::kNone},
        Case{R"({"Status":"none"})", ContainerHealth::kNone},
        Case{R"({"Status":"starting"})", ContainerHealth::kStarting},
        Case{R"({"Status":"healthy"})", ContainerHealth::kHealthy},
        Case{R"({"Status":"unhealthy"})", ContainerHealth::kUnhealthy}}) {
    const auto container =
        ParseInspect(fmt::format(R"({{"Id":"a","State":{{"Health":{}}}}})", c.health));
    ASSERT_TRUE(container);
    EXPECT_EQ(container->health, c.expected) << c.health;
  }
}

TEST(DockerInspectTest, RefusesWhatIsNoInspectAnswer) {
  struct Case {
    std::string json;
    std::string sentence;
  };
  for (const Case& c : {
           Case{"", "reading an inspect answer"},
           Case{"<html>", "reading an inspect answer"},
           Case{"[]", "no Id or no State"},
           Case{"{}", "no Id or no State"},
           Case{R"({"Id":"a"})", "no Id or no State"},
           Case{R"({"Id":7,"State":{}})", "no Id or no State"},
           Case{R"({"Id":"a","State":[]})", "no Id or no State"},
           Case{std::string(200'000, '['), "reading an inspect answer"},
           Case{R"({"Id":"a","State":{)" + std::string(100, '\xff'), "reading an inspect answer"},
       }) {
    const auto container = ParseInspect(c.json);
    ASSERT_FALSE(container) << c.json.substr(0, 40);
    EXPECT_THAT(container.error().message, HasSubstr(c.sentence));
  }
}

TEST(DockerInspectTest, SurvivesFieldsOfTheWrongKind) {
  const auto container = ParseInspect(
      R"({"Id":"a","Name":[],"State":{"ExitCode":"x","Pid":1e300,"StartedAt":7,"Health":[1]},)"
      R"("RestartCount":99999999999999,"Config":{"Labels":{"a":1,"b":"2"},"StopTimeout":"5"},)"
      R"("HostConfig":null})");
  ASSERT_TRUE(container);
  EXPECT_EQ(container->exit_code, 0);
  EXPECT_EQ(container->restart_count, 2147483647);
  EXPECT_EQ(container->started_at, Time{});
  EXPECT_EQ(container->stop_timeout_s, std::nullopt);
  EXPECT_EQ(container->Label("b"), "2");
  EXPECT_EQ(container->Label("a"), "");
}

TEST(DockerInspectTest, KeepsTheEndOfALongHealthOutput) {
  const auto container = ParseInspect(
      fmt::format(R"({{"Id":"a","State":{{"Health":{{"Log":[{{"Output":"{}end"}}]}}}}}})",
                  std::string(10'000, 'x')));
  ASSERT_TRUE(container);
  EXPECT_EQ(container->last_health_output.size(), kHealthOutputMax);
  EXPECT_TRUE(container->last_health_output.ends_with("xend"));
}

TEST(DockerListTest, ReadsIds) {
  const auto ids = ParseIds(Recorded("list.json"));
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_THAT(
      *ids, testing::Contains("fc4ff167269caa7abc1eddb3068d70aa243cb9c71bb8636cb616bfdf57231e54"));
  EXPECT_THAT(*ParseIds("[]"), testing::IsEmpty());
  for (const char* bad : {"{}", "null", "[{}]", R"([{"Id":""}])", R"(["a"])", "[{\"Id\":"}) {
    EXPECT_FALSE(ParseIds(bad)) << bad;
  }
}

TEST(DockerStatsTest, CountsMemoryWithoutWhatCanBeDropped) {
  struct Case {
    const char* json;
    double cpu;
    double memory;
    double limit;
  };
  for (
      const Case& c : {
          Case{
              R"({"cpu_stats":{"cpu_usage":{"total_usage":2500000000}},"memory_stats":)"
              R"({"usage":1000,"limit":4000,"stats":{"total_inactive_file":300,"inactive_file":1}}})",
              2.5, 700, 4000},
          Case{R"({"cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":)"
               R"({"usage":1000,"limit":4000,"stats":{"inactive_file":400}}})",
               0, 600, 4000},
          Case{R"({"cpu_stats":{"cpu_usage":{"total_usage":1e9}},"memory_stats":)"
               R"({"usage":1000,"stats":{"inactive_file":5000}}})",
               1, 1000, 0},
      }) {
    const auto stats = ParseStats(c.json);
    ASSERT_TRUE(stats) << stats.error().message;
    EXPECT_DOUBLE_EQ(stats->cpu_seconds, c.cpu);
    EXPECT_DOUBLE_EQ(stats->memory_bytes, c.memory);
    EXPECT_DOUBLE_EQ(stats->memory_limit_bytes, c.limit);
  }
  EXPECT_GT(ParseStats(Recorded("stats.json"))->memory_bytes, 0);
}

TEST(DockerStatsTest, RefusesZerosAndNonsense) {
  EXPECT_EQ(ParseStats(Recorded("stats_stopped.json")).error().cause, Cause::kConflict);
  EXPECT_EQ(ParseStats("{}").error().cause, Cause::kInvalid);
  EXPECT_EQ(ParseStats("[1]").error().cause, Cause::kInvalid);
  EXPECT_FALSE(ParseStats("nonsense"));
}

TEST(DockerEventTest, ReadsARecordedStreamInWhateverPieces) {
  const std::string stream = Recorded("events.json");
  for (const std::size_t piece : {1UL, 7UL, 100UL, 4096UL, 1'000'000UL}) {
    const auto events = EventsIn(stream, piece);
    std::vector<std::string> actions;
    for (const EngineEvent& event : events) actions.push_back(event.action.substr(0, 25));
    EXPECT_THAT(actions, ElementsAre("start", "restart", "exec_create: /bin/sh -c e",
                                     "health_status: healthy", "health_status: unhealthy", "kill",
                                     "kill", "die", "stop", "destroy"))
        << piece;
    EXPECT_EQ(events.front().attributes.at("name"), "shop-web-1");
    EXPECT_EQ(events.front().at_ns, 1795174398625569703);
    EXPECT_EQ(ToMillis(events.front().at), 1795174398625);
    EXPECT_EQ(events[5].attributes.at("signal"), "3") << "its own stop signal";
    EXPECT_EQ(events[7].attributes.at("exitCode"), "137");
  }
}

TEST(DockerEventTest, GivesPodmansEventsDockersForm) {
  struct Case {
    const char* json;
    std::string action;
  };
  for (const Case& c : {
           Case{R"({"Type":"container","Action":"health_status","Actor":{"ID":"a"},)"
                R"("HealthStatus":"unhealthy"})",
                "health_status: unhealthy"},
           Case{R"({"Type":"container","Action":"health_status: healthy","Actor":{"ID":"a"}})",
                "health_status: healthy"},
           Case{R"({"Type":"container","Action":"died","Actor":{"ID":"a",)"
                R"("Attributes":{"containerExitCode":"3"}}})",
                "die"},
           Case{R"({"Type":"container","Action":"remove","Actor":{"ID":"a"}})", "destroy"},
           Case{R"({"status":"start","id":"a","time":5})", "start"},
       }) {
    const auto event = ParseEvent(c.json);
    ASSERT_TRUE(event) << c.json;
    EXPECT_EQ(event->action, c.action);
    EXPECT_EQ(event->container_id, "a");
  }
}

TEST(DockerEventTest, ReadsPodmansExitCodeAndWholeSeconds) {
  const auto event = ParseEvent(
      R"({"Action":"died","time":5,"Actor":{"ID":"a","Attributes":{"containerExitCode":"3"}}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->attributes.at("exitCode"), "3");
  EXPECT_EQ(ToMillis(event->at), 5'000);
}

TEST(DockerEventTest, RefusesWhatIsNoContainersEvent) {
  EXPECT_EQ(ParseEvent(R"({"Type":"network","Action":"connect","Actor":{"ID":"n"}})").error().cause,
            Cause::kNotFound);
  for (const char* bad :
       {"", "null", "{}", "[]", R"({"Type":"container"})", R"({"Type":"container","Action":"die"})",
        R"({"Type":"container","Actor":{"ID":"a"}})", "{\"Action\":\"x"}) {
    EXPECT_FALSE(ParseEvent(bad)) << bad;
  }
}

TEST(DockerEventTest, DoesNotOverflowOnImpossibleTimes) {
  for (const char* time : {"-5", "9223372036854775807", "1e300", "\"now\""}) {
    const auto event =
        ParseEvent(fmt::format(R"({{"Action":"die","id":"a","time":{0},"timeNano":{0}}})", time));
    ASSERT_TRUE(event) << time;
    EXPECT_GE(event->at_ns, 0);
  }
}

TEST(JsonLinesTest, CutsLinesAndRecords) {
  std::vector<std::string> texts;
  JsonLines lines;
  for (const char* piece :
       {"{\"a\":1}\r\n\n  \n{\"b\"", ":2}", "\n\x1e{\"c\":3}\n\x1e", "{\"d\"}\x1e", "unfinished"}) {
    lines.Feed(piece, [&](std::string_view text) { texts.emplace_back(text); });
  }
  EXPECT_THAT(texts, ElementsAre("{\"a\":1}\r", "{\"b\":2}", "{\"c\":3}", "{\"d\"}"));
  EXPECT_EQ(lines.skipped(), 0U);
}

TEST(JsonLinesTest, SkipsATextThatIsTooLongAndGoesOn) {
  std::vector<std::string> texts;
  JsonLines lines;
  const std::string flood(300'000, 'x');
  for (int i = 0; i < 10; ++i) {
    lines.Feed(flood, [&](std::string_view text) { texts.emplace_back(text); });
  }
  lines.Feed("end\nnext\n", [&](std::string_view text) { texts.emplace_back(text); });
  EXPECT_THAT(texts, ElementsAre("next"));
  EXPECT_EQ(lines.skipped(), 1U);
}

TEST(LogTailTest, TakesTheFramesOffInWhateverPieces) {
  const std::string stream = Frame(1, "out\n") + Frame(2, "err\n") + Frame(1, "");
  EXPECT_EQ(Tail({stream}, 100), "out\nerr\n");
  std::vector<std::string> bytes;
  for (const char c : stream) bytes.emplace_back(1, c);
  EXPECT_EQ(Tail(bytes, 100), "out\nerr\n");
}

TEST(LogTailTest, KeepsTheEnd) {
  std::vector<std::string> pieces;
  for (int i = 0; i < 1'000; ++i) pieces.push_back(Frame(1, fmt::format("line {}\n", i)));
  EXPECT_EQ(Tail(pieces, 18), "line 998\nline 999\n");
  EXPECT_EQ(Tail({Frame(1, "abcdef")}, 3), "def");
  EXPECT_EQ(Tail({Frame(1, "abcdef")}, 0), "");
}

TEST(LogTailTest, ATerminalHasNoFrames) {
  EXPECT_EQ(Tail({"hello", " world\n"}, 100), "hello world\n");
  EXPECT_EQ(Tail({"h", "i"}, 100), "hi");
  EXPECT_EQ(Tail({}, 100), "");
}

TEST(LogTailTest, AFrameThatNeverEndsIsKeptAsFarAsItCame) {
  EXPECT_EQ(Tail({std::string("\x01\0\0\0\xff\xff\xff\xff", 8) + "abc"}, 100), "abc");
}

TEST(DockerErrorTest, SaysWhatTheEngineSaysAndNotWhatAProxyDecorates) {
  EXPECT_EQ(ErrorText(R"({"message":"No such container: x"})"), "No such container: x");
  EXPECT_EQ(ErrorText("<html><body><h1>403 Forbidden</h1></body></html>"), "");
  EXPECT_EQ(ErrorText("plain\nwords\n"), "plain words");
  EXPECT_EQ(ErrorText(""), "");
  EXPECT_EQ(ErrorText("{}"), "");
  EXPECT_EQ(ErrorText(std::string(5'000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace fettle::docker

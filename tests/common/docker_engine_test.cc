// The engine client against scripted answers: versions, paths, deadlines, refusals and lies.
#include "common/docker_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http_client.h"
#include "tests/support/fake_transport.h"
#include "tests/support/raw_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

HttpResponse Answer(int status, std::string body = "", Headers headers = {}) {
  return HttpResponse{.status = status, .headers = std::move(headers), .body = std::move(body)};
}

HttpResponse Ping(const std::string& version) {
  return Answer(200, "OK", {{"Api-Version", version}});
}

class DockerEngineTest : public ::testing::Test {
 protected:
  DockerEngineTest() {
    http_.AnswerWith([this](const HttpRequest& request) { return Route(request); });
    engine_ = Make("unix:///run/docker.sock");
  }
  std::unique_ptr<DockerEngine> Make(const std::string& endpoint) {
    auto made = DockerEngine::Create({http_, metrics_, log_.For("docker")},
                                     {.name = "local", .endpoint = endpoint});
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  // The scripted answer whose key ends the URL's path, `/_ping` by default with 1.41.
  Result<HttpResponse> Route(const HttpRequest& request) {
    const std::string path = request.Path();
    for (const auto& [suffix, answer] : answers_) {
      if (path.ends_with(suffix)) return answer(request);
    }
    if (path.ends_with("/_ping")) return Ping("1.41");
    return Answer(204);
  }
  void On(const std::string& suffix, Result<HttpResponse> answer) {
    answers_[suffix] = [answer = std::move(answer)](const HttpRequest&) { return answer; };
  }
  // "POST http://localhost/v1.41/…" of everything but pings.
  std::vector<std::string> Sent() const {
    std::vector<std::string> lines;
    for (const HttpRequest& request : http_.Sent()) {
      if (!request.url.ends_with("/_ping")) lines.push_back(request.method + " " + request.url);
    }
    return lines;
  }
  HttpOptions LastOptions() const { return http_.Options().back(); }
  double Counted(const std::string& call, const std::string& result) {
    return metrics_
        .Counter("fettle_engine_calls_total", "Calls to a container engine, by their outcome.",
                 {{"engine", "local"}, {"call", call}, {"result", result}})
        .Value();
  }
  // Follows a scripted stream to its end; the ends are the error's message and the actions heard.
  std::vector<std::string> Follow(const std::string& stream, Time since = Time{}) {
    On("/events", Answer(200, stream));
    std::vector<std::string> heard;
    const Status ended = engine_->Follow(
        since, [&] { heard.emplace_back("ready"); },
        [&](const EngineEvent& event) { heard.push_back(event.container_id + " " + event.action); },
        std::stop_token());
    EXPECT_TRUE(!ended && ended.error().cause == Cause::kUnavailable);
    return heard;
  }

  FakeTransport http_;
  Metrics metrics_;
  RecordedLog log_;
  std::map<std::string, std::function<Result<HttpResponse>(const HttpRequest&)>> answers_;
  std::unique_ptr<DockerEngine> engine_;
};

// ---- endpoints and versions

TEST_F(DockerEngineTest, FindsItsWayByUnixSocketTcpAndHttp) {
  struct Case {
    std::string endpoint;
    std::string url;
    std::string socket;
  };
  for (const Case& c :
       {Case{"unix:///run/docker.sock", "http://localhost/_ping", "/run/docker.sock"},
        Case{"tcp://proxy:2375", "http://proxy:2375/_ping", ""},
        Case{"http://proxy:2375/", "http://proxy:2375/_ping", ""},
        Case{"https://engine/docker", "https://engine/docker/_ping", ""}}) {
    EXPECT_TRUE(Make(c.endpoint)->Ping());
    EXPECT_EQ(http_.Sent().back().url, c.url);
    EXPECT_EQ(LastOptions().unix_socket, c.socket);
  }
  for (const char* bad : {"", "/run/docker.sock", "unix://run/docker.sock", "unix://", "tcp://",
                          "ssh://host", "docker.sock"}) {
    const auto made = DockerEngine::Create({http_, metrics_, log_.For("docker")},
                                           {.name = "local", .endpoint = bad});
    ASSERT_FALSE(made) << bad;
    EXPECT_EQ(made.error().cause, Cause::kInvalid);
  }
}

TEST_F(DockerEngineTest, SpeaksTheNewestVersionThatBothKnow_D26) {
  struct Case {
    std::string theirs;
    std::string ours;  // "" is an error
  };
  for (const Case& c : {Case{"1.25", "1.25"}, Case{"1.41", "1.41"}, Case{"1.51", "1.51"},
                        Case{"1.99", "1.51"}, Case{"1.24", ""}, Case{"2.0", ""}, Case{"1.x", ""},
                        Case{"1.41 ", ""}, Case{"1.99999999999999999999", ""}}) {
    On("/_ping", Ping(c.theirs));
    engine_ = Make("unix:///run/docker.sock");
    const Status status = engine_->Start("web");
    if (c.ours.empty()) {
      ASSERT_FALSE(status) << c.theirs;
      EXPECT_EQ(status.error().cause, Cause::kInvalid);
      EXPECT_THAT(status.error().message, HasSubstr("the engine speaks API"));
    } else {
      EXPECT_TRUE(status);
      EXPECT_EQ(Sent().back(), "POST http://localhost/v" + c.ours + "/containers/web/start");
    }
  }
}

TEST_F(DockerEngineTest, AsksForTheVersionOnceByGet) {
  EXPECT_TRUE(engine_->Start("web"));
  EXPECT_TRUE(engine_->Start("web"));
  EXPECT_EQ(http_.Sent().size(), 3U);
  EXPECT_EQ(http_.Sent().front().method, "GET");
  EXPECT_EQ(http_.Sent().front().url, "http://localhost/_ping");
}

TEST_F(DockerEngineTest, ReadsTheVersionItselfWhereAProxyDropsHeaders) {
  On("/_ping", Answer(200, "OK"));
  On("/version", Answer(200, R"({"ApiVersion":"1.43"})"));
  EXPECT_TRUE(engine_->Start("web"));
  EXPECT_EQ(Sent().back(), "POST http://localhost/v1.43/containers/web/start");
  On("/version", Answer(200, "<html>"));
  EXPECT_FALSE(Make("unix:///run/docker.sock")->Start("web"));
}

TEST_F(DockerEngineTest, AsksAgainAfterTheEngineWasAway) {
  EXPECT_TRUE(engine_->Start("web"));
  On("/start", Fail(Cause::kUnavailable, "connection refused"));
  EXPECT_EQ(engine_->Start("web").error().cause, Cause::kUnavailable);
  On("/_ping", Ping("1.44"));
  On("/start", Answer(204));
  EXPECT_TRUE(engine_->Start("web"));
  EXPECT_EQ(Sent().back(), "POST http://localhost/v1.44/containers/web/start");
}

TEST_F(DockerEngineTest, TakesTheVersionThatARefusalAsksFor_D26) {
  struct Case {
    std::string refusal;
    std::string then;
  };
  for (const Case& c :
       {Case{"client version 1.51 is too old. Minimum supported API version is 1.60, please "
             "upgrade your client to a newer version",
             "/v1.60/"},
        Case{"client version 1.51 is too new. Maximum supported API version is 1.41", "/v1.41/"}}) {
    On("/_ping", Ping("1.60"));
    answers_["/start"] = [&](const HttpRequest& request) -> Result<HttpResponse> {
      if (request.url.find("/v1.51/") == std::string::npos) return Answer(204);
      return Answer(400, R"({"message":")" + c.refusal + "\"}");
    };
    engine_ = Make("unix:///run/docker.sock");
    EXPECT_TRUE(engine_->Start("web"));
    EXPECT_THAT(Sent().back(), HasSubstr(c.then));
    EXPECT_TRUE(engine_->Start("web"));
    EXPECT_THAT(Sent().back(), HasSubstr(c.then)) << "and goes on with it";
  }
}

TEST_F(DockerEngineTest, ARefusalThatNamesNoVersionIsARefusal) {
  On("/start", Answer(400, R"({"message":"API version is none of your business"})"));
  EXPECT_EQ(engine_->Start("web").error().cause, Cause::kInvalid);
  EXPECT_EQ(Sent().size(), 1U);
}

// ---- acts

TEST_F(DockerEngineTest, ActsWithAnExplicitGraceAndWaitsLonger_D27) {
  EXPECT_TRUE(engine_->Restart("web", 10));
  EXPECT_EQ(Sent().back(), "POST http://localhost/v1.41/containers/web/restart?t=10");
  EXPECT_EQ(LastOptions().timeout, Millis(40'000));
  EXPECT_TRUE(LastOptions().fresh_connection);
  EXPECT_FALSE(LastOptions().follow_redirects);
  EXPECT_TRUE(engine_->Restart("web", 0));
  EXPECT_EQ(Sent().back(), "POST http://localhost/v1.41/containers/web/restart?t=0");
  EXPECT_TRUE(engine_->Stop("web", 60));
  EXPECT_EQ(Sent().back(), "POST http://localhost/v1.41/containers/web/stop?t=60");
  EXPECT_EQ(LastOptions().timeout, Millis(90'000));
  EXPECT_TRUE(engine_->Kill("web", "SIGHUP"));
  EXPECT_EQ(Sent().back(), "POST http://localhost/v1.41/containers/web/kill?signal=SIGHUP");
  EXPECT_TRUE(LastOptions().fresh_connection);
}

TEST_F(DockerEngineTest, RefusesAGraceThatWouldWaitForEver) {
  for (const int grace : {-1, -10, 3'601, 1'000'000}) {
    EXPECT_EQ(engine_->Restart("web", grace).error().cause, Cause::kInvalid);
    EXPECT_EQ(engine_->Stop("web", grace).error().cause, Cause::kInvalid);
  }
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(DockerEngineTest, ANameNeverBecomesAnotherPath) {
  for (const std::string name : {"", "../info", "a/b", "a?force=1", "a#b", "..", ".", "-x", "a b",
                                 "a%2fb", "a\r\nHost: x", "é", "web\n"}) {
    EXPECT_EQ(engine_->Restart(name, 1).error().cause, Cause::kNotFound) << name;
    EXPECT_EQ(engine_->Inspect(name).error().cause, Cause::kNotFound) << name;
    EXPECT_EQ(engine_->ExecStart(name, Millis(10)).error().cause, Cause::kNotFound) << name;
    EXPECT_EQ(engine_->Logs(name, 1, 10).error().cause, Cause::kNotFound) << name;
  }
  EXPECT_EQ(engine_->Restart(std::string(1'000, 'a'), 1).error().cause, Cause::kNotFound);
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_TRUE(engine_->Kill("web", "HUP&x=1"));
  EXPECT_THAT(Sent().back(), HasSubstr("kill?signal=HUP%26x%3D1"));
}

TEST_F(DockerEngineTest, NamesWhatARefusalMeans) {
  struct Case {
    int status;
    std::string body;
    Cause cause;
    std::string sentence;
  };
  for (const Case& c : {
           Case{404, R"({"message":"No such container: web"})", Cause::kNotFound,
                "restarting web: the engine answers 404: No such container: web"},
           Case{409, R"({"message":"it is paused"})", Cause::kConflict,
                "restarting web: the engine answers 409: it is paused"},
           Case{403, "<html>Forbidden</html>", Cause::kDenied,
                "restarting web: POST /containers/web/restart is forbidden, perhaps by a socket "
                "proxy (403)"},
           Case{401, "who are you", Cause::kDenied,
                "restarting web: POST /containers/web/restart is forbidden, perhaps by a socket "
                "proxy (401: who are you)"},
           Case{500, R"({"message":"cannot join network of a non running container"})",
                Cause::kFailed,
                "restarting web: the engine answers 500: cannot join network of a non running "
                "container"},
           Case{500, R"({"message":"web is in state paused: container state improper"})",
                Cause::kConflict, "restarting web: the engine answers 500"},
           Case{503, "", Cause::kUnavailable, "restarting web: the engine answers 503"},
           Case{502, "<html>", Cause::kUnavailable, "restarting web: the engine answers 502"},
           Case{400, "bad", Cause::kInvalid, "restarting web: the engine answers 400: bad"},
           Case{301, "", Cause::kFailed, "restarting web: the engine answers 301"},
       }) {
    On("/restart", Answer(c.status, c.body));
    const Status status = engine_->Restart("web", 1);
    ASSERT_FALSE(status) << c.status;
    EXPECT_EQ(status.error().cause, c.cause) << c.status;
    EXPECT_THAT(status.error().message, HasSubstr(c.sentence));
  }
  On("/restart", Answer(304));
  EXPECT_TRUE(engine_->Restart("web", 1));
  EXPECT_EQ(Counted("restart", "denied"), 2);
  EXPECT_EQ(Counted("restart", "ok"), 1);
}

// ---- what became of an act

TEST_F(DockerEngineTest, AfterATimeOutIdleConnectionsAreLeftAlone) {
  On("/web/json", Answer(200, R"({"Id":"a","State":{}})"));
  EXPECT_TRUE(engine_->Inspect("web"));
  EXPECT_FALSE(LastOptions().fresh_connection);
  EXPECT_EQ(LastOptions().timeout, Millis(5'000));
  On("/restart", Fail(Cause::kTimeout, "no answer within 40 s"));
  EXPECT_EQ(engine_->Restart("web", 10).error().cause, Cause::kTimeout);
  EXPECT_TRUE(engine_->Inspect("web"));
  EXPECT_TRUE(LastOptions().fresh_connection);
  EXPECT_TRUE(engine_->Inspect("web"));
  EXPECT_FALSE(LastOptions().fresh_connection) << "one success restores the trust";
}

// Fails as told, before or after the request went out.
class BreakingTransport final : public HttpTransport {
 public:
  BreakingTransport(bool sends, Cause cause) : sends_(sends), cause_(cause) {}
  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override {
    if (request.url.ends_with("/_ping")) return Ping("1.41");
    if (sends_ && options.on_sending) options.on_sending();
    return Fail(cause_, "it broke");
  }

 private:
  const bool sends_;
  const Cause cause_;
};

TEST_F(DockerEngineTest, TellsWhatIsUnknownFromWhatDidNotHappen) {
  struct Case {
    bool sent;
    Cause way;
    Cause act;
  };
  for (const Case& c : {Case{false, Cause::kUnavailable, Cause::kUnavailable},
                        Case{false, Cause::kTimeout, Cause::kUnavailable},
                        Case{true, Cause::kUnavailable, Cause::kTimeout},
                        Case{true, Cause::kTimeout, Cause::kTimeout}}) {
    BreakingTransport http(c.sent, c.way);
    auto engine = DockerEngine::Create({http, metrics_, log_.For("docker")},
                                       {.name = "local", .endpoint = "tcp://proxy:2375"});
    ASSERT_TRUE(engine);
    EXPECT_EQ((*engine)->Restart("web", 1).error().cause, c.act) << c.sent;
    EXPECT_EQ((*engine)->Inspect("web").error().cause, c.way) << "looking is harmless";
  }
}

TEST_F(DockerEngineTest, AnActWhoseVersionCouldNotBeAskedDidNotHappen) {
  On("/_ping", Fail(Cause::kTimeout, "no answer within 5 s"));
  const Status status = engine_->Restart("web", 1);
  EXPECT_EQ(status.error().cause, Cause::kUnavailable);
  EXPECT_EQ(engine_->Ping().error().cause, Cause::kTimeout);
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST(DockerEngineSocketTest, AResetAfterTheRequestLeavesTheOutcomeUnknown) {
  TempDir dir;
  RawServer server(
      [](RawServer::Connection& connection) {
        for (;;) {
          const std::string request = connection.ReadRequest();
          if (request.empty()) return;
          if (request.starts_with("POST")) return connection.Reset();
          connection.Write("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK");
        }
      },
      dir / "docker.sock");
  HttpClient http;
  Metrics metrics;
  RecordedLog log;
  auto engine =
      DockerEngine::Create({http, metrics, log.For("docker")},
                           {.name = "local", .endpoint = "unix://" + (dir / "docker.sock")});
  ASSERT_TRUE(engine);
  EXPECT_EQ((*engine)->Restart("web", 1).error().cause, Cause::kTimeout);
  auto nobody = DockerEngine::Create({http, metrics, log.For("docker")},
                                     {.name = "nobody", .endpoint = "unix://" + (dir / "no.sock")});
  EXPECT_EQ((*nobody)->Restart("web", 1).error().cause, Cause::kUnavailable);
}

// ---- looking

TEST_F(DockerEngineTest, ListsAllAndInspectsEachButWhatIsGoneMeanwhile) {
  On("/containers/json", Answer(200, R"([{"Id":"a"},{"Id":"gone"},{"Id":"b"}])"));
  On("/a/json", Answer(200, R"({"Id":"a","Name":"/web","State":{"Status":"running"}})"));
  On("/b/json", Answer(200, R"({"Id":"b","Name":"/db","State":{"Status":"exited"}})"));
  On("/gone/json", Answer(404, R"({"message":"No such container"})"));
  const auto containers = engine_->List({"fettle.mend", "team=a&b"});
  ASSERT_TRUE(containers) << containers.error().message;
  ASSERT_EQ(containers->size(), 2U);
  EXPECT_EQ(containers->at(0).name + " " + containers->at(1).name, "web db");
  const HttpRequest list = http_.Sent().at(1);
  EXPECT_EQ(list.Query("all"), "1");
  EXPECT_EQ(list.Query("filters"), R"({"label":["fettle.mend","team=a&b"]})");
}

TEST_F(DockerEngineTest, AListThatFailsHalfWayIsNoList) {
  On("/containers/json", Answer(200, R"([{"Id":"a"},{"Id":"b"}])"));
  On("/a/json", Answer(200, R"({"Id":"a","State":{}})"));
  On("/b/json", Answer(200, "not json"));
  EXPECT_FALSE(engine_->List({}));
  On("/b/json", Fail(Cause::kTimeout, "no answer within 5 s"));
  EXPECT_EQ(engine_->List({}).error().cause, Cause::kTimeout);
  std::string many = "[";
  for (std::size_t i = 0; i <= DockerEngine::kContainersMax; ++i) many += R"({"Id":"a"},)";
  many.back() = ']';
  On("/containers/json", Answer(200, many));
  EXPECT_EQ(engine_->List({}).error().cause, Cause::kLimit);
}

TEST_F(DockerEngineTest, BoundsWhatItReads) {
  On("/a/json", Answer(200, R"({"Id":"a","State":{}})"));
  EXPECT_TRUE(engine_->Inspect("a"));
  EXPECT_EQ(LastOptions().body_bytes_max, DockerEngine::kAnswerBytesMax);
  for (const std::string body : {"", "[", "{}", "nil", "\xff\xfe"}) {
    On("/a/json", Answer(200, body));
    const auto container = engine_->Inspect("a");
    ASSERT_FALSE(container) << body;
    EXPECT_THAT(container.error().message, HasSubstr("inspecting a: "));
  }
}

TEST_F(DockerEngineTest, ReadsStatsWithoutWaitingForASecondSample) {
  On("/stats", Answer(200, R"({"cpu_stats":{"cpu_usage":{"total_usage":5000000000}},)"
                           R"("memory_stats":{"usage":10,"limit":20}})"));
  const auto stats = engine_->Stats("web");
  ASSERT_TRUE(stats);
  EXPECT_DOUBLE_EQ(stats->cpu_seconds, 5);
  EXPECT_EQ(Sent().back(),
            "GET http://localhost/v1.41/containers/web/stats?stream=false&one-shot=true");
}

TEST_F(DockerEngineTest, ReadsTheEndOfTheLogs) {
  On("/logs", Answer(200, std::string("\x01\0\0\0\0\0\0\x04one\n\x02\0\0\0\0\0\0\x04two\n", 24)));
  EXPECT_EQ(*engine_->Logs("web", 50, 100), "one\ntwo\n");
  EXPECT_EQ(*engine_->Logs("web", -5, 4), "two\n");
  EXPECT_EQ(Sent().back(),
            "GET http://localhost/v1.41/containers/web/logs?stdout=1&stderr=1&tail=0");
  On("/logs", Answer(404, R"({"message":"No such container: web"})"));
  const auto logs = engine_->Logs("web", 5, 100);
  EXPECT_EQ(logs.error().cause, Cause::kNotFound);
  EXPECT_THAT(logs.error().message, HasSubstr("No such container: web"));
}

// ---- commands

TEST_F(DockerEngineTest, RunsACommandByItsArguments) {
  On("/containers/db/exec", Answer(201, R"({"Id":"e1"})"));
  On("/exec/e1/start", Answer(200, std::string("\x01\0\0\0\0\0\0\x03out", 11)));
  On("/exec/e1/json", Answer(200, R"({"Running":false,"ExitCode":4})"));
  const auto id = engine_->ExecCreate("db", {"/bin/sh", "-c", "echo \"$0\""});
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, "e1");
  EXPECT_EQ(http_.Sent().back().body,
            R"({"AttachStdout":true,"AttachStderr":true,"Cmd":["/bin/sh","-c","echo \"$0\""]})");
  const auto result = engine_->ExecStart("e1", Millis(7'000));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 4);
  EXPECT_EQ(result->output, "out");
  const std::vector<HttpRequest> sent = http_.Sent();
  EXPECT_EQ(sent[2].body, R"({"Detach":false,"Tty":false})");
  EXPECT_EQ(http_.Options()[2].timeout, Millis(7'000));
  EXPECT_TRUE(http_.Options()[2].fresh_connection);
}

TEST_F(DockerEngineTest, WaitsForACommandThatGoesOnWithoutOutput) {
  int looks = 0;
  answers_["/exec/e1/json"] = [&](const HttpRequest&) -> Result<HttpResponse> {
    return Answer(200, ++looks < 3 ? R"({"Running":true,"ExitCode":null})"
                                   : R"({"Running":false,"ExitCode":0})");
  };
  EXPECT_TRUE(engine_->ExecStart("e1", Millis(10'000)));
  EXPECT_EQ(looks, 3);
  On("/exec/e1/json", Answer(200, R"({"Running":true,"ExitCode":null})"));
  EXPECT_EQ(engine_->ExecStart("e1", Millis(40)).error().cause, Cause::kTimeout);
}

TEST_F(DockerEngineTest, ASecondStartOfACommandIsAConflict) {
  On("/exec/e1/start", Answer(409, R"({"message":"Error: Exec command e1 has already run"})"));
  const auto result = engine_->ExecStart("e1", Millis(1'000));
  EXPECT_EQ(result.error().cause, Cause::kConflict);
  EXPECT_THAT(result.error().message, HasSubstr("has already run"));
}

TEST_F(DockerEngineTest, RefusesAnExecWithoutAnId) {
  for (const char* body : {"{}", "[]", "nonsense", R"({"Id":""})"}) {
    On("/containers/db/exec", Answer(201, body));
    EXPECT_FALSE(engine_->ExecCreate("db", {"true"})) << body;
  }
}

// ---- events

TEST_F(DockerEngineTest, FollowsWhatItCaresForFromATimeOn) {
  EXPECT_THAT(Follow("", TimeFromMillis(1'795'174'279'887)), ElementsAre("ready"));
  const HttpRequest request = http_.Sent().back();
  EXPECT_EQ(request.Query("since"), "1795174279.887000000");
  const std::string filters = *request.Query("filters");
  EXPECT_THAT(filters, HasSubstr(R"("type":["container"])"));
  for (const char* action : {"die", "died", "health_status", "kill", "start", "stop", "oom"}) {
    EXPECT_THAT(filters, HasSubstr(fmt::format("\"{}\"", action)));
  }
  EXPECT_EQ(filters.find("exec"), std::string::npos) << "they would push out the others";
  EXPECT_EQ(LastOptions().timeout, Millis(0));
  EXPECT_EQ(LastOptions().idle_timeout, DockerEngine::kSilenceMax);
  EXPECT_TRUE(LastOptions().fresh_connection);
  Follow("");
  EXPECT_EQ(http_.Sent().back().Query("since"), std::nullopt);
}

TEST_F(DockerEngineTest, HearsEventsAndSurvivesWhatIsNone) {
  EXPECT_THAT(Follow("{\"Action\":\"die\",\"id\":\"a\"}\n"
                     "garbage\n"
                     "{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"n\"}}\n"
                     "{}\n"
                     "{\"Action\":\"start\",\"id\":\"a\"}\n"
                     "{\"Action\":\"restart\",\"id\""),
              ElementsAre("ready", "a die", "a start"));
  EXPECT_EQ(metrics_
                .Counter("fettle_engine_unreadable_events_total",
                         "Texts in an engine's event stream that were not understood.",
                         {{"engine", "local"}})
                .Value(),
            2);
}

TEST_F(DockerEngineTest, HearsPodmansHealthOnlyWhenItChanges_D27) {
  On("/_ping", Answer(200, "OK", {{"Api-Version", "1.41"}, {"Libpod-Api-Version", "4.3.1"}}));
  const auto health = [](const std::string& id, const std::string& status) {
    return fmt::format(
        "{{\"Type\":\"container\",\"Action\":\"health_status\",\"Actor\":"
        "{{\"ID\":\"{}\"}},\"HealthStatus\":\"{}\"}}\n",
        id, status);
  };
  EXPECT_THAT(Follow(health("a", "healthy") + health("a", "healthy") + health("b", "healthy") +
                     health("a", "unhealthy") + health("a", "unhealthy") +
                     "{\"Action\":\"restart\",\"id\":\"a\"}\n" + health("a", "unhealthy")),
              ElementsAre("ready", "a health_status: healthy", "b health_status: healthy",
                          "a health_status: unhealthy", "a restart", "a health_status: unhealthy"));
}

TEST_F(DockerEngineTest, DockersRepeatedHealthIsNews) {
  const std::string sick =
      "{\"Type\":\"container\",\"Action\":\"health_status: unhealthy\",\"Actor\":{\"ID\":\"a\"}}\n";
  EXPECT_THAT(Follow(sick + sick),
              ElementsAre("ready", "a health_status: unhealthy", "a health_status: unhealthy"));
}

TEST_F(DockerEngineTest, ARefusedSubscriptionIsNotReady) {
  On("/events", Answer(403, "<html>no</html>"));
  bool ready = false;
  const Status ended = engine_->Follow(
      Time{}, [&] { ready = true; }, [](const EngineEvent&) { ADD_FAILURE(); }, std::stop_token());
  EXPECT_FALSE(ready);
  EXPECT_EQ(ended.error().cause, Cause::kDenied);
  EXPECT_THAT(ended.error().message, HasSubstr("GET /events is forbidden"));
}

TEST_F(DockerEngineTest, SilenceEndsTheStreamWithoutAnError_D24) {
  class SilentTransport final : public HttpTransport {
   public:
    Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override {
      if (request.url.ends_with("/_ping")) return Ping("1.41");
      if (subscribes) options.on_head(Answer(200));
      return Fail(Cause::kTimeout, "nothing came for 300s");
    }
    bool subscribes = true;
  };
  SilentTransport http;
  auto engine = DockerEngine::Create({http, metrics_, log_.For("docker")},
                                     {.name = "local", .endpoint = "tcp://proxy:2375"});
  const auto follow = [&] {
    return (*engine)->Follow(
        Time{}, [] {}, [](const EngineEvent&) {}, std::stop_token());
  };
  EXPECT_TRUE(follow());
  http.subscribes = false;
  EXPECT_EQ(follow().error().cause, Cause::kTimeout);
}

TEST_F(DockerEngineTest, EndsWhenAskedTo) {
  std::stop_source stop;
  On("/events", Answer(200, "{\"Action\":\"die\",\"id\":\"a\"}\n"));
  EXPECT_TRUE(engine_->Follow(
      Time{}, [] {}, [&](const EngineEvent&) { stop.request_stop(); }, stop.get_token()));
  EXPECT_TRUE(LastOptions().stop.stop_requested());
}

}  // namespace
}  // namespace fettle

// The drop-in beside the Alertmanager it stands for: amtool of both generations, Prometheus, and
// whoever starts, reloads, kills and ends an Alertmanager cannot tell the difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <unistd.h>

#include <set>

#include "common/duration.h"
#include "tests/support/drop_in.h"
#include "tests/support/peer.h"
#include "tests/support/post_box.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kConfig = R"(
global: {slack_api_url: 'http://127.0.0.1:1/secret'}
route:
  receiver: 'team'
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  routes:
  - {matchers: ['sev="b"', 'z=~"x|y"'], receiver: 'b', mute_time_intervals: [always], continue: true}
  - {match: {x: y}, match_re: {q: "r.*"}, receiver: c}
receivers:
- {name: team, webhook_configs: [{url: 'URL/team'}]}
- {name: c}
- {name: b, slack_configs: [{channel: '#x'}]}
inhibit_rules:
- {source_matchers: ['sev="critical"'], target_matchers: ['sev="warning"'], equal: [host]}
time_intervals:
- {name: always, time_intervals: [{}]}
)";

std::string ConfigFor(const PostBox& box) {
  std::string config = kConfig;
  RE2::Replace(&config, "URL", box.url());
  return config;
}

constexpr const char* kAlerts = R"([
{"labels":{"alertname":"A","host":"h","sev":"warning"},"annotations":{"summary":"s <1>"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z","generatorURL":"http://g/?a=1&b=2"},
{"labels":{"alertname":"A","host":"h","sev":"critical"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z"},
{"labels":{"alertname":"B","sev":"b","z":"x","job":"j2"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z"},
{"labels":{"alertname":"B","job":"j1","x":"y","q":"rr"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z"},
{"labels":{"alertname":"B","Σ":"dΘ","00":"b"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z"}])";

// An answer without the times and ids that differ each time.
std::string Steady(std::string body) {
  RE2::GlobalReplace(&body, R"("updatedAt":"[^"]*")", "UPDATED");
  RE2::GlobalReplace(&body, R"([0-9a-f]{8}-[0-9a-f-]{27})", "ID");
  return body;
}

TEST(DropInRealTest, AnswersWhatAlertmanagerAnswers) {
  if (!DropIn::IsNewAlertmanager()) GTEST_SKIP() << "Alertmanager 0.33 is not here";
  const PostBox box;
  const DropIn theirs(DropIn::Kind::kAlertmanager, ConfigFor(box));
  const DropIn ours(DropIn::Kind::kFettle, ConfigFor(box));
  const std::string silence =
      R"({"comment":"c","createdBy":"me","startsAt":"2035-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z",)"
      R"("annotations":{"k":"v"},"matchers":[{"name":"job","value":"j.","isRegex":true,"isEqual":true}]})";
  for (const DropIn* one : {&theirs, &ours}) {
    EXPECT_EQ(one->Post("/api/v2/alerts", kAlerts).status, 200);
    EXPECT_EQ(one->Post("/api/v2/silences", silence).status, 200);
  }
  const auto listed = [](const DropIn& one) {
    return one.GetJson("/api/v2/alerts/groups").Items().size() == 4;
  };
  EXPECT_TRUE(WaitUntil([&] { return listed(theirs) && listed(ours); }));
  for (const std::string path :
       {"/api/v2/alerts", "/api/v2/alerts?inhibited=false", "/api/v2/alerts?active=0",
        "/api/v2/alerts?filter=%CE%A3=d%CE%98&filter=00=b", "/api/v2/alerts?receiver=b",
        "/api/v2/alerts?filter=%22%5Cxce%5Cxa3%22=~d.*", "/api/v2/alerts/groups",
        "/api/v2/alerts/groups?filter=job=~j.*", "/api/v2/alerts/groups?muted=false",
        "/api/v2/alerts/groups?receiver=team", "/api/v2/silences", "/api/v2/receivers",
        "/api/v2/silences?filter=job=~j.", "/api/v2/silences?filter=job=j."}) {
    const HttpResponse want = theirs.Get(path);
    const HttpResponse have = ours.Get(path);
    EXPECT_EQ(have.status, want.status) << path;
    EXPECT_EQ(Steady(have.body), Steady(want.body)) << path;
    EXPECT_EQ(have.headers.Get("Content-Type"), want.headers.Get("Content-Type")) << path;
  }
}

TEST(DropInRealTest, AmtoolSeesNoDifference) {
  if (!DropIn::IsNewAlertmanager()) GTEST_SKIP() << "Alertmanager 0.33 is not here";
  const PostBox box;
  const DropIn theirs(DropIn::Kind::kAlertmanager, ConfigFor(box));
  const DropIn ours(DropIn::Kind::kFettle, ConfigFor(box));
  const std::vector<std::vector<std::string>> commands = {
      {"alert", "add", "X", "sev=b", "z=x", "--annotation=summary=it is bad"},
      {"alert", "add", "Y", "sev=critical", "--end=2036-01-01T00:00:00Z"},
      {"alert", "query"},
      {"alert", "query", "-o", "extended"},
      {"alert", "query", "X"},
      {"alert", "query", "sev=~b|c"},
      {"alert", "query", "bad matcher"},
      {"silence", "add", "X", "-c", "why", "-a", "me", "--start=2036-01-01T00:00:00Z",
       "--end=2036-01-02T00:00:00Z"},
      {"silence", "add", "sev=~.*", "-c", "too much", "-a", "me"},
      {"silence", "add", "Y", "-c", "now", "-a", "me"},
      {"silence", "query"},
      {"silence", "query", "-o", "extended"},
      {"silence", "query", "Y", "-q"},
      {"alert", "query", "-s"},
      {"config", "show"},
      {"config", "routes", "show"},
      {"config", "routes", "test", "sev=b", "z=x"},
      {"config", "routes", "test", "--verify.receivers=b", "x=y", "q=no"},
      {"config", "routes", "test", "--tree", "sev=b", "z=y"},
      {"cluster", "show"},
      {"silence", "expire", "00000000-0000-4000-8000-000000000000"},
      {"silence", "expire", "zz"},
  };
  for (const std::string& amtool : {AmtoolProgram(), std::string("/usr/bin/amtool")}) {
    for (const auto& command : commands) {
      EXPECT_EQ(ours.Amtool(amtool, command), theirs.Amtool(amtool, command))
          << amtool << " " << testing::PrintToString(command);
    }
  }
}

TEST(DropInRealTest, AmtoolExportsImportsUpdatesAndExpiresSilences) {
  const PostBox box;
  const DropIn ours(DropIn::Kind::kFettle, ConfigFor(box));
  const std::string amtool = AmtoolProgram();
  EXPECT_THAT(ours.Amtool(amtool, {"silence", "add", "A", "-c", "one", "-a", "me"}),
              HasSubstr("exit 0"));
  const auto id = [&] { return ours.GetJson("/api/v2/silences").Items().at(0)["id"].StringOr(""); };
  EXPECT_THAT(ours.Amtool(amtool, {"silence", "update", "-d", "5h", "-c", "two", id()}),
              HasSubstr("two"));
  const std::string exported = ours.dir().Write("silences.json", ours.Get("/api/v2/silences").body);
  EXPECT_EQ(ours.Amtool(amtool, {"silence", "expire", id()}), "exit 0\n");
  EXPECT_EQ(ours.Amtool(amtool, {"silence", "import", "-f", exported}), "ID\nexit 0\n");
  EXPECT_THAT(ours.Amtool(amtool, {"silence", "query"}), HasSubstr("alertname=\"A\""));
  ours.dir().Write("bad.json", "[{]");
  EXPECT_THAT(ours.Amtool(amtool, {"silence", "import", ours.dir() / "bad.json"}),
              HasSubstr("exit 1"));
}

TEST(DropInRealTest, StartsReloadsAndEndsLikeAlertmanager) {
  const PostBox box;
  DropIn ours(DropIn::Kind::kFettle, ConfigFor(box), {"--web.route-prefix", "/foo"});
  EXPECT_EQ(ours.Get("/foo/-/healthy").body, "OK");
  EXPECT_EQ(ours.Get("/foo/-/ready").status, 200);
  EXPECT_EQ(ours.Get("/foo/").status, 200);
  EXPECT_EQ(ours.Get("/").status, 302);
  EXPECT_EQ(ours.Get("/api/v2/status").status, 404);
  EXPECT_THAT(ours.Get("/foo/metrics").body,
              HasSubstr("alertmanager_config_last_reload_successful 1"));
  const Json status = ours.GetJson("/foo/api/v2/status");
  EXPECT_EQ(status["cluster"]["peers"].Items().size(), 1U);
  ours.Reload("route: {receiver: nobody}");
  EXPECT_TRUE(WaitUntil([&] {
    return ours.Get("/foo/metrics").body.find("reload_successful 0") != std::string::npos;
  }));
  const HttpResponse refused = ours.Post("/foo/-/reload", "");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("failed to reload config: "));
  EXPECT_THAT(refused.body, HasSubstr("undefined receiver \"nobody\" used in route"));
  ours.Reload("route: {receiver: other}\nreceivers: [{name: other}]");
  EXPECT_TRUE(WaitUntil([&] {
    return ours.Get("/foo/api/v2/receivers").body ==
           "[{\"labels\":{\"name\":\"other\"},\"name\":\"other\"}]\n";
  }));
  EXPECT_EQ(ours.Stop(), 0);
}

TEST(DropInRealTest, ForgetsNothingThatItHasAcknowledged) {
  const PostBox box;
  DropIn ours(DropIn::Kind::kFettle, ConfigFor(box));
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    const HttpResponse silence = ours.Post(
        "/api/v2/silences",
        R"({"comment":"","createdBy":"","startsAt":"2026-01-01T00:00:00Z","endsAt":"2036-01-01T00:00:00Z",)"
        R"("matchers":[{"name":"n","value":")" +
            n + R"(","isRegex":false}]})");
    ASSERT_EQ(silence.status, 200) << silence.body;
    ASSERT_EQ(
        ours.Post("/api/v2/alerts", R"([{"labels":{"alertname":"K","n":")" + n + "\"}}]").status,
        200);
    ours.Kill();
    ours.Start();
    EXPECT_EQ(ours.GetJson("/api/v2/silences").Items().size(), static_cast<std::size_t>(i + 1));
    EXPECT_EQ(ours.GetJson("/api/v2/alerts").Items().size(), static_cast<std::size_t>(i + 1));
  }
}

TEST(DropInRealTest, IsPrometheusOnlyAlertmanager) {
  const PostBox box;
  const DropIn ours(DropIn::Kind::kFettle, ConfigFor(box));
  const auto prometheus = PrometheusServer::Start(
      "global: {evaluation_interval: 200ms, external_labels: {site: here}}\n"
      "alerting: {alertmanagers: [{static_configs: [{targets: ['" +
          ours.address() +
          "']}]}]}\n"
          "rule_files: [rules.yml]\n",
      "groups: [{name: g, rules: [{alert: Always, expr: vector(1), for: 6s, labels: {sev: critical}, "
      "annotations: {summary: 'value {{ $value }}'}}]}]\n");
  EXPECT_TRUE(WaitUntil([&] { return box.CountAt("/team") > 0; }, 20s)) << ours.Log() << prometheus->child().Log();
  const std::vector<std::string> told = box.At("/team");
  ASSERT_FALSE(told.empty());
  EXPECT_THAT(told[0],
              HasSubstr(R"("labels":{"alertname":"Always","sev":"critical","site":"here"})"));
  EXPECT_THAT(told[0], HasSubstr(R"("annotations":{"summary":"value 1"})"));
  EXPECT_EQ(ours.GetJson("/api/v2/alerts").Items().size(), 1U);
}

TEST(DropInRealTest, RefusesFlagsThatAlertmanagerRefuses) {
  for (const auto& [argument, complaint] :
       std::map<std::string, std::string>{{"--foo", "unknown long flag '--foo', try --help"},
                                          {"--data.retention=x", "not a valid duration"},
                                          {"--log.level=loud", "unrecognized log level loud"},
                                          {"word", "unexpected word"}}) {
    const TempDir dir;
    const int code =
        Child::Run({.argv = {FETTLE_PROGRAM, "alertmanager", argument}, .log_file = dir / "log"});
    EXPECT_EQ(code, 1) << argument;
    EXPECT_THAT(dir.Read("log"), HasSubstr(complaint));
  }
  const TempDir dir;
  ASSERT_EQ(symlink(FETTLE_PROGRAM, (dir / "alertmanager").c_str()), 0);
  EXPECT_EQ(Child::Run({.argv = {dir / "alertmanager", "--version"}, .log_file = dir / "log"}), 0);
  EXPECT_THAT(dir.Read("log"), HasSubstr("alertmanager, version 0.33.1"));
}

}  // namespace
}  // namespace fettle

#include "receivers/api/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/duration.h"
#include "common/json.h"
#include "tests/support/case_file.h"
#include "tests/support/town.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;

constexpr const char* kConfig = R"(
route:
  receiver: people
  group_by: [alertname]
  group_wait: 30s
  routes:
  - {matchers: ['team="b"'], receiver: others, mute_time_intervals: [always], continue: true}
  - {matchers: ['team="b"'], receiver: people}
receivers:
- {name: people, labels: {team: x}, webhook_configs: [{url: "http://town/people"}]}
- {name: others, webhook_configs: [{url: "http://town/others"}]}
inhibit_rules:
- {source_matchers: ['sev="critical"'], target_matchers: ['sev="warning"'], equal: [host]}
time_intervals:
- {name: always, time_intervals: [{}]}
)";

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    Api::Options options;
    options.own_version = "fettle/1";
    options.started = town.now();
    options.drop_in = true;
    options.gets_max = 2;
    options.peers = {{"me", "127.0.0.1:1"}};
    api.emplace(Api::Deps{.brain = town.brain(),
                          .alerts = town.alerts(),
                          .telling = town.telling(),
                          .clock = town.clock(),
                          .metrics = town.metrics(),
                          .log = town.log().For("api")},
                options);
    api->AddRoutes(router);
  }

  HttpResponse Send(const std::string& method, const std::string& url,
                    const std::string& body = "") {
    HttpRequest request{.method = method, .url = url, .body = body};
    request.headers.Set("Content-Type", "application/json");
    const Router::Route* route = router.Find(method, request.Path());
    if (route == nullptr) return TextResponse(404, "no route");
    return route->handler(request);
  }
  Json GetJson(const std::string& url) { return Json::Parse(Send("GET", url).body).value(); }
  // "fingerprint state silenced inhibited muted receivers", by alert.
  std::vector<std::string> Shown(const std::string& url) {
    std::vector<std::string> shown;
    for (const Json& alert : GetJson(url).Items()) shown.push_back(Line(alert));
    return shown;
  }
  static std::string Line(const Json& alert) {
    const Json status = alert["status"];
    std::string line = alert["labels"]["alertname"].StringOr("?");
    line += " " + status["state"].StringOr("?");
    for (const char* key : {"silencedBy", "inhibitedBy", "mutedBy"}) {
      line += " " + std::to_string(status[key].Items().size());
    }
    for (const Json& receiver : alert["receivers"].Items())
      line += " " + receiver["name"].StringOr("?");
    return line;
  }

  Town town{kConfig};
  std::optional<Api> api;
  Router router;
};

class ApiAnswersTest : public ApiTest, public testing::WithParamInterface<TextCase> {};

TEST_P(ApiAnswersTest, AreAlertmanagers) {
  const std::string& input = GetParam().input;
  const std::size_t path = input.find(' ') + 1;
  const std::size_t body = std::min(input.find(' ', path), input.size());
  const HttpResponse response = Send(input.substr(0, path - 1), input.substr(path, body - path),
                                     body == input.size() ? "" : input.substr(body + 1));
  std::string shown = std::to_string(response.status) + " " + response.body;
  if (shown.ends_with("\n")) shown.pop_back();
  EXPECT_EQ(shown, GetParam().parts.at("answer"));
}

INSTANTIATE_TEST_SUITE_P(Measured, ApiAnswersTest, testing::ValuesIn(LoadCases("api_v2")),
                         [](const auto& one) { return std::to_string(one.index); });

TEST_F(ApiTest, ShowsAnAlertAsAlertmanagerDoes) {
  const std::string starts = FormatRfc3339(town.now());
  ASSERT_EQ(Send("POST", "/api/v2/alerts",
                 R"([{"labels":{"alertname":"X","a":"<é>","gone":""},"annotations":{"s":"q\""},)"
                 R"("generatorURL":"http://x/"}])")
                .status,
            200);
  town.Settle();
  const std::string ends = FormatRfc3339(town.now() + 5min);
  const Labels labels{{"alertname", "X"}, {"a", "<é>"}};
  EXPECT_EQ(Send("GET", "/api/v2/alerts").body,
            R"([{"annotations":{"s":"q\""},"endsAt":")" + ends + R"(","fingerprint":")" +
                labels.FingerprintHex() + R"(","receivers":[{"name":"people"}],"startsAt":")" +
                starts +
                R"(","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},)"
                R"("updatedAt":")" +
                starts +
                R"(","generatorURL":"http://x/","labels":{"a":"\u003cé\u003e","alertname":"X"}}])"
                "\n");
}

TEST_F(ApiTest, FiltersAsAlertmanagerDoes) {
  town.Fire("One", {{"host", "h"}, {"sev", "warning"}});
  town.Fire("Two", {{"host", "h"}, {"sev", "critical"}});
  town.Fire("Three", {{"team", "b"}});
  ASSERT_TRUE(town.Silence("alertname=\"Three\"", 1h));
  town.Settle();
  using testing::UnorderedElementsAre;
  const std::string one = "One suppressed 0 1 0 people";
  const std::string two = "Two active 0 0 0 people";
  const std::string three = "Three suppressed 1 0 0 others people";
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"", {one, two, three}},
      {"active=false", {one, three}},
      {"active=nonsense", {one, three}},
      {"silenced=false", {one, two}},
      {"inhibited=false", {two, three}},
      {"inhibited=false&silenced=no", {two}},
      {"filter=host=%22h%22&filter=sev!=critical", {one}},
      {"filter=host=", {three}},
      {"filter=host!=", {one, two}},
      {"filter=host=~.*", {one, two, three}},
      {"receiver=oth.*", {three}},
      {"receiver=oth", {}},
      {"receiver_matchers=team=x", {one, two, three}},
      {"receiver_matchers=name=others", {three}},
      {"unknown=x", {one, two, three}},
  };
  for (const auto& [query, shown] : cases) {
    EXPECT_THAT(Shown("/api/v2/alerts?" + query), testing::UnorderedElementsAreArray(shown))
        << query;
  }
  town.Resolve("One", {{"host", "h"}, {"sev", "warning"}});
  town.Pass(1s);
  EXPECT_THAT(Shown("/api/v2/alerts"), UnorderedElementsAre(two, three)) << "what ended is gone";
}

TEST_F(ApiTest, ShowsGroupsInOrderWithTheirHours) {
  town.Fire("Two", {{"host", "z"}});
  town.Fire("Two", {{"job", "a"}});
  town.Fire("Three", {{"team", "b"}});
  town.Settle();
  std::vector<std::string> groups;
  for (const Json& group : GetJson("/api/v2/alerts/groups").Items()) {
    std::string line = group["labels"].Dump() + " " + group["receiver"].Dump();
    for (const Json& alert : group["alerts"].Items()) line += " | " + Line(alert);
    groups.push_back(line);
  }
  EXPECT_THAT(
      groups,
      testing::ElementsAre(
          R"({"alertname":"Three"} {"name":"others"} | Three suppressed 0 0 1 others people)",
          R"({"alertname":"Three"} {"name":"people"} | Three active 0 0 0 others people)",
          R"({"alertname":"Two"} {"name":"people"} | Two active 0 0 0 people | Two active 0 0 0 people)"));
  EXPECT_EQ(GetJson("/api/v2/alerts/groups?muted=false").Items().size(), 2U);
  EXPECT_EQ(GetJson("/api/v2/alerts/groups?receiver=others").Items().size(), 1U);
  EXPECT_EQ(GetJson("/api/v2/alerts/groups?filter=host=z").Items().at(0)["alerts"].Items().size(),
            1U);
}

TEST_F(ApiTest, CreatesChangesAndEndsSilences) {
  const auto body = [&](const std::string& id, Millis starts, Millis ends) {
    return R"({"id":")" + id +
           R"(","comment":"c","createdBy":"me","annotations":{"a":"b"},"startsAt":")" +
           FormatRfc3339(town.now() + starts) + R"(","endsAt":")" +
           FormatRfc3339(town.now() + ends) +
           R"(","matchers":[{"name":"a","value":"1","isRegex":false}]})";
  };
  const auto id_of = [](const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::Parse(response.body).value()["silenceID"].StringOr("");
  };
  const std::string active = id_of(Send("POST", "/api/v2/silences", body("", 0ms, 1h)));
  const std::string pending = id_of(Send("POST", "/api/v2/silences", body("", 10min, 1h)));
  const std::string soon = id_of(Send("POST", "/api/v2/silences", body("", -1h, 30min)));
  const auto states = [&] {
    std::vector<std::string> all;
    for (const Json& silence : GetJson("/api/v2/silences").Items()) {
      all.push_back(silence["id"].StringOr("") + " " + silence["status"]["state"].StringOr(""));
    }
    return all;
  };
  EXPECT_THAT(states(),
              testing::ElementsAre(soon + " active", active + " active", pending + " pending"));
  EXPECT_EQ(id_of(Send("POST", "/api/v2/silences", body(active, 0ms, 2h))), active) << "longer";
  const std::string starts = GetJson("/api/v2/silence/" + soon)["startsAt"].StringOr("");
  EXPECT_EQ(starts, FormatRfc3339(town.now())) << "not before it was asked for";
  EXPECT_EQ(
      Send("GET", "/api/v2/silence/" + active).body,
      R"({"id":")" + active + R"(","status":{"state":"active"},"updatedAt":")" + starts +
          R"(","annotations":{"a":"b"},"comment":"c","createdBy":"me","endsAt":")" +
          FormatRfc3339(town.now() + 2h) +
          R"(","matchers":[{"isEqual":true,"isRegex":false,"name":"a","value":"1"}],"startsAt":")" +
          starts + "\"}\n");
  EXPECT_EQ(Send("DELETE", "/api/v2/silence/" + soon).status, 200);
  EXPECT_EQ(Send("DELETE", "/api/v2/silence/" + soon).status, 200) << "once more";
  EXPECT_THAT(states(),
              testing::ElementsAre(active + " active", pending + " pending", soon + " expired"));
  EXPECT_EQ(GetJson("/api/v2/silences?filter=a=1").Items().size(), 3U);
  EXPECT_EQ(GetJson("/api/v2/silences?filter=a=~1").Items().size(), 0U);
}

TEST_F(ApiTest, RefusesWhatIsNoJson) {
  HttpRequest request{.method = "POST", .url = "/api/v2/alerts", .body = "[]"};
  EXPECT_EQ(api->Serve(request).body,
            R"({"code":415,"message":"unsupported media type \"application/octet-stream\", only )"
            R"([application/json] are allowed"})");
  request.headers.Set("Content-Type", "Application/JSON; charset=utf-8");
  EXPECT_EQ(api->Serve(request).status, 200);
}

TEST_F(ApiTest, SaysWhatItIs) {
  const Json status = GetJson("/api/v2/status");
  EXPECT_EQ(status["versionInfo"]["version"].StringOr(""), "0.33.1");
  EXPECT_EQ(status["cluster"].Dump(),
            R"({"name":"me","peers":[{"address":"127.0.0.1:1","name":"me"}],"status":"ready"})");
  const std::string config = status["config"]["original"].StringOr("");
  EXPECT_THAT(config, testing::HasSubstr("url: <secret>"));
  EXPECT_THAT(config, testing::Not(testing::HasSubstr("http://town")));
  const HttpResponse other =
      api->Serve({.method = "GET", .url = "/api/v2/status", .headers = {{"Origin", "http://x"}}});
  EXPECT_EQ(other.headers.Get("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(other.headers.Get("Cache-Control"), "no-store");
}

TEST_F(ApiTest, CountsAlertsAndSilencesWithoutLookingAtAllOfThemTooOften) {
  const auto alerts = [&](const char* state) {
    return town.metrics()
        .Gauge("alertmanager_alerts", "How many alerts by state.", {{"state", state}})
        .Value();
  };
  town.Fire("One");
  town.Fire("Two");
  town.Settle();
  town.Pass(Api::kCountEvery);
  api->Count();
  EXPECT_EQ(alerts("active"), 2);
  ASSERT_TRUE(town.Silence("alertname=\"One\"", 1h));
  town.Pass(Api::kCountEvery);
  api->Count();
  EXPECT_EQ(alerts("active"), 1);
  EXPECT_EQ(alerts("suppressed"), 1);
}

}  // namespace
}  // namespace fettle::receivers

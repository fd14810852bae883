#include "rules/rules_api.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

RuleSpec Spec(RuleSpec::Kind kind, std::string name, const std::string& expr) {
  RuleSpec spec;
  spec.kind = kind;
  spec.name = std::move(name);
  spec.expr = expr;
  spec.tree = promql::Parse(expr).value();
  return spec;
}

// Two files: a.yml with the groups "one" and "two", b.yml with the group "one".
std::vector<GroupView> World() {
  const Time now = *ParseRfc3339("2026-01-01T00:00:05.120Z");
  RuleView down;
  down.spec = Spec(RuleSpec::Kind::kAlerting, "Down", "up==0");
  down.spec.hold = 90s;
  down.spec.keep_firing_for = 5min;
  down.spec.labels = {{"severity", "page"}};
  down.spec.annotations = {{"summary", "{{ $labels.job }} <down>"}};
  down.state = AlertState::kFiring;
  down.status = {.health = RuleHealth::kOk, .last_evaluation = now, .evaluation_seconds = 0.25};
  ActiveAlert alert;
  alert.state = AlertState::kFiring;
  alert.labels = {{"alertname", "Down"}, {"job", "api"}, {"severity", "page"}};
  alert.annotations = {{"summary", "api <down>"}};
  alert.active_at = now - 2min;
  alert.keep_firing_since = TimeFromMillis(ToMillis(now) - 120);
  alert.value = 0;
  down.alerts = {alert};

  RuleView sum;
  sum.spec = Spec(RuleSpec::Kind::kRecording, "job:up:sum", "sum by (job) (up) + 0");
  sum.status = {.health = RuleHealth::kErr, .last_error = "it timed out", .last_evaluation = now};

  RuleView fresh;
  fresh.spec = Spec(RuleSpec::Kind::kAlerting, "Fresh", "vector(1)");

  return {{.file = "a.yml",
           .name = "one",
           .interval = 15s,
           .limit = 3,
           .last_evaluation = now,
           .evaluation_seconds = 0.5,
           .rules = {down, sum}},
          {.file = "a.yml", .name = "two", .interval = 1min, .rules = {fresh}},
          {.file = "b.yml", .name = "one", .interval = 1min, .rules = {sum}},
          {.file = "c.yml", .name = "empty", .interval = 1min}};
}

class RulesApiTest : public testing::Test {
 protected:
  HttpResponse Get(const std::string& query = "") const {
    HttpRequest request;
    request.url = "/api/v1/rules" + query;
    return ServeRules(World(), request);
  }
  // "file:group" of each group in the answer.
  static Names Groups(const HttpResponse& response) {
    Names names;
    const Result<Json> json = Json::Parse(response.body);
    for (const Json& group : (*json)["data"]["groups"].Items()) {
      names.push_back(group["file"].StringOr("?") + ":" + group["name"].StringOr("?"));
    }
    return names;
  }
  static Names Rules(const HttpResponse& response) {
    Names names;
    const Result<Json> json = Json::Parse(response.body);
    for (const Json& group : (*json)["data"]["groups"].Items()) {
      for (const Json& rule : group["rules"].Items()) names.push_back(rule["name"].StringOr("?"));
    }
    return names;
  }
  static std::string ErrorOf(const HttpResponse& response) {
    const Result<Json> json = Json::Parse(response.body);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ((*json)["status"].StringOr(""), "error");
    EXPECT_EQ((*json)["errorType"].StringOr(""), "bad_data");
    return (*json)["error"].StringOr("");
  }
};

TEST_F(RulesApiTest, ShowsGroupsInPrometheusShape) {
  const HttpResponse response = Get("?rule_group[]=one&file[]=a.yml");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(
      response.body,
      R"({"status":"success","data":{"groups":[{"name":"one","file":"a.yml","rules":[)"
      R"({"state":"firing","name":"Down","query":"up == 0","duration":90,"keepFiringFor":300,)"
      R"("labels":{"severity":"page"},"annotations":{"summary":"{{ $labels.job }} <down>"},)"
      R"("alerts":[{"labels":{"alertname":"Down","job":"api","severity":"page"},)"
      R"("annotations":{"summary":"api <down>"},"state":"firing",)"
      R"("activeAt":"2025-12-31T23:58:05.12Z","keepFiringSince":"2026-01-01T00:00:05Z",)"
      R"("value":"0e+00"}],"health":"ok","evaluationTime":0.25,)"
      R"("lastEvaluation":"2026-01-01T00:00:05.12Z","type":"alerting"},)"
      R"({"name":"job:up:sum","query":"sum by (job) (up) + 0","health":"err",)"
      R"("lastError":"it timed out","evaluationTime":0,)"
      R"("lastEvaluation":"2026-01-01T00:00:05.12Z","type":"recording"}],)"
      R"("interval":15,"limit":3,"evaluationTime":0.5,)"
      R"("lastEvaluation":"2026-01-01T00:00:05.12Z"}]}})");
}

TEST_F(RulesApiTest, ARuleBeforeItsFirstEvaluationIsUnknown) {
  const HttpResponse response = Get("?rule_name[]=Fresh");
  EXPECT_NE(response.body.find(R"({"state":"unknown","name":"Fresh")"), std::string::npos);
  EXPECT_NE(response.body.find(R"("health":"unknown")"), std::string::npos);
  EXPECT_NE(response.body.find(R"("lastEvaluation":"0001-01-01T00:00:00Z")"), std::string::npos);
}

TEST_F(RulesApiTest, LeavesOutGroupsWithoutRules) {
  EXPECT_EQ(Groups(Get()), (Names{"a.yml:one", "a.yml:two", "b.yml:one"}));
}

TEST_F(RulesApiTest, Filters) {
  EXPECT_EQ(Rules(Get("?type=alert")), (Names{"Down", "Fresh"}));
  EXPECT_EQ(Rules(Get("?type=record")), (Names{"job:up:sum", "job:up:sum"}));
  EXPECT_EQ(Rules(Get("?rule_name[]=Down&rule_name[]=Fresh")), (Names{"Down", "Fresh"}));
  EXPECT_EQ(Groups(Get("?rule_group[]=one")), (Names{"a.yml:one", "b.yml:one"}));
  EXPECT_EQ(Groups(Get("?file[]=b.yml&file[]=nope")), (Names{"b.yml:one"}));
  EXPECT_EQ(Rules(Get("?match[]=%7Bseverity%3D%22page%22%7D")), Names{"Down"});
  EXPECT_EQ(Rules(Get("?match[]=%7Bseverity%3D%22none%22%7D&match[]=%7Bseverity%3D~%22p.*%22%7D")),
            Names{"Down"});
  EXPECT_EQ(Groups(Get("?rule_name[]=nope")), Names{});
  EXPECT_EQ(Get("?rule_name[]=nope").body, R"({"status":"success","data":{"groups":[]}})");
}

TEST_F(RulesApiTest, LeavesOutAlertsIfAsked) {
  EXPECT_NE(Get("?exclude_alerts=true&rule_name[]=Down").body.find(R"("alerts":[])"),
            std::string::npos);
  EXPECT_EQ(Get("?exclude_alerts=false&rule_name[]=Down").body.find(R"("alerts":[])"),
            std::string::npos);
}

TEST_F(RulesApiTest, GivesPages) {
  std::string token;
  Names seen;
  for (int page = 0; page < 3; ++page) {
    const HttpResponse response =
        Get("?group_limit=1" + (token.empty() ? "" : "&group_next_token=" + token));
    const Names groups = Groups(response);
    ASSERT_EQ(groups.size(), 1U);
    seen.push_back(groups[0]);
    token = (*Json::Parse(response.body))["data"]["groupNextToken"].StringOr("");
    EXPECT_EQ(token.empty(), page == 2);
  }
  EXPECT_EQ(seen, (Names{"a.yml:one", "a.yml:two", "b.yml:one"}));
}

TEST_F(RulesApiTest, RefusesWrongParameters) {
  EXPECT_EQ(ErrorOf(Get("?type=foo")), R"(invalid parameter "type": not supported value "foo")");
  EXPECT_EQ(ErrorOf(Get("?exclude_alerts=maybe")),
            R"(invalid parameter "exclude_alerts": error converting exclude_alerts: )"
            R"(strconv.ParseBool: parsing "maybe": invalid syntax)");
  EXPECT_EQ(ErrorOf(Get("?group_limit=0")),
            R"(invalid parameter "group_limit": group_limit needs to be greater than 0)");
  EXPECT_EQ(ErrorOf(Get("?group_limit=many")),
            R"(invalid parameter "group_limit": group_limit needs to be a valid number)");
  EXPECT_EQ(ErrorOf(Get("?group_next_token=x")),
            R"(invalid parameter "group_next_token": )"
            "group_limit needs to be present in order to paginate over the groups");
  EXPECT_EQ(ErrorOf(Get("?group_limit=1&group_next_token=x")),
            R"(invalid parameter "group_next_token": )"
            "invalid group_next_token 'x'. were rule groups changed?");
  EXPECT_TRUE(ErrorOf(Get("?match[]=%7B")).starts_with(R"(invalid parameter "match[]": )"));
}

TEST_F(RulesApiTest, ListsAlerts) {
  EXPECT_EQ(ServeAlerts(World(), {}).body,
            R"({"status":"success","data":{"alerts":[)"
            R"({"labels":{"alertname":"Down","job":"api","severity":"page"},)"
            R"("annotations":{"summary":"api <down>"},"state":"firing",)"
            R"("activeAt":"2025-12-31T23:58:05.12Z","keepFiringSince":"2026-01-01T00:00:05Z",)"
            R"("value":"0e+00"}]}})");
  EXPECT_EQ(ServeAlerts(std::vector<GroupView>{}, {}).body,
            R"({"status":"success","data":{"alerts":[]}})");
}

TEST_F(RulesApiTest, WritesValuesAsGoDoes) {
  const std::vector<std::pair<double, std::string>> cases = {
      {1, "1e+00"},
      {0.5, "5e-01"},
      {1234567, "1.234567e+06"},
      {-1e-300, "-1e-300"},
      {1e100, "1e+100"},
      {std::numeric_limits<double>::infinity(), "+Inf"},
      {-std::numeric_limits<double>::infinity(), "-Inf"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"}};
  for (const auto& [value, text] : cases) {
    std::vector<GroupView> world = World();
    world[0].rules[0].alerts[0].value = value;
    EXPECT_NE(ServeAlerts(world, {}).body.find("\"value\":\"" + text + "\""), std::string::npos)
        << text;
  }
}

}  // namespace
}  // namespace fettle::rules

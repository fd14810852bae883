// The same rule file in Prometheus and here: /api/v1/rules and /api/v1/alerts look alike.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <string>

#include "common/http_client.h"
#include "common/json.h"
#include "rules/rules_api.h"
#include "tests/rules/rule_town.h"
#include "tests/support/child.h"
#include "tests/support/peer.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRules = R"(groups:
- name: g
  interval: 1s
  limit: 5
  rules:
  - alert: Firing
    expr: vector(1.5)
    labels: {severity: page}
    annotations: {summary: "it is {{ $value }}"}
  - alert: Pending
    expr: vector(1)
    for: 1h
    keep_firing_for: 5m
  - alert: Inactive
    expr: vector(1) > 2
  - record: recorded
    expr: vector(2)
    labels: {a: b}
)";

// What differs from one moment to the next.
std::string WithoutTimes(std::string text) {
  RE2::GlobalReplace(&text, R"("\d{4}-\d\d-\d\dT[^"]*Z")", "\"T\"");
  RE2::GlobalReplace(&text, R"("evaluationTime":[-0-9.e]+)", "\"evaluationTime\":0");
  return text;
}

class RulesApiRealTest : public testing::Test, protected RuleTown {
 protected:
  void SetUp() override {
    const std::string path = directory_.Write("rules.yml", kRules);
    const std::string config = directory_.Write("prometheus.yml", "rule_files: [" + path + "]");
    port_ = FreePort();
    prometheus_ = Child::Start({.argv = {PrometheusProgram(), "--config.file=" + config,
                                         "--storage.tsdb.path=" + (directory_ / "data"),
                                         "--web.listen-address=127.0.0.1:" + std::to_string(port_)},
                                .log_file = directory_ / "log"});
    yaml::Complaints complaints;
    manager().Update(options, ReadRuleFile(path, complaints), clock.Now());
    query.Set("vector(1.5)", {{{}, 1.5}});
    query.Set("vector(1)", {{{}, 1}});
    query.Set("vector(2)", {{{}, 2}});
    Pass(5s);
  }
  std::string AskPrometheus(const std::string& path) {
    const Result<HttpResponse> response =
        client_.Send({.url = "http://127.0.0.1:" + std::to_string(port_) + path}, {});
    return response ? WithoutTimes(response->body) : "";
  }

  const TempDir directory_;
  int port_ = 0;
  std::unique_ptr<Child> prometheus_;
  HttpClient client_;
};

TEST_F(RulesApiRealTest, AnswersAsPrometheusDoes) {
  ASSERT_TRUE(WaitUntil([&] {
    return AskPrometheus("/api/v1/rules").find(R"("state":"pending")") != std::string::npos;
  })) << prometheus_->Log();
  // Field by field, whatever their order.
  const Result<Json> theirs = Json::Parse(AskPrometheus("/api/v1/rules"));
  const Result<Json> ours =
      Json::Parse(WithoutTimes(ServeRules(manager(), {.url = "/api/v1/rules"}).body));
  ASSERT_TRUE(theirs && ours);
  const Json their_group = (*theirs)["data"]["groups"].Items().at(0);
  const Json our_group = (*ours)["data"]["groups"].Items().at(0);
  for (const auto& [key, value] : their_group.Entries()) {
    EXPECT_TRUE(key == "rules" || our_group[key].Dump() == value.Dump()) << key;
  }
  const std::vector<Json> their_rules = their_group["rules"].Items();
  const std::vector<Json> our_rules = our_group["rules"].Items();
  ASSERT_EQ(our_rules.size(), their_rules.size());
  for (std::size_t i = 0; i < our_rules.size(); ++i) {
    EXPECT_EQ(our_rules[i].Entries().size(), their_rules[i].Entries().size());
    for (const auto& [key, value] : their_rules[i].Entries()) {
      EXPECT_EQ(our_rules[i][key].Dump(), value.Dump()) << i << " " << key;
    }
  }
  EXPECT_EQ(WithoutTimes(ServeAlerts(manager(), {}).body), AskPrometheus("/api/v1/alerts"));
}

}  // namespace
}  // namespace fettle::rules

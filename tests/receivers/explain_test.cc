#include "receivers/api/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json.h"
#include "tests/support/town.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kConfig = R"(
route: {receiver: people, group_wait: 30s, group_interval: 5m, repeat_interval: 4h,
  routes: [{matchers: ['team="night"'], receiver: night, mute_time_intervals: [always]}]}
receivers:
- {name: people, webhook_configs: [{url: "http://town/people"}]}
- {name: night, webhook_configs: [{url: "http://town/night"}]}
inhibit_rules: [{source_matchers: ['alertname="Down"'], target_matchers: ['alertname="Slow"'], equal: [host]}]
time_intervals: [{name: always, time_intervals: [{}]}]
)";

class ExplainTest : public testing::Test {
 protected:
  HttpResponse Explain(const std::string& query) {
    return Api().Explain({.url = "/api/fettle/v1/explain" + query});
  }
  // The one verdict of the one alert with this name.
  std::string Verdict(const std::string& name) {
    const Result<Json> json = Json::Parse(Explain("?filter=alertname%3D" + name).body);
    return (*json)["alerts"]
        .Items()
        .at(0)["groups"]
        .Items()
        .at(0)["integrations"]
        .Items()
        .at(0)["verdict"]
        .StringOr("");
  }
  ExplainApi Api() {
    return ExplainApi({town_.brain(), town_.alerts(), town_.telling()}, MatcherSyntax::kFallback);
  }
  Town town_{kConfig};
};

TEST_F(ExplainTest, SaysWhatEachStageMadeOfAnAlert) {
  town_.Fire("Disk");
  EXPECT_EQ(Verdict("Disk"), "told at the group's next turn");
  town_.Pass(30s);
  EXPECT_THAT(Verdict("Disk"), HasSubstr("told, last at "));
  town_.Resolve("Disk");
  EXPECT_EQ(Verdict("Disk"), "its end is told at the group's next turn");
  town_.Pass(5min);
  EXPECT_THAT(Verdict("Disk"), HasSubstr("that it is over"));

  town_.Fire("Down", {{"host", "a"}});
  town_.Fire("Slow", {{"host", "a"}});
  EXPECT_THAT(Verdict("Slow"), HasSubstr("keeps quiet: inhibited by "));
  town_.Fire("Late", {{"team", "night"}});
  EXPECT_EQ(Verdict("Late"), "keeps quiet: in mute hours always");
  const Result<std::string> id = town_.Silence("alertname=\"Loud\"", 1h);
  ASSERT_TRUE(id);
  town_.Fire("Loud");
  EXPECT_EQ(Verdict("Loud"), "keeps quiet: silenced by " + *id);
}

TEST_F(ExplainTest, RefusesWhatSaysNoAlert) {
  EXPECT_EQ(Explain("").status, 400);
  EXPECT_EQ(Explain("?filter=bad").status, 400);
  EXPECT_EQ(Explain("?filter=a%3Dnobody").body, "{\"count\":0,\"alerts\":[]}\n");
}

TEST_F(ExplainTest, PreviewsASilence) {
  town_.Fire("Disk", {{"host", "a"}});
  town_.Fire("Disk", {{"host", "b"}});
  town_.Fire("Other");
  town_.Resolve("Disk", {{"host", "b"}});
  const HttpResponse preview = Api().Preview(
      {.method = "POST",
       .body = R"({"comment":"c","createdBy":"me","startsAt":"2026-01-01T00:00:00Z",)"
               R"("endsAt":"2036-01-01T00:00:00Z",)"
               R"("matchers":[{"name":"alertname","value":"Disk","isRegex":false}]})"});
  EXPECT_THAT(preview.body, HasSubstr(R"({"count":1,"of":2,"alerts":[{"fingerprint":)"));
  EXPECT_THAT(preview.body, HasSubstr(R"("host":"a"},"quietAlready":false)"));
  EXPECT_EQ(Api().Preview({.method = "POST", .body = "{}"}).status, 422);
}

}  // namespace
}  // namespace fettle::receivers

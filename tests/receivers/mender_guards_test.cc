// Guards that look at the whole stack: what is needed, storms, flapping, backups, old news.
#include "receivers/mender.h"
#include "tests/receivers/workshop.h"

namespace fettle::receivers {
namespace {

constexpr char kStack[] = R"(
targets:
- {name: web, docker: {project: shop, service: web}}
- {name: api, docker: {project: shop, service: api}}
- {name: db, docker: {project: shop, service: db}}
repairs:
- {name: heal, matchers: ['alertname="Down"'], target: {label: service}, mode: auto,
   verify: {within: 60s, hold: 5s}, actions: [{restart: {}}, {escalate: {receiver: oncall}}]}
)";

class MenderGuardsTest : public testing::Test {
 protected:
  // db ← api ← web, by Compose's labels.
  void AddStack(Workshop& shop) {
    Add(shop, "db", "");
    Add(shop, "api", "db:service_healthy:false");
    Add(shop, "web", "api:service_started:true");
  }
  void Add(Workshop& shop, const std::string& service, const std::string& depends_on) {
    shop.engine.Add({.name = "shop-" + service + "-1",
                     .labels = {{"com.docker.compose.project", "shop"},
                                {"com.docker.compose.service", service},
                                {"com.docker.compose.container-number", "1"},
                                {"com.docker.compose.depends_on", depends_on}},
                     .health = ContainerHealth::kHealthy});
  }
  Workshop::Said Down(const std::string& service) {
    return {.labels = Labels{{"alertname", "Down"}, {"service", service}}};
  }
};

TEST_F(MenderGuardsTest, OnlyTheRootIsRestartedAndTheOthersAreAskedAgain_D20) {
  Workshop shop(kStack);
  AddStack(shop);
  shop.Boot();
  for (const char* name : {"web", "api", "db"}) {
    shop.engine.TurnUnhealthy(fmt::format("shop-{}-1", name));
  }
  for (const char* name : {"web", "api", "db"}) shop.Fire(Down(name));
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-db-1 t=10"));
  EXPECT_EQ(shop.StateOf("heal", "web"), "suppressed dependency_down");
  EXPECT_THAT(shop.Find("heal", "api")->incident.sentence, HasSubstr("shop/db, which it needs"));
  shop.engine.TurnHealthy("shop-db-1");
  shop.Pass(6s);
  EXPECT_EQ(shop.StateOf("heal", "db"), "held");
  EXPECT_EQ(shop.engine.Acts().size(), 1u) << "it may recover by itself now";
  shop.engine.TurnHealthy("shop-api-1");
  shop.Resolve(Down("api"));
  EXPECT_EQ(shop.StateOf("heal", "api"), "closed self_healed");
  shop.Pass(20s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-db-1 t=10", "restart shop-web-1 t=10"))
      << "what stays ill has its turn after what it needs";
}

TEST_F(MenderGuardsTest, WhatNeedsNothingThatIsIllIsNotHeldBack) {
  Workshop shop(kStack);
  AddStack(shop);
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Fire(Down("web"));
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
}

TEST_F(MenderGuardsTest, AOneShotThatEndedWellHoldsNobodyBack) {
  Workshop shop(kStack);
  Add(shop, "db", "");
  Add(shop, "api", "db:service_healthy:false,seed:service_started:false");
  shop.engine.Add(
      {.name = "shop-seed-1",
       .labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", "seed"}}});
  shop.engine.Die("shop-seed-1", 0);
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-api-1");
  shop.Fire(Down("api"));
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-api-1 t=10"));
}

TEST_F(MenderGuardsTest, WhenManyFallIllAtOnceNobodyIsTouchedUntilItIsOver_V16) {
  std::string text = "guards: {storm: {share: 0.5, window: 60s, cooldown: 2m}}\ntargets:\n";
  for (int i = 1; i <= 5; ++i) {
    text += fmt::format("- {{name: w{0}, docker: {{project: shop, service: w{0}}}}}\n", i);
  }
  text += std::string(kStack).substr(std::string_view(kStack).find("repairs:"));
  Workshop shop(text);
  for (int i = 1; i <= 5; ++i) shop.engine.AddService("shop", fmt::format("w{}", i));
  shop.Boot();
  AlertBatch batch{AlertSource::kRules, {}};
  for (int i = 1; i <= 3; ++i) {
    shop.engine.TurnUnhealthy(fmt::format("shop-w{}-1", i));
    Alert alert;
    alert.labels = Down(fmt::format("w{}", i)).labels;
    alert.starts_at = shop.clock.Now().wall;
    batch.alerts.push_back(alert);
  }
  ASSERT_TRUE(shop.Post(batch));
  EXPECT_EQ(shop.StateOf("heal", "w1"), "suppressed storm");
  EXPECT_THAT(shop.Find("heal", "w1")->incident.sentence,
              HasSubstr("3 of 5 targets fell ill within 1m"));
  shop.Pass(90s);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty()) << "news of a minute ago, but the cooldown goes on";
  shop.Pass(2min);
  EXPECT_EQ(shop.engine.Acts().size(), 3u) << "they are still ill, and it is no storm any more";
}

TEST_F(MenderGuardsTest, WhatComesAndGoesIsLeftToAPersonOnce_D30) {
  Workshop shop(std::string(kHealWeb).replace(std::string(kHealWeb).find("target: web\n"), 12,
                                              "target: web\n  guards: {attempts: [100/1h], "
                                              "cooldown: 1h, flapping: 3/30m}\n"));
  shop.engine.AddService("shop", "web");
  shop.Boot();
  for (int i = 0; i < 6; ++i) {
    shop.engine.TurnUnhealthy("shop-web-1");
    shop.Fire("WebDown");
    shop.Pass(1s);
    shop.engine.TurnHealthy("shop-web-1");
    shop.Resolve("WebDown");
    shop.Pass(1min);
  }
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
  EXPECT_EQ(shop.Metric("fettle_repair_escalations_total", {{"reason", "flapping"}}), 1)
      << "nobody needs to be told at each turn";
  EXPECT_GE(shop.Metric("fettle_repair_decisions_total", {{"reason", "flapping"}}), 1);
}

TEST_F(MenderGuardsTest, ARunningBackupHoldsAndAfterItsEndItGoesOn_V09) {
  Workshop shop(std::string(kHealWeb).replace(std::string(kHealWeb).find("target: web\n"), 12,
                                              "target: web\n  guards: {active_backups: hold}\n"));
  shop.engine.AddService("shop", "web");
  shop.Boot();
  shop.backups().busy = {"leads-db"};
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Fire("WebDown");
  shop.Pass(10min);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed active_backups");
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.backups().busy.clear();
  shop.Pass(5s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

TEST_F(MenderGuardsTest, OldNewsAboutAWellContainerIsNotActedOn_W12) {
  Workshop shop;
  shop.engine.AddService("shop", "web");
  shop.Boot();
  shop.Fire({.labels = Labels{{"alertname", "WebDown"}}, .starts_at = shop.clock.Now().wall - 2h});
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed stale_evidence");
  shop.Pass(2min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  shop.Fire("WebDown");
  shop.Pass(20s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u) << "its sender says it again, so it is news";
}

TEST_F(MenderGuardsTest, WhoeverIsCutOffHimselfTouchesNothing_S10) {
  Workshop shop(std::string(kHealWeb).replace(std::string(kHealWeb).find("guards: {"), 9,
                                              "guards: {control: gateway, "));
  shop.engine.AddService("shop", "web");
  shop.Boot();
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Fire("WebDown");
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed self_partitioned");
  shop.judge.Break("nobody answers");
  shop.Pass(10s);
  EXPECT_EQ(shop.StateOf("heal-web"), "suppressed self_partitioned") << "unknown is not well";
  shop.judge.Break("");
  shop.judge.Say("gateway", true);
  shop.Pass(5s);
  EXPECT_EQ(shop.engine.Acts().size(), 1u);
}

}  // namespace
}  // namespace fettle::receivers

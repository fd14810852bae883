// `/api/fettle/v1/incidents` and `/targets`: what a person sees of a repair and what comes of what
// a person decides.
#include "receivers/incidents_api.h"

#include "tests/receivers/workshop.h"
#include "tests/support/seeded_random.h"

namespace fettle::receivers {
namespace {

class IncidentsApiTest : public testing::Test {
 protected:
  explicit IncidentsApiTest(const std::string& config = kHealWeb) : shop(config) {
    shop.engine.AddService("shop", "web");
  }
  void Boot() {
    shop.Boot();
    api_ = std::make_unique<IncidentsApi>(IncidentsApi::Deps{shop.brain(), shop.mender()});
  }
  void MakeSick() {
    shop.engine.TurnUnhealthy("shop-web-1");
    shop.Fire("WebDown");
  }
  static constexpr char kPath[] = "/api/fettle/v1/incidents";
  static Json Parsed(const HttpResponse& answer) {
    const Result<Json> json = Json::Parse(answer.body);
    EXPECT_TRUE(json) << answer.body;
    return *json;
  }
  std::vector<Json> List() { return Parsed(api_->List({.url = kPath}))["incidents"].Items(); }
  HttpResponse One(const std::string& id) { return api_->One({.url = kPath + ("/" + id)}); }
  // "200", "404 there is no …"
  std::string Do(const std::string& id, const std::string& verb, const std::string& who = "ann") {
    HttpRequest request{.method = "POST", .url = kPath + ("/" + id + "/" + verb)};
    request.identity.name = who;
    const HttpResponse answer = api_->Do(request);
    shop.Settle();
    const std::string error = Parsed(answer)["error"].StringOr("");
    return std::to_string(answer.status) + (error.empty() ? "" : " " + error);
  }
  std::string Id() { return List().front()["id"].StringOr(""); }

  Workshop shop;
  std::unique_ptr<IncidentsApi> api_;
};

TEST_F(IncidentsApiTest, ShowsWhatIsBeingRepairedAndHowItWent) {
  Boot();
  EXPECT_TRUE(List().empty());
  MakeSick();
  const Json open = List().at(0);
  EXPECT_EQ(open["repair"].StringOr(""), "heal-web");
  EXPECT_EQ(open["target"].StringOr(""), "web");
  EXPECT_EQ(open["state"].StringOr(""), "verifying");
  EXPECT_EQ(open["attempts"].Items().at(0)["instance"].StringOr(""), "shop-web-1");
  EXPECT_EQ(open["attempts"].Items().at(0)["state"].StringOr(""), "done");

  const HttpResponse answer = One(Id());
  EXPECT_EQ(answer.status, 200);
  const Json one = Parsed(answer);
  EXPECT_EQ(one["triggers"].Items().at(0)["labels"]["alertname"].StringOr(""), "WebDown");
  EXPECT_GE(one["timeline"].Items().size(), 2U);

  shop.engine.TurnHealthy("shop-web-1");
  shop.Pass(40s);
  shop.Resolve("WebDown");
  EXPECT_EQ(List().at(0)["state"].StringOr(""), "closed");
  EXPECT_EQ(List().at(0)["outcome"].StringOr(""), "repaired");
  EXPECT_EQ(Parsed(One(Id()))["outcome"].StringOr(""), "repaired");
}

TEST_F(IncidentsApiTest, WhatIsNotThereIsNotFound) {
  Boot();
  EXPECT_EQ(One("nothing").status, 404);
  EXPECT_THAT(One("nothing").body, HasSubstr("there is no incident nothing"));
  for (const char* verb : {"approve", "hold", "retry"}) {
    EXPECT_THAT(Do("nothing", verb), testing::StartsWith("404 ")) << verb;
  }
  MakeSick();
  EXPECT_EQ(Do(Id(), "delete"), "404 an incident can be approved, held or retried");
  EXPECT_EQ(Do(Id(), ""), "404 an incident can be approved, held or retried");
}

TEST_F(IncidentsApiTest, AHoldStopsARepairUntilRetry) {
  Boot();
  MakeSick();
  EXPECT_EQ(Do(Id(), "hold"), "200");
  shop.engine.TurnUnhealthy("shop-web-1");  // the restart did not help
  shop.Pass(1h);
  EXPECT_EQ(shop.engine.Acts().size(), 1U);
  EXPECT_THAT(shop.teller().told, IsEmpty());
  EXPECT_EQ(List().at(0)["on_hold"].BoolOr(false), true);
  EXPECT_EQ(List().at(0)["reason"].StringOr(""), "held");
  EXPECT_EQ(Do(Id(), "retry"), "200");
  shop.Pass(1min);
  EXPECT_EQ(shop.engine.Acts().size(), 2U);
  EXPECT_EQ(List().at(0)["on_hold"].BoolOr(true), false);
  EXPECT_THAT(One(Id()).body, HasSubstr("held by ann"));
  EXPECT_THAT(One(Id()).body, HasSubstr("retried by ann"));
}

TEST_F(IncidentsApiTest, ARetryBeginsTheLadderAgainAfterAnEscalation) {
  Boot();
  MakeSick();
  EXPECT_THAT(Do(Id(), "retry"), testing::StartsWith("409 ")) << "it is at work";
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.Pass(10min);
  ASSERT_EQ(List().at(0)["state"].StringOr(""), "escalated");
  EXPECT_EQ(Do(Id(), "retry"), "200");
  shop.Pass(1s);
  EXPECT_EQ(shop.engine.Acts().size(), 2U);
}

TEST_F(IncidentsApiTest, WhatIsNotStoredIsNotAnswered200) {
  Boot();
  MakeSick();
  const std::string id = Id();
  shop.store.FailCommits(Error{"disk full", Cause::kUnavailable});
  EXPECT_THAT(Do(id, "hold"), testing::StartsWith("503 "));
  shop.store.Heal();
  EXPECT_EQ(List().at(0)["on_hold"].BoolOr(false), true)
      << "it counts all the same: nothing is done";
  EXPECT_THAT(shop.AuditTrail(), testing::Not(testing::Contains("held")));
  EXPECT_EQ(Do(id, "hold"), "200");
  EXPECT_THAT(shop.AuditTrail(), testing::Contains("held"));
}

class ApprovalTest : public IncidentsApiTest {
 protected:
  ApprovalTest() : IncidentsApiTest(Approve()) {}
  static std::string Approve() {
    std::string text = kHealWeb;
    return text.replace(text.find("mode: auto"), 10, "mode: approve");
  }
};

TEST_F(ApprovalTest, NothingHappensBeforeItIsApprovedAndOnceAfter) {
  Boot();
  MakeSick();
  shop.Pass(10min);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(List().at(0)["reason"].StringOr(""), "approval");
  EXPECT_EQ(Do(Id(), "approve", ""), "200");
  shop.Pass(1s);
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  EXPECT_THAT(One(Id()).body, HasSubstr("anonymous"));
  EXPECT_THAT(Do(Id(), "approve"), testing::StartsWith("409 ")) << "nothing waits for it now";
}

TEST_F(IncidentsApiTest, TargetsShowWhatTheyAreNow) {
  Boot();
  shop.engine.TurnUnhealthy("shop-web-1");
  shop.ReadInventory();
  const Json target =
      Parsed(api_->Targets({.url = "/api/fettle/v1/targets"}))["targets"].Items().at(0);
  EXPECT_EQ(target["name"].StringOr(""), "web");
  EXPECT_EQ(target["containers"].Items().at(0)["name"].StringOr(""), "shop-web-1");
  EXPECT_EQ(target["containers"].Items().at(0)["health"].StringOr(""), "unhealthy");
}

TEST_F(IncidentsApiTest, RolesAreThoseOfThePage) {
  Boot();
  Router router;
  api_->AddRoutes(router);
  const auto role = [&](const std::string& method, const std::string& path) {
    const Router::Route* found = router.Find(method, path);
    return found == nullptr ? std::string("none") : std::string(ToString(found->role));
  };
  EXPECT_EQ(role("GET", "/api/fettle/v1/incidents"), "read");
  EXPECT_EQ(role("GET", "/api/fettle/v1/incidents/x"), "read");
  EXPECT_EQ(role("POST", "/api/fettle/v1/incidents/x/approve"), "operator");
  EXPECT_EQ(role("GET", "/api/fettle/v1/targets"), "read");
}

class ApprovalLinkTest : public IncidentsApiTest {
 protected:
  ApprovalLinkTest()
      : IncidentsApiTest(
            std::string(kHealWeb).replace(std::string(kHealWeb).find("auto"), 4, "approve")) {
    shop.approvals = &approvals_;
    Boot();
    api_ = std::make_unique<IncidentsApi>(
        IncidentsApi::Deps{shop.brain(), shop.mender(), &shop.store, &approvals_, &shop.clock});
    MakeSick();
  }
  // Of the message that asked for it.
  std::string Link() {
    const std::string link = shop.teller().told.back().alerts[0].generator_url;
    EXPECT_TRUE(link.starts_with("http://fettle.example/approve?incident=")) << link;
    return link.substr(std::string("http://fettle.example").size());
  }
  int Open(const std::string& link) { return api_->ShowApproval({.url = link}).status; }
  int Press(const std::string& link) {
    const int status = api_->Approve({.method = "POST", .url = link}).status;
    shop.Settle();
    return status;
  }
  SeededRandom random_;
  Approvals approvals_{random_};
};

TEST_F(ApprovalLinkTest, ItsButtonApprovesOnceAndLookingDoesNot_S14) {
  ASSERT_EQ(shop.teller().told.size(), 1U) << "somebody is asked, once";
  const Alert& asked = shop.teller().told[0].alerts[0];
  EXPECT_EQ(asked.labels.Get("alertname"), "RepairWaitsForApproval");
  EXPECT_THAT(asked.annotations.Get("description"), HasSubstr("It would: restart of web"));
  const std::string link = Link();
  EXPECT_EQ(Open(link), 200);
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
  EXPECT_EQ(Press(link), 200);
  EXPECT_EQ(shop.engine.Acts().size(), 1U);
  EXPECT_EQ(Press(link), 403) << "used";
  EXPECT_EQ(Open(link), 403);
}

TEST_F(ApprovalLinkTest, AForgedOrOldLinkOrThatOfAnotherIncidentIsRefused_S14) {
  const std::string link = Link();
  std::string forged = link;
  forged.back() = forged.back() == '0' ? '1' : '0';
  EXPECT_EQ(Press(forged), 403);
  std::string other = link;
  other[other.find("incident=") + 9] ^= 1;
  EXPECT_EQ(Press(other), 403);
  EXPECT_EQ(Press("/approve"), 403);
  EXPECT_EQ(Press("/approve?incident=" + Id() + "&token=.."), 403);
  shop.Pass(61min);
  EXPECT_EQ(Press(link), 403) << "over";
  EXPECT_THAT(shop.engine.Acts(), IsEmpty());
}

}  // namespace
}  // namespace fettle::receivers

// Upstream Alertmanagers on a virtual clock: what each is sent, and what becomes of it when one is
// away.
#include "rules/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json.h"
#include "rules/alertmanagers_api.h"
#include "tests/support/fake_alert_sink.h"
#include "tests/support/fake_transport.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class NoNames final : public NameLookup {
  Result<std::vector<Answer>> Find(const std::string&, Kind) const override {
    return std::vector<Answer>{};
  }
};

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() {
    network_.AnswerWith([this](const HttpRequest& request) -> Result<HttpResponse> {
      if (away_) return Fail(Cause::kUnavailable, "connection refused");
      if (status_ == 200) heard_.push_back(request.url.substr(7) + ":" + Names(request.body));
      return HttpResponse{status_};
    });
  }
  void Use(const std::string& yaml) {
    yaml::Complaints complaints;
    const auto node = yaml::Load(yaml, "f", complaints);
    NotifierConfig config;
    {
      yaml::Mapping mapping(*node, "rules", complaints);
      config = ReadNotifierConfig(mapping, "", {});
    }
    ASSERT_EQ(complaints.ToString(), "");
    notifier_.Use(std::move(config), clock_.Now());
    Settle();
  }
  void Post(const std::vector<std::string>& names, bool over = false) {
    AlertBatch batch;
    for (const std::string& name : names) {
      Alert alert{.labels = {{"alertname", name}, {"team", "x"}}};
      alert.starts_at = clock_.Now().wall;
      alert.ends_at = clock_.Now().wall + (over ? 0ms : 240'000ms);
      alert.generator_url = "http://g";
      batch.alerts.push_back(std::move(alert));
    }
    notifier_.Post(std::move(batch), [](const Status&) {});
    Settle();
  }
  void Settle() {
    do brain_.RunUntil(clock_.Now());
    while (hands_.Work() > 0);
  }
  void Pass(Micros duration) {
    const BootTime end = clock_.Now().boot + duration;
    while (clock_.Now().boot < end) {
      const auto next = brain_.NextDeadline();
      const BootTime until = next && *next < end ? std::max(*next, clock_.Now().boot) : end;
      clock_.Pass(until - clock_.Now().boot);
      Settle();
    }
    Settle();
  }
  // "a b": the alerts' names in a body.
  static std::string Names(const std::string& body) {
    std::string names;
    const Result<Json> json = Json::Parse(body);
    for (const Json& alert : json->Items())
      names += " " + alert["labels"]["alertname"].StringOr("");
    return names;
  }
  std::vector<std::string> Heard() { return std::exchange(heard_, {}); }
  double Dropped(const std::string& url) {
    return metrics_.Counter("prometheus_notifications_dropped_total", "", {{"alertmanager", url}})
        .Value();
  }

  ManualClock clock_;
  Brain brain_;
  InlineHands hands_;
  FakeTransport network_;
  FakeAlertSink next_;
  NoNames names_;
  Metrics metrics_;
  RecordedLog log_;
  bool away_ = false;
  int status_ = 200;
  std::vector<std::string> heard_;
  Notifier notifier_{{.brain = brain_,
                      .hands = hands_,
                      .looks = hands_,
                      .clock = clock_,
                      .transport = network_,
                      .lookup = names_,
                      .next = next_,
                      .metrics = metrics_,
                      .log = log_.For("notifier")}};
};

constexpr char kOne[] = "alertmanagers: [{static_configs: [{targets: ['am:9093']}]}]";

TEST_F(NotifierTest, TellsEveryAlertmanagerAndTheOwnReceivers) {
  Use("alertmanagers: [{static_configs: [{targets: ['a:1']}]}, "
      "{scheme: https, path_prefix: /x/, static_configs: [{targets: ['b:2']}]}]");
  Post({"A", "B"});
  EXPECT_THAT(Heard(),
              testing::UnorderedElementsAre("a:1/api/v2/alerts: A B", "/b:2/x/api/v2/alerts: A B"));
  EXPECT_EQ(next_.batches.size(), 1U);
  EXPECT_EQ(
      ServeAlertmanagers(notifier_).body,
      R"({"status":"success","data":{"activeAlertmanagers":[{"url":"http://a:1/api/v2/alerts"},)"
      R"({"url":"https://b:2/x/api/v2/alerts"}],"droppedAlertmanagers":[]}})");
}

TEST_F(NotifierTest, SendsWhatPrometheusSends) {
  Use(kOne);
  Post({"A"});
  const HttpRequest request = network_.Sent().front();
  EXPECT_EQ(request.headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(request.body, R"([{"annotations":{},"endsAt":"2026-01-01T00:04:00.000Z",)"
                          R"("startsAt":"2026-01-01T00:00:00.000Z","generatorURL":"http://g",)"
                          R"("labels":{"alertname":"A","team":"x"}}])");
}

TEST_F(NotifierTest, WithoutAlertmanagersOnlyTheOwnReceiversHear) {
  Post({"A"});
  EXPECT_THAT(network_.Sent(), IsEmpty());
  EXPECT_EQ(next_.batches.size(), 1U);
}

TEST_F(NotifierTest, NoMoreThan256InARequest) {
  Use(kOne);
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) names.push_back("A" + std::to_string(i));
  Post(names);
  ASSERT_EQ(network_.Sent().size(), 2U);
  EXPECT_EQ(Json::Parse(network_.Sent()[0].body)->Items().size(), 256U);
  EXPECT_EQ(Json::Parse(network_.Sent()[1].body)->Items().size(), 44U);
}

TEST_F(NotifierTest, WhatCouldNotBeToldIsToldLaterAndThenEverythingThatFires) {
  Use(kOne);
  Post({"Before", "Mended"});
  Post({"Mended"}, true);
  Heard();
  away_ = true;
  Post({"During"});
  Post({"During"}, true);
  Post({"Still"});
  Pass(10s);
  EXPECT_THAT(Heard(), IsEmpty());
  away_ = false;
  Pass(30s);
  EXPECT_THAT(Heard(), ElementsAre("am:9093/api/v2/alerts: During During Still",
                                   testing::AnyOf("am:9093/api/v2/alerts: Before Still",
                                                  "am:9093/api/v2/alerts: Still Before")));
}

TEST_F(NotifierTest, PausesGrow) {
  Use(kOne);
  away_ = true;
  Post({"A"});
  Pass(30s);
  EXPECT_EQ(network_.Sent().size(), 5U) << "at 0, 1, 3, 7 and 15 seconds";
}

TEST_F(NotifierTest, ARefusedBatchIsNotSentAgain) {
  Use(kOne);
  status_ = 400;
  Post({"A"});
  Pass(60s);
  EXPECT_EQ(network_.Sent().size(), 1U);
  EXPECT_EQ(Dropped("http://am:9093/api/v2/alerts"), 1);
  status_ = 503;
  Post({"B"});
  Pass(1s);
  EXPECT_EQ(network_.Sent().size(), 3U);
}

TEST_F(NotifierTest, RelabellingChoosesAlertmanagersAndChangesAlerts) {
  Use(R"(
alert_relabel_configs: [{source_labels: [alertname], regex: Quiet, action: drop}]
alertmanagers:
- static_configs: [{targets: ['a:1', 'b:1']}]
  relabel_configs: [{source_labels: [__address__], regex: 'a:.*', action: keep}]
  alert_relabel_configs: [{regex: team, action: labeldrop}]
)");
  Post({"Quiet", "Loud"});
  EXPECT_THAT(Heard(), ElementsAre("a:1/api/v2/alerts: Loud"));
  EXPECT_EQ(network_.Sent()[0].body.find("team"), std::string::npos);
  EXPECT_EQ(next_.batches.front().alerts.size(), 2U);
  EXPECT_THAT(notifier_.View().dropped, ElementsAre("http://b:1"));
}

TEST_F(NotifierTest, ANewConfigurationKeepsWhatWaits) {
  Use(kOne);
  away_ = true;
  Post({"A"}, true);
  Use("alertmanagers: [{static_configs: [{targets: ['am:9093', 'new:1']}]}]");
  away_ = false;
  Pass(30s);
  EXPECT_THAT(Heard(), ElementsAre("am:9093/api/v2/alerts: A"));
}

TEST_F(NotifierTest, DrainSendsWhatWaits) {
  Use(kOne);
  away_ = true;
  Post({"A"});
  away_ = false;
  notifier_.Drain(1s);
  EXPECT_THAT(Heard(), ElementsAre("am:9093/api/v2/alerts: A"));
}

}  // namespace
}  // namespace fettle::rules

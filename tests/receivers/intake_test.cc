#include "receivers/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"
#include "tests/support/fake_alert_sink.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// What Alertmanager 0.33 sends.
constexpr std::string_view kMessage = R"({
  "receiver": "fettle", "status": "firing",
  "alerts": [
    {"status": "firing", "labels": {"alertname": "WebDown", "container": "web"},
     "annotations": {"summary": "web is down"}, "startsAt": "2025-12-31T23:59:00.123Z",
     "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph",
     "fingerprint": "5d0e9b9d5ea1b1ef"},
    {"status": "resolved", "labels": {"alertname": "DiskFull"}, "annotations": {},
     "startsAt": "2025-12-31T23:00:00Z", "endsAt": "2025-12-31T23:30:00Z", "generatorURL": ""}],
  "notification_reason": "first notification",
  "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
  "externalURL": "http://alertmanager:9093", "version": "4", "groupKey": "{}:{}",
  "truncatedAlerts": 2})";

class IntakeTest : public testing::Test {
 protected:
  HttpResponse Post(std::string body) {
    HttpRequest request;
    request.method = "POST";
    request.url = "/webhook";
    request.body = std::move(body);
    return intake_.Handle(request);
  }
  HttpResponse PostAlerts(const std::string& alerts) {
    return Post(R"({"version":"4","alerts":[)" + alerts + "]}");
  }
  double Requests(const std::string& result) {
    return metrics_.Counter("fettle_webhook_requests_total", "", {{"result", result}}).Value();
  }
  const Alert& Only() { return sink_.batches.at(0).alerts.at(0); }

  ManualClock clock_;
  FakeAlertSink sink_;
  Metrics metrics_;
  RecordedLog log_;
  WebhookIntake intake_{
      {.sink = sink_, .clock = clock_, .metrics = metrics_, .log = log_.For("webhook")}};
};

TEST_F(IntakeTest, TakesTheMessageOfAnAlertmanager) {
  EXPECT_EQ(Post(std::string(kMessage)).status, 200);
  ASSERT_THAT(sink_.batches, SizeIs(1));
  EXPECT_EQ(sink_.batches[0].source, AlertSource::kWebhook);
  ASSERT_THAT(sink_.batches[0].alerts, SizeIs(2));
  const Alert& firing = sink_.batches[0].alerts[0];
  EXPECT_EQ(firing.labels, (Labels{{"alertname", "WebDown"}, {"container", "web"}}));
  EXPECT_EQ(firing.annotations, (Labels{{"summary", "web is down"}}));
  EXPECT_EQ(FormatRfc3339(firing.starts_at), "2025-12-31T23:59:00.123Z");
  EXPECT_EQ(firing.ends_at, Time{});
  EXPECT_EQ(firing.generator_url, "http://prometheus/graph");
  const Alert& resolved = sink_.batches[0].alerts[1];
  EXPECT_EQ(FormatRfc3339(resolved.ends_at), "2025-12-31T23:30:00.000Z");
  EXPECT_EQ(Requests("stored"), 1);
}

TEST_F(IntakeTest, CountsWhatTheSenderLeftOutAndForgedFingerprints_W08_W13) {
  Post(std::string(kMessage));
  EXPECT_EQ(metrics_.Counter("fettle_webhook_truncated_alerts_total", "").Value(), 2);
  EXPECT_EQ(metrics_.Counter("fettle_webhook_fingerprint_mismatches_total", "").Value(), 1);
  const std::string right = Labels{{"alertname", "x"}}.FingerprintHex();
  PostAlerts(R"({"status":"firing","labels":{"alertname":"x"},"fingerprint":")" + right + "\"}");
  EXPECT_EQ(metrics_.Counter("fettle_webhook_fingerprint_mismatches_total", "").Value(), 1);
}

TEST_F(IntakeTest, TakesGrafanasSuperset_W16) {
  const HttpResponse answer = Post(R"({"version":"1","orgId":1,"state":"alerting","title":"t",
    "alerts":[{"status":"firing","labels":{"alertname":"G"},"startsAt":"2026-01-01T00:00:00+01:00",
               "endsAt":"0001-01-01T00:00:00Z","values":{"A":1.5},"silenceURL":"http://g/s"}]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(FormatRfc3339(Only().starts_at), "2025-12-31T23:00:00.000Z");
}

TEST_F(IntakeTest, AMessageWithoutAlertsIsFine) {
  EXPECT_EQ(PostAlerts("").status, 200);
  EXPECT_THAT(sink_.batches.at(0).alerts, SizeIs(0));
}

TEST_F(IntakeTest, WhatIsResolvedIsOverByNowWhateverTheSendersClockSays) {
  PostAlerts(
      R"({"status":"resolved","labels":{"a":"b"},"startsAt":"2025-12-31T23:00:00Z","endsAt":"2026-01-01T01:00:00Z"})");
  EXPECT_EQ(Only().ends_at, clock_.Now().wall);
  sink_.batches.clear();
  PostAlerts(R"({"status":"resolved","labels":{"a":"b"},"startsAt":"2025-12-31T23:00:00Z"})");
  EXPECT_EQ(Only().ends_at, clock_.Now().wall);
}

TEST_F(IntakeTest, WhatFiresHasNoEndWhateverTheMessageSays) {
  PostAlerts(
      R"({"status":"firing","labels":{"a":"b"},"startsAt":"2025-12-31T23:00:00Z","endsAt":"2025-12-31T23:10:00Z"})");
  EXPECT_EQ(Only().ends_at, Time{});
}

TEST_F(IntakeTest, RefusesWhatItDoesNotUnderstand_W16_W19) {
  struct Case {
    std::string body;
    int status;
    std::string reason;
    std::string counter;
  };
  std::string deep = R"({"version":"4","alerts":)";
  for (int i = 0; i < 10'000; ++i) deep += '[';
  std::string many = R"({"version":"4","alerts":[0)";
  for (std::size_t i = 0; i < WebhookIntake::kAlertsMax; ++i) many += ",0";
  const Case cases[] = {
      {"", 400, "reading the message", "broken_json"},
      {"{\"version\":\"4\",", 400, "reading the message", "broken_json"},
      {"[]", 400, "must be a JSON object", "broken_json"},
      {"\xff\xfe", 400, "reading the message", "broken_json"},
      {deep, 400, "reading the message", "broken_json"},
      {R"({"version":"5","alerts":[]})", 422, "version \"5\" is not supported",
       "unsupported_version"},
      {R"({"alerts":[]})", 422, "version \"\" is not supported", "unsupported_version"},
      {R"({"version":"1","alerts":[]})", 422, "version \"1\" is not supported",
       "unsupported_version"},
      {R"({"version":4,"alerts":[]})", 422, "is not supported", "unsupported_version"},
      {R"({"version":"4"})", 422, "alerts must be an array", "invalid"},
      {R"({"version":"4","alerts":{}})", 422, "alerts must be an array", "invalid"},
      {many + "]}", 413, "20001 alerts in one message", "too_many_alerts"},
  };
  for (const Case& c : cases) {
    const double before = Requests(c.counter);
    const HttpResponse answer = Post(c.body);
    EXPECT_EQ(answer.status, c.status) << c.body.substr(0, 60);
    EXPECT_THAT(answer.body, HasSubstr(c.reason));
    EXPECT_EQ(Requests(c.counter), before + 1) << c.body.substr(0, 60);
  }
  EXPECT_TRUE(log_.Contains("refused a message to /webhook"));
}

TEST_F(IntakeTest, StoresTheAlertsItUnderstandsAndNamesTheOthers) {
  struct Case {
    std::string alert;
    std::string reason;
  };
  const Case cases[] = {
      {"1", "alerts[1]: an alert must be an object"},
      {R"({"status":"pending","labels":{"a":"b"}})",
       "alerts[1]: status must be firing or resolved, not \"pending\""},
      {R"({"labels":{"a":"b"}})", "alerts[1]: status must be firing or resolved"},
      {R"({"status":"firing","labels":["a"]})", "alerts[1]: labels must be an object"},
      {R"({"status":"firing","labels":{"a":1}})", "alerts[1]: labels.a must be a string"},
      {R"({"status":"firing","labels":{"a":"b"},"annotations":{"x":{}}})",
       "alerts[1]: annotations.x must be a string"},
      {R"({"status":"firing","labels":{"a":"b"},"startsAt":"yesterday"})", "alerts[1]: startsAt"},
      {R"({"status":"firing","labels":{"a":"b"},"endsAt":7})",
       "alerts[1]: endsAt must be a string"},
  };
  for (const Case& c : cases) {
    sink_.batches.clear();
    const HttpResponse answer =
        PostAlerts(R"({"status":"firing","labels":{"alertname":"Good"}},)" + c.alert);
    EXPECT_EQ(answer.status, 422) << c.alert;
    EXPECT_THAT(answer.body, HasSubstr(c.reason));
    EXPECT_THAT(sink_.batches.at(0).alerts, SizeIs(1));
    EXPECT_EQ(Only().labels.Get("alertname"), "Good");
  }
}

TEST_F(IntakeTest, ComplaintsOfTheSinkAreTheSendersToo) {
  sink_.answer = Fail(Cause::kInvalid, "at least one label pair required");
  const HttpResponse answer = PostAlerts(R"({"status":"firing","labels":{}})");
  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(answer.body, HasSubstr("at least one label pair required"));
}

TEST_F(IntakeTest, AnswersUnavailableIfTheAlertsCannotBeStored) {
  for (const Cause cause : {Cause::kUnavailable, Cause::kLimit, Cause::kFailed}) {
    sink_.answer = Fail(cause, "the disk is full");
    const HttpResponse answer = Post(std::string(kMessage));
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, HasSubstr("the disk is full"));
  }
  EXPECT_EQ(Requests("unavailable"), 3);
  EXPECT_EQ(Requests("stored"), 0);
}

TEST_F(IntakeTest, HostileTextsAreOnlyTexts) {
  PostAlerts(R"json({"status":"firing","labels":{
      "alertname":"$(reboot)","x":"\u0000\n;rm -rf /","y":"{{ .Evil }}"}})json");
  EXPECT_EQ(Only().labels.Get("alertname"), "$(reboot)");
  EXPECT_EQ(Only().labels.Get("x"), std::string_view("\0\n;rm -rf /", 11));
  EXPECT_EQ(Only().labels.Get("y"), "{{ .Evil }}");
}

}  // namespace
}  // namespace fettle::receivers

// What is sent, byte for byte. The expected bodies were recorded from Alertmanager 0.33.1, given
// the same alerts and receivers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "common/duration.h"
#include "receivers/notifiers/all.h"
#include "receivers/notifiers/slack.h"
#include "receivers/notifiers/webhook.h"
#include "receivers/route.h"
#include "tests/support/fake_transport.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using namespace std::chrono_literals;

constexpr const char* kAgent = "Alertmanager/0.33.1";

Alert Make(Labels labels, std::string_view starts = "2026-01-01T00:00:00Z",
           std::string_view ends = "") {
  Alert alert;
  alert.labels = std::move(labels);
  alert.starts_at = ParseRfc3339(starts).value();
  alert.ends_at = ends.empty() ? alert.starts_at + 87'600h : ParseRfc3339(ends).value();
  return alert;
}

class NotifiersTest : public testing::Test {
 protected:
  // What one receiver of the configuration says about these alerts.
  void Configure(const std::string& receivers, const std::vector<std::string>& templates = {}) {
    yaml::Complaints complaints;
    auto config = ReadAlertmanagerConfig(
        "route: {receiver: \"a.b/ok\"}\nreceivers: [{name: \"a.b/ok\", " + receivers + "}]",
        "am.yml", complaints);
    ASSERT_TRUE(config) << complaints.ToString();
    templates_ = Templates::Load(templates).value();
    integrations_ = MakeIntegrations(config->receivers[0], {http_, kAgent}, templates_);
  }
  Notification Of(std::vector<Alert> alerts, const std::vector<std::string>& group_by) {
    Notification n;
    n.receiver = "a.b/ok";
    n.now = ParseRfc3339("2026-01-01T02:00:00Z").value();
    n.reason = "first notification";
    n.external_url = "http://am.example/x";
    Route route;
    route.key = "{}";
    route.group_by = group_by;
    for (Alert& alert : alerts) {
      auto live = std::make_shared<LiveAlert>();
      live->fingerprint = alert.labels.Fingerprint();
      live->alert = std::move(alert);
      n.group_labels = route.GroupLabels(live->alert.labels);
      n.alerts.push_back({live, live->alert.ResolvedAt(n.now)});
    }
    SortAlerts(n.alerts);
    n.group_key = GroupKey(route, n.group_labels);
    return n;
  }
  Outcome Notify(const Notification& n, Millis timeout = 10s) {
    return integrations_.at(0).notifier->Notify(n, timeout, {});
  }
  // From Alertmanager 0.33.1, given the same.
  static std::string Recorded(const std::string& name) {
    std::ifstream in(FETTLE_TEST_DATA "/receivers/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::string Body() { return http_.Sent().back().body; }

  FakeTransport http_;
  std::shared_ptr<const Templates> templates_;
  std::vector<Integration> integrations_;
};

// ---- webhook ------------------------------------------------------------------------------------

constexpr const char* kWebhook = "webhook_configs: [{url: \"http://town/wh?token=x\"}]";

TEST_F(NotifiersTest, WebhookSendsAlertmanagersMessage) {
  Configure("webhook_configs: [{url: \"http://town/wh\", max_alerts: 2}]");
  Alert rich = Make({{"alertname", "A2"},
                     {"sev", "a"},
                     {"job", "j2"},
                     {"instance", "i1"},
                     {"x", "<é&\u2028\x01\x7f>"}},
                    "2026-01-01T00:00:00.120Z");
  rich.annotations = Labels{{"s", "q\"\\\n\t"}};
  rich.generator_url = "http://g/?a=1&b=2";
  const Notification n = Of({rich, Make({{"alertname", "A2"}, {"sev", "a"}, {"job", "j1"}}),
                             Make({{"alertname", "A2"}, {"sev", "a"}})},
                            {"alertname", "sev"});
  ASSERT_TRUE(Notify(n).status);
  EXPECT_EQ(Body(), Recorded("webhook_v4.json"));
  const HttpRequest request = http_.Sent().back();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://town/wh");
  EXPECT_EQ(request.headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(request.headers.Get("User-Agent"), kAgent);
  EXPECT_TRUE(http_.Options().back().secret_url);
}

TEST_F(NotifiersTest, WebhookSaysWhenAnAlertEnded) {
  Configure(kWebhook);
  ASSERT_TRUE(
      Notify(Of({Make({{"alertname", "A"}}, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00.5Z")}, {}))
          .status);
  EXPECT_THAT(Body(), HasSubstr(R"("status":"resolved","alerts":[{"status":"resolved")"));
  EXPECT_THAT(Body(), HasSubstr(R"("endsAt":"2026-01-01T01:00:00.5Z")"));
}

TEST_F(NotifiersTest, WebhookSortsAnswersIntoToldTryAgainAndNot) {
  Configure(kWebhook);
  const Notification n = Of({Make({{"alertname", "A"}})}, {});
  struct Case {
    int status;
    bool told;
    bool retry;
    std::string reason;
  };
  for (const Case& c :
       {Case{200, true, false, ""}, Case{204, true, false, ""}, Case{302, false, false, "other"},
        Case{400, false, false, "clientError"}, Case{401, false, false, "clientError"},
        Case{429, false, false, "clientError"}, Case{500, false, true, "serverError"},
        Case{503, false, true, "serverError"}}) {
    http_.AnswerWith([&](const HttpRequest&) { return TextResponse(c.status, "body\n"); });
    const Outcome outcome = Notify(n);
    EXPECT_EQ(outcome.status.has_value(), c.told) << c.status;
    EXPECT_EQ(outcome.retry, c.retry) << c.status;
    if (c.told) continue;
    EXPECT_EQ(outcome.reason, c.reason);
    EXPECT_EQ(outcome.status.error().message,
              fmt::format("unexpected status code {}: body", c.status));
  }
  for (const Cause cause : {Cause::kUnavailable, Cause::kTimeout, Cause::kFailed}) {
    http_.AnswerWith([&](const HttpRequest&) -> Result<HttpResponse> {
      return Fail(cause, "no way to http://town");
    });
    const Outcome outcome = Notify(n);
    EXPECT_TRUE(outcome.retry);
    EXPECT_THAT(outcome.status.error().message, HasSubstr("no way to http://town"));
  }
}

TEST_F(NotifiersTest, WebhookHasNoMoreTimeThanTheFlushAndItsOwnTimeout) {
  Configure("webhook_configs: [{url: \"http://town/wh\", timeout: 500ms}]");
  const Notification n = Of({Make({{"alertname", "A"}})}, {});
  Notify(n, 10s);
  EXPECT_EQ(http_.Options().back().timeout, 500ms);
  Notify(n, 200ms);
  EXPECT_EQ(http_.Options().back().timeout, 200ms);
}

TEST_F(NotifiersTest, WebhookUrlsMayBeTemplatesOrFiles) {
  const Notification n = Of({Make({{"alertname", "A"}, {"team", "db"}})}, {"alertname"});
  Configure(
      R"(webhook_configs: [{url: "http://town/{{ .GroupLabels.alertname }}/{{ .CommonLabels.team }}"}])");
  ASSERT_TRUE(Notify(n).status);
  EXPECT_EQ(http_.Sent().back().url, "http://town/A/db");

  Configure(R"(webhook_configs: [{url: "{{ if .CommonLabels.nope }}http://x{{ end }}"}])");
  EXPECT_EQ(Notify(n).status.error().message, "webhook URL is empty after templating");
  Configure(R"(webhook_configs: [{url: "http://x/{{ .Nope }}"}])");
  EXPECT_THAT(Notify(n).status.error().message, HasSubstr("failed to template webhook URL"));
  EXPECT_FALSE(Notify(n).retry);

  TempDir dir;
  Configure("webhook_configs: [{url_file: \"" + dir.Write("url", "http://town/secret\n") + "\"}]");
  ASSERT_TRUE(Notify(n).status);
  EXPECT_EQ(http_.Sent().back().url, "http://town/secret");
  dir.Write("url", "http://town/rotated\n");
  ASSERT_TRUE(Notify(n).status);
  EXPECT_EQ(http_.Sent().back().url, "http://town/rotated");
}

TEST_F(NotifiersTest, WebhookSendsAPayloadOfTheUsers) {
  Configure(R"(webhook_configs:
  [{url: "http://town/wh", payload: {
      text: "{{ .CommonLabels.alertname }} & <b>",
      n: "5", yes: "dropped, as these keys are no texts",
      five: 5, number: "{{ .Alerts.Firing | len }}", bool: "true", empty: "",
      list: [a, "{{ .Status }}", 1.5, true, null],
      map: {"{{ .Status }}": x, 7: y},
      inline: "{a: b, c: [1, 2]}", multi: "a: b", quoted: '"quoted"',
      js: "{{ .Alerts | toJson }}", date: "2026-01-01", float: "1e3", hex: "0x10", oct: "010",
      tilde: "~", big: "12345678901234567890"}}])");
  ASSERT_TRUE(Notify(Of({Make({{"alertname", "Pay"}, {"team", "c"}}, "2026-01-01T01:00:00Z")},
                        {"alertname"}))
                  .status);
  EXPECT_EQ(Body(), Recorded("payload.json"));
}

TEST_F(NotifiersTest, WhatALabelSaysIsNeverATemplate) {
  Configure(
      R"(webhook_configs: [{url: "http://town/wh", payload: {x: "{{ .CommonLabels.evil }}"}}])");
  ASSERT_TRUE(Notify(Of({Make({{"evil", R"({z: "{{ .ExternalURL }}"})"}})}, {})).status);
  EXPECT_EQ(Body(), "{\"x\":{\"z\":\"{{ .ExternalURL }}\"}}\n");
}

TEST_F(NotifiersTest, CredentialsOfHttpConfigAreSent) {
  Configure(
      "webhook_configs: [{url: \"http://town/wh\", http_config: {authorization: {credentials: "
      "t}, proxy_url: \"http://proxy:1\"}}]");
  ASSERT_TRUE(Notify(Of({Make({{"alertname", "A"}})}, {})).status);
  EXPECT_EQ(http_.Sent().back().headers.Get("Authorization"), "Bearer t");
  EXPECT_EQ(http_.Options().back().proxy_url, "http://proxy:1");
  Configure(
      "webhook_configs: [{url: \"http://town/wh\", http_config: {bearer_token_file: /nowhere}}]");
  const Outcome outcome = Notify(Of({Make({{"alertname", "A"}})}, {}));
  EXPECT_FALSE(outcome.retry);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("/nowhere"));
}

// ---- slack --------------------------------------------------------------------------------------

constexpr const char* kSlack = R"(slack_configs:
  [{api_url: "http://town/slack", channel: '#x', send_resolved: true, text: '{{ template "my" . }}',
    fields: [{title: T, value: "{{ .CommonLabels.team }}"}, {title: S, value: V, short: true}],
    actions: [{type: button, text: go, url: "http://x/?a=1&b=2"},
              {type: button, text: a, name: n, value: v, confirm: {text: sure, ok_text: ok}}],
    short_fields: false, link_names: true, message_text: 'hi {{ .Status }}', image_url: http://i}])";

class SlackTest : public NotifiersTest {
 protected:
  SlackTest() {
    http_.AnswerWith([](const HttpRequest&) { return TextResponse(200, "ok"); });
    dir_.Write(
        "my.tmpl",
        R"({{ define "my" }}{{ range .Alerts }}{{ .Labels.alertname | title }}{{ end }}{{ end }})");
  }
  Notification SlackMe(std::string_view ends = "") {
    Notification n = Of({Make({{"alertname", "slack-me now"}, {"team", "d"}, {"z", "1"}},
                              "2026-01-01T01:00:00Z", ends)},
                        {"alertname"});
    n.receiver = "sl";
    return n;
  }
  TempDir dir_;
};

TEST_F(SlackTest, SendsAlertmanagersMessage) {
  Configure(kSlack, {dir_ / "*.tmpl"});
  ASSERT_TRUE(Notify(SlackMe()).status);
  EXPECT_EQ(Body(), Recorded("slack.json"));
ASSERT_TRUE(Notify(SlackMe("2026-01-01T01:30:00Z")).status);
  EXPECT_THAT(Body(), HasSubstr("\"title\":\"[RESOLVED] slack-me now (d 1)\""));
  EXPECT_THAT(Body(), HasSubstr(R"("color":"good")"));
  EXPECT_THAT(Body(), HasSubstr(R"("text":"hi resolved")"));
  }

  TEST_F(SlackTest, ReadsSlacksAnswers) {
  Configure(R"(slack_configs: [{api_url: "http://town/slack", channel: '#x'}])");
  struct Case {
    HttpResponse answer;
    bool told;
    bool retry;
    std::string message;
  };
  const Case cases[] = {
      {TextResponse(200, "ok"), true, false, ""},
      {TextResponse(200, "no_service"), false, false,
       "channel \"#x\": received an error response from Slack: no_service"},
      {JsonResponse(200, R"({"ok":true})"), true, false, ""},
      {JsonResponse(200, R"({"ok":false,"error":"channel_not_found"})"), false, false,
       "channel \"#x\": error response from Slack: channel_not_found"},
      {JsonResponse(200, "<html>"), false, true,
       "channel \"#x\": could not unmarshal JSON response \"<html>\""},
      {TextResponse(404, "channel_is_archived"), false, false,
       "channel \"#x\": unexpected status code 404: channel_is_archived"},
      {TextResponse(429, "rate_limited"), false, false, "unexpected status code 429"},
      {TextResponse(500, ""), false, true, "channel \"#x\": unexpected status code 500"},
  };
  for (const Case& c : cases) {
    http_.AnswerWith([&](const HttpRequest&) { return c.answer; });
    const Outcome outcome = Notify(SlackMe());
    EXPECT_EQ(outcome.status.has_value(), c.told) << c.message;
    EXPECT_EQ(outcome.retry, c.retry) << c.message;
    if (c.told) continue;
    EXPECT_THAT(outcome.status.error().message, HasSubstr(c.message));
  }
  }

  TEST_F(SlackTest, AnAppTokenIsABearerOfChatPostMessage) {
  Configure("slack_configs: [{app_token: xoxb-1, channel: '#x'}]");
  ASSERT_TRUE(Notify(SlackMe()).status);
  EXPECT_EQ(http_.Sent().back().url, "https://slack.com/api/chat.postMessage");
  EXPECT_EQ(http_.Sent().back().headers.Get("Authorization"), "Bearer xoxb-1");
  }

  TEST_F(SlackTest, UpdatesTheGroupsMessageInPlace) {
  Configure(R"(slack_configs: [{api_url: "https://slack.com/api/chat.postMessage", channel: '#x',
    update_message: true, http_config: {authorization: {credentials: xoxb-1}}}])");
  http_.AnswerWith([](const HttpRequest&) {
    return JsonResponse(200, R"({"ok":true,"channel":"C1","ts":"17.5"})");
  });
  Notification n = SlackMe();
  const Outcome first = Notify(n);
  EXPECT_EQ(http_.Sent().back().url, "https://slack.com/api/chat.postMessage");
  EXPECT_EQ(first.data,
            (std::map<std::string, std::string>{{"channelId", "C1"}, {"threadTs", "17.5"}}));
  n.data = first.data;
  ASSERT_TRUE(Notify(n).status);
  EXPECT_EQ(http_.Sent().back().url, "https://slack.com/api/chat.update");
  EXPECT_THAT(Body(), testing::StartsWith(R"({"channel":"C1","ts":"17.5","username":)"));
  }

  TEST_F(SlackTest, ABrokenTemplateIsAnErrorAndNotHalfAMessage) {
  Configure(R"(slack_configs: [{api_url: "http://town/slack", text: '{{ template "nope" . }}'}])");
  const Outcome outcome = Notify(SlackMe());
  EXPECT_FALSE(outcome.status);
  EXPECT_FALSE(outcome.retry);
  EXPECT_THAT(http_.Sent(), IsEmpty());
  Configure(R"(slack_configs: [{api_url: "http://town/slack", text: '{{ nofunction }}'}])");
  EXPECT_THAT(Notify(SlackMe()).status.error().message, HasSubstr("nofunction"));
  }

  TEST_F(SlackTest, LongTitlesAreCut) {
  EXPECT_EQ(TruncateRunes("short", 10), "short");
  EXPECT_EQ(TruncateRunes("äöüß", 4), "äöüß");
  EXPECT_EQ(TruncateRunes("äöüßx", 4), "äöü…");
  Configure("slack_configs: [{api_url: \"http://town/slack\", title: \"" + std::string(2000, 'x') +
            "\"}]");
  ASSERT_TRUE(Notify(SlackMe()).status);
  EXPECT_THAT(Body(), HasSubstr("\"" + std::string(1023, 'x') + "…\""));
  }

  }  // namespace
  }  // namespace fettle::receivers

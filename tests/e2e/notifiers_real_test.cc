// Debian's Alertmanager has older default templates than its version: what they lack is given here.
// The same configuration and alerts for Alertmanager 0.33 and for the drop-in: every kind of
// receiver is told with the same requests, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "common/http_server.h"
#include "tests/support/drop_in.h"
#include "tests/support/recorded_log.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;

// Every service there is, at one address: keeps the requests and answers what each would.
class Services {
 public:
  Services() {
    Router router;
    for (const char* method : {"GET", "POST", "PUT"}) {
      router.Add(method, "/s/", Role::kPublic, [this](const HttpRequest& r) { return Answer(r); });
    }
    auto server =
        HttpServer::Start({.clock = clock_, .metrics = metrics_, .log = log_.For("services")},
                          {.listen_address = "127.0.0.1:0", .connections_per_address_max = 56}, {},
                          std::move(router));
    EXPECT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  std::string url() const { return server_->url() + "/s"; }
  std::vector<std::string> Requests() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> sorted = requests_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
  std::size_t Count() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }

 private:
  HttpResponse Answer(const HttpRequest& request) {
    std::string text = request.method + " " + request.url + "\n";
    for (const char* name : {"Content-Type", "Authorization", "X-Auth-Token", "X-User-Id"}) {
      std::string value(request.headers.Get(name));
      // Signed at another moment by another program.
      if (value.starts_with("AWS4")) value = value.substr(0, value.find('/'));
      if (!value.empty()) text += std::string(name) + ": " + value + "\n";
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(text + request.body);
    }
    const auto about = [&](const char* word) {
      return request.url.find(word) != std::string::npos;
    };
    if (about("/slack")) return JsonResponse(200, R"({"ok":true})");
    if (about("/jira")) return AnswerOfJira(request);
    if (about("gettoken")) return JsonResponse(200, R"({"errcode":0,"access_token":"TOK"})");
    if (about("sendMessage")) {
      return JsonResponse(200, R"({"ok":true,"result":{"message_id":1,"chat":{"id":5},"date":1}})");
    }
    if (about("/sns")) {
      return TextResponse(200,
                          "<PublishResponse><PublishResult><MessageId>x</MessageId>"
                          "</PublishResult></PublishResponse>");
    }
    return JsonResponse(200, R"({"success":true,"errcode":0})");
  }

  // One issue, open once it was created.
  HttpResponse AnswerOfJira(const HttpRequest& request) {
    const bool is_search = request.url.find("/search") != std::string::npos;
    const bool is_issue = request.url.ends_with("/issue");
    if (request.method == "POST" && is_issue) jira_has_issue_ = true;
    if (is_search && !jira_has_issue_) return JsonResponse(200, R"({"issues":[]})");
    if (is_search) {
      return JsonResponse(200, R"({"issues":[{"key":"P-1","fields":{"status":{"name":"Open",)"
                               R"("statusCategory":{"key":"new"}}}}]})");
    }
    return JsonResponse(
        200, R"({"transitions":[{"id":"11","name":"Open"},{"id":"21","name":"Close"}]})");
  }

  SystemClock clock_;
  Metrics metrics_;
  RecordedLog log_;
  std::atomic<bool> jira_has_issue_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::unique_ptr<HttpServer> server_;
};

constexpr const char* kConfig = R"(
global: {opsgenie_api_key: OK, opsgenie_api_url: 'URL/opsgenie', victorops_api_key: VK, victorops_api_url: 'URL/victor',
  wechat_api_url: 'URL/wechat', wechat_api_secret: ws, wechat_api_corp_id: corp, telegram_api_url: 'URL/telegram', telegram_bot_token: BT,
  webex_api_url: 'URL/webex', rocketchat_api_url: 'URL/rocket/', rocketchat_token: rt, rocketchat_token_id: rti,
  mattermost_webhook_url: 'URL/mattermost', pagerduty_url: 'URL/pagerduty', slack_api_url: 'URL/slack'}
route: {receiver: plain, group_by: [alertname], group_wait: 300ms, group_interval: 1s, repeat_interval: 100h,
  routes: [{receiver: plain, continue: true}, {receiver: all}]}
receivers:
- name: plain
  webhook_configs: [{url: 'URL/webhook'}]
  discord_configs: [{webhook_url: 'URL/discord'}]
  pagerduty_configs: [{routing_key: RK}]
  opsgenie_configs: [{}]
  wechat_configs: [{send_resolved: true}]
  victorops_configs: [{routing_key: vk}]
  sns_configs: [{api_url: 'URL/sns', sigv4: {region: us-east-1, access_key: AK, secret_key: SK}, topic_arn: 'arn:aws:sns:us-east-1:123456789012:t'}]
  telegram_configs: [{chat_id: 5}]
  webex_configs: [{room_id: room, http_config: {authorization: {credentials: wx}}}]
  incidentio_configs: [{url: 'URL/incidentio', alert_source_token: it}]
- name: all
  slack_configs: [{send_resolved: true, channel: '#c', color: '{{ .Status }}'}]
  msteams_configs: [{webhook_url: 'URL/msteams', title: 't {{ .Status }}', summary: s, text: x}]
  msteamsv2_configs: [{webhook_url: 'URL/msteamsv2', title: 't {{ .Status }}', text: x}]
  rocketchat_configs:
  - {send_resolved: true, channel: '#c', title: t, title_link: l, text: x, emoji: ':e:', icon_url: i, image_url: im, thumb_url: th,
     fields: [{title: a, value: b}, {title: c, value: '{{ .Status }}', short: false}], short_fields: true,
     actions: [{type: button, text: a, url: u, msg: m}], link_names: true}
  mattermost_configs:
  - {channel: c, username: u, text: x, fallback: f, color: co, title: t, title_link: l, pretext: p, author_name: an,
     fields: [{title: a, value: b, short: true}], icon_emoji: e, icon_url: iu, type: ty, footer: fo, props: {card: ca},
     attachments: [{title: at, text: tx, fields: [{title: q, value: w}]}], priority: {priority: Urgent, requested_ack: true, persistent_notifications: true}}
  - {text: only, username: u, fallback: f, color: c, title: t, title_link: l, priority: {priority: nonsense, requested_ack: true}}
  pagerduty_configs:
  - {routing_key: RK, details: {x: '{{ .Status }}', n: '5', firing: 'f', deep: {a: ['{{ .Status }}', 2]}}, images: [{src: s, alt: a, href: h}, {alt: z}],
     links: [{href: h, text: t}], class: cl, component: co, group: g, severity: '{{ .Status }}', source: so, client: c, client_url: cu}
  opsgenie_configs:
  - {message: m, description: d, details: {k: v}, responders: [{name: 'a,b', type: teams}, {id: i, type: user}, {name: '{{ "" }}', type: '{{ "" }}'}],
     tags: 'x, y,,z', note: n, priority: P1, entity: e, actions: 'q,w', update_alerts: true}
  telegram_configs:
  - {chat_id: -5, message: 'a <b> {{ .Status }} {{ "<x>&" }}', disable_notifications: true, message_thread_id: 7, parse_mode: ''}
  - {chat_id: 5, message: '<b>{{ "<x>&''\"+" }}</b>{{ safeHtml "<i>" }}'}
  discord_configs: [{webhook_url: 'URL/discord', content: c, title: t, message: m, username: u, avatar_url: av}]
  victorops_configs: [{routing_key: '{{ .Status }}', message_type: WARNING, custom_fields: {zz: '{{ .Status }}'}, entity_display_name: e, state_message: s, monitoring_tool: m}]
  wechat_configs: [{api_url: 'URL/wechat/', api_secret: s, corp_id: c, message: m, to_user: u, to_party: p, to_tag: t, agent_id: a, message_type: markdown, send_resolved: true}]
  webex_configs: [{room_id: '{{ .Status }}', message: m, http_config: {authorization: {credentials: wx}}}]
  incidentio_configs: [{url: 'URL/incidentio', http_config: {authorization: {credentials: hc}}, max_alerts: 1}]
  jira_configs:
  - {api_url: 'URL/jira/rest/api/2', project: P, issue_type: Bug, summary: 's <{{ .Status }}>', description: {template: d, enable_update: false},
     labels: [z, '{{ .Status }}'], priority: P1, reopen_transition: Open, resolve_transition: Close, reopen_duration: 2h, wont_fix_resolution: 'W "x"',
     fields: {customfield_1: '{{ .Status }}', n: 5, deep: {a: ['{{ .Status }}']}}}
  sns_configs:
  - {api_url: 'URL/sns', sigv4: {region: us-east-1, access_key: AK, secret_key: SK}, topic_arn: 'arn:aws:sns:us-east-1:123456789012:t.fifo', subject: s, message: 'm & n~', attributes: {k: '{{ .Status }}'}}
)";

constexpr const char* kAlerts = R"([
{"labels":{"alertname":"Disk <Full>","sev":"b","a":"1"},"annotations":{"summary":"it is \"bad\"","description":"d & e"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"END","generatorURL":"http://x/?a&b"},
{"labels":{"alertname":"Disk <Full>","sev":"b","a":"2"},"annotations":{"summary":"it is \"bad\""},"startsAt":"2026-01-01T00:00:00.5Z","endsAt":"END"}])";

std::string With(std::string text, const std::string& word, const std::string& value) {
  RE2::GlobalReplace(&text, word, value);
  return text;
}

std::vector<std::string> Told(DropIn::Kind kind) {
  Services services;
  // Old alerts do not wait for their group: they come in one posting, so that one message has both.
  const DropIn one(kind, With(kConfig, "URL", services.url()),
                   {"--web.external-url=http://am.example/x", "--dispatch.start-delay=1s"});
  constexpr std::size_t kFiring = 32;
  constexpr std::size_t kResolved = 30;
  EXPECT_EQ(one.Post("/x/api/v2/alerts", With(kAlerts, "END", "2036-01-01T00:00:00Z")).status, 200);
  EXPECT_TRUE(WaitUntil([&] { return services.Count() >= kFiring; }, 20s)) << one.Log();
  EXPECT_EQ(one.Post("/x/api/v2/alerts", With(kAlerts, "END", "2026-06-01T00:00:00Z")).status, 200);
  EXPECT_TRUE(WaitUntil([&] { return services.Count() >= kFiring + kResolved; }, 20s))
      << services.Count() << one.Log();
  std::vector<std::string> told = services.Requests();
  for (std::string& request : told) request = With(request, services.url(), "URL");
  return told;
}

TEST(NotifiersRealTest, EveryKindIsToldWhatAlertmanagerTellsIt) {
  if (!DropIn::IsNewAlertmanager()) GTEST_SKIP() << "Alertmanager 0.33 is not here";
  const std::vector<std::string> theirs = Told(DropIn::Kind::kAlertmanager);
  const std::vector<std::string> ours = Told(DropIn::Kind::kFettle);
  for (const std::string& request : theirs) {
    EXPECT_TRUE(std::find(ours.begin(), ours.end(), request) != ours.end())
        << "missing: " << request;
  }
  for (const std::string& request : ours) {
    EXPECT_TRUE(std::find(theirs.begin(), theirs.end(), request) != theirs.end())
        << "only ours: " << request;
  }
  EXPECT_EQ(ours.size(), theirs.size());
}

}  // namespace
}  // namespace fettle

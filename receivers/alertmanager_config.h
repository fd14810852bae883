// alertmanager.yml, read strictly: who is told, when, and of what not. Values.
//
// Every key of Alertmanager 0.33 is known; what this version cannot do yet is a complaint of its
// own and not an unknown key. Wording is Alertmanager's where it has one. Everything wrong is said
// at once, each with its place. ${NAME} is not expanded: the file stays pure Alertmanager.
// Source: prometheus.io/docs/alerting/latest/configuration, Alertmanager's config/config.go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/http_config.h"
#include "common/matcher.h"
#include "common/secret.h"
#include "common/yaml.h"
#include "receivers/calendar.h"
#include "receivers/inhibitor.h"
#include "receivers/kinds.h"
#include "receivers/route.h"

namespace fettle::receivers {

// Fields that say "template" are Go templates over the notification (templates.h).
struct WebhookReceiver {
  bool send_resolved = true;
  HttpConfig http;
  Secret url;  // template
  std::uint64_t max_alerts = 0;
  Millis timeout{0};                  // of one attempt; zero: none
  std::optional<yaml::Node> payload;  // its texts are templates; instead of Alertmanager's message
};

struct SlackField {
  std::string title;  // template
  std::string value;  // template
  std::optional<bool> is_short;
};

struct SlackConfirmation {
  std::string text, title, ok_text, dismiss_text;  // templates
};

struct SlackAction {
  std::string type, text, url, style, name, value;  // templates
  std::optional<SlackConfirmation> confirm;
};

struct SlackReceiver {
  bool send_resolved = false;
  HttpConfig http;
  Secret url;        // of an incoming webhook, or of chat.postMessage
  Secret app_token;  // bearer, with chat.postMessage
  // Templates.
  std::string channel;
  std::string username = R"({{ template "slack.default.username" . }})";
  std::string color = R"({{ template "slack.default.color" . }})";
  std::string title = R"({{ template "slack.default.title" . }})";
  std::string title_link = R"({{ template "slack.default.titlelink" . }})";
  std::string pretext = R"({{ template "slack.default.pretext" . }})";
  std::string text = R"({{ template "slack.default.text" . }})";
  std::string message_text;
  std::string footer = R"({{ template "slack.default.footer" . }})";
  std::string fallback = R"({{ template "slack.default.fallback" . }})";
  std::string callback_id = R"({{ template "slack.default.callbackid" . }})";
  std::string icon_emoji = R"({{ template "slack.default.iconemoji" . }})";
  std::string icon_url = R"({{ template "slack.default.iconurl" . }})";
  std::string image_url;
  std::string thumb_url;
  std::vector<SlackField> fields;
  bool short_fields = false;
  bool link_names = false;
  std::vector<std::string> mrkdwn_in;
  std::vector<SlackAction> actions;
  bool update_message = false;  // edits the group's message in place
  Millis timeout{0};
};

struct ReceiverConfig {
  std::string name;
  Labels labels;  // its own and "name": API v2 filters by them
  std::vector<WebhookReceiver> webhooks;
  std::vector<SlackReceiver> slacks;
  std::vector<KindReceiver> others;  // of all other kinds (kinds.h), kind by kind
};

struct AlertmanagerConfig {
  Millis resolve_timeout{300'000};
  std::vector<std::string> templates;  // globs, resolved against the file's directory
  RouteConfig route;
  std::vector<ReceiverConfig> receivers;
  std::vector<InhibitRule> inhibit_rules;
  TimeIntervals time_intervals;
  std::string original;  // the text, as it may be shown

  const ReceiverConfig* FindReceiver(const std::string& name) const;
};

// nullopt if there are complaints.
std::optional<AlertmanagerConfig> ReadAlertmanagerConfig(std::string_view text,
                                                         const std::string& file,
                                                         yaml::Complaints& complaints,
                                                         MatcherSyntax = MatcherSyntax::kFallback);
std::optional<AlertmanagerConfig> ReadAlertmanagerFile(const std::string& path,
                                                       yaml::Complaints& complaints,
                                                       MatcherSyntax = MatcherSyntax::kFallback);

// The `receivers` list, after `global`: alertmanager_receivers.cc.
struct GlobalConfig {
  Millis resolve_timeout{300'000};
  HttpConfig http;
  Secret slack_api_url;
  Secret slack_app_token;
  std::string slack_app_url = "https://slack.com/api/chat.postMessage";
  Settings others;        // what kinds.h falls back to
  std::string directory;  // relative paths start here
};
GlobalConfig ReadGlobal(const yaml::Node* node, const std::string& directory,
                        yaml::Complaints& complaints);
std::vector<ReceiverConfig> ReadReceivers(yaml::Mapping& top, const GlobalConfig& global);

}  // namespace fettle::receivers

// The `global` and `receivers` parts of alertmanager.yml.
#include <fmt/format.h>

#include <array>
#include <set>
#include <utility>

#include "receivers/alertmanager_config.h"

namespace fettle::receivers {
namespace {

using yaml::Mapping;
using yaml::Node;

constexpr const char* kSlackPostMessage = "https://slack.com/api/chat.postMessage";

bool Given(const Node* node) { return node != nullptr && node->kind != Node::Kind::kNull; }

bool IsHttpUrl(std::string_view url) {
  const bool http = url.starts_with("http://") && url.size() > 7;
  return http || (url.starts_with("https://") && url.size() > 8);
}

// A secret URL that may hold templates; `key_file` as usual.
Secret ReadUrl(Mapping& m, const std::string& key) {
  Secret secret = m.GetSecret(key);
  const Node* node = m.Child(key);
  if (!Given(node) || node->text.find("{{") != std::string::npos) return secret;
  if (!IsHttpUrl(node->text)) {
    m.Complain(node->place, key + " must be a URL that begins with http:// or https://");
  }
  return secret;
}

HttpConfig ReadHttp(Mapping& m, const GlobalConfig& global) {
  const Node* node = m.Child("http_config");
  if (!Given(node)) return global.http;
  return ReadHttpConfig(*node, global.directory, m.complaints());
}

WebhookReceiver ReadWebhook(const Node& node, const std::string& what, const GlobalConfig& global,
                            yaml::Complaints& complaints) {
  WebhookReceiver webhook;
  Mapping m(node, what, complaints);
  webhook.send_resolved = m.Get("send_resolved", webhook.send_resolved);
  webhook.http = ReadHttp(m, global);
  webhook.url = ReadUrl(m, "url");
  webhook.max_alerts = m.Get<std::size_t>("max_alerts", 0);
  webhook.timeout = m.Get<Millis>("timeout", Millis(0));
  if (const Node* payload = m.Child("payload"); Given(payload)) webhook.payload = *payload;
  if (webhook.url.empty()) m.Complain(node.place, "one of url or url_file must be configured");
  return webhook;
}

SlackField ReadSlackField(const Node& node, const std::string& what, yaml::Complaints& complaints) {
  SlackField field;
  Mapping m(node, what, complaints);
  field.title = m.Get<std::string>("title", "");
  field.value = m.Get<std::string>("value", "");
  field.is_short = m.Find<bool>("short");
  if (field.title.empty()) m.Complain(node.place, "missing title in Slack field configuration");
  if (field.value.empty()) m.Complain(node.place, "missing value in Slack field configuration");
  return field;
}

SlackAction ReadSlackAction(const Node& node, const std::string& what,
                            yaml::Complaints& complaints) {
  SlackAction action;
  Mapping m(node, what, complaints);
  action.type = m.Get<std::string>("type", "");
  action.text = m.Get<std::string>("text", "");
  action.url = m.Get<std::string>("url", "");
  action.style = m.Get<std::string>("style", "");
  action.name = m.Get<std::string>("name", "");
  action.value = m.Get<std::string>("value", "");
  if (const Node* node_confirm = m.Child("confirm"); Given(node_confirm)) {
    Mapping c(*node_confirm, what + ".confirm", complaints);
    action.confirm = SlackConfirmation{
        c.Get<std::string>("text", ""), c.Get<std::string>("title", ""),
        c.Get<std::string>("ok_text", ""), c.Get<std::string>("dismiss_text", "")};
    if (action.confirm->text.empty()) {
      c.Complain(node_confirm->place, "missing text in Slack confirmation configuration");
    }
  }
  if (!action.url.empty()) {
    // A link: what belongs to message buttons is dropped, as Alertmanager does.
    action.name.clear();
    action.value.clear();
    action.confirm.reset();
  } else if (action.name.empty()) {
    m.Complain(node.place, "missing name or url in Slack action configuration");
  }
  if (action.type.empty()) m.Complain(node.place, "missing type in Slack action configuration");
  if (action.text.empty()) m.Complain(node.place, "missing text in Slack action configuration");
  return action;
}

// Which of API URL and app token it is, with what `global` says where the receiver says nothing.
void ReadSlackWay(Mapping& m, SlackReceiver& slack, const GlobalConfig& global) {
  const bool has_authorization =
      Given(m.Child("http_config")) && Given(m.Child("http_config")->Find("authorization"));
  slack.url = ReadUrl(m, "api_url");
  slack.app_token = m.GetSecret("app_token");
  const std::string app_url = m.Get<std::string>("app_url", global.slack_app_url);
  if (!slack.url.empty() && !slack.app_token.empty()) {
    m.Complain(m.place(),
               "at most one of api_url/api_url_file & app_token/app_token_file must be configured");
  }
  const Node* own_url = m.Child("api_url");
  const bool bot = Given(own_url) && own_url->text == kSlackPostMessage;
  if (slack.update_message && !bot) {
    m.Complain(m.place(), fmt::format("update_message can only be used with bot tokens. api_url "
                                      "must be set to {}",
                                      kSlackPostMessage));
  }
  if (slack.app_token.empty() && slack.url.empty() && !has_authorization) {
    slack.app_token = global.slack_app_token;
  }
  if (slack.url.empty()) slack.url = global.slack_api_url;
  if (slack.url.empty() && slack.app_token.empty()) {
    m.Complain(m.place(), "no Slack API URL nor App token set either inline or in a file");
  }
  if (slack.app_token.empty()) return;
  if (has_authorization) {
    m.Complain(m.place(), "http authorization can't be set when using Slack App tokens");
  }
  slack.url = Secret::FromText(app_url);
}

SlackReceiver ReadSlack(const Node& node, const std::string& what, const GlobalConfig& global,
                        yaml::Complaints& complaints) {
  SlackReceiver slack;
  Mapping m(node, what, complaints);
  const auto text = [&](const char* key, std::string& field) {
    field = m.Get<std::string>(key, std::move(field));
  };
  slack.send_resolved = m.Get("send_resolved", slack.send_resolved);
  slack.http = ReadHttp(m, global);
  text("channel", slack.channel);
  text("username", slack.username);
  text("color", slack.color);
  text("title", slack.title);
  text("title_link", slack.title_link);
  text("pretext", slack.pretext);
  text("text", slack.text);
  text("message_text", slack.message_text);
  text("footer", slack.footer);
  text("fallback", slack.fallback);
  text("callback_id", slack.callback_id);
  text("icon_emoji", slack.icon_emoji);
  text("icon_url", slack.icon_url);
  text("image_url", slack.image_url);
  text("thumb_url", slack.thumb_url);
  slack.short_fields = m.Get("short_fields", false);
  slack.link_names = m.Get("link_names", false);
  slack.mrkdwn_in = m.List<std::string>("mrkdwn_in");
  slack.update_message = m.Get("update_message", false);
  slack.timeout = m.Get<Millis>("timeout", Millis(0));
  m.ForEach("fields", [&](const Node& item) {
    const std::string name = fmt::format("{}.fields[{}]", what, slack.fields.size());
    slack.fields.push_back(ReadSlackField(item, name, complaints));
  });
  m.ForEach("actions", [&](const Node& item) {
    const std::string name = fmt::format("{}.actions[{}]", what, slack.actions.size());
    slack.actions.push_back(ReadSlackAction(item, name, complaints));
  });
  ReadSlackWay(m, slack, global);
  return slack;
}

// tls_config of a mail server; `global`'s where the receiver says nothing.
TlsOptions ReadSmtpTls(const Node* node, const GlobalConfig& global, yaml::Complaints& complaints) {
  if (!Given(node)) node = global.others.Any("smtp_tls_config");
  if (!Given(node)) return {};
  Node http;
  http.kind = Node::Kind::kMapping;
  http.place = node->place;
  Node key;
  key.kind = Node::Kind::kScalar;
  key.text = "tls_config";
  http.entries.push_back({key, *node});
  return ReadHttpConfig(http, global.directory, complaints).tls;
}

KindReceiver ReadOther(const Node& node, const std::string& what, const Kind& kind,
                       const GlobalConfig& global, yaml::Complaints& complaints) {
  KindReceiver receiver;
  receiver.kind = &kind;
  Mapping m(node, what, complaints);
  receiver.send_resolved = m.Get("send_resolved", kind.send_resolved);
  HttpConfig http;
  if (kind.http) {
    http = ReadHttp(m, global);
  } else {
    http.tls = ReadSmtpTls(m.Child("tls_config"), global, complaints);
  }
  receiver.settings = ReadSettings(m, *kind.schema, &global.others);
  receiver.settings.http = std::move(http);
  receiver.settings.place = node.place;
  kind.check(m, receiver.settings);
  return receiver;
}

// A receiver can be asked for by labels; its name is one of them.
void ReadReceiverLabels(Mapping& m, ReceiverConfig& receiver) {
  for (const auto& [name, value] : m.StringMap("labels")) {
    if (name == "name") {
      m.Complain(m.place(), "receiver label \"name\" is set from the receiver's name");
    } else {
      receiver.labels.Set(name, value);
    }
  }
  receiver.labels.Set("name", receiver.name);
}

ReceiverConfig ReadReceiver(const Node& node, const std::string& what, const GlobalConfig& global,
                            yaml::Complaints& complaints) {
  ReceiverConfig receiver;
  Mapping m(node, what, complaints);
  receiver.name = m.Get<std::string>("name", "");
  if (receiver.name.empty()) m.Complain(node.place, "missing name in receiver");
  ReadReceiverLabels(m, receiver);
  m.ForEach("webhook_configs", [&](const Node& item) {
    if (!Given(&item)) return m.Complain(item.place, "missing webhook config");
    const std::string name = fmt::format("{}.webhook_configs[{}]", what, receiver.webhooks.size());
    receiver.webhooks.push_back(ReadWebhook(item, name, global, complaints));
  });
  m.ForEach("slack_configs", [&](const Node& item) {
    const std::string name = fmt::format("{}.slack_configs[{}]", what, receiver.slacks.size());
    receiver.slacks.push_back(ReadSlack(item, name, global, complaints));
  });
  for (const Kind& kind : Kinds()) {
    std::size_t index = 0;
    m.ForEach(kind.key, [&](const Node& item) {
      const std::string name = fmt::format("{}.{}[{}]", what, kind.key, index++);
      receiver.others.push_back(ReadOther(item, name, kind, global, complaints));
    });
  }
  return receiver;
}

}  // namespace

GlobalConfig ReadGlobal(const Node* node, const std::string& directory,
                        yaml::Complaints& complaints) {
  GlobalConfig global;
  global.directory = directory;
  if (!Given(node)) {
    // Absent, it still says where the services are.
    const Node absent;
    Mapping nothing(absent, "global", complaints);
    global.others = ReadSettings(nothing, GlobalSchema(), nullptr);
    return global;
  }
  Mapping m(*node, "global", complaints);
  global.resolve_timeout = m.Get<Millis>("resolve_timeout", global.resolve_timeout);
  if (const Node* http = m.Child("http_config"); Given(http)) {
    global.http = ReadHttpConfig(*http, directory, complaints);
  }
  global.slack_api_url = ReadUrl(m, "slack_api_url");
  global.slack_app_token = m.GetSecret("slack_app_token");
  global.slack_app_url = m.Get<std::string>("slack_app_url", global.slack_app_url);
  if (!global.slack_app_token.empty() && !global.slack_api_url.empty() &&
      global.slack_api_url != Secret::FromText(global.slack_app_url)) {
    m.Complain(node->place,
               "at most one of slack_app_token/slack_app_token_file & "
               "slack_api_url/slack_api_url_file must be configured");
  }
  global.others = ReadSettings(m, GlobalSchema(), nullptr);
  return global;
}

std::vector<ReceiverConfig> ReadReceivers(Mapping& top, const GlobalConfig& global) {
  std::vector<ReceiverConfig> receivers;
  std::set<std::string> names;
  top.ForEach("receivers", [&](const Node& node) {
    const std::string what = fmt::format("receivers[{}]", receivers.size());
    ReceiverConfig receiver = ReadReceiver(node, what, global, top.complaints());
    if (!receiver.name.empty() && !names.insert(receiver.name).second) {
      top.Complain(node.place,
                   fmt::format("notification config name {} is not unique", Quote(receiver.name)));
    }
    receivers.push_back(std::move(receiver));
  });
  return receivers;
}

}  // namespace fettle::receivers

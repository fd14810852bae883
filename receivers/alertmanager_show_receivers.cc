// The receivers of alertmanager.yml, and what `global` says for them, as they are shown.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "common/duration.h"
#include "receivers/alertmanager_show_parts.h"
#include "receivers/kinds.h"

namespace fettle::receivers::show {
namespace {

using yaml::Node;
using yaml::Tree;
using enum Field::Type;

// 1m30s, 1h0m0s, 500ms: Go's time.Duration.
std::string GoDuration(Millis duration) {
  const std::int64_t ms = duration.count();
  if (ms == 0) return "0s";
  if (ms < 1'000) return fmt::format("{}ms", ms);
  std::string seconds = std::to_string(ms % 60'000 / 1'000);
  if (ms % 1'000 != 0) {
    std::string fraction = fmt::format("{:03}", ms % 1'000);
    while (fraction.back() == '0') fraction.pop_back();
    seconds += "." + fraction;
  }
  const std::int64_t minutes = ms / 60'000;
  if (minutes == 0) return seconds + "s";
  if (minutes < 60) return fmt::format("{}m{}s", minutes, seconds);
  return fmt::format("{}h{}m{}s", minutes / 60, minutes % 60, seconds);
}

// Whatever YAML there is, names sorted as Go sorts a map's.
Tree ShowAny(const Node& node) {
  Tree tree;
  switch (node.kind) {
    case Node::Kind::kNull:
      return Tree::Plain("null");
    case Node::Kind::kScalar:
      return node.quoted ? Tree::Text(node.text) : Tree::Plain(node.text);
    case Node::Kind::kSequence:
      tree.kind = Tree::Kind::kList;
      for (const Node& item : node.items) tree.items.push_back(ShowAny(item));
      return tree;
    case Node::Kind::kMapping: {
      std::map<std::string, const Node*> sorted;
      for (const auto& [key, value] : node.entries) sorted[key.text] = &value;
      for (const auto& [key, value] : sorted) tree.Add(key, ShowAny(*value));
      return tree;
    }
  }
  return tree;
}

// key and key_file.
void AddSecret(Tree& tree, const Node* from, const std::string& key) {
  if (!TextOf(Find(from, key)).empty()) tree.Add(key, Tree::Text(kSecretText));
  AddText(tree, from, (key + "_file").c_str());
}

Tree ShowTls(const Node* node) {
  Tree tree;
  for (const char* key : {"ca", "cert"}) AddText(tree, node, key);
  if (!TextOf(Find(node, "key")).empty()) tree.Add("key", Tree::Text(kSecretText));
  for (const char* key : {"ca_file", "cert_file", "key_file", "server_name"})
    AddText(tree, node, key);
  tree.Add("insecure_skip_verify", Tree::Bool(IsTrue(Find(node, "insecure_skip_verify"))));
  for (const char* key : {"min_version", "max_version"}) AddText(tree, node, key);
  return tree;
}

void AddCredentials(Tree& tree, const Node* http) {
  if (const Node* basic = Find(http, "basic_auth"); Given(basic)) {
    Tree shown;
    AddText(shown, basic, "username");
    AddText(shown, basic, "username_file");
    AddSecret(shown, basic, "password");
    tree.Add("basic_auth", std::move(shown));
  }
  if (const Node* header = Find(http, "authorization"); Given(header)) {
    Tree shown;
    AddText(shown, header, "type", "Bearer");
    AddSecret(shown, header, "credentials");
    tree.Add("authorization", std::move(shown));
  } else if (!TextOf(Find(http, "bearer_token")).empty() ||
             !TextOf(Find(http, "bearer_token_file")).empty()) {
    // Read as what it means, as Alertmanager does.
    Tree shown;
    shown.Add("type", Tree::Text("Bearer"));
    if (!TextOf(Find(http, "bearer_token")).empty())
      shown.Add("credentials", Tree::Text(kSecretText));
    const std::string file = TextOf(Find(http, "bearer_token_file"));
    if (!file.empty()) shown.Add("credentials_file", Tree::Text(file));
    tree.Add("authorization", std::move(shown));
  }
}

void AddHeaders(Tree& tree, const Node* from, const char* key) {
  const Node* headers = Find(from, key);
  if (!Given(headers) || headers->entries.empty()) return;
  std::map<std::string, Tree> sorted;
  for (const auto& [name, value] : headers->entries) {
    Tree& shown = sorted[name.text];
    AddList(shown, value, "values");
    if (const Node* secrets = value.Find("secrets"); Given(secrets)) {
      shown.Add("secrets",
                Tree::List(std::vector<std::string>(secrets->items.size(), kSecretText)));
    }
    AddList(shown, value, "files");
  }
  Tree all;
  for (auto& [name, shown] : sorted) all.Add(name, std::move(shown));
  tree.Add(key, std::move(all));
}

Tree ShowHttp(const Node* http, const Tree* authorization = nullptr) {
  Tree tree;
  AddCredentials(tree, http);
  if (authorization != nullptr) tree.Add("authorization", *authorization);
  if (const Node* tls = Find(http, "tls_config"); Given(tls)) tree.Add("tls_config", ShowTls(tls));
  for (const char* key : {"follow_redirects", "enable_http2"}) {
    const Node* flag = Find(http, key);
    tree.Add(key, Tree::Bool(!Given(flag) || IsTrue(flag)));
  }
  AddText(tree, http, "proxy_url");
  AddText(tree, http, "no_proxy");
  if (IsTrue(Find(http, "proxy_from_environment"))) {
    tree.Add("proxy_from_environment", Tree::Bool(true));
  }
  AddHeaders(tree, http, "http_headers");
  return tree;
}

// Written even when they are empty.
bool IsAlways(std::string_view key) {
  static constexpr std::array kAlways = {"timeout",         "room_id",        "routing_key",
                                         "message_type",    "state_message",  "entity_display_name",
                                         "monitoring_tool", "max_alerts",     "short_fields",
                                         "link_names",      "update_message", "sigv4"};
  return std::find(kAlways.begin(), kAlways.end(), key) != kAlways.end();
}

// A path that others are appended to.
bool EndsWithSlash(std::string_view name, std::string_view key) {
  static constexpr std::array kGlobal = {"opsgenie_api_url", "wechat_api_url", "victorops_api_url"};
  if (std::find(kGlobal.begin(), kGlobal.end(), key) != kGlobal.end()) return true;
  return key == "api_url" && (name == "opsgenie" || name == "wechat" || name == "victorops");
}

class Fields {
 public:
  Fields(std::string_view name, const Node* node, const Node* global)
      : name_(name), node_(node), global_(global) {}

  void Add(Tree& tree, const Field& field) const {
    const Node* const own = Find(node_, field.key);
    switch (field.type) {
      case kSecret:
        return AddOneSecret(tree, field);
      case kTextMap:
        if (node_ != nullptr) AddMap(tree, *node_, field.key);
        return;
      case kObject:
        if (Given(own) || IsAlways(field.key)) tree.Add(field.key, ShowObject(own, *field.inner));
        return;
      case kObjects:
        return AddObjects(tree, field, own);
      case kAny:
        if (Given(own)) tree.Add(field.key, ShowAny(*own));
        return;
      default:
        return AddScalar(tree, field, own);
    }
  }

 private:
  Tree ShowObject(const Node* node, const Schema& schema) const {
    Tree tree;
    const Fields inner(name_, node, nullptr);
    for (const Field& field : schema) inner.Add(tree, field);
    return tree;
  }

  void AddObjects(Tree& tree, const Field& field, const Node* own) const {
    if (!Given(own) || own->items.empty()) return;
    Tree list = Tree::List({});
    for (const Node& item : own->items) list.items.push_back(ShowObject(&item, *field.inner));
    tree.Add(field.key, std::move(list));
  }

  void AddOneSecret(Tree& tree, const Field& field) const {
    const std::string file_key = std::string(field.key) + "_file";
    // incident.io's URL is none, and written even when it is empty; so are the files of URLs.
    const bool url = std::string_view(field.key) == "url";
    std::string text = TextOf(Find(node_, field.key));
    std::string file = TextOf(Find(node_, file_key));
    if (text.empty() && file.empty() && *field.global != '\0') {
      text = TextOf(Find(global_, field.global));
      file = TextOf(Find(global_, std::string(field.global) + "_file"));
    }
    if (!text.empty()) {
      tree.Add(field.key, Tree::Text(url && name_ == "incidentio" ? text : kSecretText));
    }
    if (!file.empty() || url) tree.Add(file_key, Tree::Text(file));
  }

  void AddScalar(Tree& tree, const Field& field, const Node* own) const {
    std::string text = TextOf(own, field.fallback);
    if (!Given(own) && text.empty() && *field.global != '\0') text = GlobalText(field.global);
    switch (field.type) {
      case kFlag: {
        // Those that may be absent are written whatever they say.
        const bool pointer =
            std::string_view(field.key) == "short" || std::string_view(field.key).ends_with("_tls");
        const bool value = Given(own) ? IsTrue(own) : text == "true";
        const bool known = Given(own) || !text.empty();
        if (value || IsAlways(field.key) || (pointer && known))
          tree.Add(field.key, Tree::Bool(value));
        return;
      }
      case kInteger:
        if (text.empty()) text = "0";
        if (text != "0" || IsAlways(field.key)) tree.Add(field.key, Tree::Plain(text));
        return;
      case kDuration: {
        const Millis duration = ParseDuration(text).value_or(Millis(0));
        if (duration != Millis(0) || IsAlways(field.key)) {
          // Prometheus' kind of duration, where the others are Go's.
          const bool model = std::string_view(field.key) == "reopen_duration";
          tree.Add(field.key, Tree::Text(model ? FormatDuration(duration) : GoDuration(duration)));
        }
        return;
      }
      default:
        if (EndsWithSlash(name_, field.key) && !text.empty() && !text.ends_with('/')) text += '/';
        if (!text.empty() || IsAlways(field.key)) tree.Add(field.key, Tree::Text(text));
    }
  }

  std::string GlobalText(std::string_view key) const {
    for (const Field& field : GlobalSchema()) {
      if (field.key == key) return TextOf(Find(global_, key), field.fallback);
    }
    return TextOf(Find(global_, key));
  }

  const std::string_view name_;
  const Node* const node_;
  const Node* const global_;
};

const Schema& WebhookFields() {
  static const Schema schema = {
      {"url", kSecret}, {"max_alerts", kInteger}, {"timeout", kDuration}, {"payload", kAny}};
  return schema;
}

const Schema& SlackFields() {
  static const Schema confirm = {{"text"}, {"title"}, {"ok_text"}, {"dismiss_text"}};
  static const Schema fields = {{"title"}, {"value"}, {"short", kFlag}};
  static const Schema actions = {{"type"},
                                 {"text"},
                                 {"url"},
                                 {"style"},
                                 {"name"},
                                 {"value"},
                                 {"confirm", kObject, "", "", &confirm}};
  static const auto text = [](const char* key, const char* fallback) {
    return Field{key, kText, fallback};
  };
  static const Schema schema = {
      {"channel"},
      text("username", R"({{ template "slack.default.username" . }})"),
      text("color", R"({{ template "slack.default.color" . }})"),
      text("title", R"({{ template "slack.default.title" . }})"),
      text("title_link", R"({{ template "slack.default.titlelink" . }})"),
      text("pretext", R"({{ template "slack.default.pretext" . }})"),
      text("text", R"({{ template "slack.default.text" . }})"),
      {"message_text"},
      {"fields", kObjects, "", "", &fields},
      {"short_fields", kFlag},
      text("footer", R"({{ template "slack.default.footer" . }})"),
      text("fallback", R"({{ template "slack.default.fallback" . }})"),
      text("callback_id", R"({{ template "slack.default.callbackid" . }})"),
      text("icon_emoji", R"({{ template "slack.default.iconemoji" . }})"),
      text("icon_url", R"({{ template "slack.default.iconurl" . }})"),
      {"image_url"},
      {"thumb_url"},
      {"link_names", kFlag},
      {"mrkdwn_in", kAny},
      {"actions", kObjects, "", "", &actions},
      {"update_message", kFlag},
      {"timeout", kDuration}};
  return schema;
}

Tree ShowSlack(const Node& node, const Node* global) {
  Tree tree;
  tree.Add("send_resolved", Tree::Bool(IsTrue(node.Find("send_resolved"))));
  const Node* const http = node.Find("http_config");
  const auto said = [](const Node* from, const std::string& key) {
    return !TextOf(Find(from, key)).empty() || !TextOf(Find(from, key + "_file")).empty();
  };
  const bool own_header = Given(Find(http, "authorization"));
  const bool own_token = said(&node, "app_token");
  const bool global_token = !own_token && !own_header && TextOf(node.Find("api_url")).empty() &&
                            said(global, "slack_app_token");
  const Node* const token = own_token ? &node : global_token ? global : nullptr;
  const std::string token_key = own_token ? "app_token" : "slack_app_token";
  Tree authorization;
  if (token != nullptr) {
    authorization.Add("type", Tree::Text("Bearer"));
    if (!TextOf(Find(token, token_key)).empty()) {
      authorization.Add("credentials", Tree::Text(kSecretText));
    }
    const std::string file = TextOf(Find(token, token_key + "_file"));
    if (!file.empty()) authorization.Add("credentials_file", Tree::Text(file));
  }
  tree.Add("http_config", ShowHttp(Given(http) ? http : Find(global, "http_config"),
                                   token != nullptr ? &authorization : nullptr));
  const bool own_url = said(&node, "api_url");
  const Node* const url = own_url ? &node : global;
  const std::string url_key = own_url ? "api_url" : "slack_api_url";
  if (!TextOf(Find(url, url_key)).empty() || token != nullptr) {
    tree.Add("api_url", Tree::Text(kSecretText));
  }
  const std::string url_file = TextOf(Find(url, url_key + "_file"));
  if (!url_file.empty()) tree.Add("api_url_file", Tree::Text(url_file));
  if (token != nullptr) {
    if (!TextOf(Find(token, token_key)).empty()) tree.Add("app_token", Tree::Text(kSecretText));
    const std::string file = TextOf(Find(token, token_key + "_file"));
    if (!file.empty()) tree.Add("app_token_file", Tree::Text(file));
  }
  constexpr const char* kAppUrl = "https://slack.com/api/chat.postMessage";
  tree.Add("app_url", Tree::Text(TextOf(node.Find("app_url"),
                                        TextOf(Find(global, "slack_app_url"), kAppUrl))));
  const Fields fields("slack", &node, nullptr);
  for (const Field& field : SlackFields()) fields.Add(tree, field);
  for (auto& [key, value] : tree.entries) {
    if (key != "mrkdwn_in") continue;
    for (Tree& item : value.items) item = Tree::Text(item.text);
  }
  return tree;
}

void AddPagerdutyDefaults(const Node& node, Tree& tree) {
  Node details;
  details.kind = Node::Kind::kMapping;
  if (const Node* given = node.Find("details"); Given(given)) details = *given;
  const auto text = [](const char* words) {
    Node scalar;
    scalar.kind = Node::Kind::kScalar;
    scalar.quoted = true;
    scalar.text = words;
    return scalar;
  };
  for (const auto& [key, value] : {std::pair{"firing", "{{ .Alerts.Firing | toJson }}"},
                                   std::pair{"resolved", "{{ .Alerts.Resolved | toJson }}"},
                                   std::pair{"num_firing", "{{ .Alerts.Firing | len }}"},
                                   std::pair{"num_resolved", "{{ .Alerts.Resolved | len }}"}}) {
    if (details.Find(key) == nullptr) details.entries.push_back({text(key), text(value)});
  }
  tree.Add("details", ShowAny(details));
}

// An email's headers with those that are always sent.
void AddEmailHeaders(const Node& node, const Node* global, Tree& tree) {
  std::map<std::string, std::string> headers;
  if (const Node* given = node.Find("headers"); Given(given)) {
    for (const auto& [name, value] : given->entries)
      headers[CanonicalHeader(name.text)] = value.text;
  }
  headers.emplace("From", TextOf(node.Find("from"), TextOf(Find(global, "smtp_from"))));
  headers.emplace("Subject", R"({{ template "email.default.subject" . }})");
  headers.emplace("To", TextOf(node.Find("to")));
  Tree shown;
  for (const auto& [name, value] : headers) shown.Add(name, Tree::Text(value));
  tree.Add("headers", std::move(shown));
}

// Rocket.Chat's lists are written whole, whatever is empty in them.
void AddRocketchatList(const Node& node, const char* key, Tree& tree) {
  const Node* const list = node.Find(key);
  if (!Given(list) || list->items.empty()) return;
  Tree shown = Tree::List({});
  for (const Node& item : list->items) {
    Tree one;
    if (std::string_view(key) == "fields") {
      const Node* const is_short = item.Find("short");
      one.Add("short", Given(is_short) ? Tree::Bool(IsTrue(is_short)) : Tree::Plain("null"));
      for (const char* text : {"title", "value"})
        one.Add(text, Tree::Text(TextOf(item.Find(text))));
    } else {
      for (const char* text : {"type", "text", "url", "imageurl", "iswebview", "webviewheightratio",
                               "msg", "msginchatwindow", "msgprocessingtype"}) {
        const Node* const value = item.Find(text);
        const std::string_view name = text;
        const bool flag = name == "iswebview" || name == "msginchatwindow";
        one.Add(text, flag ? Tree::Bool(IsTrue(value)) : Tree::Text(TextOf(value)));
      }
    }
    shown.items.push_back(std::move(one));
  }
  tree.Add(key, std::move(shown));
}

// A text or {template, enable_update}, shown as the latter.
void AddJiraField(const Node& node, const char* key, Tree& tree) {
  const Node* const own = node.Find(key);
  Tree shown;
  if (Given(own) && own->kind == Node::Kind::kMapping) {
    if (const std::string text = TextOf(own->Find("template")); !text.empty()) {
      shown.Add("template", Tree::Text(text));
    }
    if (const Node* may = own->Find("enable_update"); Given(may)) {
      shown.Add("enable_update", Tree::Bool(IsTrue(may)));
    }
  } else {
    const std::string fallback = fmt::format(R"({{{{ template "jira.default.{}" . }}}})", key);
    shown.Add("template", Tree::Text(Given(own) ? TextOf(own) : fallback));
  }
  tree.Add(key, std::move(shown));
}

Tree ShowKind(const Node& node, const Kind& kind, const Node* global) {
  Tree tree;
  const Node* const resolved = node.Find("send_resolved");
  tree.Add("send_resolved", Tree::Bool(Given(resolved) ? IsTrue(resolved) : kind.send_resolved));
  if (kind.http) {
    const Node* const http = node.Find("http_config");
    tree.Add("http_config", ShowHttp(Given(http) ? http : Find(global, "http_config")));
  }
  const Fields fields(kind.name, &node, global);
  const std::string_view name = kind.name;
  for (const Field& field : *kind.schema) {
    const std::string_view key = field.key;
    if (name == "pagerduty" && key == "details") {
      AddPagerdutyDefaults(node, tree);
    } else if (name == "pagerduty" && key == "source" && TextOf(node.Find("source")).empty()) {
      tree.Add("source", Tree::Text(TextOf(node.Find("client"),
                                           R"({{ template "pagerduty.default.client" . }})")));
    } else if (name == "rocketchat" && (key == "fields" || key == "actions")) {
      AddRocketchatList(node, field.key, tree);
    } else if (name == "jira" && (key == "summary" || key == "description")) {
      AddJiraField(node, field.key, tree);
    } else if (name == "email" && key == "headers") {
      AddEmailHeaders(node, global, tree);
    } else {
      fields.Add(tree, field);
    }
    if (name != "email" || key != "require_tls") continue;
    const Node* const tls = node.Find("tls_config");
    tree.Add("tls_config", ShowTls(Given(tls) ? tls : Find(global, "smtp_tls_config")));
  }
  return tree;
}

}  // namespace

Tree ShowTracing(const Node& tracing) {
  Tree tree;
  AddText(tree, &tracing, "client_type", "grpc");
  AddText(tree, &tracing, "endpoint");
  if (const Node* share = tracing.Find("sampling_fraction"); Given(share) && share->text != "0") {
    tree.Add("sampling_fraction", Tree::Plain(share->text));
  }
  if (IsTrue(tracing.Find("insecure"))) tree.Add("insecure", Tree::Bool(true));
  if (const Node* tls = tracing.Find("tls_config"); Given(tls)) {
    tree.Add("tls_config", ShowTls(tls));
  }
  AddHeaders(tree, &tracing, "headers");
  AddText(tree, &tracing, "compression");
  AddText(tree, &tracing, "timeout");
  return tree;
}

Tree ShowReceiver(const Node& node, const Node* global) {
  Tree tree;
  tree.Add("name", Tree::Text(TextOf(node.Find("name"))));
  std::map<std::string, std::string> labels = {{"name", TextOf(node.Find("name"))}};
  if (const Node* given = node.Find("labels"); Given(given)) {
    for (const auto& [name, value] : given->entries) labels[name.text] = value.text;
  }
  Tree shown;
  for (const auto& [name, value] : labels) shown.Add(name, Tree::Text(value));
  tree.Add("labels", std::move(shown));
  // Alertmanager's own order.
  for (const std::string key :
       {"discord", "email", "incidentio", "pagerduty", "slack", "webhook", "opsgenie", "wechat",
        "pushover", "victorops", "sns", "telegram", "webex", "msteams", "msteamsv2", "jira",
        "rocketchat", "mattermost"}) {
    const Node* const entries = node.Find(key + "_configs");
    if (!Given(entries) || entries->items.empty()) continue;
    Tree list = Tree::List({});
    for (const Node& entry : entries->items) {
      if (key == "slack") {
        list.items.push_back(ShowSlack(entry, global));
        continue;
      }
      static const Kind kWebhook = {"webhook_configs", "webhook", true, true,
                                    &WebhookFields(),  nullptr};
      const auto& kinds = Kinds();
      const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                     [&](const Kind& one) { return key == one.name; });
      list.items.push_back(ShowKind(entry, kind == kinds.end() ? kWebhook : *kind, global));
    }
    tree.Add(key + "_configs", std::move(list));
  }
  return tree;
}

Tree ShowGlobal(const Node* global) {
  Tree tree;
  const Millis timeout =
      ParseDuration(TextOf(Find(global, "resolve_timeout"), "5m")).value_or(Millis(0));
  tree.Add("resolve_timeout", Tree::Text(FormatDuration(timeout)));
  tree.Add("http_config", ShowHttp(Find(global, "http_config")));
  const Fields fields("global", global, nullptr);
  static const Schema slack = {{"slack_api_url", kSecret},
                               {"slack_app_token", kSecret},
                               {"slack_app_url", kUrl, "https://slack.com/api/chat.postMessage"}};
  for (const Field& field : GlobalSchema()) {
    const std::string_view key = field.key;
    if (key == "pagerduty_url") {
      for (const Field& one : slack) fields.Add(tree, one);
    }
    if (key == "smtp_tls_config") {
      tree.Add("smtp_tls_config", ShowTls(Find(global, "smtp_tls_config")));
    } else {
      fields.Add(tree, field);
    }
  }
  return tree;
}

}  // namespace fettle::receivers::show

#include "receivers/kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

namespace fettle::receivers {
namespace {

using enum Field::Type;
using yaml::Mapping;

void Need(Mapping& m, bool holds, const char* complaint) {
  if (!holds) m.Complain(m.place(), complaint);
}

const Schema& FieldFields() {
  static const Schema schema = {{"title"}, {"value"}, {"short", kFlag}};
  return schema;
}

const Schema kEmail = {{"to"},
                       {"from", kText, "", "smtp_from"},
                       {"hello", kText, "", "smtp_hello"},
                       {"smarthost", kText, "", "smtp_smarthost"},
                       {"auth_username", kText, "", "smtp_auth_username"},
                       {"auth_password", kSecret, "", "smtp_auth_password"},
                       {"auth_secret", kSecret, "", "smtp_auth_secret"},
                       {"auth_identity", kText, "", "smtp_auth_identity"},
                       {"headers", kTextMap},
                       {"html", kText, R"({{ template "email.default.html" . }})"},
                       {"text"},
                       {"require_tls", kFlag, "", "smtp_require_tls"},
                       {"force_implicit_tls", kFlag, "", "smtp_force_implicit_tls"},
                       {"threading", kObject, "", "", [] {
                          static const Schema schema = {{"enabled", kFlag}, {"thread_by_date"}};
                          return &schema;
                        }()}};

void CheckEmail(Mapping& m, const Settings& s) {
  Need(m, !s.Text("to").empty(), "missing to address in email config");
  Need(m, !s.Text("smarthost").empty(), "no global SMTP smarthost set");
  Need(m, !s.Text("from").empty(), "no global SMTP from set");
  const std::string& smarthost = s.Text("smarthost");
  const std::size_t colon = smarthost.rfind(':');
  if (smarthost.empty()) {
    // Said already.
  } else if (colon == std::string::npos) {
    m.Complain(m.place(), fmt::format("address {}: missing port in address", smarthost));
  } else if (colon + 1 == smarthost.size()) {
    m.Complain(m.place(), fmt::format("address {}: port cannot be empty", yaml::Shown(smarthost)));
  }
  std::map<std::string, int> headers;
  for (const auto& [name, text] : s.TextMap("headers")) {
    const std::string canonical = CanonicalHeader(name);
    if (++headers[canonical] < 2) continue;
    m.Complain(m.place(),
               fmt::format("duplicate header {} in email config", yaml::Shown(canonical)));
  }
  const Settings& threading = s.Object("threading");
  if (!threading.Flag("enabled")) return;
  for (const char* header : {"References", "In-Reply-To"}) {
    if (!headers.contains(header)) continue;
    m.Complain(m.place(), fmt::format("conflicting configuration: threading.enabled conflicts with "
                                      "custom {} header",
                                      header));
  }
  const std::string& by = threading.Text("thread_by_date");
  Need(m, by == "none" || by == "daily",
       "threading.thread_by_date must be either 'none' or 'daily'");
}

const Schema kPagerduty = {
    {"service_key", kSecret},
    {"routing_key", kSecret},
    {"url", kUrl, "", "pagerduty_url"},
    {"client", kText, R"({{ template "pagerduty.default.client" . }})"},
    {"client_url", kText, R"({{ template "pagerduty.default.clientURL" . }})"},
    {"description", kText, R"({{ template "pagerduty.default.description" .}})"},
    {"details", kAny},
    {"images", kObjects, "", "",
     [] {
       static const Schema schema = {{"src"}, {"alt"}, {"href"}};
       return &schema;
     }()},
    {"links", kObjects, "", "",
     [] {
       static const Schema schema = {{"href"}, {"text"}};
       return &schema;
     }()},
    {"source"},
    {"severity"},
    {"class"},
    {"component"},
    {"group"},
    {"timeout", kDuration}};

const Schema kJira = {{"api_url", kUrl, "", "jira_api_url"},
                      {"api_type", kText, "auto"},
                      {"project"},
                      {"summary", kAny},
                      {"description", kAny},
                      {"labels", kAny},
                      {"priority", kText, R"({{ template "jira.default.priority" . }})"},
                      {"issue_type"},
                      {"reopen_transition"},
                      {"resolve_transition"},
                      {"wont_fix_resolution"},
                      {"reopen_duration", kDuration},
                      {"fields", kAny}};

void CheckJira(Mapping& m, const Settings& s) {
  Need(m, !s.Text("project").empty(), "missing project in jira_config");
  Need(m, !s.Text("issue_type").empty(), "missing issue_type in jira_config");
  Need(m, !s.Text("api_url").empty(), "no global Jira Cloud URL set");
  const std::string& type = s.Text("api_type");
  Need(m, type == "auto" || type == "cloud" || type == "datacenter",
       "unknown api_type on jira_config, must be auto, cloud or datacenter");
  for (const char* key : {"summary", "description"}) {
    const yaml::Node* node = s.Any(key);
    if (node == nullptr || node->kind != yaml::Node::Kind::kMapping) continue;
    yaml::Mapping field(*node, key, m.complaints());
    (void)field.Get<std::string>("template", "");
    (void)field.Get<bool>("enable_update", true);
  }
}

void CheckPagerduty(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("routing_key").empty() || !s.GetSecret("service_key").empty(),
       "missing service or routing key in PagerDuty config");
}

const Schema kOpsgenie = {
    {"api_key", kSecret, "", "opsgenie_api_key"},
    {"api_url", kUrl, "", "opsgenie_api_url"},
    {"message", kText, R"({{ template "opsgenie.default.message" . }})"},
    {"description", kText, R"({{ template "opsgenie.default.description" . }})"},
    {"source", kText, R"({{ template "opsgenie.default.source" . }})"},
    {"details", kTextMap},
    {"entity"},
    {"responders", kObjects, "", "",
     [] {
       static const Schema schema = {{"id"}, {"name"}, {"username"}, {"type"}};
       return &schema;
     }()},
    {"actions"},
    {"tags"},
    {"note"},
    {"priority"},
    {"update_alerts", kFlag}};

void CheckOpsgenie(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("api_key").empty(),
       "no global OpsGenie API Key set either inline or in a file");
  for (const Settings& r : s.Objects("responders")) {
    if (r.Text("id").empty() && r.Text("name").empty() && r.Text("username").empty()) {
      m.Complain(r.place,
                 "opsGenieConfig responder has to have at least one of id, username or name "
                 "specified");
    }
    std::string type = r.Text("type");
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (type.find("{{") == std::string::npos &&
        std::string_view(" team teams user escalation schedule ").find(" " + type + " ") ==
            std::string_view::npos) {
      m.Complain(r.place,
                 "opsGenieConfig responder type does not match valid options "
                 "^(team|teams|user|escalation|schedule)$");
    }
  }
}

const Schema kWechat = {{"api_secret", kSecret, "", "wechat_api_secret"},
                        {"corp_id", kText, "", "wechat_api_corp_id"},
                        {"message", kText, R"({{ template "wechat.default.message" . }})"},
                        {"api_url", kUrl, "", "wechat_api_url"},
                        {"to_user", kText, R"({{ template "wechat.default.to_user" . }})"},
                        {"to_party", kText, R"({{ template "wechat.default.to_party" . }})"},
                        {"to_tag", kText, R"({{ template "wechat.default.to_tag" . }})"},
                        {"agent_id", kText, R"({{ template "wechat.default.agent_id" . }})"},
                        {"message_type", kText, "text"}};

void CheckWechat(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("api_secret").empty(),
       "no global Wechat Api Secret set either inline or in a file");
  Need(m, !s.Text("corp_id").empty(), "no global Wechat CorpID set");
  const std::string& type = s.Text("message_type");
  if (type == "text" || type == "markdown" || type.empty()) return;
  m.Complain(m.place(),
             fmt::format("weChat message type {} does not match valid options ^(text|markdown)$",
                         yaml::Shown(type)));
}

const Schema kVictorops = {
    {"api_key", kSecret, "", "victorops_api_key"},
    {"api_url", kUrl, "", "victorops_api_url"},
    {"routing_key"},
    {"message_type", kText, "CRITICAL"},
    {"state_message", kText, R"({{ template "victorops.default.state_message" . }})"},
    {"entity_display_name", kText, R"({{ template "victorops.default.entity_display_name" . }})"},
    {"monitoring_tool", kText, R"({{ template "victorops.default.monitoring_tool" . }})"},
    {"custom_fields", kTextMap}};

void CheckVictorops(Mapping& m, const Settings& s) {
  Need(m, !s.Text("routing_key").empty(), "missing Routing key in VictorOps config");
  Need(m, !s.GetSecret("api_key").empty(), "no global VictorOps API Key set");
  for (const char* fixed : {"routing_key", "message_type", "state_message", "entity_display_name",
                            "monitoring_tool", "entity_id", "entity_state"}) {
    if (!s.TextMap("custom_fields").contains(fixed)) continue;
    m.Complain(m.place(), fmt::format("victorOps config contains custom field {} which cannot be "
                                      "used as it conflicts with the fixed/static fields",
                                      fixed));
  }
}

const Schema kPushover = {
    {"user_key", kSecret},
    {"token", kSecret},
    {"title", kText, R"({{ template "pushover.default.title" . }})"},
    {"message", kText, R"({{ template "pushover.default.message" . }})"},
    {"url", kText, R"({{ template "pushover.default.url" . }})"},
    {"url_title"},
    {"device"},
    {"sound"},
    {"priority", kText, R"({{ if eq .Status "firing" }}2{{ else }}0{{ end }})"},
    {"retry", kDuration, "1m"},
    {"expire", kDuration, "1h"},
    {"ttl", kDuration},
    {"html", kFlag},
    {"monospace", kFlag}};

void CheckPushover(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("user_key").empty(), "one of user_key or user_key_file must be configured");
  Need(m, !s.GetSecret("token").empty(), "one of token or token_file must be configured");
  Need(m, !s.Flag("html") || !s.Flag("monospace"),
       "at most one of monospace & html must be configured");
}

const Schema kSns = {
    {"api_url"},
    {"sigv4", kObject, "", "",
     [] {
       static const Schema schema = {
           {"region"},   {"access_key"},  {"secret_key", kSecret},         {"profile"},
           {"role_arn"}, {"external_id"}, {"use_fips_sts_endpoint", kFlag}};
       return &schema;
     }()},
    {"topic_arn"},
    {"phone_number"},
    {"target_arn"},
    {"subject", kText, R"({{ template "sns.default.subject" . }})"},
    {"message", kText, R"({{ template "sns.default.message" . }})"},
    {"attributes", kTextMap},
    {"use_aws_http_client", kFlag}};

void CheckSns(Mapping& m, const Settings& s) {
  const bool target = s.Text("target_arn").empty();
  const bool topic = s.Text("topic_arn").empty();
  const bool phone = s.Text("phone_number").empty();
  Need(m, (target != topic) == phone,
       "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config");
  const Settings& sigv4 = s.Object("sigv4");
  Need(m, sigv4.Text("access_key").empty() == sigv4.GetSecret("secret_key").empty(),
       "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the "
       "SigV4 config");
  Need(m, sigv4.Text("role_arn").empty(), "sigv4.role_arn is not supported by this version");
}

const Schema kTelegram = {{"api_url", kUrl, "", "telegram_api_url"},
                          {"bot_token", kSecret, "", "telegram_bot_token"},
                          {"chat_id", kInteger},
                          {"chat_id_file"},
                          {"message_thread_id", kInteger},
                          {"message", kText, R"({{ template "telegram.default.message" . }})"},
                          {"disable_notifications", kFlag},
                          {"parse_mode", kText, "HTML"}};

void CheckTelegram(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("bot_token").empty(),
       "missing bot_token or bot_token_file on telegram_config");
  const bool id = s.Integer("chat_id") != 0;
  const bool file = !s.Text("chat_id_file").empty();
  Need(m, id || file, "missing chat_id or chat_id_file on telegram_config");
  Need(m, !id || !file, "at most one of chat_id & chat_id_file must be configured");
  const std::string& mode = s.Text("parse_mode");
  Need(m, mode.empty() || mode == "Markdown" || mode == "MarkdownV2" || mode == "HTML",
       "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string");
}

void CheckWebhookUrl(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("webhook_url").empty(),
       "one of webhook_url or webhook_url_file must be configured");
}

const Schema kDiscord = {{"webhook_url", kSecret},
                         {"content"},
                         {"title", kText, R"({{ template "discord.default.title" . }})"},
                         {"message", kText, R"({{ template "discord.default.message" . }})"},
                         {"username"},
                         {"avatar_url"}};

const Schema kWebex = {{"api_url", kUrl, "", "webex_api_url"},
                       {"message", kText, R"({{ template "webex.default.message" . }})"},
                       {"room_id"}};

void CheckWebex(Mapping& m, const Settings& s) {
  Need(m, !s.Text("room_id").empty(), "missing room_id on webex_config");
  Need(m, s.http.authorization.has_value(), "missing webex_configs.http_config.authorization");
}

const Schema kMsteams = {{"webhook_url", kSecret},
                         {"title", kText, R"({{ template "msteams.default.title" . }})"},
                         {"summary", kText, R"({{ template "msteams.default.summary" . }})"},
                         {"text", kText, R"({{ template "msteams.default.text" . }})"}};

const Schema kMsteamsV2 = {{"webhook_url", kSecret},
                           {"title", kText, R"({{ template "msteamsv2.default.title" . }})"},
                           {"text", kText, R"({{ template "msteamsv2.default.text" . }})"}};

const Schema kIncidentio = {{"url", kSecret},
                            {"alert_source_token", kSecret},
                            {"max_alerts", kInteger},
                            {"timeout", kDuration}};

void CheckIncidentio(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("url").empty(), "one of url or url_file must be configured");
  const bool token = !s.GetSecret("alert_source_token").empty();
  const bool header = s.http.authorization.has_value();
  Need(m, !token || !header,
       "cannot specify alert_source_token or alert_source_token_file when using "
       "http_config.authorization");
  Need(m, token || header,
       "at least one of alert_source_token, alert_source_token_file or http_config.authorization "
       "must be configured");
}

const Schema kRocketchat = {
    {"api_url", kUrl, "", "rocketchat_api_url"},
    {"token_id", kSecret, "", "rocketchat_token_id"},
    {"token", kSecret, "", "rocketchat_token"},
    {"channel"},
    {"color", kText, R"({{ if eq .Status "firing" }}red{{ else }}green{{ end }})"},
    {"title", kText, R"({{ template "rocketchat.default.title" . }})"},
    {"title_link", kText, R"({{ template "rocketchat.default.titlelink" . }})"},
    {"text", kText, R"({{ template "rocketchat.default.text" . }})"},
    {"fields", kObjects, "", "", &FieldFields()},
    {"short_fields", kFlag},
    {"emoji", kText, R"({{ template "rocketchat.default.emoji" . }})"},
    {"icon_url", kText, R"({{ template "rocketchat.default.iconurl" . }})"},
    {"image_url"},
    {"thumb_url"},
    {"link_names", kFlag},
    {"actions", kObjects, "", "", [] {
       static const Schema schema = {{"type"},
                                     {"text"},
                                     {"url"},
                                     {"imageurl"},
                                     {"iswebview", kFlag},
                                     {"webviewheightratio"},
                                     {"msg"},
                                     {"msginchatwindow", kFlag},
                                     {"msgprocessingtype"}};
       return &schema;
     }()}};

void CheckRocketchat(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("token_id").empty(),
       "no global Rocketchat TokenID set either inline or in a file");
  Need(m, !s.GetSecret("token").empty(),
       "no global Rocketchat Token set either inline or in a file");
}

const Schema& Attachment() {
  static const Schema schema = {{"fallback"},    {"color"},
                                {"pretext"},     {"text"},
                                {"author_name"}, {"author_link"},
                                {"author_icon"}, {"title"},
                                {"title_link"},  {"fields", kObjects, "", "", &FieldFields()},
                                {"thumb_url"},   {"footer"},
                                {"footer_icon"}, {"image_url"}};
  return schema;
}

const Schema kMattermost = {
    {"webhook_url", kSecret, "", "mattermost_webhook_url"},
    {"channel"},
    {"username", kText, R"({{ template "mattermost.default.username" . }})"},
    {"text", kText, R"({{ template "mattermost.default.text" . }})"},
    {"fallback", kText, R"({{ template "mattermost.default.fallback" . }})"},
    {"color", kText, R"({{ template "mattermost.default.color" . }})"},
    {"pretext"},
    {"author_name"},
    {"author_link"},
    {"author_icon"},
    {"title", kText, R"({{ template "mattermost.default.title" . }})"},
    {"title_link", kText, R"({{ template "mattermost.default.titlelink" . }})"},
    {"fields", kObjects, "", "", &FieldFields()},
    {"thumb_url"},
    {"footer"},
    {"footer_icon"},
    {"image_url"},
    {"icon_url"},
    {"icon_emoji"},
    {"attachments", kObjects, "", "", &Attachment()},
    {"type"},
    {"props", kObject, "", "",
     [] {
       static const Schema schema = {{"card"}};
       return &schema;
     }()},
    {"priority", kObject, "", "", [] {
       static const Schema schema = {
           {"priority"}, {"requested_ack", kFlag}, {"persistent_notifications", kFlag}};
       return &schema;
     }()}};

void CheckMattermost(Mapping& m, const Settings& s) {
  Need(m, !s.GetSecret("webhook_url").empty(),
       "missing webhook_url or webhook_url_file on mattermost_config");
}

}  // namespace

std::string CanonicalHeader(std::string_view name) {
  std::string canonical(name);
  bool first = true;
  for (char& c : canonical) {
    const auto byte = static_cast<unsigned char>(c);
    c = static_cast<char>(first ? std::toupper(byte) : std::tolower(byte));
    first = c == '-';
  }
  return canonical;
}

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"email_configs", "email", false, false, &kEmail, CheckEmail},
      {"pagerduty_configs", "pagerduty", true, true, &kPagerduty, CheckPagerduty},
      {"opsgenie_configs", "opsgenie", true, true, &kOpsgenie, CheckOpsgenie},
      {"wechat_configs", "wechat", false, true, &kWechat, CheckWechat},
      {"victorops_configs", "victorops", true, true, &kVictorops, CheckVictorops},
      {"pushover_configs", "pushover", true, true, &kPushover, CheckPushover},
      {"sns_configs", "sns", true, true, &kSns, CheckSns},
      {"telegram_configs", "telegram", true, true, &kTelegram, CheckTelegram},
      {"discord_configs", "discord", true, true, &kDiscord, CheckWebhookUrl},
      {"webex_configs", "webex", true, true, &kWebex, CheckWebex},
      {"msteams_configs", "msteams", true, true, &kMsteams, CheckWebhookUrl},
      {"msteamsv2_configs", "msteamsv2", true, true, &kMsteamsV2, CheckWebhookUrl},
      {"jira_configs", "jira", true, true, &kJira, CheckJira},
      {"incidentio_configs", "incidentio", true, true, &kIncidentio, CheckIncidentio},
      {"rocketchat_configs", "rocketchat", false, true, &kRocketchat, CheckRocketchat},
      {"mattermost_configs", "mattermost", true, true, &kMattermost, CheckMattermost},
  };
  return kinds;
}

const Schema& GlobalSchema() {
  static const Schema schema = {
      {"jira_api_url", kUrl},
      {"smtp_from"},
      {"smtp_hello", kText, "localhost"},
      {"smtp_smarthost"},
      {"smtp_auth_username"},
      {"smtp_auth_password", kSecret},
      {"smtp_auth_secret", kSecret},
      {"smtp_auth_identity"},
      {"smtp_require_tls", kFlag, "true"},
      {"smtp_tls_config", kAny},
      {"smtp_force_implicit_tls", kFlag},
      {"pagerduty_url", kUrl, "https://events.pagerduty.com/v2/enqueue"},
      {"opsgenie_api_url", kUrl, "https://api.opsgenie.com/"},
      {"opsgenie_api_key", kSecret},
      {"wechat_api_url", kUrl, "https://qyapi.weixin.qq.com/cgi-bin/"},
      {"wechat_api_secret", kSecret},
      {"wechat_api_corp_id"},
      {"victorops_api_url", kUrl,
       "https://alert.victorops.com/integrations/generic/20131114/alert/"},
      {"victorops_api_key", kSecret},
      {"telegram_api_url", kUrl, "https://api.telegram.org"},
      {"telegram_bot_token", kSecret},
      {"webex_api_url", kUrl, "https://webexapis.com/v1/messages"},
      {"rocketchat_api_url", kUrl, "https://open.rocket.chat/"},
      {"rocketchat_token", kSecret},
      {"rocketchat_token_id", kSecret},
      {"mattermost_webhook_url", kSecret}};
  return schema;
}

}  // namespace fettle::receivers

// Chats: Telegram, Discord, Microsoft Teams, Webex, WeChat, Rocket.Chat, Mattermost. Each posts
// what Alertmanager 0.33 was recorded to post.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "common/check.h"
#include "receivers/notifiers/kinds_tell.h"

namespace fettle::receivers {
namespace {

constexpr JsonWriter::Options kHtml{.escape_html = true};
// WeChat's tokens live two hours.
constexpr Millis kWechatTokenLife{2 * 3'600'000};
constexpr int kWechatTokenExpired = 42001;
constexpr std::size_t kWebexBytesMax = 7439;

std::string WithoutSlash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string FirstLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

void WriteFields(Talk& talk, JsonWriter& json, const Settings& from, bool short_first,
                 bool all_short) {
  if (from.Objects("fields").empty()) return;
  json.Key("fields").BeginArray();
  for (const Settings& field : from.Objects("fields")) {
    json.BeginObject();
    const bool is_short = field.Given("short") ? field.Flag("short") : all_short;
    if (short_first) json.Field("short", is_short);
    talk.TextField(json, "title", field, "title");
    talk.TextField(json, "value", field, "value");
    if (!short_first && field.Given("short")) json.Field("short", is_short);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

Outcome TellTelegram(Talk& talk) {
  const Settings& s = talk.settings();
  const std::string mode = s.Text("parse_mode");
  std::map<std::string, std::string> message = {{"disable_web_page_preview", "true"}};
  message["chat_id"] = s.Integer("chat_id") != 0 ? std::to_string(s.Integer("chat_id"))
                                                 : FirstLine(s.Text("chat_id_file"));
  const std::string text =
      mode == "HTML" ? talk.RenderHtml(s.Text("message")) : talk.Text("message");
  message["text"] = TruncateRunes(text, 4096);
  if (!mode.empty()) message["parse_mode"] = mode;
  if (s.Flag("disable_notifications")) message["disable_notification"] = "true";
  if (s.Integer("message_thread_id") != 0) {
    message["message_thread_id"] = std::to_string(s.Integer("message_thread_id"));
  }
  JsonWriter json(kHtml);
  json.BeginObject();
  for (const auto& [name, value] : message) json.Field(name, value);
  const std::string url = fmt::format("{}/bot{}/sendMessage", WithoutSlash(s.Text("api_url")),
                                      talk.Reveal("bot_token"));
  Poster::Answer answer = talk.Send({.url = url, .body = json.EndObject().Take() + "\n"});
  // Whatever goes wrong there, Alertmanager tries again.
  if (!answer.outcome.status && !talk.error()) answer.outcome.retry = true;
  return answer.outcome;
}

Outcome TellDiscord(Talk& talk) {
  const Settings& s = talk.settings();
  JsonWriter json(kHtml);
  json.BeginObject().Field("content", TruncateRunes(talk.Text("content"), 2000));
  json.Key("embeds").BeginArray().BeginObject();
  json.Field("title", TruncateRunes(talk.Text("title"), 256));
  json.Field("description", TruncateRunes(talk.Text("message"), 4096));
  json.Field("color", talk.firing() ? 0x992d22 : 0x2ecc71).EndObject().EndArray();
  for (const char* key : {"username", "avatar_url"}) {
    if (!s.Text(key).empty()) json.Field(key, s.Text(key));
  }
  return talk.Send({.url = talk.Reveal("webhook_url"), .body = json.EndObject().Take() + "\n"})
      .outcome;
}

Outcome TellMsteams(Talk& talk) {
  JsonWriter json(kHtml);
  json.BeginObject().Field("@context", "http://schema.org/extensions").Field("type", "MessageCard");
  for (const char* key : {"title", "summary", "text"}) json.Field(key, talk.Text(key));
  json.Field("themeColor", talk.firing() ? "8C1A1A" : "2DC72D");
  return talk.Send({.url = talk.Reveal("webhook_url"), .body = json.EndObject().Take() + "\n"})
      .outcome;
}

Outcome TellMsteamsV2(Talk& talk) {
  JsonWriter json(kHtml);
  json.BeginObject().Field("type", "message").Key("attachments").BeginArray().BeginObject();
  json.Field("contentType", "application/vnd.microsoft.card.adaptive").Key("contentUrl").Null();
  json.Key("content").BeginObject();
  json.Field("$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
  json.Field("type", "AdaptiveCard").Field("version", "1.2").Key("body").BeginArray();
  json.BeginObject().Field("type", "TextBlock").Field("text", talk.Text("title"));
  json.Field("weight", "Bolder").Field("size", "Medium").Field("wrap", true);
  json.Field("style", "heading").Field("color", talk.firing() ? "Attention" : "Good").EndObject();
  json.BeginObject().Field("type", "TextBlock").Field("text", talk.Text("text"));
  json.Field("wrap", true).EndObject().EndArray();
  json.Key("msteams").BeginObject().Field("width", "full").EndObject();
  json.EndObject().EndObject().EndArray();
  return talk.Send({.url = talk.Reveal("webhook_url"), .body = json.EndObject().Take() + "\n"})
      .outcome;
}

Outcome TellWebex(Talk& talk) {
  std::string message = talk.Text("message");
  if (message.size() > kWebexBytesMax) {
    std::size_t end = kWebexBytesMax - std::string_view("…").size();
    while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0) == 0x80) --end;
    message = message.substr(0, end) + "…";
  }
  JsonWriter json(kHtml);
  json.BeginObject().Field("markdown", message).Field("roomId", talk.Text("room_id"));
  return talk.Send({.url = talk.settings().Text("api_url"), .body = json.EndObject().Take() + "\n"})
      .outcome;
}

namespace {

// WeChat's token, asked for when the last one is too old.
Outcome WechatToken(Talk& talk, std::string& token) {
  const Settings& s = talk.settings();
  const std::lock_guard lock(talk.memory().mutex);
  Talk::Memory& memory = talk.memory();
  if (memory.token.empty() || talk.now().boot >= memory.token_until) {
    const std::string url =
        WithoutSlash(s.Text("api_url")) + "/gettoken?" +
        FormBody({{"corpsecret", talk.Reveal("api_secret")}, {"corpid", talk.Text("corp_id")}});
    const Poster::Answer answer =
        talk.Send({.url = url, .body = "", .method = "GET", .content_type = ""});
    if (!answer.outcome.status) return answer.outcome;
    const Result<Json> json = Json::Parse(answer.response.body);
    memory.token = json ? (*json)["access_token"].StringOr("") : "";
    if (memory.token.empty()) {
      return Outcome::Failed({"invalid APISecret for CorpID: " + s.Text("corp_id")}, false);
    }
    memory.token_until = talk.now().boot + kWechatTokenLife;
  }
  token = memory.token;
  return Outcome::Done();
}

}  // namespace

Outcome TellWechat(Talk& talk) {
  const Settings& s = talk.settings();
  std::string token;
  if (Outcome outcome = WechatToken(talk, token); !outcome.status) return outcome;
  const bool markdown = s.Text("message_type") == "markdown";
  const std::string text = talk.Text("message");
  JsonWriter json(kHtml);
  const auto content = [&](const char* key, bool here) {
    json.Key(key).BeginObject().Field("content", here ? text : std::string()).EndObject();
  };
  json.BeginObject();
  content("text", !markdown);
  for (const auto& [name, key] : {std::pair{"touser", "to_user"}, std::pair{"toparty", "to_party"},
                                  std::pair{"totag", "to_tag"}, std::pair{"agentid", "agent_id"}}) {
    talk.TextField(json, name, s, key);
  }
  json.Field("safe", "0").Field("msgtype", markdown ? "markdown" : "text");
  content("markdown", markdown);
  const std::string url =
      WithoutSlash(s.Text("api_url")) + "/message/send?" + FormBody({{"access_token", token}});
  Poster::Answer answer = talk.Send({.url = url, .body = json.EndObject().Take() + "\n"});
  if (!answer.outcome.status) return answer.outcome;
  const Result<Json> reply = Json::Parse(answer.response.body);
  if (!reply) return Outcome::Failed(While("reading WeChat's answer", reply.error()).value(), true);
  const std::int64_t code = (*reply)["errcode"].IntegerOr(0);
  if (code == 0) return answer.outcome;
  const bool expired = code == kWechatTokenExpired;
  if (expired) {
    const std::lock_guard lock(talk.memory().mutex);
    talk.memory().token.clear();
  }
  return Outcome::Failed({(*reply)["errmsg"].StringOr("no reason given")}, expired, "clientError");
}

Outcome TellRocketchat(Talk& talk) {
  const Settings& s = talk.settings();
  JsonWriter json(kHtml);
  json.BeginObject();
  talk.TextField(json, "channel", s, "channel");
  talk.TextField(json, "emoji", s, "emoji");
  talk.TextField(json, "avatar", s, "icon_url");
  json.Key("attachments").BeginArray().BeginObject();
  if (const std::string title = TruncateRunes(talk.Text("title"), 1024); !title.empty()) {
    json.Field("title", title);
  }
  for (const char* key : {"title_link", "text", "image_url", "thumb_url", "color"}) {
    talk.TextField(json, key, s, key);
  }
  WriteFields(talk, json, s, true, s.Flag("short_fields"));
  if (!s.Objects("actions").empty()) {
    json.Key("actions").BeginArray();
    for (const Settings& action : s.Objects("actions")) {
      json.BeginObject().Field("type", "button");
      talk.TextField(json, "text", action, "text");
      talk.TextField(json, "url", action, "url");
      json.Field("is_webview", false);
      talk.TextField(json, "msg", action, "msg");
      json.Field("msg_in_chat_window", false).EndObject();
    }
    json.EndArray();
  }
  json.EndObject().EndArray();
  Headers headers = {{"X-Auth-Token", talk.Reveal("token")},
                     {"X-User-Id", talk.Reveal("token_id")}};
  Poster::Answer answer =
      talk.Send({.url = WithoutSlash(s.Text("api_url")) + "/api/v1/chat.postMessage",
                 .body = json.EndObject().Take() + "\n",
                 .headers = std::move(headers)});
  if (!answer.outcome.status) return answer.outcome;
  // It answers 200 whatever happened.
  const Result<Json> reply = Json::Parse(answer.response.body);
  if (!reply) {
    return Outcome::Failed(While("reading Rocket.Chat's answer", reply.error()).value(), true,
                           "clientError");
  }
  if ((*reply)["success"].BoolOr(false)) return answer.outcome;
  return Outcome::Failed(
      {"error response from Rocketchat: " + (*reply)["error"].StringOr("no reason given")}, false,
      "clientError");
}

namespace {

void WriteMattermostAttachment(Talk& talk, JsonWriter& json, const Settings& from) {
  json.BeginObject();
  for (const char* key : {"fallback", "color", "pretext", "text", "author_name", "author_link",
                          "author_icon", "title", "title_link"}) {
    talk.TextField(json, key, from, key);
  }
  WriteFields(talk, json, from, false, false);
  for (const char* key : {"thumb_url", "footer", "footer_icon", "image_url"}) {
    talk.TextField(json, key, from, key);
  }
  json.EndObject();
}

void WriteMattermostPriority(Talk& talk, JsonWriter& json, const Settings& from) {
  std::string priority = talk.Render(from.Text("priority"));
  if (from.Text("priority").empty()) return;
  std::transform(priority.begin(), priority.end(), priority.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool urgent = priority == "urgent";
  if (!urgent && priority != "important") priority = "standard";
  json.Key("priority").BeginObject().Field("priority", priority);
  if (from.Flag("requested_ack") && priority != "standard") json.Field("requested_ack", true);
  if (from.Flag("persistent_notifications") && urgent) json.Field("persistent_notifications", true);
  json.EndObject();
}

}  // namespace

Outcome TellMattermost(Talk& talk) {
  const Settings& s = talk.settings();
  const std::vector<Settings>& attachments = s.Objects("attachments");
  JsonWriter json(kHtml);
  json.BeginObject();
  if (!attachments.empty()) {
    const std::string text = TruncateRunes(talk.Text("text"), 16'383);
    if (!text.empty()) json.Field("text", text);
  }
  for (const char* key : {"channel", "username", "icon_url", "icon_emoji"}) {
    talk.TextField(json, key, s, key);
  }
  // Without attachments of its own, the message is one.
  json.Key("attachments").BeginArray();
  if (attachments.empty()) WriteMattermostAttachment(talk, json, s);
  for (const Settings& attachment : attachments) WriteMattermostAttachment(talk, json, attachment);
  json.EndArray();
  talk.TextField(json, "type", s, "type");
  if (const Settings& props = s.Object("props"); !props.Text("card").empty()) {
    json.Key("props").BeginObject().Field("card", talk.Render(props.Text("card"))).EndObject();
  }
  WriteMattermostPriority(talk, json, s.Object("priority"));
  return talk.Send({.url = talk.Reveal("webhook_url"), .body = json.EndObject().Take() + "\n"})
      .outcome;
}

TellKind TellOf(std::string_view kind) {
  static constexpr std::array<std::pair<std::string_view, TellKind>, 15> kAll = {
      {{"pagerduty", TellPagerduty},
       {"opsgenie", TellOpsgenie},
       {"wechat", TellWechat},
       {"victorops", TellVictorops},
       {"pushover", TellPushover},
       {"sns", TellSns},
       {"telegram", TellTelegram},
       {"discord", TellDiscord},
       {"webex", TellWebex},
       {"msteams", TellMsteams},
       {"msteamsv2", TellMsteamsV2},
       {"jira", TellJira},
       {"incidentio", TellIncidentio},
       {"rocketchat", TellRocketchat},
       {"mattermost", TellMattermost}}};
  for (const auto& [name, tell] : kAll) {
    if (name == kind) return tell;
  }
  FETTLE_CHECK(false);
  return nullptr;
}

}  // namespace fettle::receivers

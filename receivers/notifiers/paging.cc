// Services that wake people: PagerDuty, Opsgenie, VictorOps, Pushover, incident.io, SNS. Each posts
// what Alertmanager 0.33 was recorded to post.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/aws_credentials.h"
#include "common/digest.h"
#include "receivers/notifiers/kinds_tell.h"
#include "receivers/notifiers/payload.h"
#include "receivers/notifiers/webhook.h"

namespace fettle::receivers {
namespace {

using Options = JsonWriter::Options;

constexpr Options kHtml{.escape_html = true};
constexpr std::size_t kPagerdutyBytesMax = 512'000;
constexpr std::size_t kSnsBytesMax = 256 * 1024;
constexpr std::size_t kSmsBytesMax = 1600;

yaml::Node TextNode(std::string text) {
  yaml::Node node;
  node.kind = yaml::Node::Kind::kScalar;
  node.text = std::move(text);
  node.quoted = true;
  return node;
}

// The configured details over Alertmanager's own.
yaml::Node PagerdutyDetails(const Settings& settings) {
  yaml::Node details;
  details.kind = yaml::Node::Kind::kMapping;
  if (const yaml::Node* given = settings.Any("details")) details.entries = given->entries;
  // Names are texts here, even "n" and "5".
  for (yaml::Entry& entry : details.entries) entry.key.quoted = true;
  for (const auto& [key, text] : {std::pair{"firing", "{{ .Alerts.Firing | toJson }}"},
                                  std::pair{"resolved", "{{ .Alerts.Resolved | toJson }}"},
                                  std::pair{"num_firing", "{{ .Alerts.Firing | len }}"},
                                  std::pair{"num_resolved", "{{ .Alerts.Resolved | len }}"}}) {
    if (details.Find(key) == nullptr) details.entries.push_back({TextNode(key), TextNode(text)});
  }
  return details;
}

// Bytes of a text at most, cut between characters, with … if it was longer.
std::string TruncateBytes(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  constexpr std::string_view kEllipsis = "…";
  std::size_t end = bytes_max - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + std::string(kEllipsis);
}

std::string PagerdutyV2(Talk& talk, const std::string& details) {
  const Settings& s = talk.settings();
  JsonWriter json(kHtml);
  json.BeginObject().Field("routing_key", talk.Reveal("routing_key"));
  json.Field("dedup_key", talk.key());
  json.Field("event_action", talk.firing() ? "trigger" : "resolve");
  json.Key("payload").BeginObject();
  json.Field("summary", TruncateRunes(talk.Text("description"), 1024));
  json.Field("source", talk.Text(s.Text("source").empty() ? "client" : "source"));
  json.Field("severity", s.Text("severity").empty() ? "error" : talk.Text("severity"));
  for (const char* key : {"class", "component", "group"}) talk.TextField(json, key, s, key);
  json.Key("custom_details").Raw(details).EndObject();
  talk.TextField(json, "client", s, "client");
  talk.TextField(json, "client_url", s, "client_url");
  const auto list = [&](const char* name, const char* wanted,
                        std::initializer_list<const char*> keys) {
    std::string items;
    for (const Settings& item : s.Objects(name)) {
      if (talk.Render(item.Text(wanted)).empty()) continue;
      JsonWriter one(kHtml);
      one.BeginObject();
      for (const char* key : keys) one.Field(key, talk.Render(item.Text(key)));
      items += (items.empty() ? "" : ",") + one.EndObject().Take();
    }
    if (!items.empty()) json.Key(name).Raw("[" + items + "]");
  };
  list("images", "src", {"src", "alt", "href"});
  list("links", "href", {"href", "text"});
  return json.EndObject().Take() + "\n";
}

std::string PagerdutyV1(Talk& talk, const std::string& details) {
  const Settings& s = talk.settings();
  JsonWriter json(kHtml);
  json.BeginObject().Field("service_key", talk.Reveal("service_key"));
  json.Field("incident_key", talk.key());
  json.Field("event_type", talk.firing() ? "trigger" : "resolve");
  json.Field("description", TruncateRunes(talk.Text("description"), 1024));
  json.Field("event_action", "").Key("payload").Null();
  if (talk.firing()) {
    talk.TextField(json, "client", s, "client");
    talk.TextField(json, "client_url", s, "client_url");
  }
  json.Key("details").Raw(details);
  return json.EndObject().Take() + "\n";
}

std::vector<std::string> SplitList(const std::string& text) {
  std::string_view rest(text);
  const auto blank = [](char c) {
    return std::string_view(" \t\r\n").find(c) != std::string::npos;
  };
  while (!rest.empty() && blank(rest.front())) rest.remove_prefix(1);
  while (!rest.empty() && blank(rest.back())) rest.remove_suffix(1);
  std::vector<std::string> parts;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) parts.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return parts;
}

void WriteTexts(JsonWriter& json, const char* key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json.Key(key).BeginArray();
  for (const std::string& text : texts) json.String(text);
  json.EndArray();
}

void WriteResponders(Talk& talk, JsonWriter& json) {
  std::string all;
  const auto add = [&](const std::map<std::string, std::string>& texts) {
    JsonWriter one(kHtml);
    one.BeginObject();
    for (const char* key : {"id", "name", "username"}) {
      if (const auto text = texts.find(key); text != texts.end() && !text->second.empty()) {
        one.Field(key, text->second);
      }
    }
    one.Field("type", texts.at("type"));
    all += (all.empty() ? "" : ",") + one.EndObject().Take();
  };
  for (const Settings& responder : talk.settings().Objects("responders")) {
    std::map<std::string, std::string> texts;
    bool empty = true;
    for (const char* key : {"id", "name", "username", "type"}) {
      texts[key] = talk.Render(responder.Text(key));
      empty = empty && texts[key].empty();
    }
    if (empty) continue;
    if (texts["type"] != "teams") {
      add(texts);
      continue;
    }
    for (const std::string& team : SplitList(texts["name"]))
      add({{"name", team}, {"type", "team"}});
  }
  if (!all.empty()) json.Key("responders").Raw("[" + all + "]");
}

std::string WithSlash(std::string url) {
  if (!url.ends_with('/')) url += '/';
  return url;
}

}  // namespace

Outcome TellPagerduty(Talk& talk) {
  const Settings& s = talk.settings();
  const bool v1 = s.GetSecret("routing_key").empty();
  const Result<std::string> details =
      RenderPayload(PagerdutyDetails(s), talk.templates(), talk.data(), talk.notification().now);
  if (!details) return Outcome::Failed(While("rendering details", details.error()).value(), false);
  const auto render = [&](const std::string& with) {
    return v1 ? PagerdutyV1(talk, with) : PagerdutyV2(talk, with);
  };
  std::string body = render(*details);
  if (body.size() > kPagerdutyBytesMax) {
    body =
        render(R"({"error":"Custom details have been removed because the original event exceeds )"
               R"(the maximum size of 512KB"})");
  }
  const std::string url =
      v1 ? "https://events.pagerduty.com/generic/2010-04-15/create_event.json" : s.Text("url");
  return talk.Send({.url = url, .body = std::move(body)}, {v1 ? 403 : 429}).outcome;
}

Outcome TellOpsgenie(Talk& talk) {
  const Settings& s = talk.settings();
  const std::string alerts = WithSlash(s.Text("api_url")) + "v2/alerts";
  const Headers headers = {{"Authorization", "GenieKey " + talk.Reveal("api_key")}};
  const auto send = [&](const char* method, const std::string& url, JsonWriter& json) {
    return talk
        .Send({.url = url,
               .body = json.EndObject().Take() + "\n",
               .headers = headers,
               .method = method},
              {429})
        .outcome;
  };
  const auto of_alert = [&](const char* what) {
    return fmt::format("{}/{}/{}?identifierType=alias", alerts, talk.key(), what);
  };
  JsonWriter json(kHtml);
  json.BeginObject();
  if (!talk.firing()) {
    json.Field("source", talk.Text("source"));
    return send("POST", of_alert("close"), json);
  }
  const std::string message = TruncateRunes(talk.Text("message"), 130);
  const std::string description = talk.Text("description");
  json.Field("alias", talk.key()).Field("message", message);
  if (!description.empty()) json.Field("description", description);
  std::map<std::string, std::string> details;
  for (const auto& [name, value] : talk.notification().CommonLabels()) details[name] = value;
  for (const auto& [name, text] : s.TextMap("details")) details[name] = talk.Render(text);
  json.Key("details").BeginObject();
  for (const auto& [name, value] : details) json.Field(name, value);
  json.EndObject().Field("source", talk.Text("source"));
  WriteResponders(talk, json);
  WriteTexts(json, "tags", SplitList(talk.Text("tags")));
  for (const char* key : {"note", "priority", "entity"}) talk.TextField(json, key, s, key);
  WriteTexts(json, "actions", SplitList(talk.Text("actions")));
  Outcome outcome = send("POST", alerts, json);
  if (!outcome.status || !s.Flag("update_alerts")) return outcome;
  for (const auto& [what, text] :
       {std::pair{"message", message}, std::pair{"description", description}}) {
    JsonWriter update(kHtml);
    update.BeginObject();
    if (!text.empty()) update.Field(what, text);
    outcome = send("PUT", of_alert(what), update);
    if (!outcome.status) return outcome;
  }
  return outcome;
}

Outcome TellVictorops(Talk& talk) {
  const Settings& s = talk.settings();
  std::string type = talk.Text("message_type");
  if (type != "INFO" && type != "WARNING") type = "CRITICAL";
  if (!talk.firing()) type = "RECOVERY";
  std::map<std::string, std::string> message = {
      {"message_type", type},
      {"entity_id", talk.key()},
      {"entity_display_name", talk.Text("entity_display_name")},
      {"state_message", TruncateRunes(talk.Text("state_message"), 20'480)},
      {"monitoring_tool", talk.Text("monitoring_tool")}};
  for (const auto& [name, text] : s.TextMap("custom_fields")) message[name] = talk.Render(text);
  JsonWriter json(kHtml);
  json.BeginObject();
  for (const auto& [name, value] : message) json.Field(name, value);
  const std::string url =
      WithSlash(s.Text("api_url")) + talk.Reveal("api_key") + "/" + talk.Text("routing_key");
  return talk.Send({.url = url, .body = json.EndObject().Take() + "\n"}).outcome;
}

Outcome TellPushover(Talk& talk) {
  const Settings& s = talk.settings();
  const auto seconds = [&](const char* key) {
    return std::to_string(std::chrono::floor<std::chrono::seconds>(s.Duration(key)).count());
  };
  std::map<std::string, std::string> query = {
      {"token", talk.Reveal("token")},       {"user", talk.Reveal("user_key")},
      {"url_title", talk.Text("url_title")}, {"priority", talk.Text("priority")},
      {"retry", seconds("retry")},           {"expire", seconds("expire")},
      {"device", talk.Text("device")},       {"sound", talk.Text("sound")}};
  query["title"] = TruncateRunes(talk.Text("title"), 250);
  query["url"] = TruncateRunes(talk.Text("url"), 512);
  if (s.Flag("html")) query["html"] = "1";
  if (s.Flag("monospace")) query["monospace"] = "1";
  std::string message = s.Flag("html") ? talk.RenderHtml(s.Text("message")) : talk.Text("message");
  message = TruncateRunes(message, 1024);
  const auto blank = [](char c) {
    return std::string_view(" \t\r\n").find(c) != std::string::npos;
  };
  while (!message.empty() && blank(message.back())) message.pop_back();
  message.erase(message.begin(), std::find_if_not(message.begin(), message.end(), blank));
  // Pushover refuses empty messages.
  query["message"] = message.empty() ? "(no details)" : message;
  if (s.Duration("ttl") >= std::chrono::seconds(1)) query["ttl"] = seconds("ttl");
  return talk
      .Send({.url = "https://api.pushover.net/1/messages.json?" + FormBody(query),
             .body = "",
             .content_type = "text/plain"})
      .outcome;
}

Outcome TellIncidentio(Talk& talk) {
  const Settings& s = talk.settings();
  Headers headers;
  if (!s.GetSecret("alert_source_token").empty()) {
    headers.Set("Authorization", "Bearer " + talk.Reveal("alert_source_token"));
  }
  const auto max_alerts =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, s.Integer("max_alerts")));
  return talk
      .Send({.url = talk.Reveal("url"),
             .body = WebhookMessageV4(talk.notification(), max_alerts, "1"),
             .headers = std::move(headers)},
            {429})
      .outcome;
}

Outcome TellSns(Talk& talk) {
  const Settings& s = talk.settings();
  const Settings& sigv4 = s.Object("sigv4");
  std::map<std::string, std::string> form = {{"Action", "Publish"}, {"Version", "2010-03-31"}};
  for (const auto& [key, name] :
       {std::pair{"topic_arn", "TopicArn"}, std::pair{"target_arn", "TargetArn"},
        std::pair{"phone_number", "PhoneNumber"}}) {
    if (const std::string text = talk.Text(key); !text.empty()) form[name] = text;
  }
  const bool sms = form.contains("PhoneNumber");
  const std::string message = talk.Text("message");
  form["Message"] = TruncateBytes(message, sms ? kSmsBytesMax : kSnsBytesMax);
  if (const std::string subject = talk.Text("subject"); !subject.empty() && !sms) {
    form["Subject"] = TruncateBytes(subject, 100);
  }
  if (form.contains("TopicArn") && form["TopicArn"].ends_with(".fifo")) {
    form["MessageDeduplicationId"] = form["MessageGroupId"] = talk.key();
  }
  std::map<std::string, std::string> attributes;
  for (const auto& [name, text] : s.TextMap("attributes")) {
    attributes[talk.Render(name)] = talk.Render(text);
  }
  if (form["Message"].size() < message.size()) attributes["truncated"] = "true";
  std::size_t i = 0;
  for (const auto& [name, value] : attributes) {
    const std::string entry = fmt::format("MessageAttributes.entry.{}.", ++i);
    form[entry + "Name"] = name;
    form[entry + "Value.DataType"] = "String";
    form[entry + "Value.StringValue"] = value;
  }
  std::string region = sigv4.Text("region");
  // A topic names its region.
  if (region.empty()) {
    const std::string& arn = form.contains("TopicArn") ? form["TopicArn"] : form["TargetArn"];
    const std::size_t begin = arn.starts_with("arn:aws:sns:") ? 12 : arn.size();
    region = arn.substr(begin, arn.find(':', begin) - begin);
  }
  if (region.empty()) region = "us-east-1";
  S3Connection connection;
  if (!sigv4.Text("access_key").empty()) {
    connection.access_key_id = Secret::FromText(sigv4.Text("access_key"));
    connection.secret_access_key = sigv4.GetSecret("secret_key");
  }
  const Result<AwsCredentials> credentials = AwsCredentialChain(connection).Get();
  if (!credentials) return Outcome::Failed(credentials.error(), true);
  HttpRequest request;
  request.method = "POST";
  request.url = talk.Text("api_url");
  if (request.url.empty()) request.url = fmt::format("https://sns.{}.amazonaws.com/", region);
  request.body = FormBody(form);
  Sigv4("sns").Sign(request, *credentials, region, talk.now().wall, Hex(Sha256(request.body)));
  return talk
      .Send({.url = request.url,
             .body = request.body,
             .headers = request.headers,
             .content_type = "application/x-www-form-urlencoded"},
            {429})
      .outcome;
}

}  // namespace fettle::receivers

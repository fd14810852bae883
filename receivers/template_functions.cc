// The functions of Alertmanager's templates, and its default templates.
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include <array>
#include <optional>

#include "common/gotemplate_texts.h"
#include "common/http.h"
#include "common/json.h"
#include "common/utf8.h"
#include "receivers/templates.h"

namespace fettle::receivers {
namespace {

using gotemplate::Functions;
using gotemplate::List;
using gotemplate::Map;
using gotemplate::Object;
using gotemplate::Timestamp;
using gotemplate::Value;
using Arguments = std::vector<Value>;

tl::unexpected<Error> WrongType(std::string_view wanted, const Value& got) {
  return Fail(Cause::kInvalid, "wrong type for value; expected {}; got {}", wanted,
              gotemplate::TypeName(got));
}

Result<Timestamp> TimeArgument(const Arguments& arguments, std::size_t index) {
  const auto* time = std::get_if<Timestamp>(&arguments[index].variant());
  if (time == nullptr) return WrongType("time.Time", arguments[index]);
  return *time;
}

Result<Value> Join(const Arguments& arguments) {
  if (const Status two = gotemplate::WantArguments(arguments, 2); !two) {
    return tl::unexpected<Error>(two.error());
  }
  const Result<std::string> separator = gotemplate::TextArgument(arguments, 0);
  if (!separator) return tl::unexpected<Error>(separator.error());
  const List* items = arguments[1].AsList();
  if (items == nullptr) return WrongType("[]string", arguments[1]);
  std::string joined;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string* text = (*items)[i].AsString();
    if (text == nullptr) return WrongType("[]string", arguments[1]);
    if (i > 0) joined += *separator;
    joined += *text;
    if (joined.size() > gotemplate::kOutputBytesMax) {
      return Fail(Cause::kLimit, "join: more than {} bytes", gotemplate::kOutputBytesMax);
    }
  }
  return Value(std::move(joined));
}

bool IsLetter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xC0; }
bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }
// What stands between two letters of one word: don't, e.g.
bool JoinsLetters(char32_t c) {
  return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2019 || c == 0x2027;
}
bool JoinsDigits(char32_t c) { return c == '\'' || c == '.' || c == ',' || c == ';'; }

// golang.org/x/text/cases.Title: each word's first letter is large and the others are small; words
// end as Unicode says (UAX 29), not at every sign.
std::string Title(std::string_view text) {
  std::vector<char32_t> runes;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    runes.push_back(rune.length == 0 ? char32_t{0xFFFD} : rune.value);
    at += std::max<std::size_t>(rune.length, 1);
  }
  const Functions texts = gotemplate::TextFunctions();
  const auto cased = [&](const char* function, char32_t rune) {
    std::string letter;
    AppendRune(rune, letter);
    const Result<Value> done = texts.at(function)({Value(letter)});
    return done ? *done->AsString() : letter;
  };
  bool inside = false;
  for (std::size_t i = 0; i < runes.size(); ++i) {
    const char32_t c = runes[i];
    const char32_t next = i + 1 < runes.size() ? runes[i + 1] : 0;
    const char32_t before = i > 0 ? runes[i - 1] : 0;
    if (IsLetter(c)) {
      out += cased(inside ? "toLower" : "toUpper", c);
      inside = true;
      continue;
    }
    AppendRune(c, out);
    const bool joins = (JoinsLetters(c) && IsLetter(before) && IsLetter(next)) ||
                       (JoinsDigits(c) && IsDigit(before) && IsDigit(next));
    inside = inside && (c == '_' || IsDigit(c) || joins);
  }
  return out;
}

Result<Value> TitleFunction(const Arguments& arguments) {
  if (const Status one = gotemplate::WantArguments(arguments, 1); !one) {
    return tl::unexpected<Error>(one.error());
  }
  const Result<std::string> text = gotemplate::TextArgument(arguments, 0);
  if (!text) return tl::unexpected<Error>(text.error());
  return Value(Title(*text));
}

// A function of one text.
gotemplate::Function OfText(Result<std::string> (*function)(const std::string&)) {
  return [function](const Arguments& arguments) -> Result<Value> {
    if (const Status one = gotemplate::WantArguments(arguments, 1); !one) {
      return tl::unexpected<Error>(one.error());
    }
    const Result<std::string> text = gotemplate::TextArgument(arguments, 0);
    if (!text) return tl::unexpected<Error>(text.error());
    Result<std::string> done = function(*text);
    if (!done) return tl::unexpected<Error>(done.error());
    return Value(*std::move(done));
  };
}

Result<std::string> TrimSpace(const std::string& text) {
  std::size_t begin = text.size();
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    const std::size_t length = std::max<std::size_t>(rune.length, 1);
    if (rune.length == 0 || !IsSpace(rune.value)) {
      begin = std::min(begin, at);
      end = at + length;
    }
    at += length;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string();
}

Result<std::string> Same(const std::string& text) { return text; }

Result<std::string> UrlUnescape(const std::string& text) {
  for (std::size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 3)) {
    const auto hex = [&](std::size_t i) {
      return i < text.size() && std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    };
    if (!hex(at + 1) || !hex(at + 2)) {
      return Fail(Cause::kInvalid, "invalid URL escape {}", Quote(text.substr(at, 3)));
    }
  }
  return PercentDecode(text, true);
}

Result<Value> Date(const Arguments& arguments) {
  if (const Status two = gotemplate::WantArguments(arguments, 2); !two) {
    return tl::unexpected<Error>(two.error());
  }
  const Result<std::string> layout = gotemplate::TextArgument(arguments, 0);
  if (!layout) return tl::unexpected<Error>(layout.error());
  const Result<Timestamp> time = TimeArgument(arguments, 1);
  if (!time) return tl::unexpected<Error>(time.error());
  static const gotemplate::Template kFormat =
      gotemplate::Template::Parse("date", "{{ .time.Format .layout }}", {}).value();
  Result<std::string> text = kFormat.Execute(Map{{"time", *time}, {"layout", *layout}});
  if (!text) return tl::unexpected<Error>(text.error());
  return Value(*std::move(text));
}

Result<Value> Tz(const Arguments& arguments) {
  if (const Status two = gotemplate::WantArguments(arguments, 2); !two) {
    return tl::unexpected<Error>(two.error());
  }
  const Result<std::string> name = gotemplate::TextArgument(arguments, 0);
  if (!name) return tl::unexpected<Error>(name.error());
  Result<Timestamp> time = TimeArgument(arguments, 1);
  if (!time) return tl::unexpected<Error>(time.error());
  cctz::time_zone zone;
  if (!name->empty() && !cctz::load_time_zone(*name, &zone)) {
    return Fail(Cause::kInvalid, "unknown time zone {}", *name);
  }
  time->zone = name->empty() ? "UTC" : *name;
  return Value(*std::move(time));
}

Result<Value> MakeList(const Arguments& arguments) { return Value(List(arguments)); }

Result<Value> Append(const Arguments& arguments) {
  const List* items = arguments.empty() ? nullptr : arguments[0].AsList();
  if (items == nullptr) {
    return WrongType("[]interface {}", arguments.empty() ? Value() : arguments[0]);
  }
  List longer = *items;
  longer.insert(longer.end(), arguments.begin() + 1, arguments.end());
  return Value(std::move(longer));
}

Result<Value> Dict(const Arguments& arguments) {
  if (arguments.size() % 2 != 0) return Fail(Cause::kInvalid, "invalid dict call");
  Map map;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string* key = arguments[i].AsString();
    if (key == nullptr) return Fail(Cause::kInvalid, "dict keys must be strings");
    map.insert_or_assign(*key, arguments[i + 1]);
  }
  return Value(std::move(map));
}

Result<Value> ToJsonFunction(const Arguments& arguments) {
  if (const Status one = gotemplate::WantArguments(arguments, 1); !one) {
    return tl::unexpected<Error>(one.error());
  }
  return Value(ToJson(arguments[0]));
}

// How Go's structs name their fields in JSON, in their order.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kJsonNames = {{
    {"Receiver", "receiver"},
    {"Status", "status"},
    {"Alerts", "alerts"},
    {"NotificationReason", "notification_reason"},
    {"GroupLabels", "groupLabels"},
    {"CommonLabels", "commonLabels"},
    {"CommonAnnotations", "commonAnnotations"},
    {"ExternalURL", "externalURL"},
    {"Labels", "labels"},
    {"Annotations", "annotations"},
    {"StartsAt", "startsAt"},
    {"EndsAt", "endsAt"},
    {"GeneratorURL", "generatorURL"},
    {"Fingerprint", "fingerprint"},
    {"Name", "Name"},
    {"Value", "Value"},
}};

void WriteJson(JsonWriter& writer, const Value& value);

void WriteMap(JsonWriter& writer, const Map& map) {
  writer.BeginObject();
  for (const auto& [key, item] : map) {
    writer.Key(key);
    WriteJson(writer, item);
  }
  writer.EndObject();
}

void WriteObject(JsonWriter& writer, const Object& object) {
  if (object.items != nullptr) {
    writer.BeginArray();
    for (const Value& item : *object.items) WriteJson(writer, item);
    writer.EndArray();
  } else if (object.number) {
    writer.Integer(*object.number);
  } else if (object.keyed) {
    WriteMap(writer, object.fields);
  } else {
    writer.BeginObject();
    for (const auto& [field, name] : kJsonNames) {
      const auto found = object.fields.find(std::string(field));
      if (found == object.fields.end()) continue;
      writer.Key(name);
      WriteJson(writer, found->second);
    }
    writer.EndObject();
  }
}

void WriteJson(JsonWriter& writer, const Value& value) {
  struct Visitor {
    JsonWriter& writer;
    void operator()(std::monostate) { writer.Null(); }
    void operator()(bool b) { writer.Bool(b); }
    void operator()(std::int64_t i) { writer.Integer(i); }
    void operator()(double d) { writer.Number(d); }
    void operator()(const std::string& s) { writer.String(s); }
    void operator()(const std::shared_ptr<const List>& list) {
      writer.BeginArray();
      for (const Value& item : *list) WriteJson(writer, item);
      writer.EndArray();
    }
    void operator()(const std::shared_ptr<const Map>& map) { WriteMap(writer, *map); }
    void operator()(const std::shared_ptr<const Object>& object) { WriteObject(writer, *object); }
    void operator()(const Timestamp& time) { writer.String(GoTime(time.at)); }
    void operator()(gotemplate::Duration d) { writer.Integer(d.count()); }
    void operator()(const std::shared_ptr<const gotemplate::Function>&) { writer.Null(); }
  };
  std::visit(Visitor{writer}, value.variant());
}

constexpr std::string_view kDefaults = R"({{/* Named as Alertmanager names them, because users' own
templates call them or replace them. */}}
{{ define "__alertmanager" }}Alertmanager{{ end }}
{{ define "__alertmanagerURL" -}}
  {{ .ExternalURL }}/#/alerts?receiver={{ urlquery .Receiver }}
{{- end }}

{{/* [FIRING:2] values of the group's labels (values of the other common labels) */}}
{{ define "__subject" -}}
  [{{ toUpper .Status }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
  {{- /* one space */}} {{ join " " .GroupLabels.SortedPairs.Values }} {{ if gt (len .CommonLabels) (len .GroupLabels) -}}
    ({{ join " " (.CommonLabels.Remove .GroupLabels.Names).Values }})
  {{- end }}
{{- end }}
{{ define "__description" }}{{ end }}

{{ define "__text_alert_list" }}{{ range . }}Labels:
{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}Annotations:
{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}Source: {{ .GeneratorURL }}
{{ end }}{{ end }}

{{ define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "slack.default.color" }}{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}{{ end }}
{{ define "slack.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "slack.default.fallback" -}}
  {{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}
{{- end }}
{{ define "slack.default.pretext" }}{{ end }}
{{ define "slack.default.text" }}{{ end }}
{{ define "slack.default.footer" }}{{ end }}
{{ define "slack.default.callbackid" }}{{ end }}
{{ define "slack.default.iconemoji" }}{{ end }}
{{ define "slack.default.iconurl" }}{{ end }}

{{/* Lists by state: dense ones, and ones with empty lines between. */}}
{{ define "__alerts_by_state" }}{{ if .Alerts.Firing }}Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}{{ end }}
{{ if .Alerts.Resolved }}Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}{{ end }}{{ end }}
{{ define "__alerts_apart" }}{{ if .Alerts.Firing }}
Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}
{{ end }}
{{ if .Alerts.Resolved }}
Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}
{{ end }}
{{ end }}
{{ define "__common_annotations" }}{{ join " " .CommonAnnotations.SortedPairs.Values }}{{ end }}
{{ define "__text_alert_list_markdown" }}{{ range . }}
Labels:
{{ range .Labels.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
Annotations:
{{ range .Annotations.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
Source: {{ .GeneratorURL }}
{{ end }}{{ end }}
{{ define "__alerts_markdown" }}{{ if .Alerts.Firing }}
# Alerts Firing:
{{ template "__text_alert_list_markdown" .Alerts.Firing }}
{{ end }}
{{ if .Alerts.Resolved }}
# Alerts Resolved:
{{ template "__text_alert_list_markdown" .Alerts.Resolved }}
{{ end }}
{{ end }}

{{ define "email.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "__email_alerts" }}{{ range . }}<tr><td style="padding:8px 20px;border-top:1px solid #e9e9e9">
<strong>Labels</strong><br>
{{ range .Labels.SortedPairs }}{{ .Name }} = {{ .Value }}<br>
{{ end }}{{ if .Annotations }}<strong>Annotations</strong><br>
{{ range .Annotations.SortedPairs }}{{ .Name }} = {{ .Value }}<br>
{{ end }}{{ end }}<a href="{{ .GeneratorURL }}">Source</a>
</td></tr>
{{ end }}{{ end }}
{{ define "email.default.html" }}<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ template "__subject" . }}</title></head>
<body style="margin:0;background:#f6f6f6;font:14px/1.6 'Helvetica Neue',Helvetica,Arial,sans-serif">
<table style="width:100%;max-width:600px;margin:0 auto;background:#fff;border:1px solid #e9e9e9;border-collapse:collapse">
<tr><td style="padding:20px;text-align:center;color:#fff;background:{{ if eq .Status "firing" }}#e6522c{{ else }}#2e8540{{ end }}">
{{ len .Alerts }} alert{{ if gt (len .Alerts) 1 }}s{{ end }} for {{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}
</td></tr>
<tr><td style="padding:12px 20px"><a href="{{ template "__alertmanagerURL" . }}">View in {{ template "__alertmanager" . }}</a></td></tr>
{{ if .Alerts.Firing }}<tr><td style="padding:8px 20px"><strong>[{{ len .Alerts.Firing }}] Firing</strong></td></tr>
{{ template "__email_alerts" .Alerts.Firing }}{{ end }}
{{- if .Alerts.Resolved }}<tr><td style="padding:8px 20px"><strong>[{{ len .Alerts.Resolved }}] Resolved</strong></td></tr>
{{ template "__email_alerts" .Alerts.Resolved }}{{ end -}}
</table>
<p style="text-align:center;color:#999"><a href="{{ .ExternalURL }}" style="color:#999">Sent by {{ template "__alertmanager" . }}</a></p>
</body></html>
{{ end }}

{{ define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end }}
{{ define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}

{{ define "opsgenie.default.message" }}{{ template "__subject" . }}{{ end }}
{{ define "opsgenie.default.description" }}{{ template "__common_annotations" . }}
{{ template "__alerts_by_state" . }}{{ end }}
{{ define "opsgenie.default.source" }}{{ template "__alertmanagerURL" . }}{{ end }}

{{ define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "__common_annotations" . }}
{{ template "__alerts_by_state" . }}
AlertmanagerUrl:
{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "wechat.default.to_user" }}{{ end }}
{{ define "wechat.default.to_party" }}{{ end }}
{{ define "wechat.default.to_tag" }}{{ end }}
{{ define "wechat.default.agent_id" }}{{ end }}

{{ define "victorops.default.state_message" }}{{ template "__common_annotations" . }}
{{ template "__alerts_by_state" . }}{{ end }}
{{ define "victorops.default.entity_display_name" }}{{ template "__subject" . }}{{ end }}
{{ define "victorops.default.monitoring_tool" }}{{ template "__alertmanager" . }}{{ end }}

{{ define "pushover.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "pushover.default.message" }}{{ template "__common_annotations" . }}
{{ template "__alerts_apart" . }}{{ end }}
{{ define "pushover.default.url" }}{{ template "__alertmanagerURL" . }}{{ end }}

{{ define "sns.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "sns.default.message" }}{{ template "__common_annotations" . }}
{{ template "__alerts_apart" . }}{{ end }}

{{ define "telegram.default.message" }}
{{ template "__alerts_apart" . }}{{ end }}

{{ define "discord.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "discord.default.message" }}
{{ template "__alerts_apart" . }}{{ end }}

{{ define "webex.default.message" }}{{ template "__common_annotations" . }}
{{ template "__alerts_apart" . }}{{ end }}

{{ define "msteams.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "msteams.default.summary" }}{{ template "__subject" . }}{{ end }}
{{ define "msteams.default.text" }}{{ template "__alerts_markdown" . }}{{ end }}
{{ define "msteamsv2.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "msteamsv2.default.text" }}{{ template "__alerts_markdown" . }}{{ end }}

{{ define "jira.default.summary" }}{{ template "__subject" . }}{{ end }}
{{ define "jira.default.description" }}{{ template "__alerts_markdown" . }}{{ end }}
{{ define "jira.default.priority" }}{{ $p := "" }}
{{- range $alerts := list .Alerts.Firing .Alerts.Resolved }}{{ if eq $p "" }}
{{- range $alerts }}{{ $s := index .Labels "severity" }}
{{- if eq $s "critical" }}{{ $p = "High" }}
{{- else if and (eq $s "warning") (ne $p "High") }}{{ $p = "Medium" }}
{{- else if and (eq $s "info") (eq $p "") }}{{ $p = "Low" }}{{ end }}
{{- end }}{{ end }}{{ end }}{{ $p }}{{ end }}

{{ define "rocketchat.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "rocketchat.default.alias" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "rocketchat.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "rocketchat.default.emoji" }}{{ end }}
{{ define "rocketchat.default.iconurl" }}{{ end }}
{{ define "rocketchat.default.text" }}{{ end }}

{{ define "mattermost.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "mattermost.default.color" }}{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}{{ end }}
{{ define "mattermost.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "mattermost.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "mattermost.default.fallback" -}}
  {{ template "mattermost.default.title" . }} | {{ template "mattermost.default.titlelink" . }}
{{- end }}
{{ define "mattermost.default.text" }}{{ template "__alerts_markdown" . }}{{ end }}
)";

}  // namespace

std::string_view DefaultTemplates() { return kDefaults; }

std::string ToJson(const Value& value) {
  JsonWriter writer(JsonWriter::Options{.escape_html = true});
  WriteJson(writer, value);
  return writer.Take();
}

Functions TemplateFunctions() {
  Functions functions;
  const Functions shared = gotemplate::TextFunctions();
  for (const char* name :
       {"toUpper", "toLower", "match", "reReplaceAll", "safeHtml", "humanizeDuration"}) {
    functions.emplace(name, shared.at(name));
  }
  functions.emplace("title", TitleFunction);
  functions.emplace("join", Join);
  functions.emplace("trimSpace", OfText(TrimSpace));
  functions.emplace("safeUrl", OfText(Same));
  functions.emplace("urlUnescape", OfText(UrlUnescape));
  functions.emplace("stringSlice", MakeList);
  functions.emplace("list", MakeList);
  functions.emplace("append", Append);
  functions.emplace("dict", Dict);
  functions.emplace("date", Date);
  functions.emplace("tz", Tz);
  functions.emplace("toJson", ToJsonFunction);
  // Known when parsing; Execute() gets those that know the moment.
  functions.merge(TemplateFunctionsAt(Time{}));
  return functions;
}

Functions TemplateFunctionsAt(Time now) {
  return {
      {"now", [now](const Arguments&) -> Result<Value> { return Value(now); }},
      {"since",
       [now](const Arguments& arguments) -> Result<Value> {
         if (const Status one = gotemplate::WantArguments(arguments, 1); !one) {
           return tl::unexpected<Error>(one.error());
         }
         const Result<Timestamp> time = TimeArgument(arguments, 0);
         if (!time) return tl::unexpected<Error>(time.error());
         return Value(gotemplate::Duration(now - time->at));
       }},
  };
}

}  // namespace fettle::receivers

#include "receivers/api/bodies.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

// Codes of go-openapi's model validation.
constexpr int kWrongType = 601;
constexpr int kRequired = 602;
constexpr int kTooFewItems = 612;

using Failed = tl::unexpected<ApiError>;

Failed Unparsable(std::string_view body, const std::string& why) {
  return Failed({400, 400, fmt::format("parsing {} body from \"\" failed, because {}", body, why)});
}

Failed Required(std::string_view what) {
  return Failed({422, kRequired, fmt::format("{} in body is required", what)});
}

std::string_view TypeOf(const Json& json) {
  if (json.IsString()) return "string";
  if (json.IsNumber()) return "number";
  if (json.IsBool()) return "bool";
  if (json.IsArray()) return "array";
  return json.IsObject() ? "object" : "null";
}

std::string Mistyped(const Json& json, std::string_view field, std::string_view type) {
  return fmt::format("json: cannot unmarshal {} into Go struct field {} of type {}", TypeOf(json),
                     field, type);
}

bool Absent(const Json& json) { return !json.exists() || json.IsNull(); }

// {"name": "value"}; null values count as empty ones.
Result<Labels> ReadSet(const Json& json, const std::string& field) {
  if (Absent(json)) return Labels{};
  if (!json.IsObject()) return Fail("{}", Mistyped(json, field, "models.LabelSet"));
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : json.Entries()) {
    if (value.IsNull()) continue;
    std::optional<std::string> text = value.String();
    if (!text) return Fail("{}", Mistyped(value, field + "." + name, "string"));
    if (!text->empty()) pairs.emplace_back(name, *std::move(text));
  }
  return Labels(std::move(pairs));
}

Result<Time> ReadTime(const Json& json) {
  if (Absent(json)) return Time{};
  const std::optional<std::string> text = json.String();
  if (!text) return Fail("json: cannot unmarshal {} into Go value of type string", TypeOf(json));
  if (text->empty()) return Time{};
  const Result<Time> time = ParseRfc3339(*text);
  if (!time) return Fail("parsing time {}: {}", Quote(*text), time.error().message);
  return *time;
}

// Go's url.ParseRequestURI, as far as it refuses what people send: absolute, or a path.
bool IsUri(std::string_view text) {
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return false;
  }
  if (text.starts_with('/')) return true;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  if (std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
  for (const char c : text.substr(0, colon)) {
    const bool known =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-' || c == '.';
    if (!known) return false;
  }
  const std::string_view rest = text.substr(colon + 1);
  if (!rest.starts_with("//")) return true;
  return rest.substr(0, rest.find('/', 2)).find(' ') == std::string_view::npos;
}

ApiResult<Alert> ReadAlert(const Json& json) {
  Alert alert;
  Result<Labels> annotations = ReadSet(json["annotations"], ".annotations");
  if (!annotations) return Unparsable("alerts", annotations.error().message);
  const Result<Time> ends_at = ReadTime(json["endsAt"]);
  if (!ends_at) return Unparsable("alerts", ends_at.error().message);
  const Result<Time> starts_at = ReadTime(json["startsAt"]);
  if (!starts_at) return Unparsable("alerts", starts_at.error().message);
  Result<Labels> labels = ReadSet(json["labels"], "Alert.labels");
  if (!labels) return Unparsable("alerts", labels.error().message);
  const Json url = json["generatorURL"];
  if (!Absent(url) && !url.IsString()) {
    return Unparsable("alerts", Mistyped(url, "Alert.generatorURL", "strfmt.URI"));
  }
  alert.annotations = *std::move(annotations);
  alert.labels = *std::move(labels);
  alert.starts_at = *starts_at;
  alert.ends_at = *ends_at;
  alert.generator_url = url.StringOr("");
  return alert;
}

struct PostedMatcher {
  std::string name;
  std::string value;
  bool regexp = false;
  bool equal = true;
};

ApiResult<PostedMatcher> ReadMatcher(const Json& json, std::size_t i) {
  if (!json.IsObject()) {
    return Unparsable("silence",
                      fmt::format("json: cannot unmarshal {} into Go value of type models.Matcher",
                                  TypeOf(json)));
  }
  for (const auto& [key, type] : {std::pair{"isEqual", "bool"}, std::pair{"isRegex", "bool"},
                                  std::pair{"name", "string"}, std::pair{"value", "string"}}) {
    const Json value = json[key];
    if (Absent(value) || TypeOf(value) == type) continue;
    return Unparsable("silence", Mistyped(value, fmt::format("Silence.matchers.{}", key), type));
  }
  for (const char* key : {"isRegex", "name", "value"}) {
    if (Absent(json[key])) return Required(fmt::format("matchers.{}.{}", i, key));
  }
  return PostedMatcher{json["name"].StringOr(""), json["value"].StringOr(""),
                       json["isRegex"].BoolOr(false), json["isEqual"].BoolOr(true)};
}

ApiResult<Matcher> ToMatcher(const PostedMatcher& posted, std::size_t i) {
  const auto invalid = [&](const std::string& why) {
    return Failed(
        {400, 0, fmt::format("invalid silence: invalid label matcher {} in set 0: {}", i, why)});
  };
  if (posted.name.empty() || !IsUtf8(posted.name)) {
    return invalid("invalid label name " + Quote(posted.name));
  }
  const Matcher::Type type =
      posted.regexp ? (posted.equal ? Matcher::Type::kRegexp : Matcher::Type::kNotRegexp)
                    : (posted.equal ? Matcher::Type::kEqual : Matcher::Type::kNotEqual);
  Result<Matcher> matcher = Matcher::Make(type, posted.name, posted.value);
  if (matcher) return *std::move(matcher);
  return invalid(fmt::format("invalid regular expression {}: {}", Quote(posted.value),
                             matcher.error().message));
}

ApiResult<Matchers> ReadMatchers(const Json& json) {
  if (Absent(json)) return Required("matchers");
  if (!json.IsArray()) {
    return Unparsable("silence", Mistyped(json, "Silence.matchers", "models.Matchers"));
  }
  const std::vector<Json> items = json.Items();
  if (items.empty()) {
    return Failed({422, kTooFewItems, "matchers in body should have at least 1 items"});
  }
  std::vector<PostedMatcher> posted;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ApiResult<PostedMatcher> matcher = ReadMatcher(items[i], i);
    if (!matcher) return Failed(matcher.error());
    posted.push_back(*std::move(matcher));
  }
  Matchers matchers;
  for (std::size_t i = 0; i < posted.size(); ++i) {
    ApiResult<Matcher> matcher = ToMatcher(posted[i], i);
    if (!matcher) return Failed(matcher.error());
    matchers.push_back(*std::move(matcher));
  }
  return matchers;
}

}  // namespace

HttpResponse ApiError::ToResponse() const {
  JsonWriter writer(JsonWriter::Options{.escape_html = true});
  if (code == 0) {
    writer.String(message);
    return JsonResponse(status, writer.Take() + "\n");
  }
  writer.BeginObject().Field("code", code).Field("message", message).EndObject();
  return JsonResponse(status, writer.Take());
}

ApiResult<bool> CheckContentType(const HttpRequest& request) {
  if (request.body.empty()) return true;
  std::string type(request.headers.Get("Content-Type"));
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (type == "application/json") return true;
  if (type.empty()) type = "application/octet-stream";
  return Failed(
      {415, 415,
       fmt::format("unsupported media type {}, only [application/json] are allowed", Quote(type))});
}

ApiResult<std::vector<Alert>> ReadPostableAlerts(std::string_view body) {
  if (body.empty()) return Required("alerts");
  const Result<Json> json = Json::Parse(body);
  if (!json) return Unparsable("alerts", json.error().message);
  std::vector<Alert> alerts;
  if (json->IsNull()) return alerts;
  if (!json->IsArray()) {
    return Unparsable("alerts", fmt::format("json: cannot unmarshal {} into Go value of type "
                                            "models.PostableAlerts",
                                            TypeOf(*json)));
  }
  const std::vector<Json> items = json->Items();
  alerts.reserve(items.size());
  for (const Json& item : items) {
    if (!item.IsObject() && !item.IsNull()) {
      return Unparsable("alerts", fmt::format("json: cannot unmarshal {} into Go value of type "
                                              "models.PostableAlert",
                                              TypeOf(item)));
    }
    ApiResult<Alert> alert = ReadAlert(item);
    if (!alert) return Failed(alert.error());
    alerts.push_back(*std::move(alert));
  }
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    const std::string& url = alerts[i].generator_url;
    if (!url.empty() && !IsUri(url)) {
      return Failed(
          {422, kWrongType,
           fmt::format("{}.generatorURL in body must be of type uri: {}", i, Quote(url))});
    }
    if (Absent(items[i]["labels"])) return Required(fmt::format("{}.labels", i));
  }
  return alerts;
}

ApiResult<Silence> ReadPostableSilence(std::string_view body) {
  if (body.empty()) return Required("silence");
  const Result<Json> json = Json::Parse(body);
  if (!json) return Unparsable("silence", json.error().message);
  if (!json->IsObject() && !json->IsNull()) {
    return Unparsable("silence", fmt::format("json: cannot unmarshal {} into Go value of type "
                                             "models.PostableSilence",
                                             TypeOf(*json)));
  }
  for (const auto& [key, field] : {std::pair{"id", ".id"}, std::pair{"comment", "Silence.comment"},
                                   std::pair{"createdBy", "Silence.createdBy"}}) {
    const Json value = (*json)[key];
    if (!Absent(value) && !value.IsString()) {
      return Unparsable("silence", Mistyped(value, field, "string"));
    }
  }
  const Result<Time> ends_at = ReadTime((*json)["endsAt"]);
  if (!ends_at) return Unparsable("silence", ends_at.error().message);
  const Result<Time> starts_at = ReadTime((*json)["startsAt"]);
  if (!starts_at) return Unparsable("silence", starts_at.error().message);
  const Result<Labels> annotations = ReadSet((*json)["annotations"], "Silence.annotations");
  if (!annotations) return Unparsable("silence", annotations.error().message);
  for (const char* key : {"comment", "createdBy", "endsAt"}) {
    if (Absent((*json)[key])) return Required(key);
  }
  ApiResult<Matchers> matchers = ReadMatchers((*json)["matchers"]);
  // The model's own rules come before what the matchers mean.
  if (!matchers && matchers.error().status != 400) return Failed(matchers.error());
  if (Absent((*json)["startsAt"])) return Required("startsAt");
  if (!matchers) return Failed(matchers.error());

  Silence silence;
  silence.id = (*json)["id"].StringOr("");
  silence.matchers = *std::move(matchers);
  silence.starts_at = *starts_at;
  silence.ends_at = *ends_at;
  silence.created_by = (*json)["createdBy"].StringOr("");
  silence.comment = (*json)["comment"].StringOr("");
  for (const auto& [name, value] : *annotations) silence.annotations.emplace(name, value);
  return silence;
}

// Alertmanager compiles an expression within its anchors, so they are in what it says of a whole
// one.
std::string AnchoredAsAlertmanagers(std::string message) {
  constexpr std::string_view kWhole = "missing closing ): `";
  const std::size_t at = message.find(kWhole);
  if (at == std::string::npos || !message.ends_with('`')) return message;
  message.insert(message.size() - 1, ")$");
  return message.insert(at + kWhole.size(), "^(?:");
}

Result<Matcher> ReadFilterMatcher(const std::string& text, MatcherSyntax syntax) {
  Result<Matcher> matcher = ParseMatcher(text, syntax);
  if (matcher) return matcher;
  return tl::unexpected<Error>(
      Error{AnchoredAsAlertmanagers(matcher.error().message), matcher.error().cause});
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (dash ? text[i] != '-' : !hex) return false;
  }
  return true;
}

}  // namespace fettle::receivers

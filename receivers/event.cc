#include "receivers/event.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "common/duration.h"
#include "common/json.h"
#include "common/yaml.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kBodyBytesMax = 256 * 1024;

constexpr std::array kKinds = {std::pair(std::string_view("deploy"), EventKind::kDeploy),
                               std::pair(std::string_view("spend"), EventKind::kSpend),
                               std::pair(std::string_view("gpu"), EventKind::kGpu),
                               std::pair(std::string_view("maintenance"), EventKind::kMaintenance),
                               std::pair(std::string_view("custom"), EventKind::kCustom)};
constexpr std::array kPhases = {std::pair(std::string_view("before"), EventPhase::kBefore),
                                std::pair(std::string_view("start"), EventPhase::kStart),
                                std::pair(std::string_view("end"), EventPhase::kEnd),
                                std::pair(std::string_view("failed"), EventPhase::kFailed)};

template <typename Words, typename E>
std::string_view WordOf(const Words& words, E value) {
  for (const auto& [word, meant] : words) {
    if (meant == value) return word;
  }
  return "";
}

template <typename Words>
auto ReadWord(const Words& words, const Json& json, std::string_view key)
    -> Result<decltype(words[0].second)> {
  const std::optional<std::string> text = json.String();
  std::vector<std::string> known;
  for (const auto& [word, value] : words) {
    if (text == word) return value;
    known.emplace_back(word);
  }
  if (!text) return Fail(Cause::kInvalid, "{} is missing or is no text", key);
  return Fail(Cause::kInvalid, "{} {} is not known{}", key, Quote(*text),
              yaml::Suggestion(*text, known));
}

Result<std::optional<double>> ReadUsd(const Json& json, std::string_view key) {
  if (!json.exists() || json.IsNull()) return std::optional<double>();
  const std::optional<double> usd = json.Number();
  if (!usd || !std::isfinite(*usd) || *usd < 0) {
    return Fail(Cause::kInvalid, "{} must be a number of dollars, 0 or more", key);
  }
  return usd;
}

Result<Labels> ReadLabels(const Json& json) {
  if (!json.exists() || json.IsNull()) return Labels();
  if (!json.IsObject()) return Fail(Cause::kInvalid, "labels must be an object of texts");
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : json.Entries()) {
    if (!IsLabelName(name) || name.starts_with("__")) {
      return Fail(Cause::kInvalid, "labels: {} is no label name", Quote(name));
    }
    if (!value.IsString()) return Fail(Cause::kInvalid, "labels: {} must be a text", name);
    std::string text = *value.String();
    if (name.size() > Event::kLabelBytesMax || text.size() > Event::kLabelBytesMax) {
      return Fail(Cause::kLimit, "labels: {} is longer than {} bytes", name.substr(0, 64),
                  Event::kLabelBytesMax);
    }
    pairs.emplace_back(name, std::move(text));
  }
  if (pairs.size() > Event::kLabelsMax) {
    return Fail(Cause::kLimit, "more than {} labels", Event::kLabelsMax);
  }
  return Labels(std::move(pairs));
}

Status ReadTime(const Json& json, Time now, Event& event) {
  event.at = now;
  if (!json.exists() || json.IsNull()) return {};
  const Result<Time> at = ParseRfc3339(json.StringOr(""));
  if (!at) return Fail(Cause::kInvalid, "at must be a time like {}", FormatRfc3339(now));
  if (*at > now + Event::kAheadMax) {
    return Fail(Cause::kInvalid, "at is {} ahead of the clock here", FormatDuration(*at - now));
  }
  event.at = *at;
  return {};
}

// What is only wrong together.
Status CheckMoney(const Event& event) {
  if (event.kind == EventKind::kSpend && !event.usd) {
    return Fail(Cause::kInvalid, "usd is missing: an event of kind spend says what was spent");
  }
  const bool begins = event.kind == EventKind::kGpu && event.phase == EventPhase::kStart;
  if (begins && !event.usd_per_hour) {
    return Fail(Cause::kInvalid, "usd_per_hour is missing: a GPU that starts says what it costs");
  }
  if (event.usd_per_hour && !begins) {
    return Fail(Cause::kInvalid, "usd_per_hour belongs to the start of a gpu event");
  }
  return {};
}

}  // namespace

std::string_view ToString(EventKind kind) { return WordOf(kKinds, kind); }
std::string_view ToString(EventPhase phase) { return WordOf(kPhases, phase); }

Result<Event> ParseEvent(std::string_view text, Time now) {
  const Result<Json> json = Json::Parse(text, kBodyBytesMax);
  if (!json) return tl::unexpected(json.error());
  if (!json->IsObject()) return Fail(Cause::kInvalid, "an event is a JSON object");
  static const std::vector<std::string> kKeys = {"id",     "kind", "phase",       "at",
                                                 "labels", "usd",  "usd_per_hour"};
  for (const auto& [key, value] : json->Entries()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      return Fail(Cause::kInvalid, "{} is no key of an event{}", Quote(key),
                  yaml::Suggestion(key, kKeys));
    }
  }
  Event event;
  event.id = (*json)["id"].StringOr("");
  if (event.id.empty()) {
    return Fail(Cause::kInvalid, "id is missing: a text that is this event's alone");
  }
  if (event.id.size() > Event::kIdBytesMax) {
    return Fail(Cause::kLimit, "id is longer than {} bytes", Event::kIdBytesMax);
  }
  const auto kind = ReadWord(kKinds, (*json)["kind"], "kind");
  if (!kind) return tl::unexpected(kind.error());
  event.kind = *kind;
  // Money that was spent needs no beginning.
  if (event.kind != EventKind::kSpend || (*json)["phase"].exists()) {
    const auto phase = ReadWord(kPhases, (*json)["phase"], "phase");
    if (!phase) return tl::unexpected(phase.error());
    event.phase = *phase;
  }
  if (Status s = ReadTime((*json)["at"], now, event); !s) return tl::unexpected(s.error());
  Result<Labels> labels = ReadLabels((*json)["labels"]);
  if (!labels) return tl::unexpected(labels.error());
  event.labels = *std::move(labels);
  const auto usd = ReadUsd((*json)["usd"], "usd");
  if (!usd) return tl::unexpected(usd.error());
  event.usd = *usd;
  const auto rate = ReadUsd((*json)["usd_per_hour"], "usd_per_hour");
  if (!rate) return tl::unexpected(rate.error());
  event.usd_per_hour = *rate;
  if (Status s = CheckMoney(event); !s) return tl::unexpected(s.error());
  return event;
}

std::string EncodeEvent(const Event& event) {
  JsonWriter json;
  json.BeginObject()
      .Field("id", event.id)
      .Field("kind", ToString(event.kind))
      .Field("phase", ToString(event.phase))
      .Field("at", FormatRfc3339(event.at));
  json.Key("labels").BeginObject();
  for (const auto& [name, value] : event.labels) json.Field(name, value);
  json.EndObject();
  if (event.usd) json.Field("usd", *event.usd);
  if (event.usd_per_hour) json.Field("usd_per_hour", *event.usd_per_hour);
  json.EndObject();
  return json.Take();
}

std::string Describe(const Event& event) {
  std::string text(ToString(event.kind));
  const std::string_view service = event.labels.Get("service");
  if (!service.empty()) text += fmt::format(" of {}", service);
  text += fmt::format(", {}", ToString(event.phase));
  std::string rest;
  for (const auto& [name, value] : event.labels) {
    if (name == "service") continue;
    rest += fmt::format("{}{}={}", rest.empty() ? "" : ", ", name, value);
  }
  if (event.usd) rest += fmt::format("{}{:.2f} USD", rest.empty() ? "" : ", ", *event.usd);
  if (!rest.empty()) text += " (" + rest + ")";
  return text;
}

}  // namespace fettle::receivers

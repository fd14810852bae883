#include "receivers/posting.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr std::array kSources = {
    std::pair{AlertSource::kRules, std::string_view("rules")},
    std::pair{AlertSource::kApi, std::string_view("api")},
    std::pair{AlertSource::kWebhook, std::string_view("webhook")},
    std::pair{AlertSource::kEvents, std::string_view("events")},
};

std::string_view SourceName(AlertSource source) {
  for (const auto& [value, name] : kSources) {
    if (value == source) return name;
  }
  return "rules";
}

AlertSource SourceOf(std::string_view text) {
  for (const auto& [value, name] : kSources) {
    if (name == text) return value;
  }
  return AlertSource::kRules;
}

std::size_t Bytes(const Labels& labels) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : labels) bytes += name.size() + value.size();
  return bytes;
}

std::optional<std::string> WrongSet(const Labels& labels, std::string_view what, bool classic) {
  for (const auto& [name, value] : labels) {
    if (name.empty() || !IsUtf8(name) || (classic && !IsLabelName(name))) {
      return fmt::format("invalid {} set: invalid name {}", what, Quote(name));
    }
    if (!IsUtf8(value)) return fmt::format("invalid {} set: invalid value {}", what, Quote(value));
  }
  return std::nullopt;
}

std::optional<std::string> Wrong(const Alert& alert, bool classic) {
  if (alert.labels.empty()) return "at least one label pair required";
  if (alert.ends_at != Time{} && alert.ends_at < alert.starts_at) {
    return "start time must be before end time";
  }
  if (auto wrong = WrongSet(alert.labels, "label", classic)) return wrong;
  if (auto wrong = WrongSet(alert.annotations, "annotation", classic)) return wrong;
  if (!IsUtf8(alert.generator_url)) return "invalid generator URL: not UTF-8";
  if (const std::size_t bytes = AlertBytes(alert); bytes > kAlertBytesMax) {
    return fmt::format("the alert has {} bytes of labels and annotations, more than {}", bytes,
                       kAlertBytesMax);
  }
  return std::nullopt;
}

void WriteLabels(JsonWriter& writer, std::string_view key, const Labels& labels) {
  if (labels.empty()) return;
  writer.Key(key).BeginObject();
  for (const auto& [name, value] : labels) writer.Field(name, value);
  writer.EndObject();
}

void WriteAlert(JsonWriter& writer, const LiveAlert& live) {
  WriteLabels(writer, "labels", live.alert.labels);
  WriteLabels(writer, "annotations", live.alert.annotations);
  writer.Field("starts", ToMillis(live.alert.starts_at));
  writer.Field("ends", ToMillis(live.alert.ends_at));
  if (live.times_out) writer.Field("times_out", true);
  if (live.lapsed) writer.Field("lapsed", true);
  if (!live.alert.generator_url.empty()) writer.Field("url", live.alert.generator_url);
}

Labels ReadLabels(const Json& json) {
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : json.Entries()) pairs.emplace_back(name, value.StringOr(""));
  return Labels(std::move(pairs));
}

LiveAlert ReadAlert(const Json& json, AlertSource source, Time updated_at) {
  LiveAlert live;
  live.alert.labels = ReadLabels(json["labels"]);
  live.alert.annotations = ReadLabels(json["annotations"]);
  live.alert.starts_at = TimeFromMillis(json["starts"].IntegerOr(0));
  live.alert.ends_at = TimeFromMillis(json["ends"].IntegerOr(0));
  live.alert.generator_url = json["url"].StringOr("");
  live.times_out = json["times_out"].BoolOr(false);
  live.lapsed = json["lapsed"].BoolOr(false);
  live.fingerprint = live.alert.labels.Fingerprint();
  live.source = source;
  live.updated_at = updated_at;
  return live;
}

bool Inside(Time time, const Alert& of) { return time > of.starts_at && time < of.ends_at; }

}  // namespace

std::size_t AlertBytes(const Alert& alert) {
  return Bytes(alert.labels) + Bytes(alert.annotations) + alert.generator_url.size();
}

Checked CheckAlerts(AlertBatch batch, const PostingDefaults& defaults, Time now) {
  Checked checked;
  checked.posting.source = batch.source;
  checked.posting.at = now;
  checked.posting.alerts.reserve(batch.alerts.size());
  const Millis patience =
      batch.source == AlertSource::kWebhook ? defaults.webhook_max_age : defaults.resolve_timeout;
  for (Alert& alert : batch.alerts) {
    if (alert.starts_at == Time{}) {
      alert.starts_at = alert.ends_at == Time{} ? now : alert.ends_at;
    }
    if (auto wrong = Wrong(alert, defaults.classic_names)) {
      checked.complaints.push_back(*std::move(wrong));
      continue;
    }
    LiveAlert live;
    live.times_out = alert.ends_at == Time{};
    // An alert said to start in the future does not end before it started.
    if (live.times_out) alert.ends_at = std::max(now, alert.starts_at) + patience;
    live.fingerprint = alert.labels.Fingerprint();
    live.source = batch.source;
    live.updated_at = now;
    live.alert = std::move(alert);
    checked.posting.alerts.push_back(std::move(live));
  }
  return checked;
}

LiveAlert Merge(const LiveAlert& old, const LiveAlert& young) {
  if (young.updated_at < old.updated_at) return Merge(young, old);
  const Time now = young.updated_at;
  LiveAlert merged = young;
  merged.lapsed = false;
  // Heard by the webhook while somebody else says so too: the one that is told to people counts.
  if (young.source == AlertSource::kWebhook && !old.alert.ResolvedAt(now)) {
    merged.source = old.source;
  }
  if (!Inside(young.alert.ends_at, old.alert) && !Inside(young.alert.starts_at, old.alert)) {
    return merged;  // the same with a later end, or another episode
  }
  merged.alert.starts_at = std::min(old.alert.starts_at, young.alert.starts_at);
  const bool old_ends_later = old.alert.ends_at > young.alert.ends_at;
  if (young.alert.ResolvedAt(now)) {
    if (old.alert.ResolvedAt(now) && old_ends_later) merged.alert.ends_at = old.alert.ends_at;
  } else if (old_ends_later && !old.times_out) {
    merged.alert.ends_at = old.alert.ends_at;
    merged.times_out = false;
  }
  return merged;
}

std::string EncodePosting(const Posting& posting) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("source", SourceName(posting.source));
  writer.Field("at", ToMillis(posting.at));
  if (posting.lapsed) writer.Field("lapsed", true);
  writer.Key("alerts").BeginArray();
  for (const LiveAlert& live : posting.alerts) {
    writer.BeginObject();
    WriteAlert(writer, live);
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  return writer.Take();
}

Result<Posting> DecodePosting(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return While("reading stored alerts", json.error());
  Posting posting;
  posting.source = SourceOf((*json)["source"].StringOr(""));
  posting.at = TimeFromMillis((*json)["at"].IntegerOr(0));
  posting.lapsed = (*json)["lapsed"].BoolOr(false);
  for (const Json& item : (*json)["alerts"].Items()) {
    posting.alerts.push_back(ReadAlert(item, posting.source, posting.at));
  }
  return posting;
}

std::string EncodeLive(std::uint64_t through,
                       const std::vector<std::shared_ptr<const LiveAlert>>& alerts) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("through", static_cast<std::int64_t>(through));
  writer.Key("alerts").BeginArray();
  for (const auto& live : alerts) {
    writer.BeginObject();
    WriteAlert(writer, *live);
    writer.Field("source", SourceName(live->source));
    writer.Field("updated", ToMillis(live->updated_at));
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  return writer.Take();
}

Result<DecodedLive> DecodeLive(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return While("reading stored alerts", json.error());
  DecodedLive live;
  live.through = static_cast<std::uint64_t>((*json)["through"].IntegerOr(0));
  for (const Json& item : (*json)["alerts"].Items()) {
    live.alerts.push_back(ReadAlert(item, SourceOf(item["source"].StringOr("")),
                                    TimeFromMillis(item["updated"].IntegerOr(0))));
  }
  return live;
}

}  // namespace fettle::receivers

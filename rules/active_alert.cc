#include "rules/active_alert.h"

#include <array>
#include <limits>
#include <utility>

namespace fettle::rules {
namespace {

constexpr std::array<std::pair<AlertState, std::string_view>, 3> kStates = {
    {{AlertState::kInactive, "inactive"},
     {AlertState::kPending, "pending"},
     {AlertState::kFiring, "firing"}}};

template <typename Pairs>
void WritePairs(JsonWriter& writer, std::string_view key, const Pairs& labels) {
  writer.Key(key).BeginObject();
  for (const auto& [name, value] : labels) writer.Field(name, value);
  writer.EndObject();
}

void WriteTime(JsonWriter& writer, std::string_view key, const std::optional<Time>& time) {
  if (time) writer.Key(key).Integer(ToMillis(*time));
}

Labels ReadLabels(const Json& json) {
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : json.Entries()) pairs.emplace_back(name, value.StringOr(""));
  return Labels(std::move(pairs));
}

std::optional<Time> ReadTime(const Json& json) {
  const std::optional<std::int64_t> millis = json.Integer();
  if (!millis) return std::nullopt;
  return TimeFromMillis(*millis);
}

}  // namespace

std::string_view ToString(AlertState state) {
  for (const auto& [known, name] : kStates) {
    if (known == state) return name;
  }
  return "";
}

std::string ToJson(const ActiveAlert& alert) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("state", ToString(alert.state));
  WritePairs(writer, "labels", alert.labels);
  WritePairs(writer, "annotations", alert.annotations);
  writer.Field("value", alert.value);  // NaN and infinities are null
  WriteTime(writer, "active_at", alert.active_at);
  WriteTime(writer, "fired_at", alert.fired_at);
  WriteTime(writer, "resolved_at", alert.resolved_at);
  WriteTime(writer, "keep_firing_since", alert.keep_firing_since);
  if (alert.resolved_value) writer.Field("resolved_value", *alert.resolved_value);
  writer.EndObject();
  return writer.Take();
}

Result<ActiveAlert> ActiveAlertFromJson(const Json& json) {
  ActiveAlert alert;
  const std::string state = json["state"].StringOr("");
  bool known = false;
  for (const auto& [value, name] : kStates) {
    if (name != state) continue;
    alert.state = value;
    known = true;
  }
  const std::optional<Time> active_at = ReadTime(json["active_at"]);
  if (!known || !active_at || !json["labels"].IsObject()) {
    return Fail(Cause::kInvalid, "the record of an alert lacks its state, labels or active_at");
  }
  alert.labels = ReadLabels(json["labels"]);
  for (const auto& [name, value] : json["annotations"].Entries()) {
    alert.annotations[name] = value.StringOr("");
  }
  alert.value = json["value"].NumberOr(std::numeric_limits<double>::quiet_NaN());
  alert.active_at = *active_at;
  alert.fired_at = ReadTime(json["fired_at"]);
  alert.resolved_at = ReadTime(json["resolved_at"]);
  alert.keep_firing_since = ReadTime(json["keep_firing_since"]);
  alert.resolved_value = json["resolved_value"].Number();
  alert.restored = true;
  return alert;
}

}  // namespace fettle::rules

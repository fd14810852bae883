#include "receivers/api/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

// Alerts are many: written without a writer's bookkeeping.
void AppendText(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
  });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  JsonWriter writer(JsonWriter::Options{.escape_html = true});
  writer.String(text);
  out += writer.Take();
}

void AppendLabels(std::string& out, const Labels& labels) {
  char between = '{';
  for (const auto& [name, value] : labels) {
    out += between;
    AppendText(out, name);
    out += ':';
    AppendText(out, value);
    between = ',';
  }
  out += labels.empty() ? "{}" : "}";
}

void AppendList(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (const std::string& text : texts) {
    if (&text != &texts.front()) out += ',';
    AppendText(out, text);
  }
  out += ']';
}

}  // namespace

void AppendAlert(std::string& out, const AlertView& view,
                 const std::vector<std::string>& muted_by) {
  const LiveAlert& live = *view.live;
  const auto hex = [](std::uint64_t fingerprint) {
    return fmt::format("\"{:016x}\"", fingerprint);
  };
  out += "{\"annotations\":";
  AppendLabels(out, live.alert.annotations);
  out += ",\"endsAt\":\"" + FormatRfc3339(live.alert.ends_at);
  out += "\",\"fingerprint\":" + hex(live.fingerprint);
  out += ",\"receivers\":[";
  for (std::size_t i = 0; i < view.receivers.size(); ++i) {
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    AppendText(out, view.receivers[i]);
    out += '}';
  }
  out += "],\"startsAt\":\"" + FormatRfc3339(live.alert.starts_at);
  out += "\",\"status\":{\"inhibitedBy\":[";
  if (view.quiet.inhibited_by) out += hex(*view.quiet.inhibited_by);
  out += "],\"mutedBy\":";
  AppendList(out, muted_by);
  out += ",\"silencedBy\":";
  AppendList(out, view.quiet.silenced_by);
  const bool quiet = view.quiet.suppressed() || !muted_by.empty();
  out += quiet ? ",\"state\":\"suppressed\"}" : ",\"state\":\"active\"}";
  out += ",\"updatedAt\":\"" + FormatRfc3339(live.updated_at) + '"';
  if (!live.alert.generator_url.empty()) {
    out += ",\"generatorURL\":";
    AppendText(out, live.alert.generator_url);
  }
  out += ",\"labels\":";
  AppendLabels(out, live.alert.labels);
  out += '}';
}

std::string_view ToString(Silence::State state) {
  switch (state) {
    case Silence::State::kPending:
      return "pending";
    case Silence::State::kActive:
      return "active";
    case Silence::State::kExpired:
      return "expired";
  }
  return "";
}

void WriteSilence(JsonWriter& json, const Silence& silence, Time now) {
  json.BeginObject().Field("id", silence.id);
  json.Key("status").BeginObject().Field("state", ToString(silence.StateAt(now))).EndObject();
  json.Field("updatedAt", FormatRfc3339(silence.updated_at));
  if (!silence.annotations.empty()) {
    json.Key("annotations").BeginObject();
    for (const auto& [name, value] : silence.annotations) json.Field(name, value);
    json.EndObject();
  }
  json.Field("comment", silence.comment).Field("createdBy", silence.created_by);
  json.Field("endsAt", FormatRfc3339(silence.ends_at));
  json.Key("matchers").BeginArray();
  for (const Matcher& m : silence.matchers) {
    const bool regexp = m.type() == Matcher::Type::kRegexp || m.type() == Matcher::Type::kNotRegexp;
    const bool equal = m.type() == Matcher::Type::kEqual || m.type() == Matcher::Type::kRegexp;
    json.BeginObject().Field("isEqual", equal).Field("isRegex", regexp);
    json.Field("name", m.name()).Field("value", m.value()).EndObject();
  }
  json.EndArray().Field("startsAt", FormatRfc3339(silence.starts_at)).EndObject();
}

void SortSilences(std::vector<std::shared_ptr<const Silence>>& silences, Time now) {
  const auto key = [now](const Silence& silence) -> std::tuple<int, std::int64_t> {
    switch (silence.StateAt(now)) {
      case Silence::State::kActive:
        return {1, ToMillis(silence.ends_at)};
      case Silence::State::kPending:
        return {2, ToMillis(silence.starts_at)};
      default:
        return {3, -ToMillis(silence.ends_at)};
    }
  };
  std::stable_sort(silences.begin(), silences.end(),
                   [&](const auto& a, const auto& b) { return key(*a) < key(*b); });
}

}  // namespace fettle::receivers

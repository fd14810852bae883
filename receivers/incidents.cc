#include "receivers/incidents.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr std::array<std::string_view, 8> kIncidentStates{
    "eligible", "suppressed", "acting", "verifying", "holding", "held", "escalated", "closed"};
constexpr std::array<std::string_view, 7> kAttemptStates{
    "intent", "done", "converged", "failed", "indeterminate", "gone", "cancelled"};
constexpr std::array<std::string_view, 4> kSources{"rules", "api", "webhook", "events"};

template <typename E, std::size_t N>
std::optional<E> FromWord(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<E>(found - words.begin());
}

std::string Hex(std::uint64_t number) { return fmt::format("{:016x}", number); }
std::uint64_t Unhex(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

void WriteTime(JsonWriter& json, std::string_view key, Time time) {
  if (time != Time{}) json.Field(key, ToMillis(time));
}
Time ReadTime(const Json& json) { return TimeFromMillis(json.IntegerOr(0)); }
int ReadInt(const Json& json) { return static_cast<int>(json.IntegerOr(0)); }

void WriteTrigger(JsonWriter& json, const Trigger& trigger) {
  json.BeginObject();
  json.Field("fingerprint", Hex(trigger.fingerprint));
  json.Field("starts_at", ToMillis(trigger.starts_at));
  json.Field("source", kSources.at(static_cast<std::size_t>(trigger.source)));
  json.Field("first_seen", ToMillis(trigger.first_seen));
  if (trigger.resolved) json.Field("resolved", true);
  if (trigger.said_again) json.Field("said_again", true);
  json.Key("labels").BeginObject();
  for (const auto& [name, value] : trigger.labels) json.Field(name, value);
  json.EndObject();
  json.EndObject();
}

Trigger ReadTrigger(const Json& json) {
  Trigger trigger;
  trigger.fingerprint = Unhex(json["fingerprint"].StringOr(""));
  trigger.starts_at = ReadTime(json["starts_at"]);
  trigger.source =
      FromWord<AlertSource>(kSources, json["source"].StringOr("")).value_or(AlertSource::kRules);
  trigger.first_seen = ReadTime(json["first_seen"]);
  trigger.resolved = json["resolved"].BoolOr(false);
  trigger.said_again = json["said_again"].BoolOr(false);
  for (const auto& [name, value] : json["labels"].Entries()) {
    trigger.labels.Set(name, value.StringOr(""));
  }
  return trigger;
}

}  // namespace

std::string_view ToString(IncidentState state) {
  return kIncidentStates.at(static_cast<std::size_t>(state));
}
std::string_view ToString(AttemptState state) {
  return kAttemptStates.at(static_cast<std::size_t>(state));
}

bool Incident::HasLiveTrigger() const {
  return std::any_of(triggers.begin(), triggers.end(),
                     [](const Trigger& trigger) { return !trigger.resolved; });
}

Trigger* Incident::FindTrigger(std::uint64_t fingerprint) {
  for (Trigger& trigger : triggers) {
    if (trigger.fingerprint == fingerprint) return &trigger;
  }
  return nullptr;
}

const Trigger* Incident::Leading() const {
  const Trigger* leading = nullptr;
  for (const Trigger& trigger : triggers) {
    const bool better = leading == nullptr || (leading->resolved && !trigger.resolved);
    if (better) leading = &trigger;
  }
  return leading;
}

void Incident::Note(Time at, std::string text) {
  if (timeline.size() >= kTimelineMax) timeline.erase(timeline.begin() + 1);
  timeline.push_back({at, std::move(text)});
}

std::string IncidentId(const std::string& repair, const std::string& target,
                       std::uint64_t fingerprint, Time starts_at) {
  const Labels identity{{"fingerprint", Hex(fingerprint)},
                        {"repair", repair},
                        {"starts_at", fmt::format("{}", ToMillis(starts_at))},
                        {"target", target}};
  return identity.FingerprintHex();
}

std::string IncidentKey(std::string_view repair, std::string_view target) {
  return fmt::format("{}|{}", repair, target);
}

Record ToRecord(const Incident& incident, std::optional<Time> due_at) {
  JsonWriter json;
  json.BeginObject();
  json.Field("repair", incident.repair).Field("target", incident.target);
  json.Field("state", ToString(incident.state));
  json.Field("reason", incident.reason).Field("sentence", incident.sentence);
  json.Field("outcome", incident.outcome);
  json.Field("rung", incident.rung).Field("rung_passes", incident.rung_passes);
  json.Field("pass", incident.pass).Field("pass_is_rolling", incident.pass_is_rolling);
  json.Field("first_pass", incident.first_pass).Field("attempts", incident.attempts);
  WriteTime(json, "opened_at", incident.opened_at);
  WriteTime(json, "closed_at", incident.closed_at);
  WriteTime(json, "verify_until", incident.verify_until);
  WriteTime(json, "held_at", incident.held_at);
  json.Field("escalation", incident.escalation);
  json.Field("escalation_sentence", incident.escalation_sentence);
  json.Field("on_hold", incident.on_hold).Field("has_evidence", incident.has_evidence);
  json.Field("approved_by", incident.approved_by).Field("approved_pass", incident.approved_pass);
  WriteTime(json, "approved_until", incident.approved_until);
  WriteTime(json, "released_at", incident.released_at);
  json.Key("triggers").BeginArray();
  for (const Trigger& trigger : incident.triggers) WriteTrigger(json, trigger);
  json.EndArray();
  json.Field("triggers_dropped", incident.triggers_dropped);
  json.Key("timeline").BeginArray();
  for (const TimelineEntry& entry : incident.timeline) {
    json.BeginObject().Field("at", ToMillis(entry.at)).Field("text", entry.text).EndObject();
  }
  json.EndArray();
  json.EndObject();
  Record record;
  record.kind = kIncidentKind;
  record.id = incident.id;
  record.key = IncidentKey(incident.repair, incident.target);
  record.due_at = due_at;
  record.body = json.Take();
  return record;
}

Record ToRecord(const Attempt& attempt, std::optional<Time> due_at) {
  JsonWriter json;
  json.BeginObject();
  json.Field("incident", attempt.incident).Field("number", attempt.number);
  json.Field("repair", attempt.repair).Field("target", attempt.target);
  json.Field("instance", attempt.instance).Field("kind", attempt.kind);
  json.Field("connection", attempt.connection);
  json.Field("rung", attempt.rung).Field("pass", attempt.pass);
  json.Key("identity").BeginObject();
  for (const auto& [name, value] : attempt.identity) json.Field(name, value);
  json.EndObject();
  json.Field("state", ToString(attempt.state)).Field("reissues", attempt.reissues);
  json.Field("noted", attempt.noted);
  if (attempt.verified) json.Field("verified", *attempt.verified);
  json.Field("note", attempt.note);
  WriteTime(json, "intent_at", attempt.intent_at);
  json.Field("intent_boot_us", std::int64_t{attempt.intent_boot.time_since_epoch().count()});
  WriteTime(json, "ended_at", attempt.ended_at);
  WriteTime(json, "verified_at", attempt.verified_at);
  json.EndObject();
  Record record;
  record.kind = kAttemptKind;
  record.id = attempt.id;
  record.key = attempt.incident;
  record.due_at = due_at;
  record.body = json.Take();
  return record;
}

Result<Incident> ToIncident(const Record& record) {
  const Result<Json> json = Json::Parse(record.body);
  if (!json) return While(fmt::format("reading incident {}", record.id), json.error());
  const Json& body = *json;
  const auto state = FromWord<IncidentState>(kIncidentStates, body["state"].StringOr(""));
  if (!state) return Fail(Cause::kInvalid, "reading incident {}: it has no state", record.id);
  Incident incident;
  incident.id = record.id;
  incident.version = record.version;
  incident.repair = body["repair"].StringOr("");
  incident.target = body["target"].StringOr("");
  incident.state = *state;
  incident.reason = body["reason"].StringOr("");
  incident.sentence = body["sentence"].StringOr("");
  incident.outcome = body["outcome"].StringOr("");
  incident.rung = ReadInt(body["rung"]);
  incident.rung_passes = ReadInt(body["rung_passes"]);
  incident.pass = ReadInt(body["pass"]);
  incident.pass_is_rolling = body["pass_is_rolling"].BoolOr(false);
  incident.first_pass = body["first_pass"].BoolOr(true);
  incident.attempts = ReadInt(body["attempts"]);
  incident.opened_at = ReadTime(body["opened_at"]);
  incident.closed_at = ReadTime(body["closed_at"]);
  incident.verify_until = ReadTime(body["verify_until"]);
  incident.held_at = ReadTime(body["held_at"]);
  incident.escalation = body["escalation"].StringOr("");
  incident.escalation_sentence = body["escalation_sentence"].StringOr("");
  incident.on_hold = body["on_hold"].BoolOr(false);
  incident.has_evidence = body["has_evidence"].BoolOr(false);
  incident.approved_by = body["approved_by"].StringOr("");
  incident.approved_pass = static_cast<int>(body["approved_pass"].IntegerOr(-1));
  incident.approved_until = ReadTime(body["approved_until"]);
  incident.released_at = ReadTime(body["released_at"]);
  for (const Json& item : body["triggers"].Items()) incident.triggers.push_back(ReadTrigger(item));
  incident.triggers_dropped = ReadInt(body["triggers_dropped"]);
  for (const Json& item : body["timeline"].Items()) {
    incident.timeline.push_back({ReadTime(item["at"]), item["text"].StringOr("")});
  }
  return incident;
}

Result<Attempt> ToAttempt(const Record& record) {
  const Result<Json> json = Json::Parse(record.body);
  if (!json) return While(fmt::format("reading attempt {}", record.id), json.error());
  const Json& body = *json;
  const auto state = FromWord<AttemptState>(kAttemptStates, body["state"].StringOr(""));
  if (!state) return Fail(Cause::kInvalid, "reading attempt {}: it has no state", record.id);
  Attempt attempt;
  attempt.id = record.id;
  attempt.incident = body["incident"].StringOr("");
  attempt.number = ReadInt(body["number"]);
  attempt.repair = body["repair"].StringOr("");
  attempt.target = body["target"].StringOr("");
  attempt.instance = body["instance"].StringOr("");
  attempt.kind = body["kind"].StringOr("");
  attempt.connection = body["connection"].StringOr("");
  attempt.rung = ReadInt(body["rung"]);
  attempt.pass = ReadInt(body["pass"]);
  for (const auto& [name, value] : body["identity"].Entries()) {
    attempt.identity[name] = value.StringOr("");
  }
  attempt.state = *state;
  attempt.reissues = ReadInt(body["reissues"]);
  attempt.noted = ReadInt(body["noted"]);
  attempt.verified = body["verified"].Bool();
  attempt.note = body["note"].StringOr("");
  attempt.intent_at = ReadTime(body["intent_at"]);
  attempt.intent_boot = BootTime(Micros(body["intent_boot_us"].IntegerOr(0)));
  attempt.ended_at = ReadTime(body["ended_at"]);
  attempt.verified_at = ReadTime(body["verified_at"]);
  return attempt;
}

}  // namespace fettle::receivers

#include "receivers/backups/kept.h"

#include <algorithm>
#include <utility>

#include "common/duration.h"

namespace fettle::receivers::backups {
namespace {

void WriteNumbers(JsonWriter& json, std::string_view key,
                  const std::map<std::string, double>& numbers) {
  json.Key(key).BeginObject();
  for (const auto& [name, value] : numbers) json.Field(name, value);
  json.EndObject();
}

std::map<std::string, double> ReadNumbers(const Json& json) {
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : json.Entries()) numbers[name] = value.NumberOr(0);
  return numbers;
}

void WriteSet(JsonWriter& json, const StoredSet& set, const KeptPlace& place,
              const Proofs& proofs) {
  const Manifest& manifest = set.manifest;
  const RetainedSet retained = ToRetain(set, place.place, proofs);
  json.BeginObject()
      .Field("run_id", manifest.run_id)
      .Field("started", FormatRfc3339(manifest.started))
      .Field("ended", FormatRfc3339(manifest.ended))
      .Field("size_bytes", manifest.SizeBytes())
      .Field("source_bytes", manifest.RawBytes())
      .Field("verification_level", retained.level)
      .Field("good", retained.good)
      .Field("held", set.held)
      .Field("encrypted", !manifest.key_id.empty());
  if (const auto proof = proofs.find(ProofKey(place.place, manifest.run_id));
      proof != proofs.end()) {
    json.Field("proven", FormatRfc3339(proof->second.at)).Field("sentence", proof->second.sentence);
  }
  if (!set.missing.empty()) {
    json.Key("missing").BeginArray();
    for (const std::string& name : set.missing) json.String(name);
    json.EndArray();
  }
  const auto& decisions = place.plan.decisions;
  const auto decision = std::find_if(decisions.begin(), decisions.end(),
                                     [&](const auto& one) { return one.id == manifest.run_id; });
  if (decision != decisions.end()) {
    json.Field("keep", decision->keep).Field("why", decision->reason);
  }
  json.EndObject();
}

void WritePlace(JsonWriter& json, const KeptPlace& place, const Proofs& proofs) {
  json.BeginObject().Field("place", place.place).Field("up", place.catalogue != nullptr);
  if (place.looked != Time{}) json.Field("looked", FormatRfc3339(place.looked));
  if (!place.sentence.empty()) json.Field("sentence", place.sentence);
  if (place.catalogue) {
    json.Key("sets").BeginArray();
    for (const StoredSet& set : place.catalogue->sets) WriteSet(json, set, place, proofs);
    json.EndArray().Key("orphans").BeginArray();
    for (const auto& [run, orphans] : place.catalogue->orphans) {
      json.BeginObject()
          .Field("run_id", run)
          .Field("objects", orphans.objects)
          .Field("bytes", orphans.bytes)
          .EndObject();
    }
    json.EndArray();
  }
  json.Key("retention")
      .BeginObject()
      .Field("blocked", ToString(place.plan.blocked))
      .Field("removals", place.plan.Removals().size())
      .Field("plan", place.plan.hash);
  json.Key("slots").BeginArray();
  for (const RetentionSlots& slots : place.plan.slots) {
    json.BeginObject()
        .Field("rule", slots.rule)
        .Field("expected", slots.expected)
        .Field("filled", slots.filled)
        .EndObject();
  }
  json.EndArray().EndObject().EndObject();
}

void WriteReport(JsonWriter& json, const DrillReport& report) {
  json.Field("result", ToString(report.result))
      .Field("run_id", report.run_id)
      .Field("set_ms", ToMillis(report.set_at))
      .Field("ended_ms", ToMillis(report.ended))
      .Field("sentence", report.sentence)
      .Field("checks_passed", report.checks_passed)
      .Field("checks_failed", report.checks_failed);
  if (report.rpo_seconds) json.Field("rpo_seconds", *report.rpo_seconds);
  WriteNumbers(json, "phases", report.phases);
}

}  // namespace

std::string_view ToString(DrillResult result) {
  switch (result) {
    case DrillResult::kSuccess:
      return "success";
    case DrillResult::kFailed:
      return "failed";
    case DrillResult::kInconclusive:
      return "inconclusive";
  }
  return "";
}

double DrillReport::TotalSeconds() const {
  double total = 0;
  for (const auto& [phase, seconds] : phases) total += seconds;
  return total;
}

std::string Write(const Proofs& proofs) {
  JsonWriter json;
  json.BeginObject();
  for (const auto& [run, proof] : proofs) {
    json.Key(run)
        .BeginObject()
        .Field("level", proof.level)
        .Field("bad", proof.bad)
        .Field("at_ms", ToMillis(proof.at))
        .Field("sentence", proof.sentence)
        .EndObject();
  }
  json.EndObject();
  return json.Take();
}

Result<Proofs> ReadProofs(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return tl::unexpected(json.error());
  Proofs proofs;
  for (const auto& [run, one] : json->Entries()) {
    proofs[run] = {static_cast<int>(one["level"].IntegerOr(0)), one["bad"].BoolOr(false),
                   TimeFromMillis(one["at_ms"].IntegerOr(0)), one["sentence"].StringOr("")};
  }
  return proofs;
}

std::string Write(const DrillState& state) {
  JsonWriter json;
  json.BeginObject()
      .Field("last_success_ms", ToMillis(state.last_success))
      .Field("proven_set_ms", ToMillis(state.proven_set_at))
      .Field("failed", state.failed);
  WriteNumbers(json, "runs", state.runs);
  json.Key("last").BeginObject();
  WriteReport(json, state.last);
  json.EndObject().EndObject();
  return json.Take();
}

Result<DrillState> ReadDrillState(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return tl::unexpected(json.error());
  DrillState state;
  state.last_success = TimeFromMillis((*json)["last_success_ms"].IntegerOr(0));
  state.proven_set_at = TimeFromMillis((*json)["proven_set_ms"].IntegerOr(0));
  state.failed = (*json)["failed"].BoolOr(false);
  state.runs = ReadNumbers((*json)["runs"]);
  const Json last = (*json)["last"];
  for (const DrillResult result : kDrillResults) {
    if (last["result"].StringOr("") == ToString(result)) state.last.result = result;
  }
  state.last.run_id = last["run_id"].StringOr("");
  state.last.set_at = TimeFromMillis(last["set_ms"].IntegerOr(0));
  state.last.ended = TimeFromMillis(last["ended_ms"].IntegerOr(0));
  state.last.sentence = last["sentence"].StringOr("");
  state.last.checks_passed = static_cast<int>(last["checks_passed"].IntegerOr(0));
  state.last.checks_failed = static_cast<int>(last["checks_failed"].IntegerOr(0));
  state.last.rpo_seconds = last["rpo_seconds"].Number();
  state.last.phases = ReadNumbers(last["phases"]);
  return state;
}

std::string ProofKey(const std::string& place, const std::string& run_id) {
  return run_id + "@" + place;
}

RetainedSet ToRetain(const StoredSet& set, const std::string& place, const Proofs& proofs) {
  RetainedSet retained{.id = set.manifest.run_id,
                       .at = set.manifest.started,
                       .good = set.Whole() && set.manifest.level >= 1,
                       .level = set.manifest.level,
                       .held = set.held};
  const auto proof = proofs.find(ProofKey(place, retained.id));
  if (proof == proofs.end()) return retained;
  retained.level = std::max(retained.level, proof->second.level);
  if (proof->second.bad) {
    retained.good = false;
    retained.level = 0;
  }
  return retained;
}

std::vector<RetainedSet> ToRetain(const Catalogue& catalogue, const Proofs& proofs) {
  std::vector<RetainedSet> sets;
  for (const StoredSet& set : catalogue.sets) {
    sets.push_back(ToRetain(set, catalogue.place, proofs));
  }
  return sets;
}

void WriteKept(JsonWriter& json, const KeptView& kept) {
  if (!kept.chore.empty()) json.Field("chore", kept.chore);
  if (!kept.said.empty()) json.Field("said", kept.said).Field("said_well", kept.said_well);
  json.Field("chores_done", kept.chores_done);
  if (kept.restorable) json.Field("restorable", *kept.restorable);
  json.Key("stored").BeginArray();
  for (const KeptPlace& place : kept.places) WritePlace(json, place, kept.proofs);
  json.EndArray();
  if (!kept.drill) return;
  json.Key("drill").BeginObject();
  if (kept.next_drill) json.Field("next", FormatRfc3339(*kept.next_drill));
  if (kept.drill->last.ended != Time{}) {
    json.Field("ended", FormatRfc3339(kept.drill->last.ended))
        .Field("total_seconds", kept.drill->last.TotalSeconds());
    WriteReport(json, kept.drill->last);
  }
  json.EndObject();
}

}  // namespace fettle::receivers::backups

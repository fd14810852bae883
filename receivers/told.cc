#include "receivers/told.h"

#include <algorithm>

#include "common/digest.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr const char* kKind = "told";

bool IsSubset(const std::vector<std::uint64_t>& part, const std::vector<std::uint64_t>& whole) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

void WriteFingerprints(JsonWriter& writer, std::string_view key,
                       const std::vector<std::uint64_t>& fingerprints) {
  writer.Key(key).BeginArray();
  for (const std::uint64_t fingerprint : fingerprints) {
    writer.String(fmt::format("{:016x}", fingerprint));
  }
  writer.EndArray();
}

std::vector<std::uint64_t> ReadFingerprints(const Json& json) {
  std::vector<std::uint64_t> fingerprints;
  for (const Json& item : json.Items()) {
    fingerprints.push_back(std::strtoull(item.StringOr("").c_str(), nullptr, 16));
  }
  return fingerprints;
}

std::string Encode(const Ear& ear, const ToldEntry& entry) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("groupKey", ear.group_key).Field("receiver", ear.receiver).Field("kind", ear.kind);
  writer.Field("index", static_cast<std::int64_t>(ear.index));
  writer.Field("at", ToMillis(entry.at)).Field("expires", ToMillis(entry.expires_at));
  WriteFingerprints(writer, "firing", entry.state.firing);
  WriteFingerprints(writer, "resolved", entry.state.resolved);
  writer.Key("data").BeginObject();
  for (const auto& [name, value] : entry.data) writer.Field(name, value);
  writer.EndObject().EndObject();
  return writer.Take();
}

Result<ToldEntry> Decode(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return While("reading what was told", json.error());
  ToldEntry entry;
  entry.at = TimeFromMillis((*json)["at"].IntegerOr(0));
  entry.expires_at = TimeFromMillis((*json)["expires"].IntegerOr(0));
  entry.state.firing = ReadFingerprints((*json)["firing"]);
  entry.state.resolved = ReadFingerprints((*json)["resolved"]);
  for (const auto& [name, value] : (*json)["data"].Entries()) {
    entry.data.emplace(name, value.StringOr(""));
  }
  return entry;
}

}  // namespace

// Group keys may be longer than a record's id.
std::string IdOf(const Ear& ear) {
  return Hex(Sha256(
      fmt::format("{}\xff{}\xff{}\xff{}", ear.receiver, ear.kind, ear.index, ear.group_key)));
}

std::string_view ToString(Reason reason) {
  switch (reason) {
    case Reason::kNothingNew:
      return "do not notify";
    case Reason::kFirst:
      return "first notification";
    case Reason::kNewAlerts:
      return "new alerts added";
    case Reason::kSomeResolved:
      return "some alerts resolved";
    case Reason::kAllResolved:
      return "all alerts resolved";
    case Reason::kRepeat:
      return "repeat interval elapsed";
  }
  return "";
}

Reason WhyTell(const ToldEntry* entry, const GroupState& now_is, Millis repeat_interval,
               bool send_resolved, Time now) {
  if (entry == nullptr) return now_is.firing.empty() ? Reason::kNothingNew : Reason::kFirst;
  const GroupState& then = entry->state;
  if (!IsSubset(now_is.firing, then.firing)) {
    return then.firing.empty() ? Reason::kFirst : Reason::kNewAlerts;
  }
  if (now_is.firing.empty()) {
    // Told whether or not resolved ones are sent: so the entry knows that nothing fires. What
    // fired and ended since the last time was never heard of.
    return then.firing.empty() ? Reason::kNothingNew : Reason::kAllResolved;
  }
  if (send_resolved && !IsSubset(now_is.resolved, then.resolved)) return Reason::kSomeResolved;
  return entry->at < now - repeat_interval ? Reason::kRepeat : Reason::kNothingNew;
}

Told::Told(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      kept_(deps_.metrics.Gauge("fettle_told_entries",
                                "Groups and receivers of which is known what they were told.")) {}

Told::~Told() { deps_.brain.Cancel(maintenance_); }

Status Told::Restore(const Moment& now) {
  RecordQuery query;
  query.kind = kKind;
  Result<std::vector<fettle::Record>> records = deps_.store.Read(query);
  if (!records) return While("restoring what was told", records.error());
  for (const fettle::Record& record : *records) {
    Result<ToldEntry> entry = Decode(record.body);
    if (!entry) return While("restoring what was told, entry " + record.id, entry.error());
    entries_.emplace(record.id, *std::move(entry));
  }
  kept_.Set(static_cast<double>(entries_.size()));
  maintenance_ = deps_.brain.At(now.boot + options_.maintenance,
                                [this](const Moment& later) { Maintain(later); });
  return {};
}

const ToldEntry* Told::Find(const Ear& ear) const {
  const auto found = entries_.find(IdOf(ear));
  return found == entries_.end() ? nullptr : &found->second;
}

void Told::Record(const Ear& ear, ToldEntry entry, Millis repeat_interval, Then then,
                  std::vector<ClaimMark> released) {
  entry.expires_at = entry.at + std::min(2 * repeat_interval, options_.retention);
  fettle::Record record;
  record.kind = kKind;
  record.id = IdOf(ear);
  record.due_at = entry.expires_at;
  record.body = Encode(ear, entry);
  entries_.insert_or_assign(record.id, std::move(entry));
  kept_.Set(static_cast<double>(entries_.size()));
  Batch batch;
  batch.writes.push_back({.record = std::move(record)});
  batch.released = std::move(released);
  deps_.store.Commit(std::move(batch), [this, then = std::move(then)](Status status) mutable {
    deps_.brain.Finish(
        [this, then = std::move(then), status = std::move(status)](const Moment& now) {
          if (!status) {
            deps_.log.Error("could not store what was told; a restart may repeat it",
                            {{"err", status.error().message}});
          }
          then(status, now);
        });
  });
}

Status Told::Hear(const fettle::Record& record) {
  if (record.kind != kKind) return {};
  Result<ToldEntry> entry = Decode(record.body);
  if (!entry) return While("hearing of what was told, entry " + record.id, entry.error());
  const auto known = entries_.find(record.id);
  if (known != entries_.end() && known->second.at > entry->at) return {};
  entries_.insert_or_assign(record.id, *std::move(entry));
  kept_.Set(static_cast<double>(entries_.size()));
  return {};
}

void Told::Maintain(const Moment& now) {
  Batch batch;
  for (const auto& [id, entry] : entries_) {
    if (entry.expires_at <= now.wall) batch.erasures.push_back({.kind = kKind, .id = id});
  }
  for (const Erase& erase : batch.erasures) entries_.erase(erase.id);
  kept_.Set(static_cast<double>(entries_.size()));
  if (!batch.erasures.empty()) {
    deps_.store.Commit(std::move(batch), [log = deps_.log](const Status& status) {
      if (!status)
        log.Warn("could not erase what was told long ago", {{"err", status.error().message}});
    });
  }
  maintenance_ = deps_.brain.At(now.boot + options_.maintenance,
                                [this](const Moment& later) { Maintain(later); });
}

}  // namespace fettle::receivers

#include "receivers/silences.h"

#include <algorithm>

#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr const char* kKind = "silence";

std::size_t Bytes(const Silence& silence) {
  std::size_t bytes = silence.comment.size() + silence.created_by.size();
  for (const Matcher& m : silence.matchers) bytes += m.name().size() + m.value().size();
  for (const auto& [name, value] : silence.annotations) bytes += name.size() + value.size();
  return bytes;
}

// Whether `next` may take the place of `old` under the same id.
bool CanUpdate(const Silence& old, const Silence& next, Time now) {
  if (old.matchers != next.matchers) return false;
  const auto second = [](Time t) { return std::chrono::floor<std::chrono::seconds>(t); };
  switch (old.StateAt(now)) {
    case Silence::State::kActive:
      return second(next.starts_at) == second(old.starts_at) && next.ends_at >= now;
    case Silence::State::kPending:
      return next.starts_at >= now;
    case Silence::State::kExpired:
      return false;
  }
  return false;
}

}  // namespace

Silence::State Silence::StateAt(Time now) const {
  if (now < starts_at) return State::kPending;
  return now < ends_at ? State::kActive : State::kExpired;
}

Silences::Silences(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      kept_(deps_.metrics.Gauge("fettle_silences", "Silences kept, expired ones included.")) {}

Silences::~Silences() { deps_.brain.Cancel(maintenance_); }

Status Silences::Restore(const Moment& now) {
  RecordQuery query;
  query.kind = kKind;
  Result<std::vector<Record>> records = deps_.store.Read(query);
  if (!records) return While("restoring silences", records.error());
  for (const Record& record : *records) {
    Result<Silence> silence = DecodeSilence(record.body);
    if (!silence) return While("restoring silence " + record.id, silence.error());
    Believe(*std::move(silence));
  }
  Maintain(now);
  return {};
}

Status Silences::Check(const Silence& silence, Time now) const {
  if (silence.ends_at <= silence.starts_at) {
    return Fail(Cause::kInvalid, "start time must be before end time");
  }
  if (silence.ends_at < now) return Fail(Cause::kInvalid, "end time can't be in the past");
  if (silence.matchers.empty()) {
    return Fail(Cause::kInvalid, "invalid silence: at least one matcher required");
  }
  const auto matches_empty = [](const Matcher& m) { return m.Matches(std::string_view()); };
  if (std::all_of(silence.matchers.begin(), silence.matchers.end(), matches_empty)) {
    return Fail(
        Cause::kInvalid,
        "invalid silence: matcher set 0: at least one matcher must not match the empty string");
  }
  if (const std::size_t bytes = Bytes(silence); bytes > options_.silence_bytes_max) {
    return Fail(Cause::kLimit, "silence exceeded maximum size: {} bytes (limit: {} bytes)", bytes,
                options_.silence_bytes_max);
  }
  return {};
}

void Silences::Enqueue(Change change) {
  changes_.push_back(std::move(change));
  if (changing_) return;
  changing_ = true;
  deps_.brain.Finish([this](const Moment& now) { Next(now); });
}

void Silences::Next(const Moment& now) {
  if (changes_.empty()) {
    changing_ = false;
    return;
  }
  const Change change = std::move(changes_.front());
  changes_.pop_front();
  change(now);
}

void Silences::Set(Silence silence, SetThen then) {
  Enqueue([this, silence = std::move(silence), then = std::move(then)](const Moment& now) {
    SetNow(silence, then, now);
  });
}

void Silences::SetNow(Silence silence, const SetThen& then, const Moment& now) {
  const auto refuse = [&](const Error& error) {
    then(tl::unexpected<Error>(error));
    Next(now);
  };
  if (silence.starts_at == Time{}) silence.starts_at = now.wall;
  silence.updated_at = now.wall;
  if (const Status right = Check(silence, now.wall); !right) return refuse(right.error());

  const std::shared_ptr<const Silence> old = Find(silence.id);
  if (!silence.id.empty() && old == nullptr) {
    return refuse(Error{"silence not found", Cause::kNotFound});
  }
  std::vector<Silence> changed;
  if (old == nullptr || !CanUpdate(*old, silence, now.wall)) {
    if (silences_.size() >= options_.silences_max) {
      return refuse(Error{fmt::format("exceeded maximum number of silences: {} (limit: {})",
                                      silences_.size(), options_.silences_max),
                          Cause::kLimit});
    }
    if (old != nullptr && old->StateAt(now.wall) != Silence::State::kExpired) {
      Silence over = *old;
      over.starts_at = std::min(over.starts_at, now.wall);
      over.ends_at = over.updated_at = now.wall;
      changed.push_back(std::move(over));
    }
    silence.id = deps_.random.Uuid();
    silence.starts_at = std::max(silence.starts_at, now.wall);
  }
  const std::string id = silence.id;
  changed.push_back(std::move(silence));
  Commit(std::move(changed), [then, id](const Status& status) {
    if (status) {
      then(id);
    } else {
      then(tl::unexpected<Error>(status.error()));
    }
  });
}

void Silences::Expire(const std::string& id, ExpireThen then) {
  Enqueue([this, id, then = std::move(then)](const Moment& now) { ExpireNow(id, then, now); });
}

void Silences::ExpireNow(const std::string& id, const ExpireThen& then, const Moment& now) {
  const std::shared_ptr<const Silence> old = Find(id);
  if (old == nullptr || old->StateAt(now.wall) == Silence::State::kExpired) {
    then(old != nullptr ? Status() : Status(Fail(Cause::kNotFound, "silence not found")));
    return Next(now);
  }
  Silence over = *old;
  // A pending one never was.
  over.starts_at = std::min(over.starts_at, now.wall);
  over.ends_at = over.updated_at = now.wall;
  Commit({std::move(over)}, then);
}

void Silences::Commit(std::vector<Silence> silences, std::function<void(Status)> then) {
  Batch batch;
  for (const Silence& silence : silences) {
    Record record;
    record.kind = kKind;
    record.id = silence.id;
    record.due_at = silence.ends_at + options_.retention;
    record.body = EncodeSilence(silence);
    batch.writes.push_back({.record = std::move(record)});
  }
  deps_.store.Commit(std::move(batch), [this, silences = std::move(silences),
                                        then = std::move(then)](Status status) mutable {
    deps_.brain.Finish([this, silences = std::move(silences), then = std::move(then),
                        status = std::move(status)](const Moment& now) mutable {
      if (status) {
        for (Silence& silence : silences) Believe(std::move(silence));
      } else {
        deps_.log.Error("could not store a silence", {{"err", status.error().message}});
      }
      then(std::move(status));
      Next(now);
    });
  });
}

void Silences::Believe(Silence silence) {
  const std::string id = silence.id;
  const bool known = silences_.contains(id);
  silences_.insert_or_assign(id, std::make_shared<const Silence>(std::move(silence)));
  // Under one id the matchers never change.
  if (!known) newest_.emplace_back(++last_number_, id);
  ++version_;
  kept_.Set(static_cast<double>(silences_.size()));
}

Status Silences::Hear(const Record& record) {
  if (record.kind != kKind) return {};
  Result<Silence> silence = DecodeSilence(record.body);
  if (!silence) return While("hearing of silence " + record.id, silence.error());
  const std::shared_ptr<const Silence> known = Find(silence->id);
  if (known == nullptr || known->updated_at <= silence->updated_at) Believe(*std::move(silence));
  return {};
}

std::vector<std::string> Silences::Quieting(std::uint64_t fingerprint, const Labels& labels,
                                            Time now) {
  if (silences_.empty()) return {};
  if (remembered_.size() >= kRememberedMax) remembered_.clear();
  Remembered& known = remembered_[fingerprint];
  const auto first_new = std::upper_bound(
      newest_.begin(), newest_.end(), known.compared_with,
      [](std::uint64_t number, const auto& entry) { return number < entry.first; });
  for (auto it = first_new; it != newest_.end(); ++it) {
    if (silences_.at(it->second)->Matches(labels)) known.matching.push_back(it->second);
  }
  known.compared_with = last_number_;

  std::vector<std::string> quieting;
  std::erase_if(known.matching, [&](const std::string& id) {
    const std::shared_ptr<const Silence> silence = Find(id);
    if (silence == nullptr) return true;
    if (silence->StateAt(now) == Silence::State::kActive) quieting.push_back(id);
    return false;
  });
  std::sort(quieting.begin(), quieting.end());
  return quieting;
}

std::shared_ptr<const Silence> Silences::Find(const std::string& id) const {
  const auto found = silences_.find(id);
  return found == silences_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const Silence>> Silences::All() const {
  std::vector<std::shared_ptr<const Silence>> all;
  all.reserve(silences_.size());
  for (const auto& [id, silence] : silences_) all.push_back(silence);
  return all;
}

void Silences::Maintain(const Moment& now) {
  ForgetOld(now);
  maintenance_ = deps_.brain.At(now.boot + options_.maintenance,
                                [this](const Moment& later) { Maintain(later); });
}

void Silences::ForgetOld(const Moment& now) {
  Batch batch;
  for (const auto& [id, silence] : silences_) {
    if (silence->ends_at + options_.retention > now.wall) continue;
    batch.erasures.push_back({.kind = kKind, .id = id});
  }
  if (batch.erasures.empty()) return;
  for (const Erase& erase : batch.erasures) {
    silences_.erase(erase.id);
    std::erase_if(newest_, [&](const auto& entry) { return entry.second == erase.id; });
  }
  ++version_;
  kept_.Set(static_cast<double>(silences_.size()));
  // One that stays in the store for now is erased after the next start.
  deps_.store.Commit(std::move(batch), [log = deps_.log](const Status& status) {
    if (!status) log.Warn("could not erase old silences", {{"err", status.error().message}});
  });
}

std::string EncodeSilence(const Silence& silence) {
  JsonWriter writer;
  writer.BeginObject().Field("id", silence.id).Key("matchers").BeginArray();
  for (const Matcher& m : silence.matchers) {
    const bool regexp = m.type() == Matcher::Type::kRegexp || m.type() == Matcher::Type::kNotRegexp;
    const bool equal = m.type() == Matcher::Type::kEqual || m.type() == Matcher::Type::kRegexp;
    writer.BeginObject().Field("name", m.name()).Field("value", m.value());
    writer.Field("isRegex", regexp).Field("isEqual", equal).EndObject();
  }
  writer.EndArray();
  writer.Field("starts", ToMillis(silence.starts_at)).Field("ends", ToMillis(silence.ends_at));
  writer.Field("updated", ToMillis(silence.updated_at));
  writer.Field("createdBy", silence.created_by).Field("comment", silence.comment);
  writer.Key("annotations").BeginObject();
  for (const auto& [name, value] : silence.annotations) writer.Field(name, value);
  writer.EndObject().EndObject();
  return writer.Take();
}

Result<Silence> DecodeSilence(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return While("reading a stored silence", json.error());
  Silence silence;
  silence.id = (*json)["id"].StringOr("");
  for (const Json& item : (*json)["matchers"].Items()) {
    const bool regexp = item["isRegex"].BoolOr(false);
    const bool equal = item["isEqual"].BoolOr(true);
    const Matcher::Type type = regexp ? (equal ? Matcher::Type::kRegexp : Matcher::Type::kNotRegexp)
                                      : (equal ? Matcher::Type::kEqual : Matcher::Type::kNotEqual);
    Result<Matcher> matcher =
        Matcher::Make(type, item["name"].StringOr(""), item["value"].StringOr(""));
    if (!matcher) return While("reading a stored silence", matcher.error());
    silence.matchers.push_back(*std::move(matcher));
  }
  silence.starts_at = TimeFromMillis((*json)["starts"].IntegerOr(0));
  silence.ends_at = TimeFromMillis((*json)["ends"].IntegerOr(0));
  silence.updated_at = TimeFromMillis((*json)["updated"].IntegerOr(0));
  silence.created_by = (*json)["createdBy"].StringOr("");
  silence.comment = (*json)["comment"].StringOr("");
  for (const auto& [name, value] : (*json)["annotations"].Entries()) {
    silence.annotations.emplace(name, value.StringOr(""));
  }
  return silence;
}

}  // namespace fettle::receivers

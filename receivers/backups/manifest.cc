#include "receivers/backups/manifest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::array kFormats = {
    std::pair{Format::kOpaque, std::string_view("opaque")},
    std::pair{Format::kPostgresCustom, std::string_view("postgres_custom")},
    std::pair{Format::kPostgresGlobals, std::string_view("postgres_globals")},
    std::pair{Format::kPostgresPhysical, std::string_view("postgres_physical")},
    std::pair{Format::kMariadb, std::string_view("mariadb")},
    std::pair{Format::kRedis, std::string_view("redis")},
    std::pair{Format::kTar, std::string_view("tar")},
};

bool IsFileName(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos && name.size() <= 1024;
}

Result<StoredObject> ReadObject(const Json& json) {
  StoredObject object{.name = json["name"].StringOr(""),
                      .size_bytes = json["size_bytes"].IntegerOr(-1),
                      .raw_bytes = json["raw_bytes"].IntegerOr(-1),
                      .sha256_hex = json["sha256"].StringOr(""),
                      .subject = json["subject"].StringOr("")};
  if (!IsFileName(object.name)) return Fail(Cause::kInvalid, "an object has no name");
  if (object.size_bytes < 0 || object.raw_bytes < 0 || object.sha256_hex.size() != 64) {
    return Fail(Cause::kInvalid, "what it says of {} is incomplete", object.name);
  }
  const std::string format = json["format"].StringOr("opaque");
  const auto known = std::find_if(kFormats.begin(), kFormats.end(),
                                  [&](const auto& one) { return one.second == format; });
  if (known == kFormats.end()) {
    return Fail(Cause::kInvalid, "{} has a format that this version does not know", object.name);
  }
  object.format = known->first;
  return object;
}

std::int64_t Sum(const std::vector<StoredObject>& objects, std::int64_t StoredObject::*field) {
  std::int64_t sum = 0;
  // Sizes come from a file that others may have written: they saturate.
  for (const StoredObject& object : objects) {
    if (__builtin_add_overflow(sum, object.*field, &sum)) return INT64_MAX;
  }
  return sum;
}

}  // namespace

std::string_view ToString(Format format) {
  for (const auto& [one, name] : kFormats) {
    if (one == format) return name;
  }
  return "";
}

std::int64_t Manifest::SizeBytes() const { return Sum(objects, &StoredObject::size_bytes); }
std::int64_t Manifest::RawBytes() const { return Sum(objects, &StoredObject::raw_bytes); }

std::string Write(const Manifest& manifest) {
  JsonWriter json;
  json.BeginObject()
      .Field("schema", Manifest::kSchema)
      .Field("job", manifest.job)
      .Field("run_id", manifest.run_id)
      .Field("trigger", manifest.trigger)
      .Field("host", manifest.host)
      .Field("started", FormatRfc3339(manifest.started))
      .Field("ended", FormatRfc3339(manifest.ended))
      .Field("source", manifest.source)
      .Field("verification_level", manifest.level);
  if (!manifest.key_id.empty()) {
    json.Key("encryption")
        .BeginObject()
        .Field("cipher", "AES-256-GCM")
        .Field("key_id", manifest.key_id)
        .EndObject();
  }
  json.Key("source_info").BeginObject();
  for (const auto& [key, value] : manifest.facts) json.Field(key, value);
  json.EndObject().Key("objects").BeginArray();
  for (const StoredObject& object : manifest.objects) {
    json.BeginObject()
        .Field("name", object.name)
        .Field("size_bytes", object.size_bytes)
        .Field("raw_bytes", object.raw_bytes)
        .Field("sha256", object.sha256_hex)
        .Field("format", ToString(object.format));
    if (!object.subject.empty()) json.Field("subject", object.subject);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take() + "\n";
}

Result<Manifest> ReadManifest(std::string_view text) {
  const Result<Json> json = Json::Parse(text, Manifest::kBytesMax);
  if (!json) return tl::unexpected(json.error());
  if ((*json)["schema"].IntegerOr(0) != Manifest::kSchema) {
    return Fail(Cause::kInvalid, "its schema is not the one that this version writes");
  }
  Manifest manifest{.job = (*json)["job"].StringOr(""),
                    .run_id = (*json)["run_id"].StringOr(""),
                    .trigger = (*json)["trigger"].StringOr(""),
                    .host = (*json)["host"].StringOr(""),
                    .source = (*json)["source"].StringOr(""),
                    .key_id = (*json)["encryption"]["key_id"].StringOr("")};
  manifest.level =
      static_cast<int>(std::clamp<std::int64_t>((*json)["verification_level"].IntegerOr(0), 0, 5));
  const Result<Time> started = ParseRfc3339((*json)["started"].StringOr(""));
  const Result<Time> ended = ParseRfc3339((*json)["ended"].StringOr(""));
  if (!started || !ended || *ended < *started) {
    return Fail(Cause::kInvalid, "it does not say when its run began and ended");
  }
  manifest.started = *started;
  manifest.ended = *ended;
  for (const auto& [key, value] : (*json)["source_info"].Entries()) {
    manifest.facts[key] = value.StringOr("");
  }
  for (const Json& one : (*json)["objects"].Items()) {
    Result<StoredObject> object = ReadObject(one);
    if (!object) return tl::unexpected(object.error());
    manifest.objects.push_back(*std::move(object));
  }
  if (manifest.objects.empty()) return Fail(Cause::kInvalid, "it names no object");
  return manifest;
}

std::string SetPrefix(std::string_view run_id) { return fmt::format("sets/{}/", run_id); }

bool IsRunId(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789TZ-";
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace fettle::receivers::backups

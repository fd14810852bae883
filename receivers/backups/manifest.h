// What a set says of itself: manifest.json, written last. A set without one does not exist.
// Values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle::receivers::backups {

// What an object is once it is opened and unpacked; how far it can be proven depends on it.
enum class Format {
  kOpaque,            // a command's output: nobody but its maker can read it
  kPostgresCustom,    // pg_dump --format=custom
  kPostgresGlobals,   // pg_dumpall --globals-only
  kPostgresPhysical,  // pg_basebackup --format=tar, with its manifest
  kMariadb,           // mariadb-dump
  kRedis,             // an RDB
  kTar,
};
std::string_view ToString(Format format);

struct StoredObject {
  std::string name;  // within the set: "leads.pgc.zst", "leads.pgc.zst.enc" if encrypted
  std::int64_t size_bytes = 0;
  std::int64_t raw_bytes = 0;  // before compression
  std::string sha256_hex;      // of what is stored
  Format format = Format::kOpaque;
  std::string subject;  // the database it holds, if it is one
};

struct Manifest {
  // A text that is longer is no manifest.
  static constexpr std::size_t kBytesMax = 4 * 1024 * 1024;
  static constexpr int kSchema = 1;

  std::string job;
  std::string run_id;
  std::string trigger;
  std::string host;
  std::string source;  // "postgres", …
  Time started;
  Time ended;
  int level = 0;       // verified before it was written
  std::string key_id;  // of the key that it is encrypted with; "" is not encrypted
  std::map<std::string, std::string> facts;
  std::vector<StoredObject> objects;

  std::int64_t SizeBytes() const;
  std::int64_t RawBytes() const;
};

std::string Write(const Manifest& manifest);
// Refuses what could not be restored by it: another schema, names that are no plain file names.
Result<Manifest> ReadManifest(std::string_view text);

// "sets/<run-id>/", where everything of a set is, and its parts.
std::string SetPrefix(std::string_view run_id);
inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::string_view kHoldName = "hold.json";  // there: retention leaves the set alone
// True for what MakeRunId gives: only such names are looked at.
bool IsRunId(std::string_view text);

}  // namespace fettle::receivers::backups

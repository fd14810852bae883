// Reads what is stored: opened, unpacked, compared with its manifest, and if asked for handed to
// the program that understands it. Memory stays bounded, and nothing is kept on disk. Blocks; a
// hand's.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/process.h"
#include "common/result.h"
#include "common/seal.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/manifest.h"

namespace fettle::receivers::backups {

// How far a set was verified, as fettle_backup_verification_level shows it.
inline constexpr int kLevelUploaded = 0;
inline constexpr int kLevelCommitted = 1;  // sizes agree, the producer exited 0
inline constexpr int kLevelReadAgain = 2;  // SHA-256 and zstd's checksum of all of it agree
inline constexpr int kLevelDecoded = 3;    // the format's own reader took all of it
inline constexpr int kLevelRestored = 4;   // loaded into a scratch server without errors
inline constexpr int kLevelChecked = 5;    // and what was asked of it there was right

struct ReadBackDeps {
  Destination& destination;
  const SealKey* key = nullptr;  // of what is encrypted
  std::stop_token stop = {};     // then reading ends with kTimeout
};

// Hands the raw content to the sink, piece by piece; false from it ends the reading (kFailed). What
// the sink was given is only good if this succeeds: kInvalid says what differs from the manifest.
Status ReadBack(const ReadBackDeps& deps, const std::string& run_id, const StoredObject& object,
                const std::function<bool(std::string_view raw)>& sink);

// The same into a program's standard input. A program that does not read to the end is judged by
// its exit code alone; what is stored is read to the end all the same.
Result<ProcessResult> FeedTo(const ReadBackDeps& deps, const std::string& run_id,
                             const StoredObject& object, ProcessSpec program);

// Where programs are that read the formats; "": by PATH.
struct Readers {
  std::string postgres_dir;
  Millis timeout{2 * 3'600'000};
};

// Verifies one object up to the level (1 to 3) and says how far it came: kLevelReadAgain for what
// has no reader, or whose reader is not installed. kInvalid: what is stored is not good.
Result<int> Prove(const ReadBackDeps& deps, const Readers& readers, const std::string& run_id,
                  const StoredObject& object, int level);

// The whole set: the lowest of its objects.
Result<int> ProveSet(const ReadBackDeps& deps, const Readers& readers, const Manifest& manifest,
                     int level);

}  // namespace fettle::receivers::backups

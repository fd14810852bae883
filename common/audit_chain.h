// The hash chain of the audit: each entry's hash covers the one before it, so that nothing can be
// changed, taken out or put in between without breaking every later hash.
//
//   hash = SHA-256(previous hash ‖ seq ‖ at ‖ body)
//
// seq and at (milliseconds since the epoch) are 8 bytes each, most significant first; seq starts at
// 1 and has no gaps; the first previous hash is 32 zero bytes. Pure functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/store.h"

namespace fettle {

// A place in the chain: the last entry so far. The default is the beginning.
struct AuditPoint {
  std::int64_t seq = 0;
  std::string hash = std::string(32, '\0');  // raw bytes
  bool operator==(const AuditPoint&) const = default;
};

// The point after an entry that is about to be written.
AuditPoint Append(const AuditPoint& from, Time at, std::string_view body);
// The point after an entry that was read; kFailed names it if it does not follow from `from`.
Result<AuditPoint> Follow(const AuditPoint& from, const AuditEntry& entry);
// kFailed if the chain that was walked does not end where the store says that it ends.
Status CheckEnd(const AuditPoint& walked, const AuditPoint& head);

}  // namespace fettle

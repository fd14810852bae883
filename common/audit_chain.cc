#include "common/audit_chain.h"

#include "common/digest.h"

namespace fettle {
namespace {

void AppendBigEndian(std::string& bytes, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((bits >> shift) & 0xff));
  }
}

}  // namespace

AuditPoint Append(const AuditPoint& from, Time at, std::string_view body) {
  const std::int64_t seq = from.seq + 1;
  std::string bytes;
  bytes.reserve(from.hash.size() + 16 + body.size());
  bytes.append(from.hash);
  AppendBigEndian(bytes, seq);
  AppendBigEndian(bytes, ToMillis(at));
  bytes.append(body);
  return AuditPoint{seq, Sha256(bytes)};
}

Result<AuditPoint> Follow(const AuditPoint& from, const AuditEntry& entry) {
  const AuditPoint next = Append(from, entry.at, entry.body);
  if (entry.seq != next.seq) {
    return Fail("audit entry {} is missing: after {} comes {}", next.seq, from.seq, entry.seq);
  }
  if (entry.hash_hex != Hex(next.hash)) {
    return Fail("audit entry {} was changed: its hash does not follow from entry {}", entry.seq,
                from.seq);
  }
  return next;
}

Status CheckEnd(const AuditPoint& walked, const AuditPoint& head) {
  if (walked.seq < head.seq) {
    return Fail("audit entry {} is missing: the chain should go on to {}", walked.seq + 1,
                head.seq);
  }
  if (walked != head) return Fail("audit entry {} is not the one that was written", walked.seq);
  return {};
}

}  // namespace fettle

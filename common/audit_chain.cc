#include "common/audit_chain.h"

#include <openssl/evp.h>

#include "common/check.h"

namespace fettle {
namespace {

void AppendBigEndian(std::string& bytes, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((bits >> shift) & 0xff));
  }
}

}  // namespace

AuditHash ChainHash(const AuditHash& previous, std::int64_t seq, Time at, std::string_view body) {
  std::string bytes(previous.begin(), previous.end());
  bytes.reserve(bytes.size() + 16 + body.size());
  AppendBigEndian(bytes, seq);
  AppendBigEndian(bytes, ToMillis(at));
  bytes.append(body);
  AuditHash hash;
  unsigned int size = 0;
  FETTLE_CHECK(EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha256(), nullptr) ==
               1);
  FETTLE_CHECK(size == hash.size());
  return hash;
}

std::string HashHex(const AuditHash& hash) {
  std::string text;
  text.reserve(2 * hash.size());
  for (const std::uint8_t byte : hash) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

AuditPoint Append(const AuditPoint& from, Time at, std::string_view body) {
  const std::int64_t seq = from.seq + 1;
  return AuditPoint{seq, ChainHash(from.hash, seq, at, body)};
}

Result<AuditPoint> Follow(const AuditPoint& from, const AuditEntry& entry) {
  const AuditPoint next = Append(from, entry.at, entry.body);
  if (entry.seq != next.seq) {
    return Fail("audit entry {} is missing: after {} comes {}", next.seq, from.seq, entry.seq);
  }
  if (entry.hash_hex != HashHex(next.hash)) {
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

// Checksums and keyed hashes (OpenSSL stays inside digest.cc), and how they are written. Digests
// are raw bytes in a string. Values; safe from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fettle {

std::string Sha256(std::string_view text);
std::string Md5(std::string_view text);  // only where a protocol asks for it (S3's ETag)
std::string HmacSha256(std::string_view key, std::string_view text);

std::string Hex(std::string_view bytes);  // lower case
std::string Base64(std::string_view bytes);
// The bytes of padded standard base64, or nullopt if it is not that.
std::optional<std::string> FromBase64(std::string_view text);
// Takes the same time whatever the first difference is; only the lengths may be guessed.
bool EqualInConstantTime(std::string_view a, std::string_view b);
// The bytes of an even number of hex digits, or "" if it is not that.
std::string FromHex(std::string_view hex);

// A digest of what comes piece by piece.
class Digest {
 public:
  enum class Kind { kSha256, kMd5 };
  explicit Digest(Kind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void Update(std::string_view piece);
  // The digest; the object is of no more use.
  std::string Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle

#include "common/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "common/check.h"

namespace fettle {
namespace {

const EVP_MD* Algorithm(Digest::Kind kind) {
  return kind == Digest::Kind::kSha256 ? EVP_sha256() : EVP_md5();
}

std::string Whole(Digest::Kind kind, std::string_view text) {
  Digest digest(kind);
  digest.Update(text);
  return digest.Finish();
}

std::string FromBytes(const unsigned char* bytes, unsigned int size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

struct Digest::Impl {
  struct Free {
    void operator()(EVP_MD_CTX* it) const { EVP_MD_CTX_free(it); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Digest::Digest(Kind kind) : impl_(std::make_unique<Impl>()) {
  FETTLE_CHECK(EVP_DigestInit_ex(impl_->context.get(), Algorithm(kind), nullptr) == 1);
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::Update(std::string_view piece) {
  FETTLE_CHECK(EVP_DigestUpdate(impl_->context.get(), piece.data(), piece.size()) == 1);
}

std::string Digest::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  FETTLE_CHECK(EVP_DigestFinal_ex(impl_->context.get(), bytes.data(), &size) == 1);
  return FromBytes(bytes.data(), size);
}

std::string Sha256(std::string_view text) { return Whole(Digest::Kind::kSha256, text); }
std::string Md5(std::string_view text) { return Whole(Digest::Kind::kMd5, text); }

std::string HmacSha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  FETTLE_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                    reinterpret_cast<const unsigned char*>(text.data()), text.size(), bytes.data(),
                    &size) != nullptr);
  return FromBytes(bytes.data(), size);
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  return out;
}

std::optional<std::string> FromBase64(std::string_view text) {
  const auto value = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return std::nullopt;
  std::string_view digits = text;
  while (!digits.empty() && digits.back() == '=' && text.size() - digits.size() < 2) {
    digits.remove_suffix(1);
  }
  std::string out;
  unsigned int bits = 0;
  int count = 0;
  for (const char c : digits) {
    const int six = value(c);
    if (six < 0) return std::nullopt;
    bits = (bits << 6U) | static_cast<unsigned int>(six);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> static_cast<unsigned int>(count)) & 0xFFU);
    }
  }
  return out;
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string FromHex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (hex.size() % 2 != 0) return "";
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return "";
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

}  // namespace fettle

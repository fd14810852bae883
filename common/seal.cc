#include "common/seal.h"

#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <array>
#include <optional>
#include <utility>

#include "common/check.h"
#include "common/digest.h"

namespace fettle {
namespace {

constexpr std::string_view kMagic = "FETTLE1\n";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHeadBytes = 8 + kSaltBytes;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kSealedBytes = Sealer::kChunkBytes + kTagBytes;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string FileKey(const std::string& key, std::string_view salt) {
  constexpr std::string_view kInfo = "fettle backup 1";
  std::string out(kKeyBytes, '\0');
  std::size_t size = out.size();
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr);
  FETTLE_CHECK(context != nullptr && EVP_PKEY_derive_init(context) == 1);
  FETTLE_CHECK(EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1);
  FETTLE_CHECK(EVP_PKEY_CTX_set1_hkdf_salt(context, Bytes(salt), static_cast<int>(salt.size())) ==
               1);
  FETTLE_CHECK(EVP_PKEY_CTX_set1_hkdf_key(context, Bytes(std::string_view(key)),
                                          static_cast<int>(key.size())) == 1);
  FETTLE_CHECK(EVP_PKEY_CTX_add1_hkdf_info(context, Bytes(kInfo), static_cast<int>(kInfo.size())) ==
               1);
  FETTLE_CHECK(EVP_PKEY_derive(context, Bytes(out), &size) == 1 && size == kKeyBytes);
  EVP_PKEY_CTX_free(context);
  return out;
}

struct CipherFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// The cipher of one file, chunk by chunk.
class Chunks {
 public:
  Chunks(const std::string& key, std::string_view salt, bool sealing)
      : sealing_(sealing), context_(EVP_CIPHER_CTX_new()) {
    const std::string file_key = FileKey(key, salt);
    FETTLE_CHECK(EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr,
                                   Bytes(std::string_view(file_key)), nullptr,
                                   sealing ? 1 : 0) == 1);
  }

  std::string Seal(std::string_view text, bool last) {
    Begin(last);
    std::string out(text.size() + kTagBytes, '\0');
    Update(text, out);
    int more = 0;
    FETTLE_CHECK(EVP_CipherFinal_ex(context_.get(), Bytes(out) + text.size(), &more) == 1);
    FETTLE_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                     out.data() + text.size()) == 1);
    return out;
  }

  // nullopt: the tag does not fit.
  std::optional<std::string> Open(std::string_view sealed, bool last) {
    if (sealed.size() < kTagBytes) return std::nullopt;
    Begin(last);
    const std::string_view text = sealed.substr(0, sealed.size() - kTagBytes);
    std::string tag(sealed.substr(text.size()));
    std::string out(text.size(), '\0');
    Update(text, out);
    FETTLE_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) ==
                 1);
    std::array<unsigned char, 32> rest{};
    int more = 0;
    if (EVP_CipherFinal_ex(context_.get(), rest.data(), &more) != 1) return std::nullopt;
    return out;
  }

 private:
  void Begin(bool last) {
    std::array<unsigned char, kNonceBytes> nonce{};
    std::uint64_t number = next_++;
    for (std::size_t at = kNonceBytes - 1; at-- > 0 && number > 0; number >>= 8) {
      nonce[at] = static_cast<unsigned char>(number);
    }
    nonce.back() = last ? 1 : 0;
    FETTLE_CHECK(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(),
                                   sealing_ ? 1 : 0) == 1);
  }
  void Update(std::string_view text, std::string& out) {
    int size = 0;
    FETTLE_CHECK(text.empty() || EVP_CipherUpdate(context_.get(), Bytes(out), &size, Bytes(text),
                                                  static_cast<int>(text.size())) == 1);
  }

  const bool sealing_;
  std::unique_ptr<EVP_CIPHER_CTX, CipherFree> context_;
  std::uint64_t next_ = 0;
};

}  // namespace

Result<SealKey> SealKey::Parse(std::string_view text) {
  if (std::string bytes = FromHex(text); bytes.size() == kKeyBytes) return SealKey(bytes);
  if (const auto bytes = FromBase64(text); bytes && bytes->size() == kKeyBytes) {
    return SealKey(*bytes);
  }
  return Fail(
      Cause::kInvalid,
      "an encryption key is 32 bytes, as 64 hex digits or as base64 (openssl rand -hex 32)");
}

Result<SealKey> SealKey::Read(const Secret& secret) {
  const Result<std::string> text = secret.Reveal();
  if (!text) return tl::unexpected(text.error());
  return Parse(*text);
}

std::string SealKey::Id() const { return Hex(HmacSha256(bytes_, "fettle key id")).substr(0, 16); }

struct Sealer::Impl {
  std::string head;  // not yet handed on
  Chunks chunks;
  std::string waiting;  // never empty after the first byte: the last chunk is known only at the end

  static std::string NewHead() {
    std::string head(kHeadBytes, '\0');
    kMagic.copy(head.data(), kMagic.size());
    FETTLE_CHECK(RAND_bytes(Bytes(head) + kMagic.size(), kSaltBytes) == 1);
    return head;
  }
  Impl(const std::string& key, std::string h)
      : head(std::move(h)), chunks(key, std::string_view(head).substr(kMagic.size()), true) {}
};

Sealer::Sealer(const SealKey& key) : impl_(new Impl(key.bytes_, Impl::NewHead())) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

Status Sealer::Write(std::string_view text, const SealSink& sink) {
  if (!impl_->head.empty()) {
    if (Status sunk = sink(std::exchange(impl_->head, {})); !sunk) return sunk;
  }
  while (!text.empty()) {
    if (impl_->waiting.size() == kChunkBytes) {
      if (Status sunk = sink(impl_->chunks.Seal(impl_->waiting, false)); !sunk) return sunk;
      impl_->waiting.clear();
    }
    const std::size_t taken = std::min(text.size(), kChunkBytes - impl_->waiting.size());
    impl_->waiting.append(text.substr(0, taken));
    text.remove_prefix(taken);
  }
  return {};
}

Status Sealer::Finish(const SealSink& sink) {
  if (Status begun = Write({}, sink); !begun) return begun;
  return sink(impl_->chunks.Seal(impl_->waiting, true));
}

struct Opener::Impl {
  std::string key;
  std::optional<Chunks> chunks;
  std::string waiting;
};

Opener::Opener(const SealKey& key) : impl_(new Impl{key.bytes_, std::nullopt, {}}) {}
Opener::Opener(Opener&&) noexcept = default;
Opener::~Opener() = default;

Status Opener::Write(std::string_view sealed, const SealSink& sink) {
  impl_->waiting.append(sealed);
  std::string_view rest = impl_->waiting;
  if (!impl_->chunks) {
    if (rest.size() < kHeadBytes) return {};
    if (!rest.starts_with(kMagic)) {
      return Fail(Cause::kInvalid, "it is not encrypted as fettle does");
    }
    impl_->chunks.emplace(impl_->key, rest.substr(kMagic.size(), kSaltBytes), false);
    rest.remove_prefix(kHeadBytes);
  }
  // A whole chunk may still be the last one: it waits for what follows.
  while (rest.size() > kSealedBytes) {
    const auto text = impl_->chunks->Open(rest.substr(0, kSealedBytes), false);
    if (!text) return Fail(Cause::kInvalid, "it was changed, or sealed with another key");
    if (Status sunk = sink(*text); !sunk) return sunk;
    rest.remove_prefix(kSealedBytes);
  }
  impl_->waiting.erase(0, impl_->waiting.size() - rest.size());
  return {};
}

Status Opener::Finish(const SealSink& sink) {
  if (!impl_->chunks) return Fail(Cause::kInvalid, "it is cut off, or not encrypted by fettle");
  const auto text = impl_->chunks->Open(impl_->waiting, true);
  if (!text) return Fail(Cause::kInvalid, "it was changed, cut off, or sealed with another key");
  return text->empty() ? Status{} : sink(*text);
}

}  // namespace fettle

#include "receivers/backups/stream.h"

#include <zstd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/digest.h"

namespace fettle::receivers::backups {
namespace {

struct CompressorFree {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

}  // namespace

struct Stream::Impl {
  std::string name;
  std::vector<std::unique_ptr<Upload>> uploads;
  std::unique_ptr<ZSTD_CCtx, CompressorFree> zstd{ZSTD_createCCtx()};
  std::string buffer = std::string(ZSTD_CStreamOutSize(), '\0');
  std::optional<Sealer> sealer;
  Digest sha256{Digest::Kind::kSha256};
  std::int64_t stored_bytes = 0;
  std::int64_t raw_bytes = 0;
  std::string head;
  std::string tail;
  Status failure;

  Status HandOn(std::string_view stored) {
    sha256.Update(stored);
    stored_bytes += static_cast<std::int64_t>(stored.size());
    for (const auto& upload : uploads) {
      if (Status wrote = upload->Write(stored); !wrote) return wrote;
    }
    return {};
  }

  Status Seal(std::string_view packed) {
    if (!sealer) return HandOn(packed);
    return sealer->Write(packed, [this](std::string_view sealed) { return HandOn(sealed); });
  }

  Status Compress(std::string_view piece, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
      const std::size_t left = ZSTD_compressStream2(zstd.get(), &out, &in, directive);
      if (ZSTD_isError(left) != 0) return Fail("compressing: {}", ZSTD_getErrorName(left));
      if (Status handed = Seal({buffer.data(), out.pos}); !handed) return handed;
      const bool done = directive == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (done) return {};
    }
  }

  void Remember(std::string_view piece) {
    if (head.size() < kTailBytes) head.append(piece.substr(0, kTailBytes - head.size()));
    const std::size_t keep = std::min(piece.size(), kTailBytes);
    tail.append(piece.substr(piece.size() - keep));
    if (tail.size() > kTailBytes) tail.erase(0, tail.size() - kTailBytes);
  }
};

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Result<Stream> Stream::Begin(const std::vector<Destination*>& destinations, const std::string& key,
                             std::int64_t size_estimate_bytes, const SealKey* seal) {
  auto impl = std::make_unique<Impl>();
  if (seal != nullptr) impl->sealer.emplace(*seal);
  impl->name = key.substr(key.rfind('/') + 1);
  ZSTD_CCtx_setParameter(impl->zstd.get(), ZSTD_c_compressionLevel, kZstdLevel);
  ZSTD_CCtx_setParameter(impl->zstd.get(), ZSTD_c_checksumFlag, 1);
  for (Destination* destination : destinations) {
    Result<std::unique_ptr<Upload>> upload = destination->Begin(key, size_estimate_bytes);
    if (!upload) return While("writing to " + destination->Place(), upload.error());
    impl->uploads.push_back(*std::move(upload));
  }
  return Stream(std::move(impl));
}

Status Stream::Write(std::string_view piece) {
  if (!impl_->failure) return impl_->failure;
  impl_->raw_bytes += static_cast<std::int64_t>(piece.size());
  impl_->Remember(piece);
  impl_->failure = impl_->Compress(piece, ZSTD_e_continue);
  return impl_->failure;
}

const Status& Stream::failure() const { return impl_->failure; }
std::int64_t Stream::raw_bytes() const { return impl_->raw_bytes; }
std::string_view Stream::head() const { return impl_->head; }
std::string_view Stream::tail() const { return impl_->tail; }

Result<StoredObject> Stream::Complete() {
  if (!impl_->failure) return tl::unexpected(impl_->failure.error());
  if (Status ended = impl_->Compress({}, ZSTD_e_end); !ended) {
    return tl::unexpected(ended.error());
  }
  if (impl_->sealer) {
    const Status sealed =
        impl_->sealer->Finish([this](std::string_view last) { return impl_->HandOn(last); });
    if (!sealed) return tl::unexpected(sealed.error());
  }
  for (const auto& upload : impl_->uploads) {
    if (Status completed = upload->Complete(); !completed) {
      return tl::unexpected(completed.error());
    }
  }
  return StoredObject{.name = impl_->name,
                      .size_bytes = impl_->stored_bytes,
                      .raw_bytes = impl_->raw_bytes,
                      .sha256_hex = Hex(impl_->sha256.Finish())};
}

}  // namespace fettle::receivers::backups

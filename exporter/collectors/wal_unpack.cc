#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>

#include "exporter/collectors/wal_names.h"

namespace fettle::exporter {
namespace {

// Room for one byte more than allowed, so that too much shows.
constexpr std::size_t kRoom = kHistoryBytesMax + 1;

Result<std::string> Gunzipped(std::string_view bytes) {
  z_stream stream{};
  constexpr int kGzipWindowBits = 15 + 16;
  if (inflateInit2(&stream, kGzipWindowBits) != Z_OK) return Fail("starting zlib");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::string out(kRoom, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (inflate(&stream, Z_FINISH) != Z_STREAM_END) {
    return Fail(Cause::kInvalid, "it does not decompress");
  }
  out.resize(stream.total_out);
  return out;
}

Result<std::string> Unzstd(std::string_view bytes) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  std::string out(kRoom, '\0');
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  if (ZSTD_decompressStream(context.get(), &to, &from) != 0) {
    return Fail(Cause::kInvalid, "it does not decompress");
  }
  out.resize(to.pos);
  return out;
}

Result<std::string> Unlz4(std::string_view bytes) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) != 0) {
    return Fail("starting LZ4");
  }
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(
      raw, LZ4F_freeDecompressionContext);
  std::string out(kRoom, '\0');
  std::size_t written = 0;
  std::size_t left = 1;
  while (left != 0 && written < out.size()) {
    std::size_t room = out.size() - written;
    std::size_t taken = bytes.size();
    left =
        LZ4F_decompress(context.get(), out.data() + written, &room, bytes.data(), &taken, nullptr);
    if (LZ4F_isError(left) != 0 || (room == 0 && taken == 0 && left != 0)) {
      return Fail(Cause::kInvalid, "it does not decompress");
    }
    written += room;
    bytes.remove_prefix(taken);
  }
  out.resize(written);
  return out;
}

}  // namespace

Result<std::string> Unpacked(std::string_view file, std::string_view bytes) {
  if (bytes.size() > kHistoryBytesMax) return Fail(Cause::kLimit, "it is too long");
  Result<std::string> text = file.ends_with(".gz")    ? Gunzipped(bytes)
                             : file.ends_with(".zst") ? Unzstd(bytes)
                             : file.ends_with(".lz4") ? Unlz4(bytes)
                                                      : std::string(bytes);
  if (text && text->size() > kHistoryBytesMax) return Fail(Cause::kLimit, "it is too long");
  return text;
}

}  // namespace fettle::exporter

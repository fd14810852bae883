#include "receivers/backups/read_back.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "common/dial.h"
#include "common/digest.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::size_t kTailBytes = 4096;

struct DecompressorFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Stored bytes in, raw bytes out, and everything that can be compared on the way.
class Unpacker {
 public:
  Unpacker(const StoredObject& object, const SealKey* key,
           const std::function<bool(std::string_view)>& sink)
      : object_(object), sink_(sink) {
    if (object.name.ends_with(".enc") && key != nullptr) opener_.emplace(*key);
  }

  Status Take(std::string_view stored) {
    sha256_.Update(stored);
    stored_ += static_cast<std::int64_t>(stored.size());
    const auto unpack = [this](std::string_view piece) { return Unpack(piece); };
    return opener_ ? opener_->Write(stored, unpack) : Unpack(stored);
  }

  Status Finish() {
    if (stored_ != object_.size_bytes) {
      return Fail(Cause::kInvalid, "it has {} bytes, {} were written", stored_, object_.size_bytes);
    }
    if (Hex(sha256_.Finish()) != object_.sha256_hex) {
      return Fail(Cause::kInvalid, "it has another SHA-256 than what was written");
    }
    if (opener_) {
      const auto unpack = [this](std::string_view piece) { return Unpack(piece); };
      if (Status opened = opener_->Finish(unpack); !opened) return opened;
    }
    if (frame_left_ != 0 || raw_ != object_.raw_bytes) {
      return Fail(Cause::kInvalid, "it ends before its content does");
    }
    return {};
  }

 private:
  Status Unpack(std::string_view piece) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    for (bool more = true; more;) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      frame_left_ = ZSTD_decompressStream(zstd_.get(), &out, &in);
      if (ZSTD_isError(frame_left_) != 0) {
        return Fail(Cause::kInvalid, "it does not decompress: {}", ZSTD_getErrorName(frame_left_));
      }
      raw_ += static_cast<std::int64_t>(out.pos);
      if (out.pos > 0 && !sink_({buffer_.data(), out.pos})) return Fail("reading it was ended");
      more = in.pos < in.size || out.pos == out.size;
    }
    return {};
  }

  const StoredObject& object_;
  const std::function<bool(std::string_view)>& sink_;
  std::optional<Opener> opener_;
  const std::unique_ptr<ZSTD_DCtx, DecompressorFree> zstd_{ZSTD_createDCtx()};
  std::string buffer_ = std::string(ZSTD_DStreamOutSize(), '\0');
  Digest sha256_{Digest::Kind::kSha256};
  std::int64_t stored_ = 0;
  std::int64_t raw_ = 0;
  std::size_t frame_left_ = 1;
};

struct Tail {
  std::string text;
  void Add(std::string_view piece) {
    if (piece.size() > kTailBytes) piece.remove_prefix(piece.size() - kTailBytes);
    text.append(piece);
    if (text.size() > kTailBytes) text.erase(0, text.size() - kTailBytes);
  }
};

// What a text dump says at its end and nowhere else.
std::string_view TrailerOf(Format format) {
  switch (format) {
    case Format::kPostgresGlobals:
      return "-- PostgreSQL database cluster dump complete";
    case Format::kMariadb:
      return "-- Dump completed";
    default:
      return "";
  }
}

// The program that reads a format to its end; empty if there is none.
std::vector<std::string> ReaderOf(Format format, const Readers& readers) {
  switch (format) {
    case Format::kPostgresCustom:
      return {readers.postgres_dir.empty() ? "pg_restore" : readers.postgres_dir + "/pg_restore",
              "--file=/dev/null"};
    case Format::kRedis:
      return {"redis-check-rdb", "/dev/stdin"};
    case Format::kTar:
    case Format::kPostgresPhysical:
      return {"tar", "--list", "--file=-"};
    default:
      return {};
  }
}

std::string Where(const Destination& destination, const std::string& run_id,
                  const StoredObject& object) {
  return destination.Place() + "/" + SetPrefix(run_id) + object.name;
}

Status CompareSize(Destination& destination, const std::string& run_id,
                   const StoredObject& object) {
  const Result<std::int64_t> size = destination.Size(SetPrefix(run_id) + object.name);
  if (!size) return tl::unexpected(size.error());
  if (*size == object.size_bytes) return {};
  return Fail(Cause::kInvalid, "{} has {} bytes, {} were written",
              Where(destination, run_id, object), *size, object.size_bytes);
}

}  // namespace

Status ReadBack(const ReadBackDeps& deps, const std::string& run_id, const StoredObject& object,
                const std::function<bool(std::string_view raw)>& sink) {
  const std::string where = Where(deps.destination, run_id, object);
  if (object.name.ends_with(".enc") && deps.key == nullptr) {
    return Fail(Cause::kDenied, "{} is encrypted, and there is no key", where);
  }
  Unpacker unpacker(object, deps.key, sink);
  Status taken;
  const Status read =
      deps.destination.Read(SetPrefix(run_id) + object.name, [&](std::string_view piece) {
        if (deps.stop.stop_requested()) return false;
        taken = unpacker.Take(piece);
        return taken.has_value();
      });
  if (deps.stop.stop_requested()) {
    return Fail(Cause::kTimeout, "reading {} again took too long", where);
  }
  if (!taken) return While(where, taken.error());
  if (!read) return While("reading " + where + " again", read.error());
  if (Status whole = unpacker.Finish(); !whole) return While(where, whole.error());
  return {};
}

Result<ProcessResult> FeedTo(const ReadBackDeps& deps, const std::string& run_id,
                             const StoredObject& object, ProcessSpec program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Fail("opening a pipe failed");
  std::optional<UniqueFd> childs(ends[0]);
  UniqueFd ours(ends[1]);
  program.input_fd = childs->get();
  // Ours of the reading end goes as soon as the child has its own: then its end is seen here.
  program.on_start = [&childs](pid_t) { childs.reset(); };
  Result<ProcessResult> ended = Fail("not run");
  std::jthread runner([&] {
    ended = RunProcess(program);
    childs.reset();
  });
  bool reads = true;
  const Status read = ReadBack(deps, run_id, object, [&](std::string_view piece) {
    while (reads && !piece.empty()) {
      const ssize_t wrote = WriteWithoutSignal(ours.get(), piece);
      if (wrote < 0 && errno == EINTR) continue;
      reads = wrote >= 0;
      if (reads) piece.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
  });
  ours = UniqueFd();
  runner.join();
  if (!read) return tl::unexpected(read.error());
  return ended;
}

Result<int> Prove(const ReadBackDeps& deps, const Readers& readers, const std::string& run_id,
                  const StoredObject& object, int level) {
  if (level <= kLevelCommitted) {
    if (Status same = CompareSize(deps.destination, run_id, object); !same) {
      return tl::unexpected(same.error());
    }
    return kLevelCommitted;
  }
  const std::vector<std::string> reader = ReaderOf(object.format, readers);
  if (level >= kLevelDecoded && !reader.empty()) {
    const Result<ProcessResult> ended = FeedTo(deps, run_id, object,
                                               {.argv = reader,
                                                .timeout = readers.timeout,
                                                .on_output = [](std::string_view) { return true; },
                                                .stop = deps.stop});
    if (ended && ended->succeeded()) return kLevelDecoded;
    if (ended) {
      return Fail(Cause::kInvalid, "{} cannot be read: {}: {}",
                  Where(deps.destination, run_id, object), reader.front(), ended->Describe());
    }
    // Without its reader it is what it was: read again.
    if (ended.error().cause != Cause::kNotFound) return tl::unexpected(ended.error());
  }
  Tail tail;
  const Status read = ReadBack(deps, run_id, object, [&](std::string_view raw) {
    tail.Add(raw);
    return true;
  });
  if (!read) return tl::unexpected(read.error());
  const std::string_view trailer = TrailerOf(object.format);
  if (level < kLevelDecoded || trailer.empty()) return kLevelReadAgain;
  if (tail.text.find(trailer) != std::string::npos) return kLevelDecoded;
  return Fail(Cause::kInvalid, "{} does not say \"{}\" at its end",
              Where(deps.destination, run_id, object), trailer);
}

Result<int> ProveSet(const ReadBackDeps& deps, const Readers& readers, const Manifest& manifest,
                     int level) {
  int lowest = level;
  for (const StoredObject& object : manifest.objects) {
    const Result<int> proven = Prove(deps, readers, manifest.run_id, object, level);
    if (!proven) return proven;
    lowest = std::min(lowest, *proven);
  }
  return lowest;
}

}  // namespace fettle::receivers::backups

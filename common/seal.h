// Encrypts a stream in chunks, so that it can be read back piece by piece and any change, swap or
// cut shows: AES-256-GCM as in STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015). OpenSSL stays
// inside seal.cc. One thread an object.
//
//   "FETTLE1\n"  16 bytes of salt  chunk*
//   chunk        64 KiB of text encrypted (the last one: less, perhaps nothing), 16 bytes of tag
//   file key     HKDF-SHA256(key, salt, "fettle backup 1"); so a nonce never comes twice
//   nonce        11 bytes chunk number from 0, big endian; 1 byte: 1 for the last chunk, else 0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/secret.h"

namespace fettle {

// 32 random bytes, kept as 64 hex digits or as base64 (`openssl rand -hex 32`). A value.
class SealKey {
 public:
  static Result<SealKey> Read(const Secret& secret);
  static Result<SealKey> Parse(std::string_view text);
  // 16 hex digits that tell keys apart and say nothing else about them.
  std::string Id() const;

 private:
  friend class Sealer;
  friend class Opener;
  explicit SealKey(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

using SealSink = std::function<Status(std::string_view piece)>;

class Sealer {
 public:
  static constexpr std::size_t kChunkBytes = 64 * 1024;
  explicit Sealer(const SealKey& key);
  Sealer(Sealer&&) noexcept;
  ~Sealer();

  // The sink's failure comes back.
  Status Write(std::string_view text, const SealSink& sink);
  Status Finish(const SealSink& sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Hands on only what was checked. kInvalid: not what was sealed with this key.
class Opener {
 public:
  explicit Opener(const SealKey& key);
  Opener(Opener&&) noexcept;
  ~Opener();

  Status Write(std::string_view sealed, const SealSink& sink);
  // kInvalid if the last chunk has not come.
  Status Finish(const SealSink& sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle

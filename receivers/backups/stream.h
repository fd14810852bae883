// One object on its way: what the producer writes, compressed, perhaps encrypted, hashed, and
// handed to every destination at once. Memory is what the uploads hold; nothing is kept on disk in
// between.
//
// zstd's frames carry a checksum of the content, and the SHA-256 in the manifest is of the stored
// bytes, so that truncation and flipped bits show however the object is read. A hand's; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/seal.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/manifest.h"

namespace fettle::receivers::backups {

class Stream {
 public:
  static constexpr int kZstdLevel = 3;
  static constexpr std::size_t kTailBytes = 4096;

  // `key` is the object's whole key, its last part the name. Encrypted with `seal` unless null.
  static Result<Stream> Begin(const std::vector<Destination*>& destinations, const std::string& key,
                              std::int64_t size_estimate_bytes, const SealKey* seal = nullptr);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();  // aborts every upload that is not complete

  // A failure is kept too: the producer is told to end by the first one.
  Status Write(std::string_view piece);
  const Status& failure() const;
  std::int64_t raw_bytes() const;
  // The first and the last few KiB that the producer wrote, for checks of its format.
  std::string_view head() const;
  std::string_view tail() const;

  // Ends the frame and completes every upload: now the object is there.
  Result<StoredObject> Complete();

 private:
  struct Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::receivers::backups

// A run of samples of one series, compressed. Append-only and aligned to whole bytes, so that one
// thread may append while others read the samples that were there when they looked.
//
// Bytes. Each sample is a control byte, the bytes of its time, the bytes of its value.
//   high nibble, time: the change of the interval since the last sample (delta of delta)
//     0 none | 1..4 that many bytes, signed | 5 eight bytes
//   low nibble, value, against the last one (0.0 before the first)
//     0 the same | 1..4 both are whole numbers: their difference in that many bytes, signed
//     5..11 XOR of the bits, its upper 2..8 bytes | 12..15 its lower 4..7 bytes
// Numbers are little endian. The first sample's time is the chunk's own and costs nothing.
// A constant takes 1 byte a sample, a counter 2 or 3, a noisy float 7 to 9.
//
// A chunk that is complete is packed: the differences of its times, then its values, as columns
// (column.h). A constant then takes none, a counter 1 or 2, a gauge with two decimals about 2.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace fettle::rules {

// What an appender must remember between two samples.
struct ChunkWriter {
  std::int64_t last_time = 0;
  std::int64_t last_delta = 0;
  double last_value = 0;
  std::uint32_t bytes = 0;  // used
  std::uint32_t samples = 0;
};

// Counted references (see ChunkPtr); the bytes follow the object in the same allocation.
class Chunk {
 public:
  static constexpr std::uint32_t kSamplesMax = 120;
  static constexpr std::uint32_t kSampleBytesMax = 17;

  static Chunk* New(std::int64_t first_time, std::uint32_t capacity);
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  // The same samples, `used` bytes of them, in a chunk of this capacity.
  class ChunkPtr Copy(std::uint32_t used, std::uint32_t capacity) const;
  std::span<const std::uint8_t> Bytes(std::uint32_t used) const { return {bytes(), used}; }

  // The same samples packed, of one or more chunks; null if that is not shorter than `bytes_max`.
  static class ChunkPtr Pack(std::span<const std::int64_t> times, std::span<const double> values,
                             std::size_t bytes_max);

  std::int64_t first_time() const { return first_time_; }
  std::uint32_t capacity() const { return capacity_; }
  bool packed() const { return packed_; }

  // False if the chunk is full; nothing was written. Times must grow. One thread at a time.
  bool Append(ChunkWriter& writer, std::int64_t time, double value);

  // Decodes the first `samples` (of a packed chunk: all) and writes those in (from, to] to the
  // arrays, which must have room for all of them. How many were written.
  std::size_t Read(std::uint32_t samples, std::int64_t from_exclusive, std::int64_t to,
                   std::int64_t* times, double* values) const;

 private:
  friend class ChunkPtr;
  friend std::optional<struct RestoredChunk> RestoreChunk(std::int64_t, std::uint32_t,
                                                          std::span<const std::uint8_t>);
  friend std::optional<struct RestoredChunk> RestorePacked(std::int64_t, std::uint32_t,
                                                           std::span<const std::uint8_t>);
  Chunk(std::int64_t first_time, std::uint32_t capacity)
      : first_time_(first_time), capacity_(capacity & kCapacityMax) {}
  static Chunk* NewPacked(std::int64_t first_time, std::span<const std::uint8_t> bytes);
  // False if the bytes are not what was packed.
  bool Unpack(std::int64_t* times, double* values, std::size_t samples) const;
  std::size_t ReadPacked(std::uint32_t samples, std::int64_t from_exclusive, std::int64_t to,
                         std::int64_t* times, double* values) const;
  ~Chunk() = default;
  std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }

  const std::int64_t first_time_;
  static constexpr std::uint32_t kCapacityMax = (1U << 31) - 1;
  const std::uint32_t capacity_ : 31;
  std::uint32_t packed_ : 1 = 0;
  mutable std::atomic<std::uint32_t> references_{0};
};

// Shares a chunk. Safe as std::shared_ptr is; half its size, and one allocation with the bytes.
class ChunkPtr {
 public:
  ChunkPtr() = default;
  explicit ChunkPtr(Chunk* chunk) : chunk_(chunk) { Take(); }
  ChunkPtr(const ChunkPtr& other) : chunk_(other.chunk_) { Take(); }
  ChunkPtr(ChunkPtr&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkPtr& operator=(ChunkPtr other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkPtr() { Drop(); }

  explicit operator bool() const { return chunk_ != nullptr; }
  Chunk* operator->() const { return chunk_; }
  Chunk& operator*() const { return *chunk_; }

 private:
  void Take() const {
    if (chunk_ != nullptr) chunk_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  void Drop();
  Chunk* chunk_ = nullptr;
};

// A chunk from bytes that were once one's, and what its appender must remember.
struct RestoredChunk {
  ChunkPtr chunk;
  ChunkWriter writer;
};
// nullopt unless they are exactly so many samples, in order of time. Any bytes may be given.
std::optional<RestoredChunk> RestoreChunk(std::int64_t first_time, std::uint32_t samples,
                                          std::span<const std::uint8_t> encoded);
// The same of a packed one's; nothing can be appended to it.
std::optional<RestoredChunk> RestorePacked(std::int64_t first_time, std::uint32_t samples,
                                           std::span<const std::uint8_t> encoded);

}  // namespace fettle::rules

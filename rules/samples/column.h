// A column of numbers of one series, packed: what a sealed chunk keeps of its times and values, and
// a run of histograms of each of its buckets. Bit for bit what was given comes back.
//
// Integers are kept as differences from the smallest (or those of neighbours are), each in as many
// bits as most of them need; the few that need more follow ("patched frame of reference").
//   1 byte   bits of each, 0..57 or 64
//   1 byte   how many follow, times two, and one if neighbours' differences are what is kept
//   zigzag varint  the smallest; and of differences the first number
//   the bits, lowest first; then of each that follows its place (1 byte) and value (varint)
// Numbers are integers after scaling where they were written with few decimals, else their bits
// are:
//   0x00 + k   integers, to be divided by 10^k
//   0x10 + k   as before, after 1 byte n and n times a place (1 byte) and 8 bytes: what is no
//   decimal 0x20, s    bits above the lowest s, which are zero; negative numbers below the others
// A counter that grows by up to 2,000 a step takes 11 bits a sample, a gauge of two decimals below
// 1,000 takes 17, what stands still none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fettle::rules {

// Places are a byte.
inline constexpr std::size_t kColumnRowsMax = 256;

void PackIntegers(std::span<const std::int64_t> column, std::string& out);
void PackNumbers(std::span<const double> column, std::string& out);

// Seven bits a byte, lowest first; what is beside columns may be written so.
void AppendColumnVarint(std::uint64_t value, std::string& out);

// Reads columns one after the other. Any bytes may be given: false if they are no column.
class ColumnReader {
 public:
  explicit ColumnReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  // As many as there is room for: that many were packed.
  bool Integers(std::span<std::int64_t> into);
  bool Numbers(std::span<double> into);
  bool Varint(std::uint64_t& value);
  bool empty() const { return rest_.empty(); }
  std::span<const std::uint8_t> Take(std::size_t bytes);

 private:
  bool Byte(unsigned& value);
  bool Zigzag(std::int64_t& value);
  bool Bits(unsigned width, std::span<std::int64_t> into);
  bool Decimals(unsigned kind, std::span<double> into);
  bool Doubles(std::span<double> into);

  std::span<const std::uint8_t> rest_;
};

}  // namespace fettle::rules

#include "rules/samples/chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <new>
#include <string>

#include "rules/samples/column.h"

namespace fettle::rules {
namespace {

// Every sample has at least one byte: eight bytes from the value of one reach into no more than
// this many samples after it.
constexpr std::uint32_t kQuickMargin = 9;

constexpr double kWholeMax = 9007199254740992.0;  // 2^53

bool Whole(double value) {
  return std::abs(value) < kWholeMax && value == std::trunc(value) &&
         !(value == 0 && std::signbit(value));
}

// The fewest bytes (1..8) that hold a signed number.
unsigned SignedBytes(std::int64_t value) {
  const auto folded = static_cast<std::uint64_t>(value < 0 ? ~value : value);
  return static_cast<unsigned>(std::bit_width(folded)) / 8 + 1;
}

template <unsigned kBytes>
std::int64_t ReadSigned(const std::uint8_t* at) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, at, kBytes);
  constexpr unsigned kShift = 64 - 8 * kBytes;
  return static_cast<std::int64_t>(raw << kShift) >> kShift;
}

template <unsigned kBytes>
double XorUpper(double last, const std::uint8_t*& at) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, at, kBytes);
  at += kBytes;
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(last) ^ (raw << (64 - 8 * kBytes)));
}

template <unsigned kBytes>
double XorLower(double last, const std::uint8_t*& at) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, at, kBytes);
  at += kBytes;
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(last) ^ raw);
}

template <unsigned kBytes>
double AddWhole(double last, const std::uint8_t*& at) {
  const std::int64_t difference = ReadSigned<kBytes>(at);
  at += kBytes;
  return static_cast<double>(static_cast<std::int64_t>(last) + difference);
}

double DecodeValue(unsigned code, double last, const std::uint8_t*& at) {
  switch (code) {
    case 0:
      return last;
    case 1:
      return AddWhole<1>(last, at);
    case 2:
      return AddWhole<2>(last, at);
    case 3:
      return AddWhole<3>(last, at);
    case 4:
      return AddWhole<4>(last, at);
    case 5:
      return XorUpper<2>(last, at);
    case 6:
      return XorUpper<3>(last, at);
    case 7:
      return XorUpper<4>(last, at);
    case 8:
      return XorUpper<5>(last, at);
    case 9:
      return XorUpper<6>(last, at);
    case 10:
      return XorUpper<7>(last, at);
    case 11:
      return XorUpper<8>(last, at);
    case 12:
      return XorLower<4>(last, at);
    case 13:
      return XorLower<5>(last, at);
    case 14:
      return XorLower<6>(last, at);
    default:
      return XorLower<7>(last, at);
  }
}

// By code, of a value's bytes read as eight: which bits are its own, which is the sign of a
// difference, how far up those of an XOR go.
struct ValueCode {
  std::uint64_t mask;
  std::uint64_t sign;
  std::uint64_t shift;
};
// How many bytes: a table in a register.
constexpr unsigned ValueBytes(unsigned code) {
  return static_cast<unsigned>(0x7654'8765'4324'3210ULL >> (4 * code)) & 15;
}
constexpr std::array<ValueCode, 16> MakeValueCodes() {
  std::array<ValueCode, 16> codes{};
  for (unsigned code = 1; code < 16; ++code) {
    const unsigned bits = 8 * ValueBytes(code);
    codes[code].mask = bits == 64 ? ~0ULL : (1ULL << bits) - 1;
    codes[code].sign = code <= 4 ? 1ULL << (bits - 1) : 0;
    codes[code].shift = code >= 5 && code <= 11 ? 64 - bits : 0;
  }
  return codes;
}
constexpr std::array<ValueCode, 16> kValueCodes = MakeValueCodes();

std::uint64_t ReadEight(const std::uint8_t* at) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, at, 8);
  return raw;
}

std::int64_t DecodeTimeChange(unsigned code, const std::uint8_t*& at) {
  std::int64_t change = 0;
  switch (code) {
    case 0:
      return 0;
    case 1:
      change = ReadSigned<1>(at);
      break;
    case 2:
      change = ReadSigned<2>(at);
      break;
    case 3:
      change = ReadSigned<3>(at);
      break;
    case 4:
      change = ReadSigned<4>(at);
      break;
    default:
      std::memcpy(&change, at, 8);
      at += 8;
      return change;
  }
  at += code;
  return change;
}

unsigned EncodeTimeChange(std::int64_t change, std::uint8_t*& at) {
  if (change == 0) return 0;
  const unsigned need = SignedBytes(change);
  const unsigned bytes = need <= 4 ? need : 8;
  std::memcpy(at, &change, bytes);
  at += bytes;
  return need <= 4 ? need : 5;
}

unsigned EncodeValue(double last, double value, std::uint8_t*& at) {
  const std::uint64_t bits =
      std::bit_cast<std::uint64_t>(last) ^ std::bit_cast<std::uint64_t>(value);
  if (bits == 0) return 0;
  unsigned whole_bytes = 9;
  std::int64_t difference = 0;
  if (Whole(last) && Whole(value)) {
    difference = static_cast<std::int64_t>(value) - static_cast<std::int64_t>(last);
    whole_bytes = SignedBytes(difference);
  }
  const unsigned upper = 8 - static_cast<unsigned>(std::countr_zero(bits)) / 8;
  const unsigned lower = 8 - static_cast<unsigned>(std::countl_zero(bits)) / 8;
  const unsigned upper_bytes = upper < 2 ? 2 : upper;
  const unsigned lower_bytes = lower < 4 ? 4 : lower;
  if (whole_bytes <= 4 && whole_bytes <= upper_bytes && whole_bytes <= lower_bytes) {
    std::memcpy(at, &difference, whole_bytes);
    at += whole_bytes;
    return whole_bytes;
  }
  if (lower_bytes < upper_bytes) {  // so at most 7
    std::memcpy(at, &bits, lower_bytes);
    at += lower_bytes;
    return 8 + lower_bytes;
  }
  const std::uint64_t shifted = bits >> (64 - 8 * upper_bytes);
  std::memcpy(at, &shifted, upper_bytes);
  at += upper_bytes;
  return 3 + upper_bytes;
}

}  // namespace

Chunk* Chunk::New(std::int64_t first_time, std::uint32_t capacity) {
  void* memory = ::operator new(sizeof(Chunk) + capacity);
  return new (memory) Chunk(first_time, capacity);
}

ChunkPtr Chunk::Copy(std::uint32_t used, std::uint32_t capacity) const {
  Chunk* copy = New(first_time_, capacity);
  std::memcpy(copy->bytes(), bytes(), used);
  return ChunkPtr(copy);
}

void ChunkPtr::Drop() {
  if (chunk_ == nullptr) return;
  if (chunk_->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  chunk_->~Chunk();
  ::operator delete(static_cast<void*>(chunk_));
}

bool Chunk::Append(ChunkWriter& writer, std::int64_t time, double value) {
  if (writer.samples == kSamplesMax) return false;
  if (writer.samples == 0) writer = {.last_time = first_time_};
  std::uint8_t encoded[kSampleBytesMax];
  std::uint8_t* at = encoded + 1;
  const std::int64_t delta = time - writer.last_time;
  const unsigned time_code = EncodeTimeChange(delta - writer.last_delta, at);
  const unsigned value_code = EncodeValue(writer.last_value, value, at);
  encoded[0] = static_cast<std::uint8_t>((time_code << 4) | value_code);
  const auto size = static_cast<std::uint32_t>(at - encoded);
  if (writer.bytes + size > capacity_) return false;
  std::memcpy(bytes() + writer.bytes, encoded, size);
  writer = {time, delta, value, writer.bytes + size, writer.samples + 1};
  return true;
}

std::size_t Chunk::Read(std::uint32_t samples, std::int64_t from_exclusive, std::int64_t to,
                        std::int64_t* times, double* values) const {
  if (packed_) return ReadPacked(samples, from_exclusive, to, times, values);
  const std::uint8_t* at = bytes();
  std::int64_t time = first_time_;
  std::int64_t delta = 0;
  double value = 0;
  std::size_t written = 0;
  const auto pass_time = [&](unsigned control) {
    ++at;
    if (control >= 16) delta += DecodeTimeChange(control >> 4, at);
    time += delta;
  };
  const auto write = [&] {
    times[written] = time;
    values[written] = value;
    written += time > from_exclusive ? 1 : 0;
  };
  // Eight bytes at a time and without a jump for each code, as far as those bytes belong to samples
  // that were there when the reader looked. What the next sample waits for is where it begins:
  // everything else is kept out of that.
  const std::uint32_t quick = samples > kQuickMargin ? samples - kQuickMargin : 0;
  std::uint32_t i = 0;
  while (i < quick) {
    unsigned control = *at;
    unsigned code = control & 15;
    if (code - 1 < 4) {
      auto whole = static_cast<std::int64_t>(value);
      do {
        pass_time(control);
        const ValueCode& how = kValueCodes[code];
        const std::uint64_t raw = ReadEight(at) & how.mask;
        at += code;
        whole += static_cast<std::int64_t>((raw ^ how.sign) - how.sign);
        value = static_cast<double>(whole);
        if (time > to) return written;
        write();
        control = *at;
        code = control & 15;
      } while (++i < quick && code <= 4);
      continue;
    }
    pass_time(control);
    const ValueCode& how = kValueCodes[code];
    const std::uint64_t raw = (ReadEight(at) & how.mask) << how.shift;
    at += ValueBytes(code);
    value = std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) ^ raw);
    if (time > to) return written;
    write();
    ++i;
  }
  for (; i < samples; ++i) {
    const unsigned control = *at;
    pass_time(control);
    value = DecodeValue(control & 15, value, at);
    if (time > to) break;
    write();
  }
  return written;
}

Chunk* Chunk::NewPacked(std::int64_t first_time, std::span<const std::uint8_t> bytes) {
  Chunk* chunk = New(first_time, static_cast<std::uint32_t>(bytes.size()));
  chunk->packed_ = 1;
  std::copy(bytes.begin(), bytes.end(), chunk->bytes());
  return chunk;
}

ChunkPtr Chunk::Pack(std::span<const std::int64_t> times, std::span<const double> values,
                     std::size_t bytes_max) {
  std::array<std::int64_t, kSamplesMax> steps;
  for (std::size_t i = 1; i < times.size(); ++i) steps[i - 1] = times[i] - times[i - 1];
  std::string packed;
  PackIntegers(std::span<const std::int64_t>(steps).first(times.size() - 1), packed);
  PackNumbers(values, packed);
  if (packed.size() > bytes_max) return {};
  ChunkPtr chunk(NewPacked(times.front(),
                           {reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size()}));
  // Nobody will see the samples again in any other shape.
  std::array<std::int64_t, kSamplesMax> read_times;
  std::array<double, kSamplesMax> read_values;
  const bool same = chunk->Unpack(read_times.data(), read_values.data(), times.size()) &&
                    std::memcmp(read_times.data(), times.data(), times.size_bytes()) == 0 &&
                    std::memcmp(read_values.data(), values.data(), values.size_bytes()) == 0;
  return same ? chunk : ChunkPtr();
}

bool Chunk::Unpack(std::int64_t* times, double* values, std::size_t samples) const {
  ColumnReader reader(Bytes(capacity_));
  times[0] = first_time_;
  if (!reader.Integers({times + 1, samples - 1}) || !reader.Numbers({values, samples})) {
    return false;
  }
  for (std::size_t i = 1; i < samples; ++i) {
    if (__builtin_add_overflow(times[i], times[i - 1], &times[i])) return false;
  }
  return reader.empty();
}

std::size_t Chunk::ReadPacked(std::uint32_t samples, std::int64_t from_exclusive, std::int64_t to,
                              std::int64_t* times, double* values) const {
  Unpack(times, values, samples);
  std::int64_t* const first = std::upper_bound(times, times + samples, from_exclusive);
  std::int64_t* const end = std::upper_bound(first, times + samples, to);
  const auto count = static_cast<std::size_t>(end - first);
  if (first != times) {
    const std::ptrdiff_t before = first - times;
    std::memmove(times, first, count * sizeof(*times));
    std::memmove(values, values + before, count * sizeof(*values));
  }
  return count;
}

namespace {

// How many bytes follow a control byte, or nullopt if there is no such code.
std::optional<std::size_t> BytesAfter(unsigned control) {
  const unsigned time = control >> 4;
  const unsigned value = control & 15;
  if (time > 5) return std::nullopt;
  std::size_t bytes = time == 5 ? 8 : time;
  if (value >= 12) {
    bytes += value - 8;
  } else if (value >= 5) {
    bytes += value - 3;
  } else {
    bytes += value;
  }
  return bytes;
}

// The next sample, as Read would take it; false if no appender could have written it.
bool Advance(unsigned control, const std::uint8_t* at, ChunkWriter& writer) {
  std::int64_t change = 0;
  if (control >= 16) change = DecodeTimeChange(control >> 4, at);
  std::int64_t time = 0;
  if (__builtin_add_overflow(writer.last_delta, change, &writer.last_delta) ||
      __builtin_add_overflow(writer.last_time, writer.last_delta, &time)) {
    return false;
  }
  const unsigned code = control & 15;
  const bool adds = code >= 1 && code <= 4;
  if (adds && !Whole(writer.last_value)) return false;
  if (writer.samples == 0 ? time != writer.last_time : time <= writer.last_time) return false;
  writer.last_time = time;
  writer.last_value = DecodeValue(code, writer.last_value, at);
  ++writer.samples;
  return true;
}

}  // namespace

std::optional<RestoredChunk> RestoreChunk(std::int64_t first_time, std::uint32_t samples,
                                          std::span<const std::uint8_t> encoded) {
  if (samples == 0 || samples > Chunk::kSamplesMax ||
      encoded.size() > Chunk::kSamplesMax * Chunk::kSampleBytesMax) {
    return std::nullopt;
  }
  ChunkWriter writer{.last_time = first_time};
  std::size_t at = 0;
  while (writer.samples < samples) {
    if (at == encoded.size()) return std::nullopt;
    const unsigned control = encoded[at++];
    const std::optional<std::size_t> more = BytesAfter(control);
    if (!more || *more > encoded.size() - at) return std::nullopt;
    if (!Advance(control, encoded.data() + at, writer)) return std::nullopt;
    at += *more;
  }
  if (at != encoded.size()) return std::nullopt;
  writer.bytes = static_cast<std::uint32_t>(at);
  Chunk* chunk = Chunk::New(first_time, writer.bytes);
  std::memcpy(chunk->bytes(), encoded.data(), encoded.size());
  return RestoredChunk{ChunkPtr(chunk), writer};
}

std::optional<RestoredChunk> RestorePacked(std::int64_t first_time, std::uint32_t samples,
                                           std::span<const std::uint8_t> encoded) {
  if (samples == 0 || samples > Chunk::kSamplesMax ||
      encoded.size() > Chunk::kSamplesMax * Chunk::kSampleBytesMax) {
    return std::nullopt;
  }
  ChunkPtr chunk(Chunk::NewPacked(first_time, encoded));
  std::array<std::int64_t, Chunk::kSamplesMax> times;
  std::array<double, Chunk::kSamplesMax> values;
  if (!chunk->Unpack(times.data(), values.data(), samples)) return std::nullopt;
  for (std::uint32_t i = 1; i < samples; ++i) {
    if (times[i] <= times[i - 1]) return std::nullopt;
  }
  return RestoredChunk{std::move(chunk),
                       {.last_time = times[samples - 1],
                        .last_value = values[samples - 1],
                        .bytes = static_cast<std::uint32_t>(encoded.size()),
                        .samples = samples}};
}

}  // namespace fettle::rules

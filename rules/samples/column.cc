#include "rules/samples/column.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "common/check.h"

namespace fettle::rules {
namespace {

// Eight bytes hold so many bits wherever in the first of them they begin.
constexpr unsigned kWidthMax = 57;
constexpr std::size_t kPatchesMax = 127;
constexpr unsigned kDecimalsMax = 12;
// From so many on the bits themselves may be shorter.
constexpr unsigned kDecimalsDoubtful = 5;
constexpr double kWholeMax = 9007199254740992.0;  // 2^53
constexpr std::uint64_t kSign = 1ULL << 63;
constexpr unsigned kPatched = 0x10;
constexpr unsigned kBits = 0x20;
constexpr std::array<double, 16> kPowers = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                            1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// Every difference is taken modulo 2^64: none overflows, and the sum is exact again.
std::int64_t Less(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t Plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::uint64_t Fold(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

std::size_t VarintBytes(std::uint64_t value) {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

// How a row of integers will be kept.
struct Plan {
  std::int64_t base = 0;
  unsigned width = 0;
  std::size_t patches = 0;
  std::size_t bytes = 0;
};

unsigned WidthOf(std::uint64_t range) {
  const auto width = static_cast<unsigned>(std::bit_width(range));
  return width <= kWidthMax ? width : 64;
}

std::size_t PackedBytes(std::size_t rows, unsigned width) { return (rows * width + 7) / 8; }

bool Inside(const Plan& plan, std::int64_t value) {
  return static_cast<unsigned>(
             std::bit_width(static_cast<std::uint64_t>(Less(value, plan.base)))) <= plan.width;
}

Plan PlanWithin(std::span<const std::int64_t> row, unsigned width_around, std::int64_t around) {
  std::int64_t low = around;
  std::int64_t high = around;
  for (const std::int64_t value : row) {
    if (static_cast<unsigned>(std::bit_width(Fold(Less(value, around)))) > width_around) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  Plan plan{.base = low, .width = WidthOf(static_cast<std::uint64_t>(Less(high, low)))};
  plan.bytes = 2 + VarintBytes(Fold(low)) + PackedBytes(row.size(), plan.width);
  if (width_around == 64) return plan;
  for (const std::int64_t value : row) {
    if (Inside(plan, value)) continue;
    ++plan.patches;
    plan.bytes += 1 + VarintBytes(static_cast<std::uint64_t>(Less(value, plan.base)));
  }
  return plan;
}

// The fewest bytes: with all of them in as many bits as the widest needs, or with the few that lie
// far from the others kept apart.
Plan PlanOf(std::span<const std::int64_t> row) {
  if (row.empty()) return {.bytes = 3};
  const std::int64_t a = row.front();
  const std::int64_t b = row[row.size() / 2];
  const std::int64_t c = row.back();
  const std::int64_t around = std::max(std::min(a, b), std::min(std::max(a, b), c));
  const Plan whole = PlanWithin(row, 64, around);
  if (whole.width <= 1) return whole;
  std::array<std::uint32_t, 65> of_width{};
  for (const std::int64_t value : row) {
    ++of_width[static_cast<std::size_t>(std::bit_width(Fold(Less(value, around))))];
  }
  std::size_t best_bytes = whole.bytes;
  unsigned best = 64;
  std::size_t wider = row.size();
  const std::size_t patch_bytes = 1 + (whole.width + 6) / 7;
  for (unsigned width = 0; width <= kWidthMax && wider > 0; ++width) {
    wider -= of_width[width];
    // One bit less: the row may lie to one side of where it is looked at from.
    const std::size_t bytes =
        4 + PackedBytes(row.size(), width == 0 ? 0 : width - 1) + wider * patch_bytes;
    if (wider > kPatchesMax || bytes >= best_bytes) continue;
    best_bytes = bytes;
    best = width;
  }
  if (best == 64) return whole;
  const Plan patched = PlanWithin(row, best, around);
  return patched.patches <= kPatchesMax && patched.bytes < whole.bytes ? patched : whole;
}

void AppendBits(std::span<const std::int64_t> row, const Plan& plan, std::string& out) {
  const std::size_t begin = out.size();
  out.resize(begin + PackedBytes(row.size(), plan.width));
  char* at = out.data() + begin;
  std::uint64_t waiting = 0;
  unsigned bits = 0;
  if (plan.width == 64) {
    for (const std::int64_t value : row) {
      const std::int64_t less = Less(value, plan.base);
      std::memcpy(at, &less, 8);
      at += 8;
    }
    return;
  }
  for (const std::int64_t value : row) {
    const std::uint64_t less =
        Inside(plan, value) ? static_cast<std::uint64_t>(Less(value, plan.base)) : 0;
    waiting |= less << bits;
    bits += plan.width;
    for (; bits >= 8; bits -= 8) {
      *at++ = static_cast<char>(waiting);
      waiting >>= 8;
    }
  }
  if (bits > 0) *at = static_cast<char>(waiting);
}

void AppendRow(std::span<const std::int64_t> row, const Plan& plan, bool differences,
               std::int64_t first, std::string& out) {
  out += static_cast<char>(plan.width);
  out += static_cast<char>(plan.patches << 1 | (differences ? 1 : 0));
  AppendColumnVarint(Fold(plan.base), out);
  if (differences) AppendColumnVarint(Fold(first), out);
  AppendBits(row, plan, out);
  if (plan.patches == 0) return;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (Inside(plan, row[i])) continue;
    out += static_cast<char>(i);
    AppendColumnVarint(static_cast<std::uint64_t>(Less(row[i], plan.base)), out);
  }
}

bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

// Whether the number is a whole one divided by 10^decimals, to the last bit; which one.
bool Scale(double value, unsigned decimals, std::int64_t& whole) {
  const double scaled = value * kPowers[decimals];
  if (!(std::abs(scaled) < kWholeMax)) return false;
  whole = std::llrint(scaled);
  return SameBits(static_cast<double>(whole) / kPowers[decimals], value);
}

// The numbers as decimals, if nearly all of them are.
struct Decimals {
  unsigned decimals = 0;
  std::array<std::int64_t, kColumnRowsMax> wholes;
  std::size_t size = 0;
  std::array<std::uint8_t, kColumnRowsMax> others;
  std::size_t other_count = 0;
};

bool FindDecimals(std::span<const double> column, Decimals& out) {
  const std::size_t others_max = column.size() / 16 + 2;
  std::size_t others = 0;
  std::int64_t whole = 0;
  for (const double value : column) {
    unsigned decimals = out.decimals;
    while (decimals <= kDecimalsMax && !Scale(value, decimals, whole)) ++decimals;
    if (decimals <= kDecimalsMax) {
      out.decimals = decimals;
    } else if (++others > others_max) {
      return false;
    }
  }
  std::int64_t last = 0;
  for (const double value : column) {
    if (Scale(value, out.decimals, whole)) {
      last = whole;
    } else {
      if (out.other_count == kPatchesMax) return false;
      out.others[out.other_count++] = static_cast<std::uint8_t>(out.size);
    }
    out.wholes[out.size++] = last;
  }
  return out.other_count <= others_max && out.other_count < column.size();
}

void PackBits(std::span<const double> column, std::string& out) {
  std::uint64_t all = 0;
  for (const double value : column) all |= std::bit_cast<std::uint64_t>(value) & ~kSign;
  const auto shift = all == 0 ? 0U : static_cast<unsigned>(std::countr_zero(all));
  std::array<std::int64_t, kColumnRowsMax> ordered;
  for (std::size_t i = 0; i < column.size(); ++i) {
    const auto bits = std::bit_cast<std::uint64_t>(column[i]);
    const auto size = static_cast<std::int64_t>((bits & ~kSign) >> shift);
    ordered[i] = (bits & kSign) != 0 ? ~size : size;
  }
  out += static_cast<char>(kBits);
  out += static_cast<char>(shift);
  PackIntegers(std::span(ordered).first(column.size()), out);
}

void PackDecimals(std::span<const double> column, const Decimals& found, std::string& out) {
  out += static_cast<char>(found.decimals | (found.other_count > 0 ? kPatched : 0U));
  if (found.other_count > 0) {
    out += static_cast<char>(found.other_count);
    for (std::size_t i = 0; i < found.other_count; ++i) {
      out += static_cast<char>(found.others[i]);
      char bytes[8];
      std::memcpy(bytes, &column[found.others[i]], 8);
      out.append(bytes, 8);
    }
  }
  PackIntegers(std::span<const std::int64_t>(found.wholes).first(found.size), out);
}

}  // namespace

void AppendColumnVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void PackIntegers(std::span<const std::int64_t> column, std::string& out) {
  FETTLE_CHECK(column.size() <= kColumnRowsMax);
  const Plan plain = PlanOf(column);
  if (column.size() < 2 || plain.width == 0) return AppendRow(column, plain, false, 0, out);
  std::array<std::int64_t, kColumnRowsMax> differences;
  for (std::size_t i = 1; i < column.size(); ++i) {
    differences[i - 1] = Less(column[i], column[i - 1]);
  }
  const auto row = std::span<const std::int64_t>(differences).first(column.size() - 1);
  const Plan stepped = PlanOf(row);
  if (stepped.bytes + VarintBytes(Fold(column.front())) < plain.bytes) {
    AppendRow(row, stepped, true, column.front(), out);
  } else {
    AppendRow(column, plain, false, 0, out);
  }
}

void PackNumbers(std::span<const double> column, std::string& out) {
  FETTLE_CHECK(column.size() <= kColumnRowsMax);
  Decimals found;
  if (!FindDecimals(column, found)) return PackBits(column, out);
  const std::size_t begin = out.size();
  PackDecimals(column, found, out);
  // Halves of halves have many decimals and few bits.
  if (found.decimals < kDecimalsDoubtful) return;
  std::string bits;
  PackBits(column, bits);
  if (bits.size() < out.size() - begin) out.replace(begin, std::string::npos, bits);
}

bool ColumnReader::Byte(unsigned& value) {
  if (rest_.empty()) return false;
  value = rest_.front();
  rest_ = rest_.subspan(1);
  return true;
}

bool ColumnReader::Varint(std::uint64_t& value) {
  value = 0;
  unsigned byte = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (!Byte(byte)) return false;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ColumnReader::Zigzag(std::int64_t& value) {
  std::uint64_t folded = 0;
  if (!Varint(folded)) return false;
  value = static_cast<std::int64_t>((folded >> 1) ^ (~(folded & 1) + 1));
  return true;
}

std::span<const std::uint8_t> ColumnReader::Take(std::size_t bytes) {
  if (bytes > rest_.size()) return {};
  const std::span<const std::uint8_t> taken = rest_.first(bytes);
  rest_ = rest_.subspan(bytes);
  return taken;
}

bool ColumnReader::Bits(unsigned width, std::span<std::int64_t> into) {
  if (width == 0) {
    std::fill(into.begin(), into.end(), 0);
    return true;
  }
  if (width > kWidthMax && width != 64) return false;
  const std::size_t bytes = PackedBytes(into.size(), width);
  if (bytes > rest_.size()) return false;
  const std::uint8_t* const from = rest_.data();
  if (width == 64) {
    std::memcpy(into.data(), from, bytes);
  } else {
    const std::uint64_t mask = (1ULL << width) - 1;
    // Eight bytes at a time as long as there are so many, whosoever they are.
    const std::size_t quick =
        rest_.size() < 8 ? 0 : std::min(into.size(), ((rest_.size() - 8) * 8) / width);
    std::size_t bit = 0;
    std::size_t i = 0;
    for (; i < quick; ++i, bit += width) {
      std::uint64_t raw = 0;
      std::memcpy(&raw, from + bit / 8, 8);
      into[i] = static_cast<std::int64_t>((raw >> (bit % 8)) & mask);
    }
    for (; i < into.size(); ++i, bit += width) {
      std::uint64_t raw = 0;
      std::memcpy(&raw, from + bit / 8, std::min<std::size_t>(8, rest_.size() - bit / 8));
      into[i] = static_cast<std::int64_t>((raw >> (bit % 8)) & mask);
    }
  }
  rest_ = rest_.subspan(bytes);
  return true;
}

bool ColumnReader::Integers(std::span<std::int64_t> into) {
  unsigned width = 0;
  unsigned how = 0;
  std::int64_t base = 0;
  std::int64_t first = 0;
  if (!Byte(width) || !Byte(how) || !Zigzag(base)) return false;
  const bool differences = (how & 1) != 0;
  if (differences && (into.empty() || !Zigzag(first))) return false;
  const std::span<std::int64_t> row = differences ? into.subspan(1) : into;
  if (!Bits(width, row)) return false;
  for (unsigned i = 0; i < how >> 1; ++i) {
    unsigned place = 0;
    std::uint64_t value = 0;
    if (!Byte(place) || !Varint(value) || place >= row.size()) return false;
    row[place] = static_cast<std::int64_t>(value);
  }
  if (!differences) {
    for (std::int64_t& value : row) value = Plus(value, base);
    return true;
  }
  into.front() = first;
  for (std::int64_t& value : row) value = first = Plus(first, Plus(value, base));
  return true;
}

bool ColumnReader::Decimals(unsigned kind, std::span<double> into) {
  std::span<const std::uint8_t> others;
  if ((kind & kPatched) != 0) {
    unsigned count = 0;
    if (!Byte(count) || std::size_t{9} * count > rest_.size()) return false;
    others = Take(std::size_t{9} * count);
  }
  std::array<std::int64_t, kColumnRowsMax> wholes;
  const auto read = std::span(wholes).first(into.size());
  if (!Integers(read)) return false;
  const unsigned decimals = kind & 0x0f;
  if (decimals == 0) {
    std::transform(read.begin(), read.end(), into.begin(),
                   [](std::int64_t whole) { return static_cast<double>(whole); });
  } else {
    const double power = kPowers[decimals];
    std::transform(read.begin(), read.end(), into.begin(),
                   [power](std::int64_t whole) { return static_cast<double>(whole) / power; });
  }
  for (; !others.empty(); others = others.subspan(9)) {
    if (others.front() >= into.size()) return false;
    std::memcpy(&into[others.front()], others.data() + 1, 8);
  }
  return true;
}

bool ColumnReader::Doubles(std::span<double> into) {
  unsigned shift = 0;
  std::array<std::int64_t, kColumnRowsMax> ordered;
  if (!Byte(shift) || shift > 63 || !Integers(std::span(ordered).first(into.size()))) return false;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const bool negative = ordered[i] < 0;
    const auto size = static_cast<std::uint64_t>(negative ? ~ordered[i] : ordered[i]);
    into[i] = std::bit_cast<double>(((size << shift) & ~kSign) | (negative ? kSign : 0));
  }
  return true;
}

bool ColumnReader::Numbers(std::span<double> into) {
  unsigned kind = 0;
  if (into.size() > kColumnRowsMax || !Byte(kind)) return false;
  if (kind == kBits) return Doubles(into);
  return kind < kBits && Decimals(kind, into);
}

}  // namespace fettle::rules

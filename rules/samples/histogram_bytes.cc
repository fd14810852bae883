#include "rules/samples/histogram_bytes.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace fettle::rules {
namespace {

constexpr double kWholeMax = 281474976710656.0;  // 2^48
constexpr int kSchemaShift = 64;

void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void AppendEight(double value, std::string& out) {
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  out.append(bytes, 8);
}

void AppendNumber(double value, std::string& out) {
  if (value >= 0 && value < kWholeMax && value == std::trunc(value) && !std::signbit(value)) {
    return AppendVarint(static_cast<std::uint64_t>(value) << 1, out);
  }
  AppendVarint(1, out);
  AppendEight(value, out);
}

void AppendSide(const FloatHistogram::Buckets& side, std::string& out) {
  AppendVarint(side.spans.size(), out);
  for (const FloatHistogram::Span& span : side.spans) {
    const auto offset = static_cast<std::int64_t>(span.offset);
    AppendVarint(
        (static_cast<std::uint64_t>(offset) << 1) ^ static_cast<std::uint64_t>(offset >> 63), out);
    AppendVarint(span.length, out);
  }
  for (const double count : side.counts) AppendNumber(count, out);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool Byte(unsigned& value) {
    if (rest_.empty()) return false;
    value = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return true;
  }
  bool Varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      unsigned byte = 0;
      if (!Byte(byte)) return false;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Eight(double& value) {
    if (rest_.size() < 8) return false;
    std::memcpy(&value, rest_.data(), 8);
    rest_.remove_prefix(8);
    return true;
  }
  bool Number(double& value) {
    std::uint64_t folded = 0;
    if (!Varint(folded)) return false;
    if (folded == 1) return Eight(value);
    value = static_cast<double>(folded >> 1);
    return (folded & 1) == 0;
  }
  bool Side(FloatHistogram::Buckets& side) {
    std::uint64_t spans = 0;
    if (!Varint(spans) || spans > rest_.size() / 2) return false;
    std::uint64_t buckets = 0;
    for (std::uint64_t i = 0; i < spans; ++i) {
      std::uint64_t folded = 0;
      std::uint64_t length = 0;
      if (!Varint(folded) || !Varint(length)) return false;
      const auto offset = static_cast<std::int64_t>((folded >> 1) ^ (~(folded & 1) + 1));
      if (offset < std::numeric_limits<std::int32_t>::min() ||
          offset > std::numeric_limits<std::int32_t>::max() || length > rest_.size()) {
        return false;
      }
      buckets += length;
      side.spans.push_back({static_cast<std::int32_t>(offset), static_cast<std::uint32_t>(length)});
    }
    if (buckets > rest_.size()) return false;
    side.counts.resize(buckets);
    for (double& count : side.counts) {
      if (!Number(count)) return false;
    }
    return true;
  }
  bool Histogram(FloatHistogram& histogram) {
    unsigned hint = 0;
    unsigned schema = 0;
    std::uint64_t bounds = 0;
    if (!Byte(hint) || hint > 3 || !Byte(schema) || !Eight(histogram.zero_threshold) ||
        !Number(histogram.zero_count) || !Number(histogram.count) || !Eight(histogram.sum) ||
        !Side(histogram.positive) || !Side(histogram.negative) || !Varint(bounds) ||
        bounds != rest_.size() / 8 || rest_.size() % 8 != 0) {
      return false;
    }
    histogram.hint = static_cast<FloatHistogram::ResetHint>(hint);
    histogram.schema = static_cast<std::int32_t>(schema) - kSchemaShift;
    histogram.custom_bounds.resize(bounds);
    for (double& bound : histogram.custom_bounds) {
      if (!Eight(bound)) return false;
    }
    return true;
  }

 private:
  std::string_view rest_;
};

}  // namespace

void AppendHistogram(const FloatHistogram& histogram, std::string& out) {
  out += static_cast<char>(histogram.hint);
  out += static_cast<char>(histogram.schema + kSchemaShift);
  AppendEight(histogram.zero_threshold, out);
  AppendNumber(histogram.zero_count, out);
  AppendNumber(histogram.count, out);
  AppendEight(histogram.sum, out);
  AppendSide(histogram.positive, out);
  AppendSide(histogram.negative, out);
  AppendVarint(histogram.custom_bounds.size(), out);
  for (const double bound : histogram.custom_bounds) AppendEight(bound, out);
}

HistogramPtr ReadHistogram(std::string_view bytes) {
  auto histogram = std::make_shared<FloatHistogram>();
  if (!Reader(bytes).Histogram(*histogram) || !ValidateLayout(*histogram)) return nullptr;
  return histogram;
}

}  // namespace fettle::rules

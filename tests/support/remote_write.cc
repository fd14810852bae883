#include "tests/support/remote_write.h"

#include <snappy.h>

#include <cstdint>
#include <cstring>
#include <map>

namespace fettle {
namespace {

// Protocol buffers by hand: the three messages of remote write 1.0 need no more.
void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void AppendBytes(int field, std::string_view bytes, std::string& out) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out += bytes;
}

std::string EncodeSample(const Sample& sample) {
  std::string out;
  out += '\x09';  // 1: double
  std::uint64_t bits = 0;
  std::memcpy(&bits, &sample.value, sizeof(bits));
  for (int i = 0; i < 8; ++i) out += static_cast<char>(bits >> (8 * i));
  out += '\x10';  // 2: varint
  AppendVarint(static_cast<std::uint64_t>(ToMillis(sample.at)), out);
  return out;
}

void AppendDouble(int field, double value, std::string& out) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3 | 1, out);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  for (int i = 0; i < 8; ++i) out += static_cast<char>(bits >> (8 * i));
}

void AppendInteger(int field, std::uint64_t value, std::string& out) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3, out);
  AppendVarint(value, out);
}

std::uint64_t Zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

void AppendSide(int spans, int counts, const FloatHistogram::Buckets& side, std::string& out) {
  for (const FloatHistogram::Span& span : side.spans) {
    std::string encoded;
    AppendInteger(1, Zigzag(span.offset), encoded);
    AppendInteger(2, span.length, encoded);
    AppendBytes(spans, encoded, out);
  }
  for (const double count : side.counts) AppendDouble(counts, count, out);
}

// With counts that are doubles.
std::string EncodeHistogram(const FloatHistogram& histogram, Time at) {
  std::string out;
  AppendDouble(2, histogram.count, out);
  AppendDouble(3, histogram.sum, out);
  AppendInteger(4, Zigzag(histogram.schema), out);
  AppendDouble(5, histogram.zero_threshold, out);
  AppendDouble(7, histogram.zero_count, out);
  AppendSide(8, 10, histogram.negative, out);
  AppendSide(11, 13, histogram.positive, out);
  AppendInteger(14, static_cast<std::uint64_t>(histogram.hint), out);
  AppendInteger(15, static_cast<std::uint64_t>(ToMillis(at)), out);
  for (const double bound : histogram.custom_bounds) AppendDouble(16, bound, out);
  return out;
}

}  // namespace

std::string EncodeRemoteWrite(const std::vector<Sample>& samples) {
  std::map<Labels, std::string> series;
  for (const Sample& sample : samples) {
    const auto [at, fresh] = series.try_emplace(sample.labels);
    if (fresh) {
      for (const auto& [name, value] : sample.labels) {
        std::string label;
        AppendBytes(1, name, label);
        AppendBytes(2, value, label);
        AppendBytes(1, label, at->second);
      }
    }
    if (sample.histogram == nullptr) {
      AppendBytes(2, EncodeSample(sample), at->second);
    } else {
      AppendBytes(4, EncodeHistogram(*sample.histogram, sample.at), at->second);
    }
  }
  std::string request;
  for (const auto& [labels, encoded] : series) AppendBytes(1, encoded, request);
  return request;
}

std::string Snappy(const std::string& message) {
  std::string packed;
  snappy::Compress(message.data(), message.size(), &packed);
  return packed;
}

}  // namespace fettle

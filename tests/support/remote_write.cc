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
    AppendBytes(2, EncodeSample(sample), at->second);
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

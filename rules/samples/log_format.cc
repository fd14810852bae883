#include "rules/samples/log_format.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/sample.h"
#include "rules/samples/histogram_bytes.h"

namespace fettle::rules {
namespace {

constexpr std::size_t kFrameHeadBytes = 8;
constexpr double kWholeMax = 281474976710656.0;  // 2^48: seven bytes as a varint
constexpr std::size_t kReadBytes = 256 * 1024;
// No time that was ever written lies beyond, and microseconds of these are still a time.
constexpr std::int64_t kRemarkTimeMax = std::numeric_limits<std::int64_t>::max() / 1'000'000;
constexpr unsigned kTypeMax = static_cast<unsigned>(MetricType::kUnknown);

std::uint32_t Crc(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void PutU32(std::uint32_t value, char* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

std::uint32_t GetU32(const char* from) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(from[i])) << (8 * i);
  }
  return value;
}

std::string_view Stem(LogKind kind) { return kind == LogKind::kSegment ? "log-" : "snapshot-"; }

}  // namespace

std::string LogName(LogKind kind, std::uint32_t number) {
  return fmt::format("{}{:08}", Stem(kind), number);
}

std::optional<LogFile> ParseLogName(std::string_view name) {
  for (const LogKind kind : {LogKind::kSegment, LogKind::kSnapshot}) {
    if (!name.starts_with(Stem(kind))) continue;
    LogFile file{.kind = kind};
    const char* const end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + Stem(kind).size(), end, file.number);
    if (error == std::errc() && at == end && LogName(kind, file.number) == name) return file;
  }
  return std::nullopt;
}

std::string LogHead(LogKind kind, std::uint32_t number) {
  std::string head(kind == LogKind::kSegment ? "fettleL1" : "fettleS1");
  head.resize(kLogHeadBytes);
  PutU32(number, head.data() + 8);
  PutU32(Crc(std::string_view(head).substr(0, 12)), head.data() + 12);
  return head;
}

void FrameWriter::Begin() {
  begin_ = out_.size();
  series_ = 0;
  time_ = 0;
  out_.append(kFrameHeadBytes, '\0');
}

void FrameWriter::End() {
  const std::string_view body = std::string_view(out_).substr(begin_ + kFrameHeadBytes);
  PutU32(static_cast<std::uint32_t>(body.size()), out_.data() + begin_);
  PutU32(Crc(body), out_.data() + begin_ + 4);
}

void FrameWriter::Varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7f) | 0x80);
  out_ += static_cast<char>(value);
}

void FrameWriter::Zigzag(std::int64_t value) {
  Varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}

void FrameWriter::Text(std::string_view text) {
  Varint(text.size());
  out_ += text;
}

void FrameWriter::Texts(const Labels& labels) {
  Varint(labels.size());
  for (const auto& [name, value] : labels) {
    Text(name);
    Text(value);
  }
}

void FrameWriter::Symbol(std::string_view text) {
  Tag(LogTag::kSymbol);
  Text(text);
}

void FrameWriter::Remark(const Labels& series, const Exemplar& exemplar) {
  Tag(LogTag::kExemplar);
  Texts(series);
  Texts(exemplar.labels);
  Zigzag(ToMillis(exemplar.at));
  Eight(exemplar.value);
}

void FrameWriter::Remark(const MetricMetadata& metadata) {
  Tag(LogTag::kMetadata);
  out_ += static_cast<char>(metadata.type);
  Text(metadata.name);
  Text(metadata.help);
  Text(metadata.unit);
}

void FrameWriter::Series(const std::vector<std::uint32_t>& symbols) {
  Tag(LogTag::kSeries);
  Varint(symbols.size() / 2);
  for (const std::uint32_t symbol : symbols) Varint(symbol);
}

void FrameWriter::Float(std::uint32_t series, std::int64_t time, double value) {
  const bool stale = IsStaleNaN(value);
  const bool whole = !stale && std::abs(value) < kWholeMax && value == std::trunc(value) &&
                     !(value == 0 && std::signbit(value));
  Tag(stale ? LogTag::kStale : whole ? LogTag::kWhole : LogTag::kFloat);
  Place(series, time);
  if (whole) Zigzag(static_cast<std::int64_t>(value));
  if (!whole && !stale) Eight(value);
}

void FrameWriter::Rich(std::uint32_t series, std::int64_t time, std::int64_t start, double value,
                       const FloatHistogram* histogram) {
  Tag(histogram == nullptr ? LogTag::kStarted : LogTag::kHistogram);
  Place(series, time);
  Zigzag(start);
  if (histogram == nullptr) return Eight(value);
  std::string bytes;
  AppendHistogram(*histogram, bytes);
  Varint(bytes.size());
  out_ += bytes;
}

void FrameWriter::Place(std::uint32_t series, std::int64_t time) {
  Zigzag(static_cast<std::int64_t>(series) - series_);
  Zigzag(time - time_);
  series_ = series;
  time_ = time;
}

void FrameWriter::Eight(double value) {
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  out_.append(bytes, 8);
}

void FrameWriter::Chunk(std::uint32_t series, std::int64_t first_time, std::uint32_t samples,
                        std::string_view bytes, bool packed) {
  Tag(packed ? LogTag::kPacked : LogTag::kChunk);
  Varint(series);
  Zigzag(first_time);
  Varint(samples);
  Varint(bytes.size());
  out_ += bytes;
}

void FrameWriter::End(std::uint64_t series) {
  Tag(LogTag::kEnd);
  Varint(series);
}

bool FrameReader::Varint(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool FrameReader::Small(std::uint32_t& value) {
  std::uint64_t wide = 0;
  if (!Varint(wide) || wide > std::numeric_limits<std::uint32_t>::max()) return false;
  value = static_cast<std::uint32_t>(wide);
  return true;
}

bool FrameReader::Zigzag(std::int64_t& value) {
  std::uint64_t folded = 0;
  if (!Varint(folded)) return false;
  value = static_cast<std::int64_t>((folded >> 1) ^ (~(folded & 1) + 1));
  return true;
}

bool FrameReader::Text(std::string_view& text) {
  std::uint64_t size = 0;
  if (!Varint(size) || size > rest_.size()) return false;
  text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool FrameReader::Text(std::string& text) {
  std::string_view view;
  if (!Text(view)) return false;
  text = view;
  return true;
}

bool FrameReader::Texts(Labels& labels) {
  std::uint64_t count = 0;
  if (!Varint(count) || count > rest_.size() / 2) return false;
  std::vector<Labels::Pair> pairs(count);
  for (auto& [name, value] : pairs) {
    if (!Text(name) || !Text(value)) return false;
  }
  labels = Labels(std::move(pairs));
  return true;
}

bool FrameReader::Remark(LogEntry& entry) {
  if (entry.tag == LogTag::kExemplar) {
    std::int64_t time = 0;
    if (!Texts(entry.labels) || !Texts(entry.exemplar.labels) || !Zigzag(time)) return false;
    entry.exemplar.at = TimeFromMillis(std::clamp(time, -kRemarkTimeMax, kRemarkTimeMax));
    return Eight(entry.exemplar.value);
  }
  if (rest_.empty() || static_cast<unsigned char>(rest_.front()) > kTypeMax) return false;
  entry.metadata.type = static_cast<MetricType>(rest_.front());
  rest_.remove_prefix(1);
  return Text(entry.metadata.name) && Text(entry.metadata.help) && Text(entry.metadata.unit);
}

bool FrameReader::Eight(double& value) {
  if (rest_.size() < 8) return false;
  std::memcpy(&value, rest_.data(), 8);
  rest_.remove_prefix(8);
  return true;
}

bool FrameReader::Place(LogEntry& entry) {
  std::int64_t series = 0;
  std::int64_t time = 0;
  if (!Zigzag(series) || !Zigzag(time)) return false;
  std::int64_t sum = 0;
  if (__builtin_add_overflow(series, static_cast<std::int64_t>(series_), &sum) || sum < 0 ||
      sum > std::numeric_limits<std::uint32_t>::max() ||
      __builtin_add_overflow(time, time_, &time_)) {
    return false;
  }
  series_ = static_cast<std::uint32_t>(sum);
  entry.series = series_;
  entry.time = time_;
  entry.start = 0;
  entry.histogram = nullptr;
  return true;
}

bool FrameReader::Point(LogEntry& entry) {
  if (!Place(entry)) return false;
  if (entry.tag == LogTag::kStale) entry.value = StaleNaN();
  if (entry.tag == LogTag::kWhole) {
    std::int64_t whole = 0;
    if (!Zigzag(whole)) return false;
    entry.value = static_cast<double>(whole);
  }
  return entry.tag != LogTag::kFloat || Eight(entry.value);
}

bool FrameReader::Read(LogEntry& entry) {
  switch (entry.tag) {
    case LogTag::kSymbol:
      return Text(entry.text);
    case LogTag::kSeries: {
      std::uint64_t pairs = 0;
      if (!Varint(pairs) || pairs > rest_.size() / 2) return false;
      entry.symbols.resize(pairs * 2);
      for (std::uint32_t& symbol : entry.symbols) {
        if (!Small(symbol)) return false;
      }
      return true;
    }
    case LogTag::kFloat:
    case LogTag::kWhole:
    case LogTag::kStale:
      return Point(entry);
    case LogTag::kChunk:
    case LogTag::kPacked:
      return Small(entry.series) && Zigzag(entry.time) && Varint(entry.count) && Text(entry.text);
    case LogTag::kEnd:
      return Varint(entry.count);
    case LogTag::kExemplar:
    case LogTag::kMetadata:
      return Remark(entry);
    case LogTag::kStarted:
      return Place(entry) && Zigzag(entry.start) && Eight(entry.value);
    case LogTag::kHistogram:
      entry.value = 0;
      if (!Place(entry) || !Zigzag(entry.start) || !Text(entry.text)) return false;
      entry.histogram = ReadHistogram(entry.text);
      return entry.histogram != nullptr;
  }
  return false;
}

bool FrameReader::Next(LogEntry& entry) {
  if (rest_.empty() || bad_) return false;
  entry.tag = static_cast<LogTag>(rest_.front());
  rest_.remove_prefix(1);
  bad_ = !Read(entry);
  return !bad_;
}

bool LogReader::Fill(std::size_t bytes) {
  if (buffer_.size() - at_ >= bytes) return true;
  buffer_.erase(0, at_);
  at_ = 0;
  while (buffer_.size() < bytes) {
    const std::size_t have = buffer_.size();
    buffer_.resize(have + kReadBytes);
    const Result<std::size_t> got = source_->Read(buffer_.data() + have, kReadBytes);
    buffer_.resize(have + (got ? *got : 0));
    if (!got || *got == 0) return false;
  }
  return true;
}

bool LogReader::ReadHead(LogKind kind, std::uint32_t number) {
  if (!Fill(kLogHeadBytes) || !std::string_view(buffer_).starts_with(LogHead(kind, number))) {
    return false;
  }
  at_ = good_ = kLogHeadBytes;
  return true;
}

LogReader::What LogReader::Next() {
  if (!Fill(kFrameHeadBytes)) return buffer_.size() == at_ ? What::kEnd : What::kTorn;
  const std::size_t size = GetU32(buffer_.data() + at_);
  const std::uint32_t crc = GetU32(buffer_.data() + at_ + 4);
  damaged_ = 0;
  if (size > kFrameBytesMax) return What::kDamaged;
  if (!Fill(kFrameHeadBytes + size)) return What::kTorn;
  body_ = std::string_view(buffer_).substr(at_ + kFrameHeadBytes, size);
  if (Crc(body_) != crc) {
    damaged_ = kFrameHeadBytes + size;
    return What::kDamaged;
  }
  at_ += kFrameHeadBytes + size;
  good_ += kFrameHeadBytes + size;
  return What::kFrame;
}

bool LogReader::Skip() {
  if (damaged_ == 0) return false;
  at_ += damaged_;
  good_ += damaged_;
  damaged_ = 0;
  return true;
}

}  // namespace fettle::rules

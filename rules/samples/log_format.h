// The bytes of the sample log and its snapshots, in --storage.path/samples.
//
//   log-00000007        a segment of the write-ahead log
//   snapshot-00000007   all that was in memory when segment 7 began, and perhaps more
//
// A start reads the newest snapshot and the segments from its number on. What a snapshot and a
// segment both hold is known twice and counts once: times only grow.
//
// Both begin with a head of 16 bytes, "fettleL1" or "fettleS1", the number (4), and a CRC of these
// 12. Then frames: length (4), CRC-32 of the body (4), body. Numbers are little endian. A body is a
// row of entries, each a byte and its fields (v: varint, z: zigzag varint):
//   1 symbol     v size, text              the next number, from 0
//   2 series     v pairs, {v name, v value} symbols by number; the next number, from 0
//   3 float      z series, z time, 8 bytes  both against the entry before in this frame
//   4 whole      z series, z time, z value  a whole number
//   5 stale      z series, z time           a stale marker
//   6 chunk      v series, z first time, v samples, v size, bytes as in chunk.h
//   7 end        v series                   of a snapshot: it is complete
//   8 histogram  z series, z time, z start, v size, bytes as in histogram_bytes.h
//   9 started    z series, z time, z start, 8 bytes     a float whose counting began at `start`
//  10 packed     as chunk, of a packed one
//  11 exemplar   the series' labels, its own labels, z time, 8 bytes: labels are v pairs, and for
//  each
//                name and value v size, text
//  12 metadata   1 byte type, and of name, help and unit v size, text
// In a segment symbols and series are numbered from its beginning, so each segment stands alone;
// in a snapshot from the beginning of each frame, so each frame does. A frame of a segment is one
// batch: all of it is there or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/histogram.h"
#include "common/labels.h"
#include "common/metadata.h"
#include "common/result.h"
#include "rules/exemplar.h"
#include "rules/samples/log_files.h"

namespace fettle::rules {

enum class LogKind { kSegment, kSnapshot };

std::string LogName(LogKind kind, std::uint32_t number);
// nullopt if it is no such name.
struct LogFile {
  LogKind kind = LogKind::kSegment;
  std::uint32_t number = 0;
};
std::optional<LogFile> ParseLogName(std::string_view name);
std::string LogHead(LogKind kind, std::uint32_t number);
inline constexpr std::size_t kLogHeadBytes = 16;
// A longer one is damage: no batch makes it.
inline constexpr std::size_t kFrameBytesMax = 128 * 1024 * 1024;

enum class LogTag : std::uint8_t {
  kSymbol = 1,
  kSeries = 2,
  kFloat = 3,
  kWhole = 4,
  kStale = 5,
  kChunk = 6,
  kEnd = 7,
  kHistogram = 8,
  kStarted = 9,
  kPacked = 10,
  kExemplar = 11,
  kMetadata = 12,
};

// Writes entries into a frame at the end of a buffer.
class FrameWriter {
 public:
  explicit FrameWriter(std::string& out) : out_(out) {}
  void Begin();
  // Fills in length and CRC.
  void End();
  // Nothing since Begin.
  bool empty() const { return out_.size() == begin_ + 8; }
  void Drop() { out_.resize(begin_); }

  void Symbol(std::string_view text);
  void Series(const std::vector<std::uint32_t>& symbols);  // name, value, name, value …
  void Float(std::uint32_t series, std::int64_t time, double value);
  // A sample that is more than a number. `histogram` may be null.
  void Rich(std::uint32_t series, std::int64_t time, std::int64_t start, double value,
            const FloatHistogram* histogram);
  void Chunk(std::uint32_t series, std::int64_t first_time, std::uint32_t samples,
             std::string_view bytes, bool packed = false);
  void Remark(const Labels& series, const Exemplar& exemplar);
  void Remark(const MetricMetadata& metadata);
  void End(std::uint64_t series);

 private:
  void Text(std::string_view text);
  void Texts(const Labels& labels);
  void Tag(LogTag tag) { out_ += static_cast<char>(tag); }
  void Varint(std::uint64_t value);
  void Zigzag(std::int64_t value);
  void Eight(double value);
  void Place(std::uint32_t series, std::int64_t time);

  std::string& out_;
  std::size_t begin_ = 0;
  std::uint32_t series_ = 0;
  std::int64_t time_ = 0;
};

// One entry of a frame; which fields mean something is the tag's.
struct LogEntry {
  LogTag tag = LogTag::kEnd;
  std::string_view text;  // symbol, or a chunk's bytes
  std::vector<std::uint32_t> symbols;
  std::uint32_t series = 0;
  std::int64_t time = 0;
  std::int64_t start = 0;
  double value = 0;
  HistogramPtr histogram{};
  std::uint64_t count = 0;  // a chunk's samples, an end's series
  Labels labels{};          // an exemplar's series
  Exemplar exemplar{};
  MetricMetadata metadata{};
};

// Reads the entries of one body. Any bytes may be given.
class FrameReader {
 public:
  explicit FrameReader(std::string_view body) : rest_(body) {}
  // False at the end, or at what is no entry (then bad() says so).
  bool Next(LogEntry& entry);
  bool bad() const { return bad_; }

 private:
  bool Read(LogEntry& entry);
  bool Place(LogEntry& entry);
  bool Point(LogEntry& entry);
  bool Remark(LogEntry& entry);
  bool Eight(double& value);
  bool Varint(std::uint64_t& value);
  bool Small(std::uint32_t& value);
  bool Zigzag(std::int64_t& value);
  bool Text(std::string_view& text);
  bool Text(std::string& text);
  bool Texts(Labels& labels);

  std::string_view rest_;
  std::uint32_t series_ = 0;
  std::int64_t time_ = 0;
  bool bad_ = false;
};

// The frames of one file, in order.
class LogReader {
 public:
  enum class What {
    kFrame,
    kEnd,      // nothing after the last whole frame
    kTorn,     // a frame begins that the file ends before
    kDamaged,  // a frame whose CRC is wrong, or whose length cannot be; or the disk failed
  };
  explicit LogReader(std::unique_ptr<LogFiles::Source> source) : source_(std::move(source)) {}

  // False if the file does not begin as it should.
  bool ReadHead(LogKind kind, std::uint32_t number);
  What Next();
  // Of the last kFrame; valid until the next call.
  std::string_view body() const { return body_; }
  // Where the frames end that could be read.
  std::uint64_t good_bytes() const { return good_; }
  // After kDamaged: leaves the damaged frame out, if the file goes on after it.
  bool Skip();

 private:
  // Makes at least so many bytes be there from `at_` on; false if the file has fewer.
  bool Fill(std::size_t bytes);

  std::unique_ptr<LogFiles::Source> source_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::string_view body_;
  std::uint64_t good_ = 0;
  std::size_t damaged_ = 0;  // bytes of the frame that was damaged
};

}  // namespace fettle::rules

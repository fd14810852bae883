// One series as the store keeps it: about 100 bytes, its labels as numbers (8 bytes each), and its
// chunks. The newest chunk is open and grows; the others are sealed: packed into exactly the bytes
// they need, two halves into one.
//
// Not safe from several threads; the store locks around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rules/samples/chunk.h"
#include "rules/samples/index.h"
#include "rules/samples/sample_run.h"
#include "rules/samples/write_batch.h"

namespace fettle::rules {

struct Series {
  // An open chunk of so many samples is sealed: what is open takes several times the bytes.
  static constexpr std::uint32_t kOpenSamplesMax = Chunk::kSamplesMax / 2;

  struct Sealed {
    ChunkPtr chunk;
    std::int64_t last_time = 0;
    std::uint32_t samples = 0;
  };
  // What chunks cannot hold, of the few series that have any.
  struct Run {
    SampleRunPtr run;
    std::int64_t last_time = 0;
    std::uint32_t samples = 0;
    bool begins = false;  // a run for readers; others go on with the one before
    std::int64_t first_time() const { return run->first_time(); }
  };
  struct Rich {
    std::vector<Run> runs;
    std::uint32_t in_run = 0;       // samples since a run began
    bool open = false;              // the last run holds the newest sample
    HistogramPtr last_histogram{};  // the newest sample, if that is one
  };
  std::unique_ptr<SymbolPair[]> pairs;
  std::uint16_t pair_count = 0;
  mutable bool asked_lately = false;  // `shown` was given out since the last expiry
  // What the write-ahead log calls the series, and in which of its segments.
  SymbolTable::LogName log_name;
  ChunkPtr open;       // may be null
  ChunkWriter writer;  // of `open`; its last time and value also of a run
  std::vector<Sealed> sealed;
  std::unique_ptr<Rich> rich;
  mutable LabelsPtr shown;  // the labels as texts, once somebody has asked; guarded by Head

  std::span<const SymbolPair> labels() const { return {pairs.get(), pair_count}; }
  bool empty() const { return !open && sealed.empty() && (rich == nullptr || rich->runs.empty()); }
  std::int64_t first_time() const;
  std::int64_t last_time() const { return writer.last_time; }
  double last_value() const { return writer.last_value; }
  const FloatHistogram* last_histogram() const {
    return rich == nullptr ? nullptr : rich->last_histogram.get();
  }
  bool Overlaps(std::int64_t from_exclusive, std::int64_t to) const {
    return !empty() && first_time() <= to && last_time() > from_exclusive;
  }

  // REQUIRES: later than the last. How many bytes of chunks came (or, below zero, went).
  std::ptrdiff_t Append(const FloatPoint& point, const WriteBatch::More& more);
  // REQUIRES: it begins later than the last.
  std::ptrdiff_t Restore(RestoredChunk chunk);
  // Takes whole chunks that end before `before` away. What went.
  struct Loss {
    std::size_t samples = 0;
    std::size_t bytes = 0;
  };
  Loss Expire(std::int64_t before);

 private:
  std::ptrdiff_t AppendFloat(std::int64_t time, double value);
  std::ptrdiff_t AppendRich(const FloatPoint& point, const WriteBatch::More& more);
  std::ptrdiff_t Seal();
  std::ptrdiff_t CloseRun();
  std::ptrdiff_t PackRun();
};

}  // namespace fettle::rules

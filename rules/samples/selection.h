// What SampleStore::Select found: series and references to their chunks, as they were at that
// moment. A value; reading needs no lock and may happen on any thread, or several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/sample.h"
#include "rules/samples/chunk.h"
#include "rules/samples/sample_run.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

// Samples of one series side by side, oldest first; the same length. Stale markers are among them.
struct SampleColumns {
  std::vector<std::int64_t> times;  // milliseconds since the epoch
  std::vector<double> values;       // HistogramCell(i) for histograms[i]
  // Empty where all samples are numbers.
  std::vector<HistogramPtr> histograms{};
  // When the counting of each sample began, 0 if unknown; empty where none is known.
  std::vector<std::int64_t> starts{};

  // Whether there is nothing but times and numbers.
  bool plain() const { return histograms.empty() && starts.empty(); }
  void Clear() {
    times.clear();
    values.clear();
    histograms.clear();
    starts.clear();
  }
};

class Selection {
 public:
  std::size_t size() const { return series_.size(); }
  bool empty() const { return series_.empty(); }
  std::size_t chunks() const { return chunks_.size(); }
  const LabelsPtr& labels(std::size_t series) const { return series_[series].labels; }
  // Whether histograms may be among the series' samples.
  bool histograms(std::size_t series) const { return series_[series].histograms; }

  // Replaces what is in `into` by the samples in (from, to]; the buffer is meant to be reused.
  void Read(std::size_t series, std::int64_t from_exclusive, std::int64_t to,
            SampleColumns& into) const;
  // The newest of all samples in the selected time, if it is a number that is known without
  // reading: mostly so if the time selected ends now.
  struct Newest {
    std::int64_t time = 0;
    double value = 0;
  };
  const std::optional<Newest>& newest(std::size_t series) const { return series_[series].newest; }
  // The newest sample in the selected time; nullopt if there is none.
  std::optional<Sample> Last(std::size_t series) const;

 private:
  friend struct SelectionAccess;  // samples.cc
  void ReadRuns(std::size_t series, std::int64_t from_exclusive, std::int64_t to,
                SampleColumns& into) const;
  struct ChunkRef {
    ChunkPtr chunk;
    SampleRunPtr run{};         // in place of a chunk
    std::uint32_t samples = 0;  // those that existed when selected
    std::int64_t first_time() const { return run ? run->first_time() : chunk->first_time(); }
  };
  struct Entry {
    LabelsPtr labels;
    std::optional<Newest> newest{};
    bool histograms = false;
    bool runs = false;  // some samples are not in chunks
    std::uint32_t first_chunk = 0;
    std::uint32_t chunks = 0;
  };
  std::vector<Entry> series_;
  std::vector<ChunkRef> chunks_;
  std::int64_t from_exclusive_ = 0;
  std::int64_t to_ = 0;
};

}  // namespace fettle::rules

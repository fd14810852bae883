// A run of samples of one series that are more than a number each: histograms, and numbers of which
// is known when their counting began. A run is open, a row of samples of one layout that grows at
// its end while others read the samples that were there when they looked; or packed and complete,
// each of its numbers a column (column.h): times, starts, counts, sums, and every bucket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/histogram.h"

namespace fettle::rules {

class SampleRun {
 public:
  // Readers see a new run after so many: its first sample says nothing of the one before.
  static constexpr std::uint32_t kSamplesMax = 60;
  // An open one is packed then: open samples take tens of times the bytes.
  static constexpr std::uint32_t kOpenSamplesMax = 12;
  struct Entry {
    std::int64_t time = 0;
    std::int64_t start = 0;  // 0: unknown
    double value = 0;        // without a histogram
    HistogramPtr histogram{};
  };

  explicit SampleRun(bool histograms) : histograms_(histograms), open_(kOpenSamplesMax) {}
  // The same samples, packed. REQUIRES: at least one; histograms of one layout, markers among them.
  // Null if they do not come back as they were.
  static std::shared_ptr<SampleRun> Pack(bool histograms, std::span<const Entry> entries);

  // Histograms (and stale markers among them), or numbers.
  bool histograms() const { return histograms_; }
  bool packed() const { return open_.empty(); }
  std::int64_t first_time() const { return first_time_; }
  // The first `samples` (of a packed one: all), where they are or in `buffer`.
  std::span<const Entry> Read(std::uint32_t samples, std::vector<Entry>& buffer) const;
  // At `i` < kOpenSamplesMax, which no reader knows of yet.
  void Put(std::uint32_t i, Entry entry);
  std::size_t bytes() const;

 private:
  std::vector<Entry> Unpack(std::uint32_t samples) const;

  const bool histograms_;
  std::int64_t first_time_ = 0;
  std::size_t histogram_bytes_ = 0;  // of the open ones; guarded by the store's lock
  std::vector<Entry> open_;
  std::string packed_;
};
using SampleRunPtr = std::shared_ptr<SampleRun>;

// Whether two histograms have the same buckets: the same schema, zero bucket, spans and bounds.
bool SameLayout(const FloatHistogram& a, const FloatHistogram& b);

// What a histogram is to the run of its series: part of it, or the first of another; and the hint
// it is read with. A run ends where counting began anew and where schema, zero bucket or bounds
// change. As in Prometheus, the first one's hint is unknown, whatever began the run: the sample
// before it may be another one for a reader.
struct RunStep {
  bool goes_on = false;
  FloatHistogram::ResetHint hint = FloatHistogram::ResetHint::kUnknown;
};
// `last` is null at the beginning, after a stale marker and where no run is open.
RunStep NextInRun(const FloatHistogram* last, const FloatHistogram& next);

}  // namespace fettle::rules

// A run of samples of one series that are more than a number each: histograms, and numbers of which
// is known when their counting began. Not compressed. Append-only, so that one thread may append
// while others read the samples that were there when they looked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/histogram.h"

namespace fettle::rules {

class SampleRun {
 public:
  static constexpr std::uint32_t kSamplesMax = 60;
  struct Entry {
    std::int64_t time = 0;
    std::int64_t start = 0;  // 0: unknown
    double value = 0;        // without a histogram
    HistogramPtr histogram{};
  };

  explicit SampleRun(bool histograms) : histograms_(histograms) {}

  // Histograms (and stale markers among them), or numbers.
  bool histograms() const { return histograms_; }
  const Entry& operator[](std::uint32_t i) const { return entries_[i]; }
  // At `i` < kSamplesMax, which no reader knows of yet.
  void Put(std::uint32_t i, Entry entry) { entries_[i] = std::move(entry); }

 private:
  const bool histograms_;
  std::array<Entry, kSamplesMax> entries_;
};
using SampleRunPtr = std::shared_ptr<SampleRun>;

// What a histogram is to the run of its series: part of it, or the first of another; and the hint
// it is read with. A run ends where counting began anew and where the buckets' layout changes. As
// in Prometheus, the first one's hint is unknown, whatever began the run: the sample before it may
// be another one for a reader.
struct RunStep {
  bool goes_on = false;
  FloatHistogram::ResetHint hint = FloatHistogram::ResetHint::kUnknown;
};
// `last` is null at the beginning, after a stale marker and where no run is open.
RunStep NextInRun(const FloatHistogram* last, const FloatHistogram& next);

}  // namespace fettle::rules

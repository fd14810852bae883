// What the exporter hands to the rules: samples, and the families they are shown in. Values.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/histogram.h"
#include "common/labels.h"
#include "common/result.h"

namespace fettle {

// One point of one series; labels include __name__. `histogram` set: the sample is a histogram and
// `value` means nothing. A series ends with a stale marker as its value, whatever came before.
struct Sample {
  Labels labels;
  double value = 0;
  Time at;
  HistogramPtr histogram{};
  Time start{};  // when counting began, where that is known; the epoch: unknown
};

// The NaN that says "this series ends here" (Prometheus' value.StaleNaN), told apart by its bits.
inline constexpr std::uint64_t kStaleNaNBits = 0x7ff0000000000002ULL;
inline double StaleNaN() { return std::bit_cast<double>(kStaleNaNBits); }
inline bool IsStaleNaN(double value) {
  return std::bit_cast<std::uint64_t>(value) == kStaleNaNBits;
}

// Where samples come from. Only a value change in an event source wakes reactive rules.
enum class Origin { kCollector, kEvent, kScrape, kRemoteWrite, kRule };

struct SampleBatch {
  std::vector<Sample> samples;
  Origin origin = Origin::kCollector;
};

// The seam between who observes and who judges. Safe from any thread; does not block on I/O.
class SampleSink {
 public:
  virtual ~SampleSink() = default;
  // Takes what can be taken; out-of-order and over-limit samples are counted and dropped, and the
  // first such reason comes back.
  virtual Status Append(const SampleBatch& batch) = 0;
};

enum class MetricType { kCounter, kGauge, kHistogram, kSummary, kInfo, kStateSet, kUnknown };

// A metric family as exposition shows it. `name` is without _total for counters' families in
// OpenMetrics; write it here as the text format does (with _total), exposition knows the rest.
struct MetricPoint {
  std::string suffix;  // "", "_bucket", "_sum", "_count"
  Labels labels;       // without __name__; le and quantile included
  double value = 0;
};
struct MetricFamily {
  std::string name;
  std::string help;
  MetricType type = MetricType::kGauge;
  std::vector<MetricPoint> points;
};

}  // namespace fettle

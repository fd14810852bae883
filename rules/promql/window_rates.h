// rate, increase, delta, irate, idelta, resets and changes over a window of numbers or histograms,
// with start timestamps, anchored and smoothed. Formulas are Prometheus' (3.x).
#pragma once

#include <optional>
#include <string_view>

#include "rules/promql/histogram_arithmetic.h"
#include "rules/promql/mixed_windows.h"

namespace fettle::promql {

// Who is told what is odd about a series.
struct Remarks {
  Evaluation& evaluation;
  Span where;
  std::string_view metric;

  void Mixed() const;         // numbers and histograms
  void MixedSchemas() const;  // exponential and custom buckets
  void NotACounter() const;   // a gauge histogram
  void NotAGauge() const;
  void StartsOverlap() const;
  void Sum(const HistogramOutcome& outcome, std::string_view operation) const;
};

struct RateKind {
  bool counter = false;
  bool per_second = false;
  double seconds = 0;  // of the range
};

// Absent() if the window holds too little.
double ExtrapolatedRate(const MixedWindow& window, RateKind kind, const Remarks& remarks);
double ExtendedRate(const MixedWindow& window, RateKind kind, bool smoothed,
                    const Remarks& remarks);
// irate and idelta.
double LastDifference(const MixedWindow& window, bool per_second, const Remarks& remarks);

double CountResets(const MixedWindow& window, bool anchored);
double CountChanges(const MixedWindow& window, bool anchored);

// The value at `at` on the line between two points.
double Interpolate(const TimedNumber& a, const TimedNumber& b, std::int64_t at, bool counter);
// nullopt after a remark if they do not fit each other.
std::optional<FloatHistogram> Interpolate(const TimedHistogram& a, const TimedHistogram& b,
                                          std::int64_t at, bool counter, const Remarks& remarks);

}  // namespace fettle::promql

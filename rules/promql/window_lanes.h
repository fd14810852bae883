// Sums and the like over many windows of one series at a time. Each window is computed exactly as
// it would be alone, sample by sample in order, but eight of them side by side: a compensated sum
// waits for its own last addition most of the time, and eight fill that time. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "rules/promql/statistics.h"

namespace fettle::promql {

struct WindowSpans {
  std::span<const double> values;
  std::span<const std::uint32_t> begins;
  std::span<const std::uint32_t> ends;
};

// Whether no sum of the values can overflow: what SumWindows requires.
bool SumsStayFinite(std::span<const double> values);

// Neumaier's sum of each window that is not empty, as CompensatedSum computes it: from zero, or
// (as CompensatedMean) from the first sample. `out` has one a window.
void SumWindows(const WindowSpans& windows, bool from_first, std::span<CompensatedSum> out);

// Double exponential smoothing of each window of two samples or more. `smoothing` and `trending`
// have a factor for each window.
void SmoothWindows(const WindowSpans& windows, std::span<const double> smoothing,
                   std::span<const double> trending, std::span<double> out);

}  // namespace fettle::promql

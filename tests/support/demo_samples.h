// What a small shop exposes in an hour and a half, made up but the same at every run: counters with
// resets, gauges, histograms, a metric that comes and goes, numbers and names that are hard to
// write.
#pragma once

#include <cstdint>
#include <vector>

#include "common/sample.h"

namespace fettle {

inline constexpr std::int64_t kDemoFirst = 1'700'000'000'007;  // milliseconds
inline constexpr std::int64_t kDemoInterval = 10'000;
inline constexpr int kDemoSamples = 540;

// Sorted by labels, then time: series created in that order on both sides of a comparison make the
// same choices among equals.
std::vector<Sample> DemoSamples();

}  // namespace fettle

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

// Native histograms of the same shop: demo_latency_seconds, counted from the start and again now and
// then, in buckets that come to be as time goes by; demo_sizes_bytes, whose buckets are listed; and
// demo_load, a gauge with a negative side.
std::vector<Sample> DemoHistograms();

}  // namespace fettle

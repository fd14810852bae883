// The samples that fettle and Prometheus are compared on. Deterministic.
//
//   shop      2,900 series x 720 samples, 15 s apart: counters that are reset now and then, classic
//             histograms, noisy gauges, info series. What one host's stack looks like.
//   upstream  the series of Prometheus' promql/bench_test.go: a, b and the histogram h, of one and
//             of a hundred each, 9,640 samples 10 s apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "common/labels.h"

namespace fettle::bench {

struct DataSet {
  std::vector<Labels> series;
  std::int64_t interval = 0;  // milliseconds
  std::size_t samples = 0;    // of each series
  // The value of each series at sample `index`, in order of `series`; to be called with 0, 1, 2, …
  std::function<const std::vector<double>&(std::size_t index)> values;

  std::int64_t At(std::size_t index) const {
    return kStart + static_cast<std::int64_t>(index) * interval;
  }
  std::int64_t last() const { return At(samples - 1); }
  static constexpr std::int64_t kStart = 1'700'000'000'000;
};

DataSet MakeShop();
DataSet MakeUpstream();
// By name; ends the program if there is none.
DataSet MakeData(std::string_view name);

}  // namespace fettle::bench

// Histograms as Prometheus' API writes them:
// [1435781451.781,{"count":"3","sum":"4.5","buckets":[[0,"1","2","3"]]}]. Pure.
//
// A bucket is [kind, lower, upper, count]; kind 0 includes its upper bound, 1 its lower, 2 neither,
// 3 both. Empty ones are left out.
#pragma once

#include <cstdint>
#include <string>

#include "common/histogram.h"

namespace fettle::rules {

void AppendHistogramPoint(std::int64_t at, const FloatHistogram& histogram, std::string& out);

}  // namespace fettle::rules

// A histogram as bytes, for the sample log. Numbers of buckets are mostly whole, and small.
//   1 hint, 1 schema (+64), 8 zero threshold, numbers: zero count, count, 8 sum,
//   then for the positive and the negative side: spans {v offset (zigzag), v length}, and a number
//   for each bucket; then v custom bounds, 8 each.
// A number is a varint: of a whole number below 2^48 twice it; else 1, and 8 bytes.
#pragma once

#include <string>
#include <string_view>

#include "common/histogram.h"

namespace fettle::rules {

void AppendHistogram(const FloatHistogram& histogram, std::string& out);
// Null unless the bytes are exactly one histogram whose parts fit together, as the store takes
// them: what a rule computes may be below zero. Any bytes may be given.
HistogramPtr ReadHistogram(std::string_view bytes);

}  // namespace fettle::rules

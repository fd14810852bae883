// Reads one native histogram of a remote write (prometheus.Histogram of prompb/types.proto),
// integer or float, exponential or with custom buckets.
//
//   1 count_int | 2 count_float, 3 sum, 4 schema, 5 zero_threshold, 6 zero_count_int |
//   7 zero_count_float, 8 negative_spans, 9 negative_deltas, 10 negative_counts, 11 positive_spans,
//   12 positive_deltas, 13 positive_counts, 14 reset_hint, 15 timestamp, 16 custom_values
//   BucketSpan { sint32 offset = 1; uint32 length = 2; }
#pragma once

#include <cstdint>
#include <string_view>

#include "common/histogram.h"

namespace fettle::rules {

struct RemoteWriteHistogram {
  std::int64_t time = 0;
  FloatHistogram histogram;  // not validated
};
// Throws protozero::exception on what is no such message, as the messages around it do.
RemoteWriteHistogram ReadRemoteWriteHistogram(std::string_view message);

}  // namespace fettle::rules

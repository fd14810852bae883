// Reads the message of remote write 1.0 (prometheus.WriteRequest, protocol buffers), after snappy
// was taken off. Pure; views into the message.
//
//   WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
//   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2;
//                  repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
//   Label { string name = 1; string value = 2; }   Sample { double value = 1; int64 timestamp = 2;
//   }
// From https://prometheus.io/docs/specs/prw/remote_write_spec/ and prompb's .proto files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.h"
#include "rules/samples/write_batch.h"

namespace fettle::rules {

struct RemoteWriteMessage {
  WriteBatch batch;
  // Samples of series without a name, with a label twice, or with text that is not UTF-8: not in
  // the batch.
  std::size_t samples_with_invalid_labels = 0;
  std::string first_invalid;  // what was wrong with the first of them
};

// A series with more labels, or a message with more samples, is kLimit: little of it is text.
inline constexpr std::size_t kLabelsInMessageMax = 1'000;
inline constexpr std::size_t kSamplesInMessageMax = 2'000'000;

// kInvalid if it is no such message.
Result<RemoteWriteMessage> ReadRemoteWriteMessage(std::string_view message);

}  // namespace fettle::rules

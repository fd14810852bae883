// Reads the message of remote write 1.0 (prometheus.WriteRequest, protocol buffers), after snappy
// was taken off. Pure; views into the message.
//
//   WriteRequest   { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
//   TimeSeries     { repeated Label labels = 1; repeated Sample samples = 2;
//                    repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
//   Label          { string name = 1; string value = 2; }
//   Sample         { double value = 1; int64 timestamp = 2; }
//   Exemplar       { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
//   MetricMetadata { MetricType type = 1; string metric_family_name = 2, help = 4, unit = 5; }
// From https://prometheus.io/docs/specs/prw/remote_write_spec/ and prompb's .proto files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/metadata.h"
#include "common/result.h"
#include "rules/exemplar.h"
#include "rules/samples/write_batch.h"

namespace fettle::rules {

struct RemoteWriteMessage {
  struct SentExemplar {
    std::size_t series = 0;  // of the batch
    Exemplar exemplar;
  };
  WriteBatch batch;
  std::vector<SentExemplar> exemplars;
  std::vector<MetricMetadata> metadata;
  // Not in the batch: samples of series without a name, with a label twice, or with text that is
  // not UTF-8; and histograms that contradict themselves.
  std::size_t samples_with_invalid_labels = 0;
  std::size_t invalid_histograms = 0;
  std::string first_invalid;  // what was wrong with the first of them
};

// Beyond these the message is kLimit: they bound memory where little of a message is text.
inline constexpr std::size_t kLabelsInMessageMax = 1'000;  // of one series
inline constexpr std::size_t kSamplesInMessageMax = 2'000'000;
inline constexpr std::size_t kHistogramsInMessageMax = 100'000;
inline constexpr std::size_t kExemplarsInMessageMax = 100'000;
inline constexpr std::size_t kMetadataInMessageMax = 100'000;  // further ones are passed over

// kInvalid if it is no such message.
Result<RemoteWriteMessage> ReadRemoteWriteMessage(std::string_view message);

}  // namespace fettle::rules

// Writes the message of remote write 1.0 (prometheus.WriteRequest, protocol buffers). Its repeated
// fields may be put behind one another, so series that were encoded apart make one message. Pure.
//
// Source: prometheus.io/docs/specs/prw/remote_write_spec.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/exemplar_sink.h"
#include "common/labels.h"
#include "common/metadata.h"
#include "common/sample.h"

namespace fettle::exporter {

// One timeseries field of a WriteRequest, with one sample or one exemplar.
void AppendSeries(const Labels& labels, double value, Time at, std::string& out);
void AppendExemplar(const SampleExemplar& exemplar, const Labels& series, std::string& out);
// One metadata field.
void AppendMetadata(const MetricMetadata& metadata, std::string& out);

// Snappy's block format, which is how messages travel.
std::string Compressed(std::string_view message);

}  // namespace fettle::exporter

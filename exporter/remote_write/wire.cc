#include "exporter/remote_write/wire.h"

#include <snappy.h>

#include <protozero/pbf_writer.hpp>

namespace fettle::exporter {
namespace {

using Writer = protozero::pbf_writer;

void AddText(Writer& message, protozero::pbf_tag_type tag, std::string_view text) {
  message.add_bytes(tag, text.data(), text.size());
}

void AddLabels(Writer& message, const Labels& labels) {
  for (const auto& [name, value] : labels) {
    Writer label(message, 1);
    AddText(label, 1, name);
    AddText(label, 2, value);
  }
}

// MetricMetadata.MetricType.
std::int32_t TypeNumber(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return 1;
    case MetricType::kGauge:
      return 2;
    case MetricType::kHistogram:
      return 3;
    case MetricType::kSummary:
      return 5;
    case MetricType::kInfo:
      return 6;
    case MetricType::kStateSet:
      return 7;
    case MetricType::kUnknown:
      break;
  }
  return 0;
}

}  // namespace

void AppendSeries(const Labels& labels, double value, Time at, std::string& out) {
  Writer request(out);
  Writer series(request, 1);
  AddLabels(series, labels);
  Writer sample(series, 2);
  sample.add_double(1, value);
  sample.add_int64(2, ToMillis(at));
}

void AppendExemplar(const SampleExemplar& exemplar, const Labels& labels, std::string& out) {
  Writer request(out);
  Writer series(request, 1);
  AddLabels(series, labels);
  Writer one(series, 3);
  AddLabels(one, exemplar.labels);
  one.add_double(2, exemplar.value);
  one.add_int64(3, ToMillis(exemplar.at));
}

void AppendMetadata(const MetricMetadata& metadata, std::string& out) {
  Writer request(out);
  Writer one(request, 3);
  one.add_enum(1, TypeNumber(metadata.type));
  AddText(one, 2, metadata.name);
  AddText(one, 4, metadata.help);
  AddText(one, 5, metadata.unit);
}

std::string Compressed(std::string_view message) {
  std::string packed;
  snappy::Compress(message.data(), message.size(), &packed);
  return packed;
}

}  // namespace fettle::exporter

// What is known about a metric beside its samples. A value.
#pragma once

#include <string>
#include <string_view>

#include "common/sample.h"

namespace fettle {

struct MetricMetadata {
  std::string name;
  MetricType type = MetricType::kUnknown;
  std::string help{};
  std::string unit{};
};

// "counter", "gauge", …: as OpenMetrics and Prometheus' API name it.
constexpr std::string_view ToString(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kSummary:
      return "summary";
    case MetricType::kInfo:
      return "info";
    case MetricType::kStateSet:
      return "stateset";
    case MetricType::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace fettle

#include "tests/support/test_server.h"

namespace fettle {

double TestServer::Metric(const std::string& name, const Labels& labels) const {
  for (const MetricFamily& family : metrics.Collect()) {
    for (const MetricPoint& point : family.points) {
      if (family.name + point.suffix == name && point.labels == labels) return point.value;
    }
  }
  return -1;
}

}  // namespace fettle

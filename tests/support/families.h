// Metric families in lines a test can name.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common/number.h"
#include "common/sample.h"

namespace fettle {

// name{label="value"} value, sorted.
inline std::vector<std::string> LinesOf(const std::vector<MetricFamily>& families) {
  std::vector<std::string> lines;
  for (const MetricFamily& family : families) {
    for (const MetricPoint& point : family.points) {
      const std::string labels = point.labels.empty() ? "" : point.labels.ToString();
      lines.push_back(family.name + point.suffix + labels + " " + FormatFloatFixed(point.value));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// Those that begin with `prefix`.
inline std::vector<std::string> LinesOf(const std::vector<MetricFamily>& families,
                                        const std::string& prefix) {
  std::vector<std::string> lines = LinesOf(families);
  std::erase_if(lines, [&](const std::string& line) { return !line.starts_with(prefix); });
  return lines;
}

}  // namespace fettle

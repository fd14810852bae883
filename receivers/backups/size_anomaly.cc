#include "receivers/backups/size_anomaly.h"

#include <algorithm>
#include <cmath>

namespace fettle::receivers::backups {
namespace {

double Median(std::vector<double> values) {
  const std::size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle),
                   values.end());
  const double upper = values[middle];
  if (values.size() % 2 == 1) return upper;
  return (upper +
          *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle))) /
         2;
}

}  // namespace

std::optional<SizeVerdict> JudgeSize(const std::vector<double>& sizes, double max_shrink) {
  if (sizes.size() < kSizesNeeded + 1) return std::nullopt;
  const double newest = sizes.back();
  const std::size_t count = std::min(sizes.size() - 1, kSizesLookedAt);
  std::vector<double> logs;
  for (std::size_t i = sizes.size() - 1 - count; i + 1 < sizes.size(); ++i) {
    logs.push_back(std::log(std::max(sizes[i], 1.0)));
  }
  const double middle = Median(logs);
  std::vector<double> deviations;
  for (const double one : logs) deviations.push_back(std::abs(one - middle));
  // A thousandth at least: sets of one size exactly would make any change an anomaly.
  const double deviation = std::max(1.4826 * Median(deviations), 0.001);
  const double z = (std::log(std::max(newest, 1.0)) - middle) / deviation;
  const double median = std::exp(middle);
  SizeVerdict verdict{.deviation_ratio = (newest - median) / median};
  if (std::abs(newest - median) <= kSizeChangeMin) return verdict;
  verdict.low = newest < median * (1 - max_shrink) || z < -6;
  verdict.high = z > 6;
  return verdict;
}

}  // namespace fettle::receivers::backups

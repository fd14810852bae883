#include "rules/promql/statistics.h"

#include <algorithm>

namespace fettle::promql {

void CompensatedMean::Add(double value) {
  if (++count == 1) {
    sum.sum = value;
    return;
  }
  if (!incremental) {
    CompensatedSum more = sum;
    more.Add(value);
    if (!std::isinf(more.sum)) {
      sum = more;
      return;
    }
    incremental = true;
    mean = sum.sum / (count - 1);
    sum.lost /= count - 1;
  }
  const double q = (count - 1) / count;
  CompensatedSum next{q * mean, q * sum.lost};
  next.Add(value / count);
  mean = next.sum;
  sum.lost = next.lost;
}

double CompensatedMean::Value() const {
  return incremental ? mean + sum.lost : sum.sum / count + sum.lost / count;
}

void CompensatedVariance::Add(double value) {
  ++count;
  const double delta = value - (mean.sum + mean.lost);
  mean.Add(delta / count);
  squares.Add(delta * (value - (mean.sum + mean.lost)));
}

double Quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return NaN();
  if (q < 0) return -kInfinity;
  if (q > 1) return kInfinity;
  const auto less = [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; };
  const auto n = static_cast<double>(values.size());
  const double rank = q * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double weight = rank - std::floor(rank);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(lower);
  std::nth_element(values.begin(), at, values.end(), less);
  const double upper = at + 1 == values.end() ? *at : *std::min_element(at + 1, values.end(), less);
  return *at * (1 - weight) + upper * weight;
}

double GoMax(double a, double b) {
  if (std::isinf(a) && a > 0) return a;
  if (std::isinf(b) && b > 0) return b;
  if (std::isnan(a) || std::isnan(b)) return NaN();
  if (a == 0 && a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

double GoMin(double a, double b) {
  if (std::isinf(a) && a < 0) return a;
  if (std::isinf(b) && b < 0) return b;
  if (std::isnan(a) || std::isnan(b)) return NaN();
  if (a == 0 && a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

}  // namespace fettle::promql

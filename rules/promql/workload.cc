#include "rules/promql/workload.h"

#include <algorithm>

namespace fettle::promql {
namespace {

constexpr std::size_t kStepsMin = 4;

void Add(const rules::SampleStore& samples, const Expr& expr, Millis outside, Workload& work) {
  if (const auto* selector = As<VectorSelector>(expr)) {
    work.series += samples.CountAtMost(selector->matchers);
    work.longest = std::max(work.longest, outside);
    return;
  }
  if (const auto* matrix = As<MatrixSelector>(expr)) outside += matrix->range;
  if (const auto* subquery = As<SubqueryExpr>(expr)) outside += subquery->range;
  for (const Expr* child : Children(expr)) Add(samples, *child, outside, work);
}

}  // namespace

Workload EstimateWorkload(const rules::SampleStore& samples, const Expr& expr) {
  Workload work;
  Add(samples, expr, Millis(0), work);
  return work;
}

bool WorthTwoThreads(const Workload& work, Millis span, std::size_t steps, std::size_t cells_min) {
  return steps >= kStepsMin && work.series * steps >= cells_min && work.longest < span;
}

}  // namespace fettle::promql

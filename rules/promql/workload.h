// How much a range query may have to read, told from the index alone, before it is opened: whether
// a second thread is worth its while.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rules/promql/ast.h"
#include "rules/samples/samples.h"

namespace fettle::promql {

struct Workload {
  std::size_t series = 0;  // of all selectors, at most
  Millis longest{};        // the longest range or subquery range, those inside counted with it
};
Workload EstimateWorkload(const rules::SampleStore& samples, const Expr& expr);

// Whether to compute the first half of the steps and the second one at the same time: if there are
// so many cells. Not if nearly all of what one half reads is what the other half reads, too.
bool WorthTwoThreads(const Workload& work, Millis span, std::size_t steps, std::size_t cells_min);

}  // namespace fettle::promql

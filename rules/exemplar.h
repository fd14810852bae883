// Exemplars of stored series, and whom to ask for them. Values.
#pragma once

#include <functional>
#include <vector>

#include "common/exemplar.h"
#include "common/matcher.h"

namespace fettle::rules {

struct ExemplarSeries {
  Labels series;
  std::vector<Exemplar> exemplars;  // oldest first
};

// The exemplars in [from, to] of the series that match any of the selectors, sorted by labels.
// Safe from any thread.
using ExemplarSource = std::function<std::vector<ExemplarSeries>(
    const std::vector<Matchers>& selectors, Time from, Time to)>;

}  // namespace fettle::rules

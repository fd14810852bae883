// Exemplars: single observations, mostly with a trace's name, that stand for what a series counts.
// Values.
#pragma once

#include <functional>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/matcher.h"

namespace fettle::rules {

struct Exemplar {
  Labels labels;
  double value = 0;
  Time at;
};

struct ExemplarSeries {
  Labels series;
  std::vector<Exemplar> exemplars;  // oldest first
};

// The exemplars in [from, to] of the series that match any of the selectors, sorted by labels.
// Safe from any thread.
using ExemplarSource = std::function<std::vector<ExemplarSeries>(
    const std::vector<Matchers>& selectors, Time from, Time to)>;

}  // namespace fettle::rules

// An exemplar: a single observation, mostly with a trace's name, that stands for what a series
// counts. A value.
#pragma once

#include "common/clock.h"
#include "common/labels.h"

namespace fettle {

struct Exemplar {
  Labels labels;
  double value = 0;
  Time at;
};

}  // namespace fettle

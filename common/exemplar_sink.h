// Exemplars on their way from who observes to who keeps them. Values, and a seam.
#pragma once

#include <vector>

#include "common/clock.h"
#include "common/labels.h"

namespace fettle {

// A single observation, mostly with a trace's name, that stands for what a series counts.
struct SampleExemplar {
  Labels series;
  Labels labels;
  double value = 0;
  Time at;
};

// Safe from any thread; does not block on I/O.
class ExemplarSink {
 public:
  virtual ~ExemplarSink() = default;
  // Takes what can be taken; the rest is counted.
  virtual void Keep(std::vector<SampleExemplar> exemplars) = 0;
};

}  // namespace fettle

// What events say of money: spent this month, and the GPUs that run. Pure.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/sample.h"
#include "receivers/event.h"

namespace fettle::receivers {

// A GPU from its start to its end, paired by provider and instance.
struct Burst {
  std::string provider;
  Labels labels;  // of its start
  Time from;
  Time to;  // Time{}: it runs
  double usd_per_hour = 0;
  std::optional<double> usd;  // said at its end: what it really was

  // What it has cost between two moments, by the hour; a known sum is spread over its time.
  double UsdBetween(Time begin, Time end) const;
};
// `events` in the order of time. A second start of the same instance ends the first; an end without
// a start counts only by its usd.
std::vector<Burst> BurstsOf(std::span<const std::shared_ptr<const Event>> events);

// The families of events.h that tell money. `forgotten_usd` is the money of GPUs, by provider, that
// the events do not hold any more.
std::vector<MetricFamily> CostFamilies(std::span<const std::shared_ptr<const Event>> events,
                                       const std::map<std::string, double>& forgotten_usd,
                                       Time now);

// The labels that may become a series'.
Labels ShownLabels(const Labels& labels);

}  // namespace fettle::receivers

// The list of collectors, made by hand from the configuration. Docker's is made where the engine's
// watch is (fettle.cc).
#pragma once

#include <memory>
#include <vector>

#include "common/clock.h"
#include "common/hands.h"
#include "common/http.h"
#include "common/judge.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/store.h"
#include "exporter/config.h"
#include "exporter/gatherer.h"

namespace fettle::exporter {

struct CollectorDeps {
  HttpTransport& transport;
  const Clock& clock;
  Random& random;
  Store& store;
  Metrics& metrics;
  LogWriter& log;
  const Judge& judge;
  Hands* slow_hands = nullptr;  // of what others' programs and repositories may hold up
};

struct Scheduled {
  std::unique_ptr<Collector> collector;
  Gatherer::Schedule schedule;
};

std::vector<Scheduled> MakeCollectors(const CollectorDeps& deps, const ExporterConfig& config);

}  // namespace fettle::exporter

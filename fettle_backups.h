// Opens the places of backup jobs, for the daemon and for the commands that work without it.
#pragma once

#include <memory>
#include <stop_token>

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "receivers/backups/destination.h"

namespace fettle {

struct PlaceDeps {
  HttpTransport& transport;
  const Clock& clock;
  Random& random;
  Metrics& metrics;
  LogWriter& log;
};
std::unique_ptr<receivers::backups::Destination> OpenPlace(const PlaceDeps& deps,
                                                           const receivers::backups::Target& target,
                                                           const std::stop_token& stop);

}  // namespace fettle

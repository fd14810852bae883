// One thing worth observing. The extension point of the exporter; backups implement their own.
#pragma once

#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/sample.h"

namespace fettle {

struct CollectContext {
  Moment now;
  BootTime deadline;  // Collect() returns by then, with what it has or with an error
};

// Collect() runs on a hand, may block until its deadline, and is never called twice at once for one
// collector. The gatherer around it publishes fettle_collector_up{collector,target}, duration and
// last success; an error makes the collector's series absent (stale), never zero.
class Collector {
 public:
  virtual ~Collector() = default;
  // The kind, as in fettle_collector_up{collector="docker"}.
  virtual std::string_view Name() const = 0;
  // Which one of its kind: the connection, probe or bucket; "" if there is only one.
  virtual std::string_view Target() const = 0;
  virtual Result<std::vector<MetricFamily>> Collect(const CollectContext& context) = 0;
  // Shown after a failed turn in place of everything else, such as an `up` that is 0. What is not
  // known stays absent.
  virtual std::vector<MetricFamily> WhenDown() const { return {}; }
  // Asked after each turn: how soon to turn once more, before the interval is over; zero is not at
  // all. A probe that has failed once confirms it at once.
  virtual Millis AgainIn() const { return Millis(0); }
};

// Lets a collector show a change between its turns, such as an engine event or the end of a backup:
// the gatherer. Safe from any thread.
class Publisher {
 public:
  virtual ~Publisher() = default;
  // Replaces what the collector shows; values that changed are appended as events at `now`.
  virtual void Publish(const Collector& collector, std::vector<MetricFamily> families,
                       const Moment& now) = 0;
};

}  // namespace fettle

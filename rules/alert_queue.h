// Alerts that wait for one Alertmanager, oldest first: of several words on the same alert in the
// same state only the newest waits. Not safe from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "common/alert.h"

namespace fettle::rules {

class AlertQueue {
 public:
  struct Waiting {
    std::shared_ptr<const Alert> alert;
    std::uint64_t fingerprint = 0;
    bool resolved = false;
  };
  explicit AlertQueue(std::size_t size_max) : size_max_(size_max) {}

  // How many were dropped, because there are too many: the oldest.
  std::size_t Push(std::shared_ptr<const Alert> alert, Time now);
  // The oldest, taken out. Firing ones whose end has come are left out: they would be taken for
  // resolved.
  struct Taken {
    std::vector<Waiting> alerts;
    std::size_t expired = 0;
  };
  Taken Take(std::size_t most, Time now);
  // What Take gave, in front again, but for what was said anew meanwhile. How many were dropped.
  std::size_t GiveBack(std::vector<Waiting> taken);
  std::size_t size() const { return waiting_.size(); }

 private:
  using Place = std::list<Waiting>::iterator;
  std::size_t DropOldest();

  const std::size_t size_max_;
  std::list<Waiting> waiting_;
  std::map<std::uint64_t, Place> newest_;  // the last word on each alert
};

}  // namespace fettle::rules

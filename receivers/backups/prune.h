// Carries out a retention plan at one place, and trusts nothing while it does: before each set that
// goes, the last good one is looked at again. Blocks; a hand's.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/retention.h"

namespace fettle::receivers::backups {

struct PruneReport {
  std::vector<std::string> removed;   // sets
  std::vector<std::string> retained;  // sets that are locked, or that our keys may not remove
};

// Removes what the plan does not keep: a set's manifest first, so that it is gone at once and a
// crash leaves orphans, never a manifest of nothing. Does nothing while the plan is blocked
// (kConflict); ends with an error as soon as the last good set is not there as it should be.
Result<PruneReport> Prune(Destination& destination, const std::vector<RetainedSet>& sets,
                          const RetentionPlan& plan);

}  // namespace fettle::receivers::backups

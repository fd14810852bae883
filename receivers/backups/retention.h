// Which sets are kept and which may go: a pure function of what is stored, the policy and the time.
//
// A rule keeps the last good set of each of its newest slots that have one: an outage does not
// erase history. Kept is what any rule wants, and always: what a person holds, the last good set,
// the newest of each of the levels 1, 3 and 5, the newest restored one (level 4) and all that are
// newer than it, and whatever is younger than min_age. A set that is not good fills no slot and
// goes only after min_age and once a newer good one is there. Nothing is removed while anything is
// doubtful. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/yaml.h"

namespace fettle::receivers::backups {

struct RetentionPolicy {
  int keep_last = 0;  // newest good ones
  int daily = 0;      // days that have one; the last good of each
  int weekly = 0;     // ISO weeks
  int monthly = 0;
  int yearly = 0;
  std::optional<Millis> max_age;  // alone: everything younger is kept; with rules: their limit
  Millis min_age{24 * 3'600'000};
  int delete_max = 10;           // in one turn, else the breaker trips
  double share_max = 0.34;       // of the sets, too; one at a time is always allowed
  bool apply = false;            // without: only plans
  std::string timezone = "UTC";  // whose days, weeks and months

  bool HasRule() const { return keep_last + daily + weekly + monthly + yearly > 0; }
  // Without any of these nothing is ever removed.
  bool Any() const { return HasRule() || max_age.has_value(); }
};

RetentionPolicy ReadRetention(const yaml::Node& node, const std::string& timezone,
                              yaml::Complaints& complaints);

struct RetainedSet {
  std::string id;
  Time at;           // when its run began
  bool good = true;  // whole, and not found broken
  int level = 1;
  bool held = false;
};

// What else must be true before anything is removed.
struct RetentionFacts {
  bool recent_success = false;    // the newest run was good and is not older than two intervals
  bool listing_complete = false;  // in this turn
  bool clock_sane = true;
  bool drill_failed = false;  // the newest drill found the backup bad: all of them are evidence
  std::string approved;       // the hash of a plan that a person approved
};

enum class Blocked { kNone, kNoPolicy, kDryRun, kListing, kClock, kNoSuccess, kDrill, kBreaker };
std::string_view ToString(Blocked blocked);

struct RetentionDecision {
  std::string id;
  bool keep = true;
  std::string reason;  // "daily", "held", "last good", "no rule keeps it", …
};

// How much of what a rule wants is there.
struct RetentionSlots {
  std::string rule;
  int expected = 0;
  int filled = 0;
};

struct RetentionPlan {
  std::vector<RetentionDecision> decisions;  // oldest first
  std::vector<RetentionSlots> slots;
  Blocked blocked = Blocked::kNone;  // why nothing is removed, if so
  std::string hash;                  // of what would be removed; "" if nothing

  std::vector<std::string> Removals() const;
};

RetentionPlan PlanRetention(Time now, const std::vector<RetainedSet>& sets,
                            const RetentionPolicy& policy, const RetentionFacts& facts);

// The last good set: what must never be removed; "" if there is none.
std::string LastGood(const std::vector<RetainedSet>& sets);

}  // namespace fettle::receivers::backups

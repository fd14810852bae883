// What is known of what is stored, and how it is written down and shown. Values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/sample.h"
#include "receivers/backups/catalogue.h"
#include "receivers/backups/job_state.h"
#include "receivers/backups/retention.h"

namespace fettle::receivers::backups {

// What was found out of a set after its run: it never gets better than what was proven, and once it
// was found bad it is not trusted again until it was proven anew.
struct Proof {
  int level = 0;
  bool bad = false;
  Time at;
  std::string sentence;
};
// By place and run: a copy that is broken says nothing of another one.
using Proofs = std::map<std::string, Proof>;
std::string ProofKey(const std::string& place, const std::string& run_id);

enum class DrillResult { kSuccess, kFailed, kInconclusive };
std::string_view ToString(DrillResult result);
inline constexpr std::array kDrillResults = {DrillResult::kSuccess, DrillResult::kFailed,
                                             DrillResult::kInconclusive};

// One drill. kFailed: the backup is bad. kInconclusive: it could not be found out.
struct DrillReport {
  DrillResult result = DrillResult::kInconclusive;
  std::string run_id;  // of the set
  Time set_at;
  Time ended;
  std::string sentence;
  std::map<std::string, double> phases;  // seconds: fetch, init, restore, replay, check
  std::optional<double> rpo_seconds;
  int checks_passed = 0;
  int checks_failed = 0;
  bool blames_set = true;  // of one that failed: false if what failed was the log's archive

  double TotalSeconds() const;
};

// Of a job, across restarts.
struct DrillState {
  DrillReport last;  // of the newest that came to an end, whatever its result
  Time last_success;
  Time proven_set_at;                  // when the run of the set began that it proved
  bool failed = false;                 // the newest that was decided found the backup bad
  std::map<std::string, double> runs;  // by result
};

std::string Write(const Proofs& proofs);
Result<Proofs> ReadProofs(std::string_view body);
std::string Write(const DrillState& state);
Result<DrillState> ReadDrillState(std::string_view body);

struct KeptPlace {
  std::string place;
  std::shared_ptr<const Catalogue> catalogue;  // null: it cannot be looked into now
  Time looked;
  std::string sentence;  // why not
  RetentionPlan plan;
  std::vector<std::string> retained;  // sets that could not be removed
};

struct KeptView {
  std::string name;
  std::vector<KeptPlace> places;
  Proofs proofs;
  std::optional<DrillState> drill;  // if drills are configured
  std::optional<Time> next_drill;
  std::optional<Millis> rto;
  std::optional<Millis> rpo;
  std::optional<bool> restorable;
  double max_shrink = 0.5;
  std::string chore;  // what is being done now; "" is nothing
  std::string said;   // what the last chore that was asked for came to
  bool said_well = false;
  std::int64_t chores_done = 0;  // since the start, of those that were asked for
};

// The sets of a place as retention sees them.
std::vector<RetainedSet> ToRetain(const Catalogue& catalogue, const Proofs& proofs);
RetainedSet ToRetain(const StoredSet& set, const std::string& place, const Proofs& proofs);

std::vector<MetricFamily> ShowKept(const std::vector<KeptView>& jobs);
// The members of an object that is open.
void WriteKept(JsonWriter& json, const KeptView& kept);

}  // namespace fettle::receivers::backups

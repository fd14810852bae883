// What can be done with what is stored, one thing at a time. Blocks; a hand's. Nothing here decides
// when; what is found out comes back in the outcome.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "receivers/backups/config.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/kept.h"

namespace fettle::receivers::backups {

using OpenPlace =
    std::function<std::unique_ptr<Destination>(const Target& target, std::stop_token stop)>;

enum class Chore { kLook, kPrune, kVerify, kHold, kRelease, kDrill };
std::string_view ToString(Chore chore);

struct ChoreRequest {
  Chore chore = Chore::kLook;
  std::string set;       // of verify, hold, release, drill; "" is the newest good one
  int level = 3;         // of verify
  std::string approved;  // of prune: the hash of the plan that a person approves
};

// What the job's runs say that bears on what is stored.
struct RunFacts {
  bool recent_success = false;
  std::string running;  // the run under way: what it has written so far is no orphan
};

struct ChoreInput {
  const JobSpec& spec;
  ChoreRequest request;
  std::vector<std::shared_ptr<const Catalogue>> known;  // by place, in the job's order
  Proofs proofs;
  RunFacts facts;
  bool clock_sane = true;
  bool drill_failed = false;
  Moment now;
};

struct ChoreOutcome {
  Result<std::string> sentence = std::string();  // what was done, for people; or why not
  std::vector<KeptPlace> places;
  Proofs proofs;  // what was found out, of these sets only
  std::optional<DrillReport> drill;
  std::vector<std::string> removed;  // sets, by retention
};

struct ChoreDeps {
  const OpenPlace& open;
  const Clock& clock;
  Log log;
  std::stop_token stop;
};
ChoreOutcome DoChore(const ChoreDeps& deps, const ChoreInput& input);

}  // namespace fettle::receivers::backups

// What speaks against acting now: a table of guards, asked in a fixed order, the first denial wins.
//
// A guard is one function of the facts: no I/O, no state, no clock. Its name is the metrics' label
// `reason`; its sentence is for people and says numbers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/engine.h"
#include "receivers/action.h"
#include "receivers/attempt_history.h"
#include "receivers/incidents.h"
#include "receivers/operator_intent.h"
#include "receivers/repairs_config.h"
#include "receivers/targets.h"

namespace fettle::receivers {

// Everything a decision is made of, read just before it.
struct Facts {
  Moment now;
  const RepairsConfig& config;
  const RepairSpec& repair;
  const RungSpec& rung;
  const Incident& incident;
  const Subject& subject;
  const ActionTraits& action;
  const AttemptHistory& history;
  const std::vector<Container>& containers;  // all of the target
  const Container* chosen = nullptr;         // the one to act on
  Mode mode = Mode::kObserve;                // the repair's, under the ceiling
  // A half-done attempt of our own is to be finished: mode, boot hold, silences and all limits that
  // the attempt has passed already do not hold it back again.
  bool finishing = false;
  bool kill_switch = false;
  std::optional<Millis> boot_hold;         // what is left of it
  std::optional<std::string> quiet;        // why, if every live trigger is
  std::optional<std::string> maintenance;  // the time interval we are in
  std::optional<std::string> look_error;   // the engine could not be asked
  std::optional<OperatorIntent::Hold> intent;
  // What was found out about more than the target itself; `again` if time alone lifts it.
  struct Against {
    std::string sentence;
    std::optional<Millis> again;
  };
  std::optional<std::string> cut_off;    // fettle itself: why it believes so
  std::optional<std::string> own_part;   // what fettle itself needs the container for
  std::optional<Against> deploy;         // one is under way, or was lately
  std::vector<std::string> backups;      // that are running
  std::optional<Against> dependency;     // what it needs is not well
  std::optional<Against> storm;          // many targets fell ill at once
  std::optional<bool> verified_well;     // by the expression of `verify`, if a quorum is wanted
  int beginnings = 0;                    // of this repair on this target, in flapping's window
  std::optional<std::string> busy_with;  // another incident acts on the same container
  bool ours_is_running = false;          // the container's current run was started by fettle
  int calls_under_way = 0;               // of all incidents
};

struct Denial {
  std::string_view reason;
  std::string sentence;
  std::optional<Millis> again;  // when time alone lifts it; else it is asked again now and then
};

struct Guard {
  std::string_view reason;
  // The sentence and when to ask again, or nullopt: nothing against it.
  std::optional<Denial> (*ask)(const Facts& facts);
};

std::span<const Guard> AllGuards();
std::optional<Denial> FirstDenial(const Facts& facts);

// Reasons that the mender itself has to know: who is spent is escalated, who finds nothing too.
inline constexpr std::string_view kReasonMode = "mode";
inline constexpr std::string_view kReasonNoTarget = "no_target";
inline constexpr std::string_view kReasonAttempts = "attempts_exhausted";
inline constexpr std::string_view kReasonConcurrent = "concurrent";
inline constexpr std::string_view kReasonDependency = "dependency_down";
inline constexpr std::string_view kReasonApproval = "approval";
inline constexpr std::string_view kReasonFlapping = "flapping";
inline constexpr std::string_view kReasonTargetBusy = "target_busy";

// A run younger than this that began after the alert is somebody else's cure: give it a chance.
inline constexpr Millis kMinUptime{10'000};

}  // namespace fettle::receivers

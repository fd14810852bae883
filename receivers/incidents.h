// What is being mended: incidents, their triggers and attempts, as values and as records.
//
// An incident is one (repair, target) for which alerts fire: level state, not a queue of events.
// Many triggers merge into one incident; there is at most one open incident per (repair, target).
// An attempt is one side effect. Both are records of the store ("incident", "attempt"); every
// transition is a compare-and-set of the incident's record, and an attempt's intent is committed
// before its call and its outcome after it.
//
//   eligible ─(guards)→ acting → verifying → holding → held → closed(repaired)
//      │  ↑ deny            │        │ no         │ no
//      ↓  │                 │        └────────────┴→ eligible, next rung, after a backoff
//   suppressed              └ cancelled: nothing was called → eligible
//   ladder or attempts spent, or unknown outcome and not well → escalated → closed(resolved)
//   every trigger resolved before anything was called → closed(self_healed)
//   every trigger resolved while waiting for the next attempt → closed(recovered)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/alert.h"
#include "common/clock.h"
#include "common/labels.h"
#include "common/result.h"
#include "common/store.h"

namespace fettle::receivers {

enum class IncidentState {
  kEligible,    // wants to act; the guards are asked
  kSuppressed,  // a guard said no: `reason` and `sentence` say why
  kActing,      // an attempt's intent is committed, its outcome is not
  kVerifying,   // acted; not well yet
  kHolding,     // well, but not for long enough yet
  kHeld,        // verified; the alert has not ended yet
  kEscalated,   // left to a person
  kClosed,      // `outcome` says how
};
std::string_view ToString(IncidentState state);

enum class AttemptState {
  kIntent,         // about to call, calling, or crashed meanwhile
  kDone,           // it happened
  kConverged,      // somebody else had done it already
  kFailed,         // it was refused or went wrong
  kIndeterminate,  // nobody can know; never tried again by itself
  kGone,           // what it was about does not exist any more
  kCancelled,      // nothing was called
};
std::string_view ToString(AttemptState state);

struct Trigger {
  std::uint64_t fingerprint = 0;
  Time starts_at;
  Labels labels;
  AlertSource source = AlertSource::kRules;
  Time first_seen;
  bool resolved = false;
  bool said_again = false;  // by its sender, some time after it came
};

// What an action is about to change, noted before it does: from this it is known after a crash
// whether it happened. For restart: id, started_at, finished_at, was, stop_timeout_s.
using Identity = std::map<std::string, std::string>;
// In the identity of an attempt that left its container stopped: since when, by the engine's clock.
// As long as that is its last end, it is fettle's own doing and nobody's wish.
inline constexpr char kLeftDown[] = "left_down";

struct Attempt {
  std::string id;  // <incident>-<n>
  std::string incident;
  int number = 0;  // 1, 2, … within the incident
  std::string repair;
  std::string target;
  std::string instance;  // a container's name, or "" where the target is the instance
  std::string kind;      // "restart", …
  std::string connection;
  int rung = 0;
  int pass = 0;  // one pass of a rung over the instances that need it
  Identity identity;
  AttemptState state = AttemptState::kIntent;
  int reissues = 0;  // calls beyond the first: at most kReissuesMax
  int noted = 0;     // times that its identity was added to while it was open
  std::optional<bool> verified;
  std::string note;  // what came of it, for people
  Time intent_at;
  BootTime intent_boot{};
  Time ended_at;
  Time verified_at;

  static constexpr int kReissuesMax = 1;
};

struct TimelineEntry {
  Time at;
  std::string text;
};

struct Incident {
  std::string id;  // from the repair, the target and the first trigger: the same one everywhere
  std::string repair;
  std::string target;
  IncidentState state = IncidentState::kEligible;
  std::string reason;    // of the last denial, or why it was escalated: a guard's name
  std::string sentence;  // the same for people
  std::string outcome;   // of a closed one
  int rung = 0;
  int rung_passes = 0;           // of this rung, finished without success
  int pass = 0;                  // counts on over all rungs
  bool pass_is_rolling = false;  // nobody looks sick: every instance is acted on, one by one
  bool first_pass = true;        // of this episode: the cooldown counts from earlier ones
  int attempts = 0;
  Time opened_at;
  Time closed_at;
  Time act_after;  // backoff: nothing before
  Time verify_until;
  Time held_at;
  std::string escalation;           // why it is to be left to a person, once it is: a reason
  std::string escalation_sentence;  // the same for people
  bool on_hold = false;             // by a person, until retry
  bool has_evidence = false;        // a record of its own, "evidence", holds it
  std::string approved_by;
  int approved_pass = -1;
  Time approved_until;
  Time released_at;  // by a person: earlier attempts do not count against it
  std::vector<Trigger> triggers;
  int triggers_dropped = 0;  // beyond kTriggersMax, which merge without being kept
  std::vector<TimelineEntry> timeline;
  std::int64_t version = 0;  // of the record; 0 is not stored yet

  static constexpr std::size_t kTriggersMax = 100;
  static constexpr std::size_t kTimelineMax = 100;  // beyond, the second oldest goes
  static constexpr std::size_t kAttemptsMax = 200;  // then it is escalated

  bool open() const { return state != IncidentState::kClosed; }
  bool HasLiveTrigger() const;
  Trigger* FindTrigger(std::uint64_t fingerprint);
  // The oldest trigger that still fires, else the oldest: what messages are about.
  const Trigger* Leading() const;
  void Note(Time at, std::string text);
};

inline constexpr std::string_view kIncidentKind = "incident";
inline constexpr std::string_view kAttemptKind = "attempt";
inline constexpr std::string_view kEvidenceKind = "evidence";  // by the incident's id

std::string IncidentId(const std::string& repair, const std::string& target,
                       std::uint64_t fingerprint, Time starts_at);
// repair|target, the records' key.
std::string IncidentKey(std::string_view repair, std::string_view target);

// The records' bodies and back. `due_at` of a closed incident and its attempts is when they may be
// forgotten; of an open one, when it wants to be looked at again.
Record ToRecord(const Incident& incident, std::optional<Time> due_at);
Record ToRecord(const Attempt& attempt, std::optional<Time> due_at);
Result<Incident> ToIncident(const Record& record);
Result<Attempt> ToAttempt(const Record& record);

}  // namespace fettle::receivers

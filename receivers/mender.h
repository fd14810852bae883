// Mends: takes alerts, decides on the brain, acts on hands, and keeps every step in the store.
//
// Level-triggered: alerts, engine events and timers only wake an incident up; what is done is
// decided from the world as it is looked at then. Between the alert and the call there are a look
// at the target, one commit (the intent) and one more look right before the call; nothing waits
// unless a guard says so.
//
// All of it belongs to the brain, except Load(), which runs before the brain does. Life: construct,
// Load(), subscribe to the alerts (each live one is considered), Begin().
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/brain.h"
#include "common/engine.h"
#include "common/hands.h"
#include "common/judge.h"
#include "common/log.h"
#include "common/store.h"
#include "receivers/action.h"
#include "receivers/actions/all.h"
#include "receivers/approvals.h"
#include "receivers/attempt_history.h"
#include "receivers/consumer.h"
#include "receivers/dependencies.h"
#include "receivers/events.h"
#include "receivers/guards.h"
#include "receivers/incidents.h"
#include "receivers/operator_intent.h"
#include "receivers/own_parts.h"
#include "receivers/repair_metrics.h"
#include "receivers/repairs_config.h"
#include "receivers/targets.h"
#include "receivers/verify.h"

namespace fettle::receivers {

class Mender final : public AlertConsumer {
 public:
  static constexpr Millis kBootHoldMax{10'000};
  static constexpr Millis kRecheck{15'000};        // of a denial that only the world can lift
  static constexpr Millis kRecheckPerson{60'000};  // of one that a person lifts, who wakes it
  static constexpr Millis kVerifyEvery{1'000};
  static constexpr Millis kRelapse{5'000};  // not well for so long after it was: it begins again
  static constexpr Millis kStoreRetry{1'000};
  static constexpr Millis kNoTargetPatience{60'000};  // then nothing to repair is a person's matter
  static constexpr Millis kUnknownMax{30'000};  // that a question may stay unanswered in the hold
  static constexpr Millis kPurgeEvery{6 * 3'600'000};
  static constexpr Millis kApprovalLasts{3'600'000};
  static constexpr std::size_t kIncidentsMax =
      10'000;                                        // open at once; more triggers are counted only
  static constexpr std::size_t kClosedKept = 200;    // in memory, for the API
  static constexpr std::size_t kEndedMax = 100'000;  // remembered ends of alerts
  static constexpr std::size_t kMendedMax = 10'000;
  // What it needs has come back, and it may now recover by itself.
  static constexpr Millis kAfterDependency{10'000};
  static constexpr std::size_t kStormMin = 2;  // fewer are no storm, whatever their share
  static constexpr Millis kSaidAgainAfter{30'000};
  // When most of a repair's last so many attempts did not help, it acts no more without approval:
  // until the configuration is loaded again, or approved ones have helped.
  static constexpr std::size_t kJudged = 10;

  struct Deps {
    Brain& brain;
    Hands& hands;  // for looking: short calls, so that a slow stop never delays a decision
    Store& store;
    Metrics& metrics;
    Log log;
    const Targets& targets;
    Actions actions;
    Quiet& quiet;
    const Judge* judge = nullptr;  // nullptr: no expression can be asked
    const BackupRunner* backups = nullptr;
    OwnParts own = {};
    Teller* teller = nullptr;              // who is asked for approval; nullptr: nobody is
    const Approvals* approvals = nullptr;  // nullptr: without a link
    std::string external_url = {};         // of fettle, for links; "" leaves them out
    // Events::LatestOf; nullptr: nobody tells of deploys and maintenance.
    std::function<Events::Course(EventKind, std::string_view service, Time now)> course = nullptr;
  };
  struct Options {
    Millis retention{std::chrono::hours(90 * 24)};  // of closed incidents and their attempts
  };
  Mender(Deps deps, std::shared_ptr<const RepairsConfig> config, Options options);
  ~Mender() override;
  Mender(const Mender&) = delete;
  Mender& operator=(const Mender&) = delete;

  // Reads open incidents and what was tried lately. Blocks; before the brain runs.
  Status Load(const Moment& now);
  void Consider(const LiveAlert& alert, const Moment& now) override;
  // Every live alert has been considered: half-done attempts are finished, and work begins.
  void Begin(const Moment& now);

  // From the engine's watch: an event, and everything it runs, once its stream is followed and then
  // now and then. The first inventory of every engine ends the boot hold.
  void OnEngineEvent(const EngineEvent& event, const Moment& now);
  void OnInventory(const std::string& connection, std::vector<Container> containers,
                   const Moment& now);

  // A call under way ends under the configuration it began with.
  void Reconfigure(std::shared_ptr<const RepairsConfig> config, const Moment& now);

  // What a person asks for; `done` runs once, after it is stored (kNotFound: no such open
  // incident).
  enum class Command { kApprove, kHold, kRetry };
  using Done = std::function<void(Status)>;
  void Do(Command command, const std::string& incident, const std::string& by, Done done,
          const Moment& now);

  // The same as kApprove, but only of this pass: kConflict for any other.
  void Approve(const std::string& incident, int pass, const std::string& by, Done done,
               const Moment& now);

  // For the API. `next_at` is when an open incident is looked at again by itself.
  struct View {
    Incident incident;
    std::vector<Attempt> attempts;
    std::string action;  // of the current rung
    std::optional<Millis> next_in;
  };
  std::vector<View> Open(const Moment& now) const;
  std::vector<View> Closed() const;  // the latest first
  std::optional<View> Find(const std::string& id, const Moment& now) const;
  std::shared_ptr<const RepairsConfig> config() const { return config_; }
  // As last read, by connection.
  const std::map<std::string, std::vector<Container>>& Inventory() const { return inventory_; }
  bool IsDemoted(const std::string& repair) const { return demoted_.contains(repair); }
  bool InBootHold() const { return boot_hold_until_.has_value(); }

 private:
  struct Live;
  struct Seen {
    bool kill_switch = false;
    std::vector<Container> containers;
    std::vector<std::pair<Place, std::vector<Container>>> needed;
    std::vector<std::pair<Place, std::vector<Container>>> dependants;  // if the rung acts on them
    std::optional<std::string> cut_off;
    std::optional<bool> verified_well;
    std::optional<std::string> error;
  };
  using Next = std::function<void(Live&, const Moment&)>;
  enum class Must { kNo, kYes };  // whether a commit is repeated until it succeeds

  // mender.cc: alerts, waking, the end; mender_decide.cc: looking, deciding.
  void Fire(const RepairSpec& repair, const LiveAlert& alert, const Moment& now);
  void Merge(Live& live, const LiveAlert& alert, const Moment& now);
  void EndTrigger(const LiveAlert& alert, const Moment& now);
  bool HasEnded(const LiveAlert& alert, const Moment& now) const;
  void ForgetEnds(const Moment& now);
  void NoteMended(const Live& live);
  void Reopen(Live& live, const std::string& why, const Moment& now);
  void Wake(Live& live, const Moment& now);
  void WakeAt(Live& live, BootTime when, const Moment& now);
  void WakeDenied(std::initializer_list<std::string_view> reasons, const Moment& now);
  void WakeBy(const EngineEvent& event, const Moment& now);
  // False if no hand is free.
  [[nodiscard]] bool Look(Live& live, std::function<void(Live&, const Seen&, const Moment&)> then,
                          const Moment& now);
  void Decide(Live& live, const Seen& seen, const Moment& now);
  // `dependants` have their turn once the target's own have had theirs.
  std::vector<Container> Candidates(Live& live, const std::vector<Container>& containers,
                                    const std::vector<Container>& dependants, bool* rolling,
                                    const Moment& now) const;
  std::vector<Place> DependantsOf(const Live& live) const;
  Subject SubjectFor(const Live& live, const Container& chosen) const;

  // mender_facts.cc: what the guards want to know.
  Facts GatherFacts(const Live& live, const Seen& seen, const RungSpec& rung,
                    const Container* chosen, const Moment& now) const;
  void AskEvents(const Live& live, Facts& facts) const;
  void NoteDependencies(Live& live, const Seen& seen, const Moment& now) const;
  void NoteStorm(const Moment& now);
  void NoteBeginning(const Incident& incident, const Moment& now);
  int Beginnings(const Live& live, const Moment& now) const;
  std::size_t KnownTargets() const;
  std::set<Place> FellIll(Millis within, const Moment& now) const;
  const Live* AtWorkOn(const Place& place) const;

  // mender_decide.cc
  void Deny(Live& live, const Seen& seen, const RungSpec& rung, Denial denial,
            const Container* candidate, const Moment& now);
  void Suppress(Live& live, const Denial& denial, std::string_view decision, const Moment& now);
  void Escalate(Live& live, std::string_view reason, std::string sentence, const Moment& now);
  void NoteEscalation(Live& live, std::string_view reason, std::string sentence, Time at);
  void Close(Live& live, std::string outcome, const Moment& now);
  void EndBootHold(const Moment& now);

  // mender_attempts.cc: attempts and their verification.
  void BeginAttempt(Live& live, const RungSpec& rung, const Container* chosen, const Moment& now);
  void CallAction(Live& live, bool recovering, const Moment& now);
  void OnStep(Live& live, const Step& step, const Moment& now);
  void Proceed(Live& live, bool recover);
  // mender_approval.cc
  void AskForApproval(Live& live, const Moment& now);

  // mender_evidence.cc
  bool TakeEvidence(Live& live, const Moment& now);
  void NoteFound(Live& live, const Step& step);

  // mender_attempts.cc
  void Reissue(Live& live, const std::string& note, const Moment& now);
  void EndAttempt(Live& live, AttemptState state, const std::string& note, const Moment& now,
                  const Identity& found = {});
  void Settle(Live& live, const Moment& now);
  void FailPass(Live& live, const std::string& sentence, Time at);
  void LookWhetherItHelped(Live& live, const Moment& now);
  void OnVerdict(Live& live, const VerifySeen& seen, const VerifySpec& spec, const Moment& now);
  void OnHeld(Live& live, const VerifySeen& seen, const VerifySpec& spec, const Moment& now);
  std::vector<Container> WithoutLeftAlone(std::vector<Container> containers,
                                          const Moment& now) const;
  void NextOfPass(Live& live, const Moment& now);
  void Helped(Live& live, const Moment& now);
  void DidNotHelp(Live& live, const std::string& sentence, const Moment& now);
  std::optional<std::string> BusyWith(const Live& live, const Container& container) const;
  bool LeftDownByUs(const Live& live, const Container& container) const;
  bool StartedByUs(const Live& live, const Container& container) const;

  // mender_store.cc: records, commits, restarts.
  void Commit(Live& live, std::vector<Attempt> attempts, std::vector<std::string> audit, Must must,
              Next then, Next failed);
  void Send(const std::string& id, std::shared_ptr<const Batch> batch, Must must, Next then,
            Next failed);
  void OnCommitted(const std::string& id, const std::shared_ptr<const Batch>& batch,
                   const Status& status, Must must, const Next& then, const Next& failed,
                   const Moment& now);
  // Whatever waited for it to be free: a person's command, or that it was woken.
  void Free(const std::string& id, const Moment& now);
  void RunCommand(Live& live, Command command, const std::string& by, const Done& done,
                  const Moment& now);
  void Rebind(Live& live);
  void ReadAgain(Live& live, const Moment& now);
  void RetryReading(Live& live, const Moment& now);
  void Adopt(Live& live, std::optional<Incident> incident, std::vector<Attempt> attempts,
             const Moment& now);
  void Purge(const Moment& now);
  Status LoadClosed(const std::map<std::string, std::vector<Attempt>>& attempts);
  void LoadHelped(std::vector<Attempt> attempts);
  void NoteHelped(const std::string& repair, bool helped);
  std::string Audit(std::string_view what, const Live& live,
                    const std::vector<std::pair<std::string_view, std::string>>& fields) const;

  Live* FindLive(const std::string& id);
  Live& Add(std::unique_ptr<Live> live);
  void Drop(Live& live);
  const RungSpec* RungOf(const Live& live) const;
  RungSpec RungFor(const Live& live, const Attempt& attempt) const;
  static bool HasActed(const Live& live);
  static bool HasActedIn(const std::vector<Attempt>& attempts);
  Mode ModeOf(const Live& live) const;
  View ViewOf(const Live& live, const Moment& now) const;
  void CountOpen(const std::string& repair);

  Deps deps_;
  std::shared_ptr<const RepairsConfig> config_;
  const Options options_;
  RepairMetrics metrics_;
  OperatorIntent intent_;
  AttemptHistory history_;
  Dependencies dependencies_;
  bool begun_ = false;
  std::optional<BootTime> boot_hold_until_ = BootTime{};
  std::set<std::string> unseen_;  // connections not reconciled yet
  std::map<std::string, std::vector<Container>> inventory_;
  int calls_under_way_ = 0;

  std::map<std::string, std::unique_ptr<Live>> incidents_;             // by id
  std::map<std::string, std::string> by_key_;                          // repair|target → id
  std::unordered_map<std::uint64_t, std::set<std::string>> by_alert_;  // fingerprint → ids
  std::deque<View> closed_;
  // Ends of alerts, for as long as messages may overtake each other: a beginning that is not newer
  // than the end is not believed.
  struct Ended {
    Time starts_at;
    BootTime forget_at{};
  };
  std::unordered_map<std::uint64_t, Ended> ended_;  // by fingerprint
  std::deque<std::pair<BootTime, std::uint64_t>> ended_order_;
  // (repair, fingerprint) → beginning of what was acted on lately and closed. Should it be said
  // again, the incident is held as before and goes on only if the target is not well. Only a short
  // cut: the store says the same when the incident's id is taken.
  std::map<std::pair<std::string, std::uint64_t>, Time> mended_;
  // When incidents of a (repair|target) began, and when it was last left to a person for that.
  struct Flaps {
    std::deque<BootTime> beginnings;
    std::optional<BootTime> told;
  };
  std::map<std::string, Flaps> flaps_;
  std::deque<std::string> closed_ids_;              // the latest first; as stored
  std::map<std::string, std::deque<bool>> helped_;  // by repair, of verified attempts
  std::set<std::string> demoted_;                   // repairs
  BootTime storm_until_{};
  std::string storm_;  // what it was when it was last one
};

}  // namespace fettle::receivers

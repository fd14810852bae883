// All groups of rules: builds them from the configuration, keeps their state over a reload and a
// restart, and wakes those that an event concerns.
//
// Construct, Restore() and the first Update() happen before the brain runs; Update() and Stop() are
// the brain's; OnEventChange() and View() are safe from any thread. Whatever Deps names must
// outlive the manager and the hands' work.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/hands.h"
#include "rules/group.h"
#include "rules/group_runner.h"
#include "rules/reactive_index.h"

namespace fettle::rules {

class RuleManager {
 public:
  struct Deps {
    Brain& brain;
    Hands& hands;  // for evaluation alone
    const Clock& clock;
    const RuleQuery& query;
    SampleSink& samples;
    AlertSink& alerts;
    Store& store;
    Metrics& metrics;
    Log log;
  };
  struct Options {
    Millis evaluation_interval = std::chrono::seconds(15);
    Labels external_labels;
    std::string external_url;  // without a slash at its end
    Millis resend_delay = std::chrono::minutes(1);
    Millis query_timeout = std::chrono::minutes(2);
    promql::ParserOptions parser{};  // of what templates ask
  };
  // Changed series that wait for the brain; beyond that all reactive rules are evaluated.
  // Whoever stamps changes stamps them no further ahead of the clock; more is a mistake.
  static constexpr Millis kAheadMax{1'000};
  static constexpr std::size_t kChangesMax = 10'000;
  // How often it is noted that the rules are being watched, while there are alerts: what is pending
  // at a restart has waited until then.
  static constexpr Millis kWatchedEvery = std::chrono::minutes(1);
  static constexpr const char* kWatchedKind = "rules_watched";

  explicit RuleManager(Deps deps);
  ~RuleManager();
  RuleManager(const RuleManager&) = delete;
  RuleManager& operator=(const RuleManager&) = delete;

  // Reads the alerts of before a restart. Blocks.
  Status Restore(const Moment& now);
  // Takes a whole configuration: unchanged groups go on undisturbed, changed ones keep the alerts
  // and series of rules that are the same, series of what is gone end two intervals later.
  void Update(Options options, std::vector<GroupSpec> groups, const Moment& now);
  // No more evaluations; `then` runs on the brain when none is under way. Nothing is marked stale
  // and nothing forgotten: after the restart all goes on.
  void Stop(const Moment& now, std::function<void(const Moment&)> then);

  // For SampleStore::OnEventChange. A change is judged at its own time if that is a little ahead of
  // the clock.
  void OnEventChange(std::span<const LabelsPtr> changed, Time newest = Time{});
  // Sorted by file, then name.
  std::vector<GroupView> View() const;

 private:
  using Runners = std::map<std::string, std::shared_ptr<GroupRunner>>;  // by group key
  struct Remembered {
    std::string id;
    std::string rule;
    ActiveAlert alert;
  };

  std::shared_ptr<GroupRunner> MakeRunner(GroupSpec spec);
  void Replace(std::shared_ptr<GroupRunner> old, std::shared_ptr<GroupRunner> next,
               const Moment& now);
  void Retire(const std::shared_ptr<GroupRunner>& runner, const Moment& now);
  void GiveBack(Group& group);
  void ForgetLeftovers();
  void IndexRules();
  void TakeChanges(const Moment& now);
  void NoteWatched(const Moment& now);

  const Deps deps_;
  Options options_;
  std::shared_ptr<const RuleWorld> world_;
  std::map<std::string, std::vector<Remembered>> remembered_;  // by group key
  ReactiveIndex index_;
  std::vector<std::shared_ptr<GroupRunner>> indexed_;  // what the index's numbers mean
  Brain::Ticket watched_timer_;
  // Callbacks of the brain that come after the manager's end find it gone.
  std::shared_ptr<RuleManager*> self_;

  mutable std::mutex runners_mutex_;  // guards the map for View(); only the brain writes
  Runners runners_;

  std::mutex changes_mutex_;  // guards everything below
  std::vector<LabelsPtr> changes_;
  bool too_many_changes_ = false;
  bool changes_posted_ = false;
  Moment changes_noted_{};
};

}  // namespace fettle::rules

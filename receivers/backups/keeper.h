// Looks after what is stored: counts it, verifies it again, holds it for a person, removes what no
// rule keeps, and proves by drills that it can be restored.
//
// Decisions are the brain's, chores are a hand's; one chore of a job at a time, the others wait.
// What was found out of sets and what drills came to is in the store, so that it survives a restart
// and a place that cannot be reached.
//
// Store records: kind "backup_proofs" and "backup_drill", id the job's name. Bodies are JSON.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/hands.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/store.h"
#include "receivers/backups/chores.h"
#include "receivers/backups/config.h"
#include "receivers/backups/kept.h"

namespace fettle::receivers::backups {

class Keeper {
 public:
  static constexpr Millis kLookEvery{15 * 60'000};
  // More chores of one job that wait are refused.
  static constexpr std::size_t kWaitingMax = 8;

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    Store& store;
    Metrics& metrics;
    Log log;
    std::stop_token stop;
    OpenPlace open;
    std::function<RunFacts(const std::string& name)> facts;  // asked on the brain
    std::function<void(const Moment&)> changed;              // something is to be shown
  };
  using Then = std::function<void(Result<std::string> sentence, const Moment& now)>;

  Keeper(Deps deps, const std::vector<const JobSpec*>& jobs);
  ~Keeper();

  // Reads back what is known, looks into every place, arms the drills. Blocks on the store.
  Status Start(const Moment& now);

  // On the brain. A run has ended: what is stored is counted again, and what may go goes.
  void AfterRun(const std::string& name, const Moment& now);
  // On the brain. kNotFound: no such job, set, or no drill of it; kConflict: too many wait.
  void Ask(const std::string& name, ChoreRequest request, const Moment& now, Then then);
  // On the brain.
  std::vector<KeptView> View(const Moment& now) const;

 private:
  struct Job;
  struct Waiting {
    ChoreRequest request;
    Then then;
  };
  void Next(Job& job, const Moment& now);
  void Done(Job& job, const ChoreRequest& request, ChoreOutcome outcome, const Then& then,
            const Moment& now);
  void Learn(Job& job, ChoreOutcome& outcome, const Moment& now);
  void Record(const Job& job, const std::vector<std::string>& removed);
  void LookLater(Job& job, const Moment& now);
  void ArmDrill(Job& job, const Moment& now);
  std::optional<bool> Restorable(const Job& job, const Moment& now) const;
  bool ClockSane(const Moment& now) const;

  const Deps deps_;
  std::map<std::string, std::unique_ptr<Job>> jobs_;
  Moment started_{};
};

}  // namespace fettle::receivers::backups

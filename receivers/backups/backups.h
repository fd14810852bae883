// Runs backup jobs: by schedule, on request, again after a failure; has what they stored looked
// after (keeper.h); and shows what is known of them.
//
// Decisions are the brain's, runs are a hand's. A run is recorded before it begins and after it
// ended; one that is found begun at start is resolved by looking at its destinations. What a job
// has done is kept in the store, so that its gauges and counters survive a restart.
//
// Store records: kind "backup_job", id the job's name; kind "backup_run", id the run's, key the
// job's name. Bodies are JSON.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/collector.h"
#include "common/hands.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/store.h"
#include "receivers/backup_runner.h"
#include "receivers/backups/config.h"
#include "receivers/backups/job_state.h"
#include "receivers/backups/keeper.h"
#include "receivers/backups/run.h"

namespace fettle::receivers::backups {

class Backups final : public BackupRunner, public Collector {
 public:
  // The newest runs that are kept of a job; older ones are forgotten.
  static constexpr std::size_t kHistoryMax = 50;

  struct Deps {
    Brain& brain;
    Hands& hands;  // of backups only: a run takes one for hours
    const Clock& clock;
    Random& random;
    Store& store;
    Metrics& metrics;
    Log log;
    Publisher& publisher;  // so that rules react to the end of a run at once
    // Opens a target; called on the hand, before each run.
    std::function<std::unique_ptr<Destination>(const backups::Target&, std::stop_token)> open;
  };
  Backups(Deps deps, std::vector<JobSpec> jobs);
  ~Backups() override;

  // Reads back what was known and resolves interrupted runs, then arms the schedules. Blocks on the
  // store; before the brain runs.
  Status Start(const Moment& now);
  // Ends runs under way (they count as cancelled). Any thread.
  void Stop();

  // On the brain.
  bool Knows(const std::string& name) const override;
  std::vector<std::string> Running() const override;
  void Run(const std::string& name, const std::string& reason, Time since, Then then) override;
  // By a person: runs even if a good run is newer. False if there is no such job.
  bool RunNow(const std::string& name, Then then);
  // By a person: something else than a run. keeper.h says what there is and what is refused.
  void Ask(const std::string& name, ChoreRequest request, Keeper::Then then);

  std::string_view Name() const override { return "backup"; }
  std::string_view Target() const override { return ""; }
  // Any thread.
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  std::vector<JobView> View() const;
  std::vector<KeptView> Kept() const;

 private:
  struct Job;
  void Arm(Job& job, const Moment& now);
  void OnSlot(Job& job, Time slot, const Moment& now);
  void Begin(Job& job, const std::string& trigger, const std::string& why, const Moment& now);
  void Execute(Job& job, RunRequest request);
  void Ended(Job& job, RunReport report, const Moment& now);
  void Settle(Job& job, const RunReport& report, const Moment& now);
  void Answer(Job& job, const RunReport& report, const Moment& now);
  void Resolve(Job& job, const std::string& run_id, Time started);
  void Show(const Moment& now);
  std::vector<std::unique_ptr<Destination>> Open(const JobSpec& spec,
                                                 const std::stop_token& stop) const;
  RunFacts FactsOf(const std::string& name) const;
  Batch RecordOf(const Job& job) const;
  Batch RecordOf(Job& job, const std::string& run_id, const std::string& run_body);

  Deps deps_;
  std::stop_source stop_;
  std::map<std::string, std::unique_ptr<Job>> jobs_;

  std::unique_ptr<Keeper> keeper_;

  mutable std::mutex view_mutex_;  // guards the views
  std::vector<JobView> view_;
  std::vector<KeptView> kept_;
};

}  // namespace fettle::receivers::backups

#include "receivers/backups/backups.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "receivers/backups/time_limit.h"

namespace fettle::receivers::backups {
namespace {

constexpr const char* kJobKind = "backup_job";
constexpr const char* kRunKind = "backup_run";
constexpr const char* kSkipped = "skipped_overlap";

}  // namespace

struct Backups::Job {
  explicit Job(JobSpec s) : spec(std::move(s)) {}

  const JobSpec spec;
  JobState state;
  JobPhase phase = JobPhase::kIdle;
  Brain::Ticket slot_timer;
  Brain::Ticket retry_timer;
  std::optional<Time> next_run;
  std::optional<Millis> expected_interval;
  std::set<std::string> runs;  // the kept ones' ids, oldest first
  int attempt = 0;             // of the slot or request at hand, from 1
  RunRequest request;
  std::shared_ptr<Progress> progress;
  std::vector<Then> waiting;  // for the end of the runs at hand

  bool Busy() const { return phase == JobPhase::kRunning || phase == JobPhase::kRetryWait; }
};

Backups::Backups(Deps deps, std::vector<JobSpec> jobs) : deps_(std::move(deps)) {
  for (JobSpec& spec : jobs) {
    std::string name = spec.name;
    jobs_.emplace(std::move(name), std::make_unique<Job>(std::move(spec)));
  }
  std::vector<const JobSpec*> specs;
  for (const auto& [name, job] : jobs_) specs.push_back(&job->spec);
  keeper_ = std::make_unique<Keeper>(
      Keeper::Deps{.brain = deps_.brain,
                   .hands = deps_.hands,
                   .clock = deps_.clock,
                   .store = deps_.store,
                   .metrics = deps_.metrics,
                   .log = deps_.log,
                   .stop = stop_.get_token(),
                   .open = deps_.open,
                   .facts = [this](const std::string& name) { return FactsOf(name); },
                   .changed = [this](const Moment& now) { Show(now); }},
      specs);
}

Backups::~Backups() { Stop(); }

void Backups::Stop() { stop_.request_stop(); }

Status Backups::Start(const Moment& now) {
  for (const auto& [name, job] : jobs_) {
    const auto records = deps_.store.Read({.kind = kJobKind, .id = name});
    if (!records) return While("reading what is known of backups", records.error());
    if (!records->empty()) {
      Result<JobState> state = ReadJobState(records->front().body);
      if (!state) return While("reading what is known of backup " + name, state.error());
      job->state = *std::move(state);
    }
    if (job->state.created == Time{}) job->state.created = now.wall;
    if (job->spec.schedule) job->expected_interval = job->spec.schedule->LongestGap(now.wall);
    for (const RunResult result : kRunResults)
      job->state.runs.try_emplace(std::string(ToString(result)), 0);
    job->state.runs.try_emplace(kSkipped, 0);
    job->phase = job->state.failed ? JobPhase::kFailed : JobPhase::kIdle;

    const auto runs = deps_.store.Read({.kind = kRunKind, .key = name});
    if (!runs) return While("reading runs of backup " + name, runs.error());
    for (const Record& record : *runs) {
      job->runs.insert(record.id);
      const Result<Json> body = Json::Parse(record.body);
      if (!body || (*body)["state"].StringOr("") != "running") continue;
      Resolve(*job, record.id, TimeFromMillis((*body)["started_ms"].IntegerOr(0)));
    }
    if (Status kept = CommitAndWait(deps_.store, RecordOf(*job)); !kept) {
      return While("recording backup " + name, kept.error());
    }
    const std::optional<Schedule>& schedule = job->spec.schedule;
    const bool missed = schedule && job->spec.catch_up && job->state.last_start != Time{} &&
                        schedule->Next(job->state.last_start) < now.wall;
    if (missed && !job->Busy()) {
      deps_.brain.At(now.boot, [this, j = job.get()](const Moment& then) {
        if (!j->Busy()) Begin(*j, "catch_up", "a slot passed while fettle was not running", then);
      });
    }
    Arm(*job, now);
  }
  if (Status kept = keeper_->Start(now); !kept) return kept;
  Show(now);
  return {};
}

RunFacts Backups::FactsOf(const std::string& name) const {
  const Job& job = *jobs_.at(name);
  const Millis age = deps_.clock.Now().wall - job.state.last_success;
  const bool young = !job.expected_interval || age <= 2 * *job.expected_interval;
  return {.recent_success = job.state.last_success != Time{} && !job.state.failed && young,
          .running = job.Busy() ? job.request.run_id : ""};
}

void Backups::Ask(const std::string& name, ChoreRequest request, Keeper::Then then) {
  keeper_->Ask(name, std::move(request), deps_.clock.Now(), std::move(then));
}

// What the dead process left is looked at by a hand; the job is busy until then.
void Backups::Resolve(Job& job, const std::string& run_id, Time started) {
  job.phase = JobPhase::kRunning;
  job.request = {run_id, "resolve", "found begun at start"};
  job.attempt = job.spec.retry.attempts;
  const bool taken = deps_.hands.Do([this, &job, run_id, started] {
    RunReport report = ResolveInterrupted(job.spec, Open(job.spec, stop_.get_token()), run_id,
                                          started, deps_.clock.Now().wall);
    deps_.brain.Finish([this, &job, report = std::move(report)](const Moment& now) mutable {
      Ended(job, std::move(report), now);
    });
  });
  if (!taken) job.phase = JobPhase::kFailed;
}

void Backups::Arm(Job& job, const Moment& now) {
  if (!job.spec.schedule) return;
  const Time slot = job.spec.schedule->Next(now.wall);
  job.next_run = slot;
  // A wall clock that is set is noticed within this time.
  constexpr Millis kLookAgain{60'000};
  const Millis wait = std::min(slot - now.wall, kLookAgain);
  job.slot_timer = deps_.brain.At(now.boot + wait, [this, &job, slot](const Moment& then) {
    if (then.wall >= slot) OnSlot(job, slot, then);
    Arm(job, then);
  });
}

void Backups::OnSlot(Job& job, Time slot, const Moment& now) {
  if (job.Busy()) {
    ++job.state.runs[kSkipped];
    deps_.log.Warn("a backup's slot is skipped: its run before has not ended",
                   {{"backup", job.spec.name}, {"slot", FormatRfc3339(slot)}});
    deps_.store.Commit(RecordOf(job), [](const Status&) {});
    Show(now);
    return;
  }
  Begin(job, "schedule", "slot " + FormatRfc3339(slot), now);
}

bool Backups::Knows(const std::string& name) const { return jobs_.contains(name); }

void Backups::Run(const std::string& name, const std::string& reason, Time since, Then then) {
  const Moment now = deps_.clock.Now();
  const auto at = jobs_.find(name);
  if (at == jobs_.end()) {
    then(Fail(Cause::kNotFound, "there is no backup job named \"{}\"", name), now);
    return;
  }
  Job& job = *at->second;
  if (job.state.last_success > since && !job.Busy()) {
    then(BackupOutcome{job.state.last_success_run, true,
                       fmt::format("run {} ended well at {}", job.state.last_success_run,
                                   FormatRfc3339(job.state.last_success))},
         now);
    return;
  }
  job.waiting.push_back(std::move(then));
  if (!job.Busy()) Begin(job, "repair", reason, now);
}

bool Backups::RunNow(const std::string& name, Then then) {
  const auto at = jobs_.find(name);
  if (at == jobs_.end()) return false;
  at->second->waiting.push_back(std::move(then));
  if (!at->second->Busy()) Begin(*at->second, "manual", "asked for by a person", deps_.clock.Now());
  return true;
}

// Recorded first: a run that the store does not know of never begins.
void Backups::Begin(Job& job, const std::string& trigger, const std::string& why,
                    const Moment& now) {
  job.attempt = trigger == "retry" ? job.attempt + 1 : 1;
  job.phase = JobPhase::kRunning;
  job.state.last_start = now.wall;
  job.request = {MakeRunId(now.wall, deps_.random), trigger, why};
  job.progress = std::make_shared<Progress>();
  job.progress->began_ms = std::chrono::duration_cast<Millis>(now.boot.time_since_epoch()).count();
  Show(now);
  const RunReport begun{.run_id = job.request.run_id, .started = now.wall};
  deps_.store.Commit(RecordOf(job, begun.run_id, Write(begun, job.spec.name, trigger, why, false)),
                     [this, &job, begun](const Status& kept) {
                       deps_.brain.Finish([this, &job, begun, kept](const Moment& then) {
                         if (kept) {
                           Execute(job, job.request);
                           return;
                         }
                         RunReport report = begun;
                         report.reason = Reason::kDiskFull;
                         report.ended = then.wall;
                         report.sentence = "the run could not be recorded: " + kept.error().message;
                         Ended(job, std::move(report), then);
                       });
                     });
}

void Backups::Execute(Job& job, RunRequest request) {
  const Log log = deps_.log.With({{"backup", job.spec.name}, {"run", request.run_id}});
  log.Info("a backup run begins", {{"trigger", request.trigger}, {"why", request.why}});
  const bool taken = deps_.hands.Do([this, &job, request, log, progress = job.progress] {
    const TimeLimit limit(stop_.get_token(), job.spec.max_runtime);
    RunReport report =
        ExecuteRun({deps_.clock, log, limit.token(), [&limit] { return limit.Passed(); }}, job.spec,
                   Open(job.spec, limit.token()), request, *progress);
    deps_.brain.Finish([this, &job, report = std::move(report)](const Moment& now) mutable {
      Ended(job, std::move(report), now);
    });
  });
  if (taken) return;
  const Moment now = deps_.clock.Now();
  Ended(job,
        {.run_id = request.run_id,
         .reason = Reason::kTimeout,
         .sentence = "every hand for backups is busy, and their queue is full",
         .started = now.wall,
         .ended = now.wall},
        now);
}

void Backups::Ended(Job& job, RunReport report, const Moment&) {
  const Log log = deps_.log.With({{"backup", job.spec.name}, {"run", report.run_id}});
  JobState& state = job.state;
  ++state.runs[std::string(ToString(report.result))];
  state.last_end = report.ended;
  state.sentence = report.sentence;
  state.failed = report.result != RunResult::kSuccess;
  if (report.result == RunResult::kSuccess) {
    log.Info("a backup run ended well", {{"what", report.sentence}});
    state.last_success = report.ended;
    state.last_success_run = report.run_id;
    state.last_duration = report.ended - report.started;
    state.last_size_bytes = report.size_bytes;
    state.last_source_bytes = report.source_bytes;
    state.last_level = report.level;
  } else {
    log.Error("a backup run did not end well", {{"result", ToString(report.result)},
                                                {"reason", ToString(report.reason)},
                                                {"err", report.sentence}});
    if (report.reason != Reason::kNone) ++state.failures[std::string(ToString(report.reason))];
  }
  const std::string body = Write(report, job.spec.name, job.request.trigger, job.request.why, true);
  // Shown after it is stored, so that nobody acts on what a crash would take back. A store that
  // fails does not make the backup bad: it is shown all the same, and Health() says the rest.
  deps_.store.Commit(RecordOf(job, report.run_id, body), [this, &job, report](const Status& kept) {
    deps_.brain.Finish([this, &job, report, kept](const Moment& then) {
      if (!kept) {
        deps_.log.Error("the end of a backup run could not be recorded",
                        {{"backup", job.spec.name}, {"err", kept.error().message}});
      }
      Settle(job, report, then);
    });
  });
}

void Backups::Settle(Job& job, const RunReport& report, const Moment& now) {
  const bool again = report.result == RunResult::kFailed && !IsPermanent(report.reason) &&
                     job.attempt < job.spec.retry.attempts && !stop_.stop_requested();
  if (!again) {
    job.phase = report.result == RunResult::kSuccess ? JobPhase::kIdle : JobPhase::kFailed;
    Show(now);
    Answer(job, report, now);
    keeper_->AfterRun(job.spec.name, now);
    return;
  }
  job.phase = JobPhase::kRetryWait;
  Show(now);
  // Full jitter: many jobs that failed together do not come back together.
  const double ceiling = std::min(static_cast<double>(job.spec.retry.cap.count()),
                                  static_cast<double>(job.spec.retry.base.count()) *
                                      static_cast<double>(1ULL << std::min(job.attempt - 1, 30)));
  const Millis wait(static_cast<Millis::rep>(ceiling * deps_.random.Unit()));
  deps_.metrics
      .Counter("fettle_backup_retries_total", "Runs that were tried again after a failure.",
               {{"backup", job.spec.name}})
      .Increment();
  job.retry_timer = deps_.brain.At(now.boot + wait, [this, &job, report](const Moment& then) {
    Begin(job, "retry", "run " + report.run_id + " failed: " + report.sentence, then);
  });
}

void Backups::Answer(Job& job, const RunReport& report, const Moment& now) {
  for (Then& then : std::exchange(job.waiting, {})) {
    const std::string sentence = fmt::format("run {}: {}", report.run_id, report.sentence);
    if (report.result == RunResult::kSuccess) {
      then(BackupOutcome{report.run_id, false, sentence}, now);
    } else {
      then(Fail("{}", sentence), now);
    }
  }
}

Batch Backups::RecordOf(const Job& job) const {
  const std::string& name = job.spec.name;
  return {.writes = {
              {.record = {.kind = kJobKind, .id = name, .key = name, .body = Write(job.state)}}}};
}

Batch Backups::RecordOf(Job& job, const std::string& run_id, const std::string& run_body) {
  Batch batch = RecordOf(job);
  batch.writes.push_back(
      {.record = {.kind = kRunKind, .id = run_id, .key = job.spec.name, .body = run_body}});
  job.runs.insert(run_id);
  for (; job.runs.size() > kHistoryMax; job.runs.erase(job.runs.begin())) {
    batch.erasures.push_back({.kind = kRunKind, .id = *job.runs.begin()});
  }
  return batch;
}

std::vector<std::unique_ptr<Destination>> Backups::Open(const JobSpec& spec,
                                                        const std::stop_token& stop) const {
  std::vector<std::unique_ptr<Destination>> destinations;
  for (const backups::Target& target : spec.to) {
    destinations.push_back(deps_.open(target, stop));
  }
  return destinations;
}

void Backups::Show(const Moment& now) {
  std::vector<JobView> views;
  for (const auto& [name, job] : jobs_) {
    JobView view{.name = name,
                 .kind = KindOf(job->spec.source),
                 .phase = job->phase,
                 .state = job->state,
                 .next_run = job->next_run};
    for (const backups::Target& target : job->spec.to) view.places.push_back(PlaceOf(target));
    view.expected_interval = job->expected_interval;
    if (job->phase == JobPhase::kRunning) {
      view.run_id = job->request.run_id;
      view.progress = job->progress;
    }
    views.push_back(std::move(view));
  }
  std::vector<KeptView> kept = keeper_->View(now);
  std::vector<MetricFamily> families = ShowJobs(views);
  for (MetricFamily& family : ShowKept(kept)) families.push_back(std::move(family));
  {
    const std::lock_guard lock(view_mutex_);
    view_ = std::move(views);
    kept_ = std::move(kept);
  }
  deps_.publisher.Publish(*this, std::move(families), now);
}

Result<std::vector<MetricFamily>> Backups::Collect(const CollectContext&) {
  std::vector<MetricFamily> families = ShowJobs(View());
  for (MetricFamily& family : ShowKept(Kept())) families.push_back(std::move(family));
  return families;
}

std::vector<KeptView> Backups::Kept() const {
  const std::lock_guard lock(view_mutex_);
  return kept_;
}

std::vector<std::string> Backups::Running() const {
  std::vector<std::string> names;
  const std::lock_guard lock(view_mutex_);
  for (const JobView& job : view_) {
    if (job.phase == JobPhase::kRunning) names.push_back(job.name);
  }
  return names;
}

std::vector<JobView> Backups::View() const {
  const std::lock_guard lock(view_mutex_);
  return view_;
}

}  // namespace fettle::receivers::backups

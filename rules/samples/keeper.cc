#include "rules/samples/keeper.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "rules/samples/snapshot.h"

namespace fettle::rules {

SampleKeeper::SampleKeeper(Deps deps, const Replayed& replayed, std::uint64_t log_bytes_min)
    : deps_(std::move(deps)),
      log_bytes_min_(log_bytes_min),
      log_(*deps_.files, deps_.log, replayed.next_segment),
      log_bytes_(replayed.segment_bytes),
      snapshot_bytes_(replayed.snapshot_bytes) {
  if (deps_.metrics == nullptr) return;
  Metrics& metrics = *deps_.metrics;
  shown_.degraded =
      &metrics.Gauge("fettle_samples_log_degraded",
                     "1 while samples are in memory that a restart would lose, because "
                     "the disk fails or is full.");
  shown_.log_bytes = &metrics.Gauge("fettle_samples_log_bytes",
                                    "Length of the write-ahead log since the last snapshot.");
  shown_.snapshot_bytes =
      &metrics.Gauge("fettle_samples_snapshot_bytes", "Length of the last snapshot of samples.");
  shown_.failures = &metrics.Counter("fettle_samples_log_failures_total",
                                     "Failed writes of the log of samples and its snapshots.");
  shown_.snapshots =
      &metrics.Counter("fettle_samples_snapshots_total", "Snapshots of samples written.");
  const auto damaged = [&](const std::string& part, std::size_t count) {
    metrics
        .Counter("fettle_samples_replay_damaged_total",
                 "What a start could not read back whole of the samples on disk.", {{"part", part}})
        .Increment(static_cast<double>(count));
  };
  damaged("torn tail", replayed.torn_tails);
  damaged("segment", replayed.damaged_segments);
  damaged("snapshot", replayed.damaged_snapshots);
  metrics.Gauge("fettle_samples_replayed", "Samples that the start brought back.")
      .Set(static_cast<double>(replayed.samples));
  Show();
}

SampleKeeper::~SampleKeeper() {
  thread_.request_stop();
  log_.Wake();
  if (thread_.joinable()) thread_.join();
  log_.CommitAll();
  log_.Sync();
}

void SampleKeeper::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void SampleKeeper::Run(const std::stop_token& stop) {
  using Steady = std::chrono::steady_clock;
  Steady::time_point turned = Steady::now();
  Steady::time_point tried = turned;
  while (!stop.stop_requested()) {
    (void)log_.Wait(kSyncEvery);
    log_.CommitAll();
    const Steady::time_point now = Steady::now();
    if (now - turned < kSyncEvery) continue;
    turned = now;
    const bool retry = now - tried >= kRetryEvery;
    if (retry) tried = now;
    Turn(retry);
  }
}

void SampleKeeper::Turn(bool retry) {
  log_.CommitAll();
  log_.Sync();
  log_bytes_ += log_.TakeWritten();
  gap_ = gap_ || log_.degraded();
  if (gap_ && retry) {
    if (log_.degraded()) {
      const std::unique_lock lock(deps_.mutex);
      log_.Resume();
    }
    Snapshot();
  } else if (!gap_ && log_bytes_ > std::max(log_bytes_min_, snapshot_bytes_)) {
    Snapshot();
  }
  Show();
}

// What is in memory when it begins is in it, and what comes later is in the new segment.
void SampleKeeper::Snapshot() {
  const std::lock_guard numbers(numbers_mutex_);
  std::uint32_t number = 0;
  {
    const std::unique_lock lock(deps_.mutex);
    number = log_.Rotate();
  }
  log_.CommitAll();
  const std::uint64_t failures = log_.failures();
  const Result<std::uint64_t> written = WriteSnapshot(
      *deps_.files, number, deps_.head, deps_.shelves, deps_.mutex, [this] { log_.CommitAll(); });
  if (!written) {
    gap_ = true;
    if (shown_.failures != nullptr) shown_.failures->Increment();
    deps_.log.Error("a snapshot of samples could not be written",
                    {{"err", written.error().message}});
    return;
  }
  // A log that failed meanwhile has lost what came since.
  gap_ = log_.failures() != failures || log_.degraded();
  snapshot_bytes_ = *written;
  log_bytes_ = log_.TakeWritten();
  if (shown_.snapshots != nullptr) shown_.snapshots->Increment();
  const auto entries = deps_.files->List();
  if (!entries) return;
  for (const LogFiles::Entry& entry : *entries) {
    const std::optional<LogFile> file = ParseLogName(entry.name);
    if (file && file->number < number) (void)deps_.files->Remove(entry.name);
  }
}

void SampleKeeper::Show() {
  if (shown_.degraded == nullptr) return;
  shown_.degraded->Set(gap_ || log_.degraded() ? 1 : 0);
  shown_.log_bytes->Set(static_cast<double>(log_bytes_));
  shown_.snapshot_bytes->Set(static_cast<double>(snapshot_bytes_));
  const std::uint64_t failures = log_.failures();
  shown_.failures->Increment(static_cast<double>(failures - failures_shown_));
  failures_shown_ = failures;
}

}  // namespace fettle::rules

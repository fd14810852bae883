// Keeps a head on disk: the log of what comes in, a snapshot whenever the log has grown as long as
// the last one, and the thread that does what an append must not wait for.
//
// Disk: at most a snapshot, the log since (as long, or 16 MiB), and the next snapshot. A start
// reads a snapshot and a log of that length.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "common/log.h"
#include "common/metrics.h"
#include "rules/samples/head.h"
#include "rules/samples/log_files.h"
#include "rules/samples/replay.h"
#include "rules/samples/sample_log.h"
#include "rules/samples/shelves.h"

namespace fettle::rules {

class SampleKeeper {
 public:
  // A log shorter than this is not worth a snapshot.
  static constexpr std::uint64_t kLogBytesMin = 16 * 1024 * 1024;
  static constexpr Millis kSyncEvery{1'000};
  static constexpr Millis kRetryEvery{5'000};

  struct Deps {
    std::unique_ptr<LogFiles> files;
    Log log;
    Metrics* metrics = nullptr;
    std::shared_mutex& mutex;  // the store's lock on the head
    Head& head;
    const Shelves& shelves;
  };
  SampleKeeper(Deps deps, const Replayed& replayed, std::uint64_t log_bytes_min);
  // Commits and syncs what is there.
  ~SampleKeeper();
  SampleKeeper(const SampleKeeper&) = delete;
  SampleKeeper& operator=(const SampleKeeper&) = delete;

  // Begins the thread; without it (in tests) somebody calls Turn.
  void Start();
  // Commits and syncs; tries a log again that failed, if `retry`; writes a snapshot if it is time.
  void Turn(bool retry);

  SampleLog& log() { return log_; }
  // Held while a snapshot is written: series keep their numbers.
  std::mutex& numbers_mutex() { return numbers_mutex_; }

 private:
  void Run(const std::stop_token& stop);
  void Snapshot();
  void Show();

  Deps deps_;
  const std::uint64_t log_bytes_min_;
  SampleLog log_;
  std::mutex numbers_mutex_;
  struct {
    prometheus::Gauge* degraded = nullptr;
    prometheus::Gauge* log_bytes = nullptr;
    prometheus::Gauge* snapshot_bytes = nullptr;
    prometheus::Counter* failures = nullptr;
    prometheus::Counter* snapshots = nullptr;
  } shown_;

  // Of the thread.
  std::uint64_t log_bytes_ = 0;  // since the snapshot
  std::uint64_t snapshot_bytes_ = 0;
  std::uint64_t failures_shown_ = 0;
  bool gap_ = false;  // samples in memory are in neither log nor snapshot

  std::jthread thread_;
};

}  // namespace fettle::rules

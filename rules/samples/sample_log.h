// The write-ahead log of the sample store (format: log_format.h).
//
// What is promised. Commit() returns once everything up to a ticket was handed to the kernel: it
// survives the end of this process, however it comes. The file is synced within a second, so a
// power cut costs about that much. An answer of 2xx to a remote write waits for Commit(); what
// collectors and rules append is committed at once by the store's own thread, nobody waits for it.
//
// When the disk fails or is full the log is lost, not the samples: it says so (degraded), takes
// nothing more, and is begun anew by Resume(). Samples of the time between are in memory alone
// until a snapshot is written.
//
// Threads: the calls of an append come from whoever holds the store's lock; the others from any
// thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/log.h"
#include "rules/samples/head.h"
#include "rules/samples/log_files.h"
#include "rules/samples/log_format.h"

namespace fettle::rules {

class SampleLog {
 public:
  // A segment grows to about this; a batch is never cut.
  static constexpr std::uint64_t kSegmentBytesMax = 32 * 1024 * 1024;
  // What waits for a slow disk; beyond it the log is given up as if the disk had failed.
  static constexpr std::uint64_t kPendingBytesMax = 64 * 1024 * 1024;
  // A buffer that grew beyond this is given back.
  static constexpr std::size_t kBufferKeptBytes = 64 * 1024;

  // The first segment is `segment`; none of that number or above may exist.
  SampleLog(LogFiles& files, Log log, std::uint32_t segment);

  // An append, under the store's lock. Begin is false while the log takes nothing.
  bool Begin();
  void Point(SymbolTable& symbols, Series& series, const FloatPoint& point,
             const WriteBatch::More& more);
  void Remark(const Labels& series, const Exemplar& exemplar) { writer_.Remark(series, exemplar); }
  void Remark(const MetricMetadata& metadata) { writer_.Remark(metadata); }
  // The ticket of everything so far.
  std::uint64_t End();
  // Under the store's lock: what comes goes to a new segment, whose number is returned.
  std::uint32_t Rotate();
  // As Rotate, and the log is tried again.
  std::uint32_t Resume();

  // Everything up to the ticket is written, or the log is degraded.
  void Commit(std::uint64_t ticket);
  void CommitAll();
  void Sync();
  // Waits for something to commit, at most so long. True if there is something.
  bool Wait(Millis timeout);
  void Wake();

  bool degraded() const { return degraded_.load(std::memory_order_relaxed); }
  std::uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }
  // Written since the last call.
  std::uint64_t TakeWritten() { return written_bytes_.exchange(0); }

 private:
  // Bytes of one segment that wait to be written.
  struct Part {
    std::uint32_t segment = 0;
    std::string bytes;
  };
  std::uint32_t NameOf(SymbolTable& symbols, SymbolId symbol);
  void Announce(SymbolTable& symbols, Series& series);
  Status Write(const Part& part);
  void GiveUp(const Error& why, std::uint32_t segment);

  LogFiles& files_;
  const Log log_;
  std::atomic<bool> degraded_ = false;
  std::atomic<std::uint64_t> failures_ = 0;
  std::atomic<std::uint64_t> written_bytes_ = 0;

  // Guarded by the store's lock.
  std::uint32_t segment_;
  std::uint64_t segment_bytes_ = 0;
  std::uint32_t symbols_named_ = 0;
  std::uint32_t series_named_ = 0;
  std::string frame_;  // of the append under way
  FrameWriter writer_{frame_};
  std::vector<std::uint32_t> names_;

  std::mutex pending_mutex_;  // guards the following
  std::condition_variable pending_changed_;
  std::vector<Part> pending_;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t issued_ = 0;
  bool woken_ = false;

  std::mutex write_mutex_;  // guards the following; taken before pending_mutex_
  std::shared_ptr<LogFiles::File> file_;
  std::uint32_t file_segment_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint32_t abandoned_ = 0;  // this segment and those before it are not written to any more
  bool dirty_ = false;
  std::atomic<std::uint64_t> committed_ = 0;
};

}  // namespace fettle::rules

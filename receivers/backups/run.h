// One run of one job: precheck, stream, verify, manifest last. A set without a manifest does not
// exist.
//
//   <prefix>/sets/<run-id>/<database>.pgc.zst     pg_dump -Fc, compressed by us; base.tar.zst,
//   <prefix>/sets/<run-id>/globals.sql.zst        <database>.sql.zst, dump.rdb.zst, files.tar.zst;
//   <prefix>/sets/<run-id>/manifest.json          with .enc if encrypted; and the commit point
//
// An object becomes visible only after its producer has exited 0 and its output was read to the
// end; what a failed run had finished before is taken away again. Blocks for as long as the job's
// max_runtime; a hand's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "receivers/backups/config.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/manifest.h"
#include "receivers/backups/read_back.h"

namespace fettle::receivers::backups {

enum class RunResult { kSuccess, kFailed, kCancelled, kUnknown };
std::string_view ToString(RunResult result);
inline constexpr std::array kRunResults = {RunResult::kSuccess, RunResult::kFailed,
                                           RunResult::kCancelled, RunResult::kUnknown};

// Why a run failed; a closed list, because it is a metric's label.
enum class Reason {
  kNone,
  kDumpExit,        // the producer exited with another code than 0
  kDumpIncomplete,  // it exited 0, and its output is not whole
  kAuth,            // the source or the destination refused our credentials
  kNetwork,
  kS3Error,
  kS3Throttled,  // it refused to the end of our patience, because requests were too many
  kChecksum,     // what was read again is not what was written
  kDiskFull,
  kTimeout,
  kConfig,           // no such program, database, bucket or directory
  kVersionMismatch,  // pg_dump is older than the server
};
std::string_view ToString(Reason reason);
// The same run would fail the same way: telling somebody helps, trying again does not.
bool IsPermanent(Reason reason);

struct RunReport {
  std::string run_id;
  RunResult result = RunResult::kFailed;
  Reason reason = Reason::kNone;
  std::string sentence;  // what happened, for people
  Time started;
  Time ended;
  std::int64_t size_bytes = 0;
  std::int64_t source_bytes = 0;
  int level = 0;
};

// What others may look at while a run is under way. Any thread.
struct Progress {
  std::atomic<std::int64_t> raw_bytes = 0;
  std::atomic<std::int64_t> estimate_bytes = 0;  // 0: unknown
  std::atomic<std::int64_t> began_ms = 0;        // of the boot clock
  std::atomic<bool> verifying = false;           // all is stored and is being read again
};

// Where the readers of what this source writes are.
Readers ReadersOf(const Source& source, Millis timeout);

// "20261120T021503Z-k3x7qa": unique under a clock set back, sorts by time.
std::string MakeRunId(Time now, Random& random);

struct RunDeps {
  const Clock& clock;
  Log log;
  std::stop_token stop;
  // A stop because max_runtime is over is a failure of the run; any other cancels it.
  std::function<bool()> out_of_time = {};
};
struct RunRequest {
  std::string run_id;
  std::string trigger;  // schedule, retry, catch_up, manual, repair
  std::string why;      // recorded, for people
};
RunReport ExecuteRun(const RunDeps& deps, const JobSpec& job,
                     const std::vector<std::unique_ptr<Destination>>& destinations,
                     const RunRequest& request, Progress& progress);

// After a crash: takes away what the run left half-written. kSuccess if its manifest is there (then
// the report is the manifest's), kUnknown otherwise.
RunReport ResolveInterrupted(const JobSpec& job,
                             const std::vector<std::unique_ptr<Destination>>& destinations,
                             const std::string& run_id, Time started, Time now);

}  // namespace fettle::receivers::backups

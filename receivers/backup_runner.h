// Runs a backup job because a repair asks for it. Implemented by the backups, used by the mender's
// `backup` action. Asked on the brain; the work is a hand's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle::receivers {

struct BackupOutcome {
  std::string run_id;
  // True if nothing was started, because a good run that ended after `since` was there already.
  bool converged = false;
  // For people: "run 7c… wrote 1.2 GiB in 41 s", "run 7c… ended well at 02:20".
  std::string sentence;
};

// Errors: kNotFound (no such job), kConflict (it may not run now: the sentence says why), kFailed
// (it ran and failed; its own retries are spent).
class BackupRunner {
 public:
  using Then = std::function<void(Result<BackupOutcome>, const Moment& now)>;
  virtual ~BackupRunner() = default;
  // True if the configuration has such a job: an alert's label may only choose among these.
  virtual bool Knows(const std::string& name) const = 0;
  // Jobs that read or write now: what they read must not be interrupted.
  virtual std::vector<std::string> Running() const = 0;
  // Runs the job once, unless a good run has ended after `since` (then: converged, at once) or one
  // is running now (then: waits for that one and answers with its outcome). So asking again with
  // the same `since`, as the mender does after a crash, never runs a job twice for one cause.
  // `reason` is recorded with the run. `then` runs once, on the brain, however long it takes.
  virtual void Run(const std::string& name, const std::string& reason, Time since, Then then) = 0;
};

}  // namespace fettle::receivers

// A drill: a set is fetched, opened with the escrowed key, loaded into a scratch server of its own
// and asked. Everything runs unprivileged in a directory that is gone afterwards, on Unix sockets
// alone. A backup that is bad (kFailed) and a drill that could not be held (kInconclusive) are told
// apart. Blocks; a hand's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/result.h"
#include "receivers/backups/config.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/kept.h"
#include "receivers/backups/manifest.h"

namespace fettle::receivers::backups {

struct DrillDeps {
  Destination& destination;
  const Clock& clock;
  Log log;
  std::stop_token stop;
  Destination* wal = nullptr;  // the archive of the log, if the job recovers to a moment
};
// The job must have a drill.
DrillReport RunDrill(const DrillDeps& deps, const JobSpec& job, const Manifest& manifest);

// An object of the set, unpacked into a file.
struct Fetched {
  StoredObject object;
  std::string path;
};

// A recovery to a moment, prepared in the scratch directory.
struct Recovery {
  std::string wal_directory;  // plain segments and histories
  std::string target;         // "2026-11-20 02:15:03.123456 UTC"
  std::string role;
};

// What a scratch server needs to know.
struct Scratch {
  std::string directory;             // its own, owned by `user`
  std::vector<std::string> as_user;  // words before a program's, to run it unprivileged
  std::string server_dir;
  Millis timeout{};  // of everything
  std::stop_token stop;
  bool expect_empty = false;
  std::optional<Recovery> recovery = {};
};

// One scratch server. Init's failures say nothing of the backup; Load's and Ask's are its own
// unless they are kUnavailable, kLimit or kTimeout. Its processes end with it.
class ScratchServer {
 public:
  virtual ~ScratchServer() = default;
  virtual Status Init(const std::vector<Fetched>& objects) = 0;
  // kInvalid: what is stored does not load, or less came back than was stored.
  virtual Status Load(const std::vector<Fetched>& objects) = 0;
  // The first value of the answer as text. `database` "" is the first that was restored.
  virtual Result<std::string> Ask(const std::string& database, const std::string& question) = 0;
};

std::unique_ptr<ScratchServer> MakeScratchPostgres(Scratch scratch);
std::unique_ptr<ScratchServer> MakeScratchCluster(Scratch scratch);  // of pg_basebackup
std::unique_ptr<ScratchServer> MakeScratchMariadb(Scratch scratch);
std::unique_ptr<ScratchServer> MakeScratchRedis(Scratch scratch);
std::unique_ptr<ScratchServer> MakeScratchFiles(Scratch scratch);

// Fetches what of an archive a recovery from this base backup needs, and chooses the moment: the
// newest commit that another one follows, so that PostgreSQL can tell that it came there. kInvalid:
// the archive cannot be right.
Result<Recovery> PrepareRecovery(Destination& wal, const Scratch& scratch, const PitrSpec& spec,
                                 const std::string& base_tar,
                                 const std::function<Status(const std::string&)>& give);
// That every heartbeat between the end of the base backup and the moment came back; the newest, in
// seconds. kInvalid: recovery ended early, whatever the server said.
Result<double> CheckHeartbeats(ScratchServer& server, const PitrSpec& spec, Time base_ended,
                               const std::string& target);

// Where the newest installed PostgreSQL is, as Debian has it; "": by PATH.
std::string FindPostgres();

// A program of the drill, run to its end as the drill's user; a failure is kInvalid with what it
// said, or kUnavailable if it is missing or lacks something that is not the backup's fault.
Status RunTool(const Scratch& scratch, std::vector<std::string> argv, int input_fd = -1);
Result<std::string> AskTool(const Scratch& scratch, std::vector<std::string> argv,
                            int input_fd = -1);

// A server that runs until this is destroyed.
class BackgroundProcess;
struct BackgroundEnd {
  void operator()(BackgroundProcess* process) const;
};
using Background = std::unique_ptr<BackgroundProcess, BackgroundEnd>;
Background RunInBackground(const Scratch& scratch, std::vector<std::string> argv);
// Asks `ready` until it is true; kUnavailable if it did not come in time, kFailed with what the
// server said if it ended.
inline constexpr Millis kReadyTimeout{60'000};
Status WaitFor(const Scratch& scratch, BackgroundProcess& process,
               const std::function<bool()>& ready, Millis within = kReadyTimeout);

}  // namespace fettle::receivers::backups

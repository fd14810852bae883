// A drill: a set is fetched, opened with the escrowed key, loaded into a scratch server of its own
// and asked. Everything runs unprivileged in a directory that is gone afterwards, on Unix sockets
// alone. A backup that is bad (kFailed) and a drill that could not be held (kInconclusive) are told
// apart. Blocks; a hand's.
#pragma once

#include <functional>
#include <memory>
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
};
// The job must have a drill.
DrillReport RunDrill(const DrillDeps& deps, const JobSpec& job, const Manifest& manifest);

// An object of the set, unpacked into a file.
struct Fetched {
  StoredObject object;
  std::string path;
};

// What a scratch server needs to know.
struct Scratch {
  std::string directory;             // its own, owned by `user`
  std::vector<std::string> as_user;  // words before a program's, to run it unprivileged
  std::string server_dir;
  Millis timeout{};  // of everything
  std::stop_token stop;
  bool expect_empty = false;
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
// Asks `ready` until it is true; kUnavailable with what the server said if it ended, or after a
// minute.
Status WaitFor(const Scratch& scratch, BackgroundProcess& process,
               const std::function<bool()>& ready);

}  // namespace fettle::receivers::backups

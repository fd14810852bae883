#include "receivers/actions/all.h"

#include <sys/stat.h>

#include <cerrno>

#include "receivers/actions/backup.h"
#include "receivers/actions/docker.h"
#include "receivers/actions/docker_exec.h"
#include "receivers/actions/escalate.h"
#include "receivers/actions/exec.h"
#include "receivers/actions/http.h"
#include "receivers/actions/restart.h"

namespace fettle::receivers {

bool KillSwitchIsOn(const std::string& file) {
  if (file.empty()) return false;
  struct stat found {};
  // Whatever else goes wrong with looking (a directory that may not be entered) counts as "on": a
  // switch that cannot be read must not be overlooked.
  return stat(file.c_str(), &found) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

Actions AllActions(const ActionsDeps& deps) {
  Actions actions;
  actions["restart"] = std::make_unique<RestartAction>(
      RestartAction::Deps{deps.brain, deps.hands, deps.clock, deps.targets});
  const DockerAction::Deps docker{deps.brain, deps.hands, deps.clock, deps.targets};
  actions["start"] = std::make_unique<DockerAction>(DockerAction::What::kStart, docker);
  actions["stop"] = std::make_unique<DockerAction>(DockerAction::What::kStop, docker);
  actions["kill"] = std::make_unique<DockerAction>(DockerAction::What::kKill, docker);
  actions["docker_exec"] = std::make_unique<DockerExecAction>(
      DockerExecAction::Deps{deps.brain, deps.hands, deps.clock, deps.targets});
  actions["http"] =
      std::make_unique<HttpAction>(HttpAction::Deps{deps.brain, deps.hands, deps.clock, deps.http});
  actions["backup"] = std::make_unique<BackupAction>(BackupAction::Deps{deps.brain, deps.backups});
  actions["exec"] =
      std::make_unique<ExecAction>(ExecAction::Deps{deps.brain, deps.hands, deps.clock, deps.stop});
  actions["escalate"] = std::make_unique<EscalateAction>(
      EscalateAction::Deps{deps.brain, deps.teller, deps.external_url});
  return actions;
}

}  // namespace fettle::receivers

// The list of actions, written by hand: one row a kind.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/brain.h"
#include "common/hands.h"
#include "common/http.h"
#include "receivers/action.h"
#include "receivers/backup_runner.h"
#include "receivers/teller.h"

namespace fettle::receivers {

// By kind. Owned by the mender; whatever they refer to must outlive it.
using Actions = std::map<std::string, std::unique_ptr<Action>, std::less<>>;

struct ActionsDeps {
  Brain& brain;
  Hands& hands;  // a pool of their own: a call may take as long as a container takes to stop
  const Clock& clock;
  const Targets& targets;
  BackupRunner* backups = nullptr;
  Teller* teller = nullptr;
  std::string external_url;
  std::stop_token stop;
  HttpTransport* http = nullptr;
};
Actions AllActions(const ActionsDeps& deps);

}  // namespace fettle::receivers

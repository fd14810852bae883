#include <fmt/format.h>

#include <cstdio>

#include "command.h"
#include "command_ask.h"
#include "common/json.h"
#include "common/sqlite_store.h"

namespace fettle {
namespace {

int Say(const std::string& problem) {
  std::fputs(fmt::format("fettle: {}\n", problem).c_str(), stderr);
  return 1;
}

}  // namespace

int RunStatus(const ClientOptions& client) {
  const Result<Json> status = AskDaemon(client, {.method = "GET", .url = "/api/fettle/v1/status"});
  if (!status) return Say(status.error().message);
  const Json& s = *status;
  fmt::print("{}, up since {}, store {}\n", s["version"].StringOr(""), s["started"].StringOr(""),
             s["store"].StringOr(""));
  fmt::print("alerts firing    {}\n", s["alerts_firing"].IntegerOr(0));
  fmt::print("incidents open   {} ({} escalated)\n", s["incidents_open"].IntegerOr(0),
             s["incidents_escalated"].IntegerOr(0));
  for (const Json& engine : s["engines"].Items()) {
    fmt::print("engine {:<9} {}, {} containers\n", engine["name"].StringOr(""),
               engine["following"].BoolOr(false) ? "followed" : "NOT followed",
               engine["containers"].IntegerOr(0));
  }
  for (const Json& backup : s["backups"].Items()) {
    fmt::print("backup {:<9} {}\n", backup["name"].StringOr(""), backup["state"].StringOr(""));
  }
  return s["ready"].BoolOr(false) ? 0 : 1;
}

int RunAuditVerify(const std::string& storage_path) {
  const SystemClock clock;
  LogWriter log(clock, StderrSink(), {.level = LogLevel::kError});
  Metrics metrics;
  auto store = SqliteStore::Open({.clock = clock, .metrics = metrics, .log = Log(log, "store")},
                                 {.directory = storage_path, .read_only = true});
  if (!store) return Say(store.error().message);
  if (Status verified = (*store)->VerifyAudit(); !verified) return Say(verified.error().message);
  fmt::print("the audit's chain is whole\n");
  return 0;
}

}  // namespace fettle

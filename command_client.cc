#include <fmt/format.h>

#include <cstdio>

#include "command.h"
#include "command_ask.h"
#include "common/duration.h"
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

namespace {

// The audit beside a running daemon, or without one. The log must outlive it.
Result<std::unique_ptr<SqliteStore>> OpenAudit(const std::string& storage_path, const Clock& clock,
                                               Metrics& metrics, LogWriter& log) {
  return SqliteStore::Open({.clock = clock, .metrics = metrics, .log = Log(log, "store")},
                           {.directory = storage_path, .read_only = true});
}

}  // namespace

int RunAuditVerify(const std::string& storage_path) {
  const SystemClock clock;
  LogWriter log(clock, StderrSink(), {.level = LogLevel::kError});
  Metrics metrics;
  auto store = OpenAudit(storage_path, clock, metrics, log);
  if (!store) return Say(store.error().message);
  if (Status verified = (*store)->VerifyAudit(); !verified) return Say(verified.error().message);
  fmt::print("the audit's chain is whole\n");
  return 0;
}

int RunAuditExport(const std::string& storage_path, std::int64_t from) {
  constexpr std::size_t kAtOnce = 1'000;
  const SystemClock clock;
  LogWriter log(clock, StderrSink(), {.level = LogLevel::kError});
  Metrics metrics;
  auto store = OpenAudit(storage_path, clock, metrics, log);
  if (!store) return Say(store.error().message);
  for (std::int64_t next = from;;) {
    const auto entries = (*store)->ReadAudit(next, kAtOnce);
    if (!entries) return Say(entries.error().message);
    for (const AuditEntry& entry : *entries) {
      JsonWriter json;
      json.BeginObject()
          .Field("seq", entry.seq)
          .Field("at", FormatRfc3339(entry.at))
          .Field("hash", entry.hash_hex);
      json.Key("entry").Raw(entry.body);
      json.EndObject();
      fmt::print("{}\n", json.Take());
      next = entry.seq + 1;
    }
    if (entries->size() < kAtOnce) return 0;
  }
}

}  // namespace fettle

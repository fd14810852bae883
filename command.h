// The commands beside `serve`: each answers with the process's exit code and prints for a person.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json.h"
#include "fettle.h"
#include "rules/promql/features.h"

namespace fettle {

// Runs the daemon until SIGTERM or SIGINT; SIGHUP reloads.
int RunServe(const ServeOptions& options, const std::string& log_level,
             const std::string& log_format);

// The drop-in for the Alertmanager binary, with its own flags (fettle_alertmanager.h).
int RunAlertmanager(const std::vector<std::string>& arguments);

// 0, or 1 with every complaint as file:line:column on stderr. Knows a fettle, an Alertmanager and a
// rule file by their top-level keys.
int RunCheckConfig(const std::vector<std::string>& files);
int RunCheckWebConfig(const std::vector<std::string>& files);
// Prometheus' PromQL test files; prints "N passed, N failed".
int RunTestPromql(const std::vector<std::string>& files);
// Rule files as promtool checks them, and lints that need no server (rules/lint.h). Exit code 3:
// lints were found, and they are fatal.
struct CheckRulesCommand {
  std::vector<std::string> files;           // none: stdin
  std::vector<std::string> lint = {"all"};  // or none, or names of checks
  bool lint_fatal = false;
  bool ignore_unknown_fields = false;
  promql::Features features;
};
int RunCheckRules(const CheckRulesCommand& command);
// promtool's rule tests, with its flags and ours.
struct TestRulesCommand {
  std::vector<std::string> files;
  std::vector<std::string> run;  // regular expressions of names; none: all
  std::string junit_file;
  promql::Features features;
  double coverage_min = 0;  // percent; below it the exit code is 1
  bool coverage = false;
  bool diff = false;
  bool debug = false;
  bool ignore_unknown_fields = false;
};
int RunTestRules(const TestRulesCommand& command);

// `fettle replay`: what would have fired, been told and been mended between two moments.
struct ReplayCommand {
  std::string config_file;
  std::string storage_path = "data";
  std::string url;   // ask this server in place of the stored samples
  std::string from;  // "" is an hour before the end
  std::string to;    // "" is the newest sample, or now
};
int RunReplay(const ReplayCommand& command);

// What a running daemon answers, over its HTTP API.
struct ClientOptions {
  std::string url = "http://127.0.0.1:9911";
  std::string http_config_file;
};
int RunStatus(const ClientOptions& client);
// Asks a gate: 0 allow, 10 deny, 11 could not ask (or what on_error says of that).
struct GateCommand {
  ClientOptions client;
  std::string name;
  std::string operation;
  double estimate_usd = 0;
  bool reserve = false;
  std::string idempotency_key;
  std::string on_error;  // allow, deny, or ""
};
int RunGate(const GateCommand& command);
struct BackupCommand {
  ClientOptions client;
  std::string verb;  // list, run, verify, restore, prune, drill, hold, release
  std::string name;
  std::string set;
  std::string plan;         // of prune: the hash of the plan that is approved
  std::string to;           // of restore: a directory
  std::string config_file;  // of what reads the places itself
  std::string key_file;     // instead of the job's
  int level = 3;
  bool standalone = false;
  bool no_wait = false;
};
int RunBackup(const BackupCommand& command);

// `fettle query`: prints as promtool query does, or what the API answered as JSON.
struct QueryCommand {
  ClientOptions client;
  std::string format = "promql";     // or json
  std::string expression;            // of instant and range
  std::string time;                  // of instant; "" is now
  std::string start;                 // "" is five minutes before the end, or all there is
  std::string end;                   // "" is now, or all there is
  std::string step;                  // "" is a 250th of the range, at least a second
  std::vector<std::string> matches;  // of series and labels
  std::string label;                 // whose values; "" is the names of all labels
};
int RunQueryInstant(const QueryCommand& command);
int RunQueryRange(const QueryCommand& command);
int RunQuerySeries(const QueryCommand& command);
int RunQueryLabels(const QueryCommand& command);

// Checks the audit's hash chain in a storage path.
int RunAuditVerify(const std::string& storage_path);
// Its entries as JSON lines {seq, at, hash, entry}, from one sequence number on.
int RunAuditExport(const std::string& storage_path, std::int64_t from);

std::string VersionText();

}  // namespace fettle

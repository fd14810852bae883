// Reads flags and runs one command.
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string_view>

#include "command.h"
#include "common/duration.h"
#include "common/yaml.h"

namespace {

using fettle::ClientOptions;
using fettle::QueryCommand;
using fettle::ServeOptions;

// A flag's text as a duration, for CLI11's validators.
std::string BadDuration(const std::string& text) {
  const auto parsed = fettle::ParseDuration(text);
  return parsed ? "" : parsed.error().message;
}

std::string BadFeature(const std::string& text) {
  const auto features = fettle::promql::ParseFeatures({text});
  return features ? "" : features.error().message;
}

void AddMillis(CLI::App& app, const std::string& flag, fettle::Millis& target,
               const std::string& help) {
  app.add_option_function<std::string>(
         flag, [&target](const std::string& text) { target = *fettle::ParseDuration(text); }, help)
      ->check(CLI::Validator(BadDuration, "DURATION"));
}

void AddFeatures(CLI::App& app, fettle::promql::Features& features,
                 std::vector<std::string>* names) {
  app.add_option_function<std::vector<std::string>>(
         "--enable-feature",
         [&features, names](const std::vector<std::string>& lists) {
           if (names != nullptr) *names = lists;
           features = *fettle::promql::ParseFeatures(lists);
         },
         "experimental parts of PromQL, by Prometheus' names")
      ->allow_extra_args(false)
      ->check(CLI::Validator(BadFeature, "FEATURE"));
}

void AddServeFlags(CLI::App& app, ServeOptions& options, std::string& log_level,
                   std::string& log_format) {
  app.add_option("--config.file", options.config_file, "fettle.yml");
  app.add_option("--storage.path", options.storage_path, "where state and samples are kept")
      ->capture_default_str();
  app.add_option("--web.listen-address", options.listen_address, "address of the one port")
      ->capture_default_str();
  app.add_option("--web.config.file", options.web_config_file, "TLS, users, tokens");
  app.add_option("--web.external-url", options.external_url, "how others reach this daemon");
  AddMillis(app, "--storage.retention", options.storage_retention,
            "how long samples are kept (24h)");
  app.add_flag("--web.enable-lifecycle", options.enable_lifecycle, "allow /-/reload and /-/quit");
  app.add_flag("--web.enable-remote-write-receiver", options.enable_remote_write_receiver,
               "take samples at /api/v1/write");
  AddMillis(app, "--query.lookback-delta", options.lookback_delta,
            "how old a sample may be and still count (5m)");
  app.add_option("--query.max-samples", options.query_samples_max, "samples one query may load")
      ->capture_default_str();
  AddMillis(app, "--query.timeout", options.query_timeout, "when a query is ended (2m)");
  app.add_option("--query.max-concurrency", options.queries_max, "queries that run at one time")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  AddFeatures(app, options.features, &options.enabled_features);
  app.add_option("--log.level", log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--log.format", log_format, "logfmt or json")
      ->check(CLI::IsMember({"logfmt", "json"}))
      ->capture_default_str();
}

void AddClientFlags(CLI::App& app, ClientOptions& client) {
  app.add_option("--url", client.url, "the running daemon")->capture_default_str();
  app.add_option("--http.config.file", client.http_config_file, "credentials, as http_config");
}

void AddReplayCommand(CLI::App& app, fettle::ReplayCommand& wanted, int& code) {
  CLI::App* replay = app.add_subcommand(
      "replay", "what would have fired, been told and been mended between two moments");
  replay->add_option("--config.file", wanted.config_file, "fettle.yml")->required();
  replay->add_option("--storage.path", wanted.storage_path, "whose samples are used")
      ->capture_default_str();
  replay->add_option("--url", wanted.url, "ask this server's query API instead");
  replay->add_option("--from", wanted.from, "seconds or RFC 3339; else an hour before the end");
  replay->add_option("--to", wanted.to, "likewise; else the newest sample");
  replay->callback([&wanted, &code] { code = fettle::RunReplay(wanted); });
}

// `fettle backup VERB NAME`.
void AddBackupCommands(CLI::App& app, fettle::BackupCommand& wanted, int& code) {
  CLI::App* backup = app.add_subcommand("backup", "backup jobs, and what they stored");
  backup->require_subcommand(1);
  const auto add = [&](const char* verb, const char* help) {
    CLI::App* sub = backup->add_subcommand(verb, help);
    AddClientFlags(*sub, wanted.client);
    CLI::Option* job = sub->add_option("NAME", wanted.name, "the job");
    if (std::string(verb) != "list") job->required();
    sub->callback([&wanted, &code, verb] {
      wanted.verb = verb;
      code = fettle::RunBackup(wanted);
    });
    return sub;
  };
  const auto add_set = [&](CLI::App* sub) {
    sub->add_option("--set", wanted.set, "the run's id; else the newest good one");
  };
  const auto add_alone = [&](CLI::App* sub) {
    sub->add_flag("--standalone", wanted.standalone, "without the daemon");
    sub->add_option("--config.file", wanted.config_file, "fettle.yml, for the places and keys");
    sub->add_option("--key.file", wanted.key_file, "another copy of the key");
  };
  add("list", "all jobs, or one with what is stored");
  add("look", "count again what is stored");
  CLI::App* run = add("run", "run it now");
  CLI::App* verify = add("verify", "read a set again and compare it");
  add_set(verify);
  add_alone(verify);
  verify->add_option("--level", wanted.level, "1 sizes, 2 all bytes, 3 decoded")
      ->check(CLI::Range(1, 3))
      ->capture_default_str();
  CLI::App* restore = add("restore", "fetch a set and unpack it into a directory");
  add_set(restore);
  add_alone(restore);
  restore->add_option("--to", wanted.to, "the directory")->required();
  CLI::App* prune = add("prune", "remove what no rule keeps, as retention.apply does");
  prune->add_option("--plan", wanted.plan, "approve the plan of this hash, even a large one");
  CLI::App* drill = add("drill", "restore a set into a scratch server and check it");
  add_set(drill);
  for (CLI::App* sub :
       {add("hold", "keep a set whatever the rules say"), add("release", "end a hold")}) {
    add_set(sub);
  }
  for (CLI::App* sub : {run, verify, prune, drill}) {
    sub->add_flag("--no-wait", wanted.no_wait, "do not wait for its end");
  }
}

// fettle gate, for shell pipelines.
void AddGateCommand(CLI::App& app, fettle::GateCommand& asked, int& code) {
  CLI::App* gate =
      app.add_subcommand("gate", "may it begin? 0 is yes, 10 is no, 11 that nobody could be asked");
  AddClientFlags(*gate, asked.client);
  gate->add_option("NAME", asked.name, "of receivers.gates")->required();
  gate->add_option("--operation", asked.operation, "what is meant to begin, for the audit");
  gate->add_option("--estimate-usd", asked.estimate_usd, "what it will cost")
      ->check(CLI::NonNegativeNumber);
  gate->add_flag("--reserve", asked.reserve, "reserve the estimate");
  gate->add_option("--idempotency-key", asked.idempotency_key,
                   "the same key gets the same reservation");
  gate->add_option("--on-error", asked.on_error, "what it means that nobody could be asked (11)")
      ->check(CLI::IsMember({"allow", "deny"}));
  gate->callback([&asked, &code] { code = fettle::RunGate(asked); });
}

// fettle query, whose flags are promtool query's.
void AddQueryCommands(CLI::App& app, QueryCommand& query, int& code) {
  CLI::App* group = app.add_subcommand("query", "ask a running daemon");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, int (*run)(const QueryCommand&)) {
    CLI::App* sub = group->add_subcommand(name, help);
    AddClientFlags(*sub, query.client);
    sub->add_option("--format,-o", query.format, "promql or json")
        ->check(CLI::IsMember({"promql", "json"}));
    sub->callback([&query, &code, run] { code = run(query); });
    return sub;
  };
  CLI::App* instant = add("instant", "one expression at one time", fettle::RunQueryInstant);
  instant->add_option("--time", query.time, "seconds or RFC 3339 (now)");
  CLI::App* range = add("range", "one expression over a range", fettle::RunQueryRange);
  range->add_option("--step", query.step, "duration (a 250th of the range)");
  for (CLI::App* sub : {instant, range}) {
    sub->add_option("EXPRESSION", query.expression, "PromQL")->required();
  }
  CLI::App* series = add("series", "series that are stored", fettle::RunQuerySeries);
  CLI::App* labels = add("labels", "values of a label, or names of labels", fettle::RunQueryLabels);
  series->add_option("--match", query.matches, "a selector; may be repeated")->required();
  labels->add_option("--match", query.matches, "a selector; may be repeated");
  labels->add_option("NAME", query.label, "the label");
  for (CLI::App* sub : {range, series, labels}) {
    sub->add_option("--start", query.start, "seconds or RFC 3339");
    sub->add_option("--end", query.end, "seconds or RFC 3339");
  }
}

void AddCheckCommands(CLI::App& app, std::vector<std::string>& files,
                      fettle::CheckRulesCommand& rules, int& code) {
  CLI::App* check = app.add_subcommand("check", "check files and say everything that is wrong");
  check->require_subcommand(1);
  const auto add_check = [&](const char* name, const char* help,
                             int (*run)(const std::vector<std::string>&)) {
    CLI::App* sub = check->add_subcommand(name, help);
    sub->add_option("FILE", files, "files")->required();
    sub->callback([&files, &code, run] { code = run(files); });
  };
  add_check("config", "fettle.yml or alertmanager.yml", fettle::RunCheckConfig);
  add_check("web-config", "web configuration files", fettle::RunCheckWebConfig);
  CLI::App* sub = check->add_subcommand("rules", "Prometheus rule files");
  sub->add_option("FILE", rules.files, "files (standard input)");
  // One word each: what follows is a file.
  sub->add_option("--lint", rules.lint, "all, none, or names of lints (all)")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub->add_flag("--lint-fatal", rules.lint_fatal, "exit with 3 if a lint finds something");
  sub->add_flag("--ignore-unknown-fields", rules.ignore_unknown_fields, "of rule files");
  AddFeatures(*sub, rules.features, nullptr);
  sub->callback([&rules, &code] { code = fettle::RunCheckRules(rules); });
}

void AddTestCommands(CLI::App& app, std::vector<std::string>& files,
                     fettle::TestRulesCommand& rules, int& code) {
  CLI::App* test = app.add_subcommand("test", "run tests written in files");
  test->require_subcommand(1);
  CLI::App* promql = test->add_subcommand("promql", "Prometheus' PromQL test files");
  promql->add_option("FILE", files, "files")->required();
  promql->callback([&files, &code] { code = fettle::RunTestPromql(files); });
  CLI::App* sub = test->add_subcommand("rules", "tests of rules, in promtool's format");
  sub->add_option("FILE", rules.files, "files")->required();
  sub->add_option("--run", rules.run, "only tests whose names match")->allow_extra_args(false);
  sub->add_option("--junit", rules.junit_file, "a file for the results as JUnit XML");
  sub->add_flag("--coverage", rules.coverage, "name the rules that no test sees");
  sub->add_option("--coverage.min", rules.coverage_min, "percent of rules that tests must see")
      ->each([&rules](const std::string&) { rules.coverage = true; });
  sub->add_flag("--diff", rules.diff, "say what is missing and what is too much");
  sub->add_flag("--debug", rules.debug, "print all samples of each test");
  sub->add_flag("--ignore-unknown-fields", rules.ignore_unknown_fields, "of rule files");
  AddFeatures(*sub, rules.features, nullptr);
  sub->callback([&rules, &code] { code = fettle::RunTestRules(rules); });
}

// Every flag that the app or one of its subcommands knows.
std::vector<std::string> KnownFlags(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    flags.push_back(sub->get_name());
    for (std::string& flag : KnownFlags(*sub)) flags.push_back(std::move(flag));
  }
  return flags;
}

// CLI11 names what it did not understand; the suggestion is ours.
int Complain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::fputs(fmt::format("fettle: {}", error.what()).c_str(), stderr);
  const std::vector<std::string> known = KnownFlags(app);
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    word = word.substr(0, word.find('='));
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    const std::string suggestion = fettle::yaml::Suggestion(word, known);
    if (!suggestion.empty()) std::fputs(suggestion.c_str(), stderr);
  }
  std::fputs("\nfettle: --help lists the flags\n", stderr);
  return 2;
}

// `fettle alertmanager …`, or the program under Alertmanager's own name.
bool IsAlertmanager(int argc, char** argv) {
  const std::string name = std::filesystem::path(argv[0]).filename().string();
  return name == "alertmanager" || name == "prometheus-alertmanager" ||
         (argc > 1 && std::string_view(argv[1]) == "alertmanager");
}

int Run(int argc, char** argv) {
  if (argc > 0 && IsAlertmanager(argc, argv)) {
    const bool by_word = argc > 1 && std::string_view(argv[1]) == "alertmanager";
    return fettle::RunAlertmanager({argv + (by_word ? 2 : 1), argv + argc});
  }
  CLI::App app("fettle observes a stack, judges it by Prometheus rules, tells people and mends it");
  app.set_version_flag("--version", fettle::VersionText());
  app.require_subcommand(0, 1);
  app.fallthrough(false);
  int code = 0;

  ServeOptions options;
  std::string log_level = "info";
  std::string log_format = "logfmt";
  AddServeFlags(app, options, log_level, log_format);
  CLI::App* serve = app.add_subcommand("serve", "run the daemon (the default)");
  AddServeFlags(*serve, options, log_level, log_format);

  app.add_subcommand("alertmanager", "only the receivers, with Alertmanager's own flags");

  std::vector<std::string> files;
  fettle::CheckRulesCommand rule_checks;
  AddCheckCommands(app, files, rule_checks, code);
  fettle::TestRulesCommand rule_tests;
  AddTestCommands(app, files, rule_tests, code);

  ClientOptions client;
  CLI::App* status = app.add_subcommand("status", "what is healthy, firing, held and backed up");
  AddClientFlags(*status, client);
  status->callback([&] { code = fettle::RunStatus(client); });

  QueryCommand query;
  AddQueryCommands(app, query, code);

  fettle::GateCommand asked;
  AddGateCommand(app, asked, code);

  fettle::ReplayCommand replayed;
  AddReplayCommand(app, replayed, code);

  fettle::BackupCommand wanted;
  AddBackupCommands(app, wanted, code);

  CLI::App* audit = app.add_subcommand("audit", "the hash-chained record of decisions");
  audit->require_subcommand(1);
  CLI::App* verify = audit->add_subcommand("verify", "check the chain");
  verify->add_option("--storage.path", options.storage_path, "where state is kept")
      ->capture_default_str();
  verify->callback([&] { code = fettle::RunAuditVerify(options.storage_path); });
  std::int64_t audit_from = 1;
  CLI::App* exported = audit->add_subcommand("export", "print it as JSON lines");
  exported->add_option("--storage.path", options.storage_path, "the daemon's")
      ->capture_default_str();
  exported->add_option("--from", audit_from, "the first sequence number")->capture_default_str();
  exported->callback([&] { code = fettle::RunAuditExport(options.storage_path, audit_from); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Complain(app, error, argc, argv);
  }
  if (app.get_subcommands().empty() || serve->parsed()) {
    if (options.config_file.empty()) {
      std::fputs("fettle: --config.file is missing; deploy/fettle.example.yml shows one\n", stderr);
      return 2;
    }
    return fettle::RunServe(options, log_level, log_format);
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // A hundred threads that mostly wait would each keep an arena of their own.
  mallopt(M_ARENA_MAX, 2);
  // A large answer's memory is used for the next one; what stays unused goes back every minute.
  mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(fmt::format("fettle: {}\n", error.what()).c_str(), stderr);
    return 1;
  }
}

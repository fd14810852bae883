// Everything the program is made of, in the order in which it is built: each part knows only those
// above it. Included by fettle*.cc alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/brain.h"
#include "common/engine_watch.h"
#include "common/hands.h"
#include "common/http_client.h"
#include "common/http_server.h"
#include "common/metrics.h"
#include "common/sqlite_store.h"
#include "common/web_config.h"
#include "exporter/collectors/all.h"
#include "exporter/collectors/docker.h"
#include "exporter/collectors/self.h"
#include "exporter/gatherer.h"
#include "fettle.h"
#include "fettle_config.h"
#include "receivers/actions/all.h"
#include "receivers/alerts.h"
#include "receivers/backups/backups.h"
#include "receivers/engine_ears.h"
#include "receivers/incidents_api.h"
#include "receivers/intake.h"
#include "receivers/mender.h"
#include "receivers/targets.h"
#include "receivers/telling.h"
#include "rules/judge.h"
#include "rules/manager.h"
#include "rules/promql/engine.h"
#include "rules/query_api.h"
#include "rules/remote_write_receiver.h"
#include "rules/rule_query.h"
#include "rules/samples/samples.h"

namespace fettle {

// One engine: its client, its watch, and who listens to it.
struct EngineParts {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<EngineWatch> watch;
  std::unique_ptr<exporter::DockerCollector> collector;  // only of the one that is shown
  std::unique_ptr<receivers::EngineEars> ears;
};

// Pools of hands, one for each kind of work that may hang, so that none delays another.
struct Pools {
  HandPool collect{{.name = "collect", .threads = 8}};
  HandPool judge{{.name = "judge", .threads = 2}};
  HandPool fold{{.name = "fold", .threads = 1}};
  HandPool look{{.name = "look", .threads = 4}};
  HandPool act{{.name = "act", .threads = 8}};
  HandPool backup{{.name = "backup", .threads = 2}};

  void Close();
};

struct Fettle::Parts {
  // What was opened before, because opening may fail.
  struct Opened {
    std::unique_ptr<Metrics> metrics;
    std::unique_ptr<SqliteStore> store;
  };
  Parts(Deps d, ServeOptions o, FettleConfig c, WebConfig w, Opened opened);

  const Deps deps;
  const ServeOptions options;
  FettleConfig config;
  const WebConfig web;
  const std::string external_url;
  const Time started;
  Log log;
  const std::unique_ptr<Metrics> metrics_owner;
  Metrics& metrics;
  const std::unique_ptr<SqliteStore> store;
  Brain brain;
  HttpClient transport;
  Pools pools;
  std::stop_source ending;

  // Judges.
  rules::SampleStore samples;
  promql::Engine engine;
  rules::EngineQuery rule_query;
  rules::EngineJudge judge;
  rules::QueryApi query_api;
  rules::RemoteWriteReceiver remote_write;

  // Observes.
  exporter::Gatherer gatherer;
  exporter::SelfCollector self;
  std::vector<exporter::Scheduled> collectors;
  std::map<std::string, EngineParts> engines;  // by connection

  // Acts.
  receivers::Alerts alerts;
  receivers::WebhookIntake intake;
  receivers::Telling telling;
  receivers::backups::Backups backups;
  receivers::Targets targets;
  receivers::Mender mender;
  receivers::IncidentsApi incidents_api;

  // Judges what was observed, and posts to those who act.
  rules::RuleManager rules;

  std::unique_ptr<HttpServer> server;
  std::jthread brain_thread;
  std::atomic<bool> ready = false;

  std::mutex reload_mutex;  // one reload at a time
  std::mutex end_mutex;     // guards quitting
  std::condition_variable end_changed;
  bool quitting = false;

  // fettle.cc
  Status Restore(const Moment& now);
  void WatchEngines();
  void Expire(const Moment& now);
  void TrimAudit(const Moment& now);
  void Stop();
  prometheus::Gauge& LastReloadSuccessful();
  void NoteLoaded();
  // fettle_routes.cc
  Router MakeRouter(Fettle& fettle);
};

// Rule groups of a configuration: its files', and the shipped packs that have something to judge.
std::vector<rules::GroupSpec> GroupsOf(const FettleConfig& config);

}  // namespace fettle

// Everything the program is made of, in the order in which it is built: each part knows only those
// above it. Included by fettle*.cc, and by tests that are the brain themselves.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/brain.h"
#include "common/engine_watch.h"
#include "common/hands.h"
#include "common/http_server.h"
#include "common/metrics.h"
#include "common/name_lookup.h"
#include "common/store.h"
#include "common/web_config.h"
#include "exporter/collectors/all.h"
#include "exporter/collectors/docker.h"
#include "exporter/collectors/pings.h"
#include "exporter/collectors/self.h"
#include "exporter/gatherer.h"
#include "exporter/scrape/scraper.h"
#include "exporter/scrape/targets_api.h"
#include "fettle.h"
#include "fettle_config.h"
#include "fettle_samples.h"
#include "receivers/actions/all.h"
#include "receivers/alerts.h"
#include "receivers/api/api.h"
#include "receivers/api/explain.h"
#include "receivers/backups/backups.h"
#include "receivers/engine_ears.h"
#include "receivers/events.h"
#include "receivers/gates.h"
#include "receivers/gates_api.h"
#include "receivers/incidents_api.h"
#include "receivers/intake.h"
#include "receivers/mender.h"
#include "receivers/targets.h"
#include "receivers/telling.h"
#include "rules/federate.h"
#include "rules/judge.h"
#include "rules/manager.h"
#include "rules/notifier.h"
#include "rules/promql/engine.h"
#include "rules/query_api.h"
#include "rules/remote_query.h"
#include "rules/remote_write_receiver.h"
#include "rules/rule_query.h"
#include "rules/samples/samples.h"
#include "rules/series_api.h"
#include "rules/status_api.h"

namespace fettle {

// One engine: its client, its watch, and who listens to it.
struct EngineParts {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<EngineWatch> watch;
  std::unique_ptr<exporter::DockerCollector> collector;  // only of the one that is shown
  std::unique_ptr<receivers::EngineEars> ears;
};

// So many hands, by the name of their work.
using MakeHands = std::function<std::unique_ptr<Hands>(const std::string& name, std::size_t hands)>;

// Pools of hands, one for each kind of work that may hang, so that none delays another.
struct Pools {
  explicit Pools(const MakeHands& make)
      : collect(make("collect", 8)),
        watch(make("watch", 4)),
        judge(make("judge", 2)),
        fold(make("fold", 1)),
        look(make("look", 4)),
        act(make("act", 8)),
        backup(make("backup", 2)),
        notify(make("notify", 2)) {}

  const std::unique_ptr<Hands> collect, watch, judge, fold, look, act, backup, notify;
  std::unique_ptr<Hands> scrape;  // only where something is scraped

  void Close();
};

// Engines for the discovery of targets; nullptr if there is none to be had.
using DiscoveryEngines = std::function<std::unique_ptr<Engine>(const DockerDiscovery& docker)>;

struct Fettle::Parts {
  // What the program finds around it and a test makes up: where it remembers, who carries its
  // requests, who works for it, and the engines it talks to.
  struct Outside {
    std::unique_ptr<Metrics> metrics;
    std::unique_ptr<Store> store;
    std::unique_ptr<HttpTransport> transport;
    MakeHands make_hands;
    // Of the connection with this name; nullptr if there is none to be had.
    std::function<std::unique_ptr<Engine>(const std::string& name,
                                          const DockerConnection& connection,
                                          HttpTransport& transport, Metrics& metrics)>
        make_engine;
  };
  Parts(Deps d, ServeOptions o, FettleConfig c, WebConfig w, Outside outside);

  const Deps deps;
  const ServeOptions options;
  FettleConfig config;
  const WebConfig web;
  const std::string external_url;
  const Time started;
  Log log;
  const std::unique_ptr<Metrics> metrics_owner;
  Metrics& metrics;
  const std::unique_ptr<Store> store;
  Brain brain;
  const std::unique_ptr<HttpTransport> transport_owner;
  HttpTransport& transport;
  Pools pools;
  std::stop_source ending;

  // Judges.
  rules::SampleStore samples;
  promql::Engine engine;
  rules::EngineQuery rule_query;
  rules::EngineJudge judge;
  // Where query_url names another server, which is asked instead; else nullptr.
  std::unique_ptr<rules::RemoteQuery> remote_query;
  std::unique_ptr<rules::QueryJudge> remote_judge;
  rules::QueryApi query_api;
  rules::SeriesApi series_api;
  rules::StatusApi status_api;
  rules::Federation federation;
  rules::RemoteWriteReceiver remote_write;
  RemoteWriters remote_writers;  // opened before anything is observed, and then never changed
  SampleFan sink;

  // Observes.
  ExemplarBoard exemplars;
  exporter::Gatherer gatherer;
  exporter::SelfCollector self;
  exporter::Pings pings;
  std::vector<exporter::Scheduled> collectors;
  std::map<std::string, EngineParts> engines;  // by connection
  const SystemNameLookup name_lookup;
  std::unique_ptr<exporter::Scraper> scraper;  // nullptr: nothing is scraped
  exporter::TargetsApi targets_api;

  // Acts.
  receivers::Alerts alerts;
  receivers::WebhookIntake intake;
  receivers::Events events;
  receivers::Telling telling;
  receivers::Api api;
  receivers::ExplainApi explain_api;
  receivers::backups::Backups backups;
  receivers::Targets targets;
  receivers::Approvals approvals;
  receivers::Mender mender;
  receivers::IncidentsApi incidents_api;
  receivers::Gates gates;
  receivers::GatesApi gates_api;

  // Judges what was observed, and posts to those who act, here and elsewhere.
  rules::Notifier notifier;
  rules::RuleManager rules;

  std::unique_ptr<HttpServer> server;
  std::jthread brain_thread;
  std::atomic<bool> ready = false;
  std::atomic<Time> last_loaded{};  // when the configuration in force was loaded

  std::mutex reload_mutex;  // one reload at a time
  std::mutex end_mutex;     // guards quitting
  std::condition_variable end_changed;
  bool quitting = false;

  // fettle.cc
  Status Restore(const Moment& now);
  void WatchEngines();
  Status OpenRemoteWriters();
  std::unique_ptr<exporter::Scraper> MakeScraper(const Outside& outside);
  DiscoveryEngines MakeDiscoveryEngines(const Outside& outside);
  std::vector<MetricMetadata> Metadata();
  void Expire(const Moment& now);
  void TrimAudit(const Moment& now);
  void Stop();
  prometheus::Gauge& LastReloadSuccessful();
  void NoteLoaded();
  // fettle_status.cc
  rules::StatusApi::Deps StatusDeps();
  rules::StatusApi::Options StatusOptions() const;
  Labels ExternalLabels();
  // fettle_routes.cc
  Router MakeRouter(Fettle& fettle);
};

// Rule groups of a configuration: its files', and the shipped packs that have something to judge.
std::vector<rules::GroupSpec> GroupsOf(const FettleConfig& config);

}  // namespace fettle

#include "fettle.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "command.h"
#include "common/digest.h"
#include "common/docker_engine.h"
#include "common/footprint.h"
#include "common/http_client.h"
#include "common/sqlite_store.h"
#include "common/yaml.h"
#include "fettle_backups.h"
#include "fettle_parts.h"
#include "rules/builtin_rules.h"
#include "rules/samples/shelves.h"

namespace fettle {
namespace {

constexpr Millis kExpireEvery{60'000};
constexpr Millis kTrimAuditEvery{6 * 3'600'000};
constexpr Millis kReloadTimeout{30'000};
// What the upstream Alertmanagers have not heard yet, at the end.
constexpr Millis kDrainWithin{5'000};
// A target that does not answer keeps one busy until its timeout.
constexpr std::size_t kScrapeHands = 16;

rules::RuleManager::Options RuleOptions(const FettleConfig& config, const std::string& url,
                                        const promql::ParserOptions& parser) {
  return {.evaluation_interval = config.rules.evaluation_interval,
          .external_labels = config.rules.external_labels,
          .external_url = url,
          .parser = parser};
}

std::unique_ptr<Hands> MakeHandPool(const std::string& name, std::size_t hands) {
  return std::make_unique<HandPool>(HandPool::Options{.name = name, .threads = hands});
}

std::map<std::string, EngineParts> MakeEngines(const Fettle::Deps& deps,
                                               const Fettle::Parts::Outside& outside,
                                               HttpTransport& transport, Metrics& metrics,
                                               const FettleConfig& config) {
  std::map<std::string, EngineParts> engines;
  for (const auto& [name, connection] : config.connections.docker) {
    EngineParts parts;
    parts.engine = outside.make_engine(name, connection, transport, metrics);
    if (parts.engine == nullptr) continue;
    parts.watch = std::make_unique<EngineWatch>(EngineWatch::Deps{.engine = *parts.engine,
                                                                  .clock = deps.clock,
                                                                  .metrics = metrics,
                                                                  .log = Log(deps.log, "engine")});
    engines.emplace(name, std::move(parts));
  }
  return engines;
}

receivers::Targets MakeTargets(const std::map<std::string, EngineParts>& engines,
                               const receivers::BackupRunner& backups) {
  receivers::Targets::Deps deps{.backups = &backups};
  for (const auto& [name, parts] : engines) deps.engines[name] = parts.engine.get();
  return receivers::Targets(std::move(deps));
}

// Outside a container there is nothing of it to be found, and without /proc nothing to read.
receivers::OwnParts OwnPartsOf(const FettleConfig& config) {
  std::vector<std::string> endpoints;
  for (const auto& [name, connection] : config.connections.docker) {
    endpoints.push_back(connection.endpoint);
  }
  std::ostringstream mounts;
  mounts << std::ifstream("/proc/self/mountinfo").rdbuf();
  return receivers::FindOwnParts(mounts.str(), endpoints);
}

Result<std::shared_ptr<const receivers::Plan>> PlanOf(const FettleConfig& config,
                                                      HttpTransport& transport) {
  if (!config.alertmanager) return std::shared_ptr<const receivers::Plan>();
  return receivers::MakePlan(*config.alertmanager,
                             {transport, "Alertmanager/0.33.1 " + VersionText()});
}

std::string UrlOf(const ServeOptions& options, const WebConfig& web) {
  std::string url = options.external_url;
  if (url.empty()) url = (web.tls ? "https://" : "http://") + options.listen_address;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

std::vector<rules::GroupSpec> GroupsOf(const FettleConfig& config) {
  std::vector<rules::GroupSpec> groups = config.rules.groups;
  if (!config.rules.builtin) return groups;
  std::set<std::string> kinds = config.exporter.Kinds();
  if (!config.backups.empty()) kinds.insert("backups");
  for (rules::GroupSpec& group : rules::BuiltinGroups(kinds)) groups.push_back(std::move(group));
  return groups;
}

void Pools::Close() {
  if (scrape) scrape->Close();
  for (const auto* pool : {&collect, &watch, &judge, &look, &act, &backup, &fold, &notify}) {
    (*pool)->Close();
  }
}

Fettle::Parts::Parts(Deps d, ServeOptions o, FettleConfig c, WebConfig w, Outside outside)
    : deps(d),
      options(std::move(o)),
      config(std::move(c)),
      web(std::move(w)),
      external_url(UrlOf(options, web)),
      started(deps.clock.Now().wall),
      log(deps.log, "fettle"),
      metrics_owner(std::move(outside.metrics)),
      metrics(*metrics_owner),
      store(std::move(outside.store)),
      transport_owner(std::move(outside.transport)),
      transport(*transport_owner),
      pools(outside.make_hands),
      samples({.retention = options.storage_retention}, &metrics),
      engine({.samples = samples, .clock = deps.clock},
             options.features.On({.lookback = options.lookback_delta,
                                  .samples_max = options.query_samples_max,
                                  .default_step = config.rules.evaluation_interval})),
      rule_query(engine, &samples),
      judge({.engine = engine, .clock = deps.clock}, options.features.parser),
      remote_query(config.rules.query.url.empty()
                       ? nullptr
                       : std::make_unique<rules::RemoteQuery>(
                             rules::RemoteQuery::Deps{transport, deps.clock}, config.rules.query)),
      remote_judge(remote_query == nullptr
                       ? nullptr
                       : std::make_unique<rules::QueryJudge>(*remote_query, deps.clock,
                                                             options.features.parser)),
      query_api({.engine = engine, .samples = samples, .clock = deps.clock, .metrics = metrics},
                {.timeout = options.query_timeout,
                 .queries_max = options.queries_max,
                 .parser = options.features.parser}),
      series_api({.samples = samples,
                  .metadata = [this] { return Metadata(); },
                  .exemplars =
                      [this](const std::vector<Matchers>& selectors, Time from, Time to) {
                        return samples.shelves().exemplars.Find(selectors, from, to);
                      }},
                 options.features.parser),
      status_api(StatusDeps(), StatusOptions()),
      federation({.samples = samples,
                  .clock = deps.clock,
                  .external_labels = [this] { return ExternalLabels(); }},
                 options.lookback_delta),
      remote_write({.samples = samples,
                    .clock = deps.clock,
                    .metrics = metrics,
                    .log = Log(deps.log, "remote write"),
                    .forward =
                        [this](std::vector<Sample> written, std::vector<SampleExemplar> beside) {
                          sink.Forward(std::move(written), std::move(beside));
                        }}),
      sink({.store = samples, .beside = remote_write, .others = remote_writers}),
      gatherer({.brain = brain,
                .hands = *pools.collect,
                .clock = deps.clock,
                .sink = sink,
                .metrics = metrics,
                .log = Log(deps.log, "gatherer"),
                .exemplars = &exemplars},
               {.interval = config.exporter.interval, .instance = options.listen_address}),
      self({.brain = brain, .started = started, .version = VersionText()}),
      pings({.store = *store, .clock = deps.clock, .metrics = metrics, .publisher = gatherer},
            config.exporter.watch),
      collectors(exporter::MakeCollectors({.transport = transport,
                                           .clock = deps.clock,
                                           .random = deps.random,
                                           .store = *store,
                                           .metrics = metrics,
                                           .log = deps.log,
                                           .judge = judge,
                                           .slow_hands = pools.watch.get()},
                                          config.exporter)),
      engines(MakeEngines(deps, outside, transport, metrics, config)),
      scraper(MakeScraper(outside)),
      targets_api(scraper.get()),
      alerts({.brain = brain,
              .hands = *pools.fold,
              .store = *store,
              .clock = deps.clock,
              .metrics = metrics,
              .log = Log(deps.log, "alerts")},
             {.defaults = {.webhook_max_age = config.telling.webhook_max_age}}),
      intake({.sink = alerts,
              .clock = deps.clock,
              .metrics = metrics,
              .log = Log(deps.log, "webhook")}),
      events({.brain = brain,
              .store = *store,
              .clock = deps.clock,
              .metrics = metrics,
              .log = Log(deps.log, "events"),
              .alerts = alerts,
              .publisher = gatherer}),
      telling({.brain = brain,
               .store = *store,
               .alerts = alerts,
               .clock = deps.clock,
               .random = deps.random,
               .metrics = metrics,
               .log = Log(deps.log, "tell"),
               .make_hands =
                   [make = outside.make_hands](const std::string& name) {
                     return make(name, receivers::Lanes::kHandsPerLane);
                   }},
              {.tell_webhook = config.telling.tell_webhook, .external_url = external_url}),
      api({.brain = brain,
           .alerts = alerts,
           .telling = telling,
           .clock = deps.clock,
           .metrics = metrics,
           .log = Log(deps.log, "api")},
          {.own_version = VersionText(),
           .started = started,
           .peers = {{"fettle", options.listen_address}}}),
      explain_api({.brain = brain, .alerts = alerts, .telling = telling}, MatcherSyntax::kFallback),
      backups({.brain = brain,
               .hands = *pools.backup,
               .clock = deps.clock,
               .random = deps.random,
               .store = *store,
               .metrics = metrics,
               .log = Log(deps.log, "backup"),
               .publisher = gatherer,
               .open =
                   [this](const receivers::backups::Target& target, const std::stop_token& stop) {
                     return OpenPlace({transport, deps.clock, deps.random, metrics, deps.log},
                                      target, stop);
                   }},
              config.backups),
      targets(MakeTargets(engines, backups)),
      approvals(deps.random),
      mender({.brain = brain,
              .hands = *pools.look,
              .store = *store,
              .metrics = metrics,
              .log = Log(deps.log, "mend"),
              .targets = targets,
              .actions = receivers::AllActions({.brain = brain,
                                                .hands = *pools.act,
                                                .clock = deps.clock,
                                                .targets = targets,
                                                .backups = &backups,
                                                .teller = &telling,
                                                .external_url = external_url,
                                                .stop = ending.get_token(),
                                                .http = &transport}),
              .quiet = telling,
              .judge = remote_judge ? static_cast<const Judge*>(remote_judge.get()) : &judge,
              .backups = &backups,
              .own = OwnPartsOf(config),
              .teller = &telling,
              .approvals = &approvals,
              .external_url = external_url,
              .course = [this](receivers::EventKind kind, std::string_view service,
                               Time now) { return events.LatestOf(kind, service, now); }},
             std::make_shared<const receivers::RepairsConfig>(config.repairs),
             {.retention = config.retention.incidents}),
      incidents_api({.brain = brain,
                     .mender = mender,
                     .store = store.get(),
                     .approvals = &approvals,
                     .clock = &deps.clock}),
      gates({.brain = brain,
             .store = *store,
             .random = deps.random,
             .judge = remote_judge ? static_cast<const Judge&>(*remote_judge) : judge,
             .metrics = metrics,
             .log = Log(deps.log, "gates")},
            config.gates),
      gates_api({.brain = brain, .gates = gates, .clock = deps.clock}),
      notifier({.brain = brain,
                .hands = *pools.notify,
                .looks = *pools.look,
                .clock = deps.clock,
                .transport = transport,
                .lookup = name_lookup,
                .next = alerts,
                .metrics = metrics,
                .log = Log(deps.log, "notifier"),
                .make_engine = MakeDiscoveryEngines(outside)}),
      rules(
          {.brain = brain,
           .hands = *pools.judge,
           .clock = deps.clock,
           .query = remote_query ? static_cast<const rules::RuleQuery&>(*remote_query) : rule_query,
           .samples = sink,
           .alerts = notifier,
           .store = *store,
           .metrics = metrics,
           .log = Log(deps.log, "rules")}) {
  WatchEngines();
  for (const exporter::Scheduled& one : collectors) gatherer.Add(*one.collector, one.schedule);
  gatherer.Add(self, {});
  if (!pings.empty()) gatherer.Add(pings, {.origin = Origin::kEvent});
  gatherer.Add(events, {});
  if (!config.backups.empty()) gatherer.Add(backups, {});
  samples.OnEventChange([this](std::span<const rules::LabelsPtr> changed, Time newest) {
    rules.OnEventChange(changed, newest);
  });
  exemplars.OnNote([this](const std::string& family, const Labels& bucket, const Exemplar& noted) {
    // As the gatherer names its own samples.
    Labels series = bucket;
    series.Set(kMetricName, family + "_bucket");
    series.Set("job", "fettle");
    series.Set("instance", options.listen_address);
    (void)samples.Remark({{std::move(series), noted}}, {});
  });
}

std::unique_ptr<exporter::Scraper> Fettle::Parts::MakeScraper(const Outside& outside) {
  if (config.exporter.scrapes.empty()) return nullptr;
  pools.scrape = outside.make_hands("scrape", kScrapeHands);
  return std::make_unique<exporter::Scraper>(
      exporter::Scraper::Deps{.brain = brain,
                              .hands = *pools.scrape,
                              .looks = *pools.look,
                              .clock = deps.clock,
                              .transport = transport,
                              .sink = sink,
                              .exemplars = sink,
                              .lookup = name_lookup,
                              .metrics = metrics,
                              .log = Log(deps.log, "scrape"),
                              .make_engine = MakeDiscoveryEngines(outside),
                              .stop = ending.get_token()},
      config.exporter.scrapes, "fettle/" + VersionText());
}

DiscoveryEngines Fettle::Parts::MakeDiscoveryEngines(const Outside& outside) {
  return [this, make = outside.make_engine](const DockerDiscovery& docker) {
    return make(docker.name, docker.connection, transport, metrics);
  };
}

void Fettle::Parts::WatchEngines() {
  for (auto& [name, parts] : engines) {
    if (config.exporter.docker == name) {
      parts.collector = std::make_unique<exporter::DockerCollector>(exporter::DockerCollector::Deps{
          .engine = *parts.engine, .watch = *parts.watch, .publisher = gatherer});
      parts.watch->Add(*parts.collector);
      gatherer.Add(*parts.collector, {});
    }
    parts.ears = std::make_unique<receivers::EngineEars>(brain, mender, name);
    parts.watch->Add(*parts.ears);
  }
}

Status Fettle::Parts::OpenRemoteWriters() {
  for (const exporter::RemoteWriteConfig& one : config.exporter.remote_writes) {
    auto writer = exporter::RemoteWriter::Open(
        {.transport = transport,
         .clock = deps.clock,
         .metrics = metrics,
         .log = Log(deps.log, "remote write"),
         .metadata = [this] { return Metadata(); }},
        one,
        {.directory = options.storage_path + "/remote_write/" + Hex(Sha256(one.name)).substr(0, 16),
         .external_labels = config.rules.external_labels,
         .user_agent = "fettle/" + VersionText()});
    if (!writer) {
      return While("opening what waits for remote_write in --storage.path", writer.error());
    }
    remote_writers.push_back(*std::move(writer));
  }
  return {};
}

// In this order: who inhibits is known before somebody acts, and half-done repairs are finished
// before anything new begins.
Status Fettle::Parts::Restore(const Moment& now) {
  if (Status s = samples.Persist({.files = rules::MakeLogFiles(options.storage_path + "/samples"),
                                  .log = Log(deps.log, "samples"),
                                  .now = now.wall});
      !s) {
    return While("reading the samples in --storage.path", s.error());
  }
  if (Status s = OpenRemoteWriters(); !s) return s;
  if (Status s = alerts.Restore(now); !s) return s;
  if (Status s = events.Restore(now); !s) return s;
  if (Status s = gates.Restore(now); !s) return s;
  if (Status s = telling.Restore(now); !s) return s;
  auto plan = PlanOf(config, transport);
  if (!plan) return While("reading templates", plan.error());
  if (*plan) telling.Use(*std::move(plan), now);
  if (Status s = backups.Start(now); !s) return s;
  if (Status s = mender.Load(now); !s) return s;
  alerts.Subscribe(mender, now);
  mender.Begin(now);
  if (Status s = rules.Restore(now); !s) return s;
  notifier.Use(config.rules.notifier, now);
  rules.Update(RuleOptions(config, external_url, options.features.parser), GroupsOf(config), now);
  gatherer.Start(now);
  if (scraper) scraper->Start(now);
  Expire(now);
  TrimAudit(now);
  return {};
}

// The daemon's own, then what others sent, then what others show.
std::vector<MetricMetadata> Fettle::Parts::Metadata() {
  std::vector<MetricMetadata> all = gatherer.Metadata();
  for (MetricMetadata& sent : samples.shelves().metadata.All()) all.push_back(std::move(sent));
  if (!scraper) return all;
  std::map<std::string, MetricMetadata> scraped;
  for (exporter::TargetMetadataView& target : scraper->Metadata()) {
    for (MetricMetadata& one : target.metadata) scraped.emplace(one.name, std::move(one));
  }
  for (const MetricMetadata& known : all) scraped.erase(known.name);
  for (auto& [name, one] : scraped) all.push_back(std::move(one));
  return all;
}

void Fettle::Parts::Expire(const Moment& now) {
  brain.At(now.boot + kExpireEvery, [this](const Moment& then) { Expire(then); });
  // One pass over all series: a hand's work. If no hand is free, the next minute will do.
  (void)pools.collect->Do([this, wall = now.wall] {
    samples.Expire(wall);
    // What was forgotten goes back to the machine: a sidecar shares it.
    GiveBackMemory();
  });
}

void Fettle::Parts::TrimAudit(const Moment& now) {
  brain.At(now.boot + kTrimAuditEvery, [this](const Moment& then) { TrimAudit(then); });
  const Time before = now.wall - config.retention.audit;
  (void)pools.look->Do([this, before] {
    if (Status trimmed = store->TrimAudit(before); !trimmed) {
      log.Warn("the audit could not be trimmed", {{"err", trimmed.error().message}});
    }
  });
}

prometheus::Gauge& Fettle::Parts::LastReloadSuccessful() {
  return metrics.Gauge("fettle_config_last_reload_successful",
                       "1 if the last load of the configuration succeeded.");
}

void Fettle::Parts::NoteLoaded() {
  last_loaded = deps.clock.Now().wall;
  LastReloadSuccessful().Set(1);
  metrics
      .Gauge("fettle_config_last_reload_success_timestamp_seconds",
             "When the configuration in force was loaded.")
      .Set(ToSeconds(last_loaded.load()));
}

// What comes in ends first, then what is under way ends, then who decides.
void Fettle::Parts::Stop() {
  ready = false;
  query_api.Stop();
  server.reset();
  for (auto& [name, parts] : engines) parts.watch->Stop();
  ending.request_stop();
  telling.Stop();
  backups.Stop();
  pools.Close();
  notifier.Drain(kDrainWithin);
  if (brain_thread.joinable()) {
    // What the hands have just handed back is still decided upon and stored.
    (void)brain.Call(Millis(1'000), [](const Moment&) { return true; });
    brain_thread.request_stop();
    brain_thread.join();
  }
}

Fettle::Fettle(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Fettle::~Fettle() { parts_->Stop(); }

Result<std::unique_ptr<Fettle>> Fettle::Build(Deps deps, ServeOptions options) {
  yaml::Complaints complaints;
  FettleConfig config = ReadFettleConfig(options.config_file, complaints, options.features.parser);
  if (!complaints.empty()) return Fail(Cause::kInvalid, "{}", complaints.ToString());
  Result<WebConfig> web = LoadWebConfig(options.web_config_file);
  if (!web) return tl::unexpected(web.error());
  if (Status closed = receivers::CheckOpenDoor(config.repairs, options.listen_address,
                                               web->HasAuthentication());
      !closed) {
    return tl::unexpected(closed.error());
  }
  Parts::Outside outside{.metrics = std::make_unique<Metrics>(),
                         .transport = std::make_unique<HttpClient>(),
                         .make_hands = MakeHandPool};
  auto store = SqliteStore::Open(
      {.clock = deps.clock, .metrics = *outside.metrics, .log = Log(deps.log, "store")},
      {.directory = options.storage_path});
  if (!store) return While("opening --storage.path", store.error());
  outside.store = *std::move(store);
  outside.make_engine = [log = Log(deps.log, "engine")](
                            const std::string& name, const DockerConnection& connection,
                            HttpTransport& transport, Metrics& metrics) {
    // The endpoint's form was checked with the configuration.
    auto engine = DockerEngine::Create({.http = transport, .metrics = metrics, .log = log},
                                       {.name = name, .endpoint = connection.endpoint});
    return engine ? *std::move(engine) : nullptr;
  };
  return std::unique_ptr<Fettle>(new Fettle(std::make_unique<Parts>(
      deps, std::move(options), std::move(config), *std::move(web), std::move(outside))));
}

Status Fettle::Start() {
  Parts& parts = *parts_;
  if (Status restored = parts.Restore(parts.deps.clock.Now()); !restored) return restored;
  Result<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      {.clock = parts.deps.clock,
       .metrics = parts.metrics,
       .log = Log(parts.deps.log, "web"),
       .exemplars = &parts.exemplars},
      {.listen_address = parts.options.listen_address}, parts.web, parts.MakeRouter(*this));
  if (!server) return While("listening on " + parts.options.listen_address, server.error());
  parts.server = *std::move(server);
  parts.brain_thread = std::jthread(
      [&parts](std::stop_token stop) { parts.brain.Run(parts.deps.clock, std::move(stop)); });
  for (auto& [name, engine] : parts.engines) engine.watch->Start();
  parts.NoteLoaded();
  // Reading the configuration and the rules took several times what is kept of them.
  GiveBackMemory();
  parts.ready = true;
  parts.log.Info("ready", {{"address", parts.server->address()}});
  return {};
}

std::string Fettle::address() const { return parts_->server->address(); }

void Fettle::Wait() {
  std::unique_lock lock(parts_->end_mutex);
  parts_->end_changed.wait(lock, [this] { return parts_->quitting; });
}

void Fettle::Quit() {
  const std::lock_guard lock(parts_->end_mutex);
  parts_->quitting = true;
  parts_->end_changed.notify_all();
}

Status Fettle::Reload() {
  Parts& parts = *parts_;
  const std::lock_guard lock(parts.reload_mutex);
  const auto refuse = [&](std::string why) -> Status {
    parts.LastReloadSuccessful().Set(0);
    parts.log.Error("the configuration was not reloaded; the old one stays", {{"err", why}});
    return Fail(Cause::kInvalid, "{}", why);
  };
  yaml::Complaints complaints;
  FettleConfig next =
      ReadFettleConfig(parts.options.config_file, complaints, parts.options.features.parser);
  if (!complaints.empty()) return refuse(complaints.ToString());
  if (next.fixed_text != parts.config.fixed_text) {
    return refuse(
        "connections, exporter, store, rules.query_url, receivers.webhook or receivers.backups "
        "changed: "
        "that needs a restart");
  }
  if (Status closed = receivers::CheckOpenDoor(next.repairs, parts.options.listen_address,
                                               parts.web.HasAuthentication());
      !closed) {
    return refuse(closed.error().message);
  }
  auto plan = PlanOf(next, parts.transport);
  if (!plan) return refuse(plan.error().message);
  const auto repairs = std::make_shared<const receivers::RepairsConfig>(next.repairs);
  const Result<bool> done = parts.brain.Call(kReloadTimeout, [&](const Moment& now) {
    if (*plan) parts.telling.Use(*plan, now);
    parts.mender.Reconfigure(repairs, now);
    if (next.notifier_text != parts.config.notifier_text) {
      parts.notifier.Use(next.rules.notifier, now);
    }
    for (const auto& writer : parts.remote_writers) {
      writer->SetExternalLabels(next.rules.external_labels);
    }
    parts.rules.Update(RuleOptions(next, parts.external_url, parts.options.features.parser),
                       GroupsOf(next), now);
    parts.config = std::move(next);
    return true;
  });
  if (!done) return refuse(done.error().message);
  parts.NoteLoaded();
  parts.log.Info("the configuration was reloaded");
  return {};
}

}  // namespace fettle

#include "fettle_alertmanager.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <utility>

#include "command.h"
#include "common/brain.h"
#include "common/dial.h"
#include "common/digest.h"
#include "common/directory.h"
#include "common/footprint.h"
#include "common/hands.h"
#include "common/http_client.h"
#include "common/http_server.h"
#include "common/metrics.h"
#include "common/postgres_store.h"
#include "common/sqlite_store.h"
#include "common/web_config.h"
#include "common/yaml.h"
#include "exporter/collectors/self.h"
#include "exporter/exposition.h"
#include "receivers/alerts.h"
#include "receivers/api/api.h"
#include "receivers/api/explain.h"
#include "receivers/telling.h"

namespace fettle {
namespace {

constexpr Millis kReloadTimeout{30'000};
// Scrapers, replicas of Prometheus and dashboards often come from one address.
constexpr int kConnectionsPerAddressMax = 56;

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

// As Alertmanager makes it: without a last slash.
std::string ExternalUrl(const AlertmanagerOptions& options) {
  std::string url = options.external_url;
  if (url.empty()) {
    const std::string& listen = options.listen_addresses.front();
    url = fmt::format("http://{}:{}", HostName(), listen.substr(listen.rfind(':') + 1));
  }
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// "" or "/foo".
std::string RoutePrefix(const AlertmanagerOptions& options) {
  std::string prefix;
  if (options.route_prefix) {
    prefix = *options.route_prefix;
  } else {
    const std::size_t host = options.external_url.find("://");
    const std::size_t path =
        host == std::string::npos ? host : options.external_url.find('/', host + 3);
    if (path != std::string::npos) prefix = options.external_url.substr(path);
  }
  while (prefix.ends_with('/')) prefix.pop_back();
  while (prefix.starts_with('/')) prefix.erase(0, 1);
  return prefix.empty() ? "" : "/" + prefix;
}

MatcherSyntax SyntaxOf(const AlertmanagerOptions& options) {
  if (options.classic_matchers) return MatcherSyntax::kClassic;
  return options.utf8_matchers ? MatcherSyntax::kUtf8 : MatcherSyntax::kFallback;
}

// As the status of the cluster shows this one.
Replica ShownAs(const AlertmanagerOptions& options, Random& random) {
  std::string address = options.cluster_advertise_address;
  if (address.empty()) address = options.cluster_address;
  if (address.starts_with(':')) address = "127.0.0.1" + address;
  if (address.starts_with("0.0.0.0:")) address.replace(0, 7, "127.0.0.1");
  // Nothing is gossiped, so nothing listens there: any number that is nobody's will do.
  if (address.ends_with(":0")) {
    address = address.substr(0, address.rfind(':') + 1) +
              std::to_string(32'768 + static_cast<int>(random.Next() % 28'000));
  }
  return {options.cluster_peer_name.empty() ? random.Uuid() : options.cluster_peer_name, address};
}

receivers::Api::Options ApiOptions(const AlertmanagerOptions& options, Random& random, Time started,
                                   const PostgresStore* shared) {
  receivers::Api::Options api;
  api.prefix = RoutePrefix(options);
  api.own_version = VersionText();
  api.started = started;
  api.drop_in = true;
  api.gets_max = options.gets_max > 0
                     ? options.gets_max
                     : std::max<std::size_t>(8, std::thread::hardware_concurrency());
  if (options.web_timeout > Millis(0)) api.answer_within = options.web_timeout;
  api.syntax = SyntaxOf(options);
  if (shared != nullptr) {
    api.live_peers = [shared] {
      std::vector<receivers::Api::Options::Peer> peers;
      for (Replica& replica : shared->Live()) {
        peers.push_back({std::move(replica.name), std::move(replica.address)});
      }
      return peers;
    };
  } else if (!options.cluster_address.empty()) {
    Replica self = ShownAs(options, random);
    api.peers.push_back({std::move(self.name), std::move(self.address)});
  }
  return api;
}

Result<std::shared_ptr<const receivers::Plan>> LoadPlan(const AlertmanagerOptions& options,
                                                        HttpTransport& transport) {
  yaml::Complaints complaints;
  auto config = receivers::ReadAlertmanagerFile(options.config_file, complaints, SyntaxOf(options));
  if (!config) return Fail(Cause::kInvalid, "{}", complaints.ToString());
  return receivers::MakePlan(
      *std::move(config),
      {transport, fmt::format("Alertmanager/{} {}", receivers::Api::kVersion, VersionText())});
}

struct OpenedStore {
  DirectoryLock lock;
  std::unique_ptr<Store> store;
  PostgresStore* shared = nullptr;
};

// In the storage path; or a PostgreSQL that replicas share, and only this one's name there.
Result<OpenedStore> OpenStore(const AlertmanagerProgram::Deps& deps,
                              const AlertmanagerOptions& options, Metrics& metrics) {
  constexpr std::string_view kPath = "opening --storage.path";
  const Log log(deps.log, "store");
  if (options.postgres_dsn_file.empty()) {
    auto store = SqliteStore::Open({.clock = deps.clock, .metrics = metrics, .log = log},
                                   {.directory = options.storage_path});
    if (!store) return While(kPath, store.error());
    return OpenedStore{{}, *std::move(store), nullptr};
  }
  if (Status made = CreatePrivateDirectory(options.storage_path); !made) {
    return While(kPath, made.error());
  }
  Result<DirectoryLock> lock = DirectoryLock::Take(options.storage_path);
  if (!lock) return While(kPath, lock.error());
  const Result<std::string> id = ReplicaId(options.storage_path, deps.random);
  if (!id) return While(kPath, id.error());
  Replica self = ShownAs(options, deps.random);
  if (options.cluster_peer_name.empty()) self.name = *id;
  auto store = PostgresStore::Open(
      {.clock = deps.clock, .random = deps.random, .metrics = metrics, .log = log},
      {.dsn = Secret::FromFile(options.postgres_dsn_file),
       .id = *id,
       .name = self.name,
       .address = self.address});
  if (!store) return While("--store.postgres.dsn-file", store.error());
  PostgresStore* const shared = store->get();
  return OpenedStore{*std::move(lock), *std::move(store), shared};
}

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Alertmanager</title></head>
<body><h1>fettle alertmanager</h1><p>An Alertmanager without pages of its own: amtool, Grafana and
karma speak to its API at <a href="api/v2/status">api/v2</a>.</p></body></html>
)";

}  // namespace

struct AlertmanagerProgram::Parts {
  Parts(Deps d, AlertmanagerOptions o, WebConfig w, std::unique_ptr<Metrics> m, OpenedStore opened);
  ~Parts();
  Status Begin(AlertmanagerProgram& program);
  void FollowOthers();
  Router MakeRouter(AlertmanagerProgram& program);
  HttpResponse ServeMetrics(const HttpRequest& request);
  void NoteLoad(const receivers::Plan* plan);

  const Deps deps;
  const AlertmanagerOptions options;
  const WebConfig web;
  const Time started;
  const Log log;
  const std::unique_ptr<Metrics> metrics_owner;
  Metrics& metrics;
  const DirectoryLock lock;  // of the storage path, if the store is elsewhere
  const std::unique_ptr<Store> store;
  PostgresStore* const shared;  // the same, if replicas share it
  Brain brain;
  HttpClient transport;
  HandPool fold{{.name = "fold", .threads = 1}};
  receivers::Alerts alerts;
  receivers::Telling telling;
  receivers::Api api;
  receivers::ExplainApi explain;
  exporter::SelfCollector self;
  std::mutex reload_mutex;  // one reload at a time
  std::vector<std::unique_ptr<HttpServer>> servers;
  std::jthread brain_thread;
};

AlertmanagerProgram::Parts::Parts(Deps d, AlertmanagerOptions o, WebConfig w,
                                  std::unique_ptr<Metrics> m, OpenedStore opened)
    : deps(d),
      options(std::move(o)),
      web(std::move(w)),
      started(deps.clock.Now().wall),
      log(deps.log, "alertmanager"),
      metrics_owner(std::move(m)),
      metrics(*metrics_owner),
      lock(std::move(opened.lock)),
      store(std::move(opened.store)),
      shared(opened.shared),
      alerts({.brain = brain,
              .hands = fold,
              .store = *store,
              .clock = deps.clock,
              .metrics = metrics,
              .log = Log(deps.log, "alerts"),
              .replica = shared == nullptr ? "" : shared->name()},
             {.defaults = {.classic_names = options.classic_matchers},
              .gc_interval = options.alerts_gc_interval}),
      telling(
          {.brain = brain,
           .store = *store,
           .alerts = alerts,
           .clock = deps.clock,
           .random = deps.random,
           .metrics = metrics,
           .log = Log(deps.log, "tell"),
           .make_hands =
               [](const std::string& name) {
                 return std::make_unique<HandPool>(
                     HandPool::Options{.name = name, .threads = receivers::Lanes::kHandsPerLane});
               },
           .replicas = shared},
          {.start_delay = options.start_delay,
           .external_url = ExternalUrl(options),
           .silences = {.retention = options.retention,
                        .maintenance = options.maintenance_interval,
                        .silences_max = options.silences_max > 0 ? options.silences_max : 100'000,
                        .silence_bytes_max = options.silence_bytes_max > 0
                                                 ? options.silence_bytes_max
                                                 : std::size_t{64} * 1024},
           .told = {.retention = options.retention, .maintenance = options.maintenance_interval},
           .on_loss = options.on_loss}),
      api({.brain = brain,
           .alerts = alerts,
           .telling = telling,
           .clock = deps.clock,
           .metrics = metrics,
           .log = Log(deps.log, "api")},
          ApiOptions(options, deps.random, started, shared)),
      explain({.brain = brain, .alerts = alerts, .telling = telling}, SyntaxOf(options)),
      self({.brain = brain, .started = started, .version = VersionText()}) {}

// What comes in ends first, then what is under way, then who decides.
AlertmanagerProgram::Parts::~Parts() {
  servers.clear();
  telling.Stop();
  fold.Close();
  if (brain_thread.joinable()) {
    (void)brain.Call(Millis(1'000), [](const Moment&) { return true; });
    brain_thread.request_stop();
    brain_thread.join();
  }
  // Nobody is left to hear of others, nor of what was asked of the store.
  if (shared != nullptr) shared->Follow(nullptr);
  (void)CommitAndWait(*store, {});
}

void AlertmanagerProgram::Parts::FollowOthers() {
  shared->Follow([this](std::vector<Record> heard) {
    brain.Finish([this, heard = std::move(heard)](const Moment& now) {
      for (const Record& record : heard) {
        alerts.Hear(record, now);
        telling.Hear(record);
      }
    });
  });
}

Status AlertmanagerProgram::Parts::Begin(AlertmanagerProgram& program) {
  auto plan = LoadPlan(options, transport);
  if (!plan) return While("loading configuration file", plan.error());
  const Moment now = deps.clock.Now();
  if (Status s = alerts.Restore(now); !s) return s;
  if (Status s = telling.Restore(now); !s) return s;
  if (shared != nullptr) FollowOthers();
  telling.Use(*plan, now);
  for (std::string address : options.listen_addresses) {
    if (address.starts_with(':')) address = "0.0.0.0" + address;
    if (address.starts_with("localhost:")) address.replace(0, 9, "127.0.0.1");
    auto server = HttpServer::Start(
        {.clock = deps.clock, .metrics = metrics, .log = Log(deps.log, "web")},
        {.listen_address = address, .connections_per_address_max = kConnectionsPerAddressMax}, web,
        MakeRouter(program));
    if (!server) return While("listening on " + address, server.error());
    log.Info("Listening on", {{"address", (*server)->address()}});
    servers.push_back(*std::move(server));
  }
  brain_thread =
      std::jthread([this](std::stop_token stop) { brain.Run(deps.clock, std::move(stop)); });
  NoteLoad(plan->get());
  metrics
      .Gauge("alertmanager_build_info", "A metric with a constant '1' value, with what was built.",
             {{"version", receivers::Api::kVersion.data()}, {"revision", VersionText()}})
      .Set(1);
  metrics.Gauge("alertmanager_cluster_enabled", "Indicates whether the clustering is enabled.")
      .Set(options.cluster_address.empty() ? 0 : 1);
  GiveBackMemory();
  return {};
}

void AlertmanagerProgram::Parts::NoteLoad(const receivers::Plan* plan) {
  metrics
      .Gauge("alertmanager_config_last_reload_successful",
             "Whether the last configuration reload attempt was successful.")
      .Set(plan != nullptr ? 1 : 0);
  if (plan == nullptr) return;
  metrics
      .Gauge("alertmanager_config_last_reload_success_timestamp_seconds",
             "Timestamp of the last successful configuration reload.")
      .Set(ToSeconds(deps.clock.Now().wall));
  const std::string hash = Hex(Sha256(plan->config.original)).substr(0, 12);
  metrics
      .Gauge("alertmanager_config_hash", "Hash of the currently loaded alertmanager configuration.")
      .Set(static_cast<double>(std::stoull(hash, nullptr, 16)));
}

HttpResponse AlertmanagerProgram::Parts::ServeMetrics(const HttpRequest& request) {
  api.Count();
  std::vector<MetricFamily> families = metrics.Collect();
  if (auto own = self.Collect({})) {
    for (MetricFamily& family : *own) families.push_back(std::move(family));
  }
  const exporter::Format format = exporter::Negotiate(request.headers.Get("Accept"));
  HttpResponse response;
  response.headers.Set("Content-Type", exporter::ContentType(format));
  for (const MetricFamily& family : families) {
    exporter::AppendFamily(response.body, {&family}, format);
  }
  response.body += exporter::Ending(format);
  return response;
}

Router AlertmanagerProgram::Parts::MakeRouter(AlertmanagerProgram& program) {
  Router router;
  const std::string prefix = RoutePrefix(options);
  api.AddRoutes(router);
  explain.AddRoutes(router);
  const auto ok = [](const HttpRequest&) { return TextResponse(200, "OK"); };
  router.Add("GET", prefix + "/-/healthy", Role::kPublic, ok);
  router.Add("GET", prefix + "/-/ready", Role::kPublic, ok);
  router.Add("POST", prefix + "/-/reload", Role::kOperator, [&program](const HttpRequest&) {
    const Status reloaded = program.Reload();
    if (reloaded) return TextResponse(200, "");
    return TextResponse(500, "failed to reload config: " + reloaded.error().message + "\n");
  });
  router.Add("GET", prefix + "/metrics", Role::kRead,
             [this](const HttpRequest& request) { return ServeMetrics(request); });
  router.Add("GET", prefix + "/", Role::kRead, [](const HttpRequest&) {
    HttpResponse response{200, {}, std::string(kPage)};
    response.headers.Set("Content-Type", "text/html; charset=utf-8");
    return response;
  });
  if (prefix.empty()) return router;
  router.Add("GET", "/", Role::kRead, [prefix](const HttpRequest&) {
    HttpResponse response{302, {}, ""};
    response.headers.Set("Location", prefix);
    return response;
  });
  return router;
}

AlertmanagerProgram::AlertmanagerProgram(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

AlertmanagerProgram::~AlertmanagerProgram() = default;

Result<std::unique_ptr<AlertmanagerProgram>> AlertmanagerProgram::Start(
    Deps deps, AlertmanagerOptions options) {
  Result<WebConfig> web = LoadWebConfig(options.web_config_file);
  if (!web) return tl::unexpected(web.error());
  auto metrics = std::make_unique<Metrics>();
  Result<OpenedStore> store = OpenStore(deps, options, *metrics);
  if (!store) return tl::unexpected(store.error());
  std::unique_ptr<AlertmanagerProgram> program(new AlertmanagerProgram(std::make_unique<Parts>(
      deps, std::move(options), *std::move(web), std::move(metrics), *std::move(store))));
  if (Status begun = program->parts_->Begin(*program); !begun) {
    return tl::unexpected(begun.error());
  }
  return program;
}

std::string AlertmanagerProgram::address() const { return parts_->servers.front()->address(); }

Status AlertmanagerProgram::Reload() {
  Parts& parts = *parts_;
  const std::lock_guard lock(parts.reload_mutex);
  auto plan = LoadPlan(parts.options, parts.transport);
  Status done;
  if (!plan) {
    done = tl::unexpected(plan.error());
  } else {
    const auto used = parts.brain.Call(kReloadTimeout, [&parts, plan = *plan](const Moment& now) {
      parts.telling.Use(plan, now);
      return true;
    });
    if (!used) done = tl::unexpected(used.error());
  }
  parts.NoteLoad(done ? plan->get() : nullptr);
  if (done) {
    parts.log.Info("Completed loading of configuration file",
                   {{"file", parts.options.config_file}});
  } else {
    parts.log.Error("Loading configuration file failed; the old one stays",
                    {{"file", parts.options.config_file}, {"err", done.error().message}});
  }
  return done;
}

}  // namespace fettle

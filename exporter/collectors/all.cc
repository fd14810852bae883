#include "exporter/collectors/all.h"

#include <utility>

namespace fettle::exporter {
namespace {

WatchDeps WatchDepsOf(const CollectorDeps& deps) {
  return {.transport = deps.transport,
          .clock = deps.clock,
          .random = deps.random,
          .metrics = deps.metrics,
          .log = Log(deps.log, "watch")};
}

std::unique_ptr<WalFiles> MakeWalFiles(const CollectorDeps& deps, const WalArchiveConfig& archive) {
  if (!archive.directory.empty()) return WalFilesIn(archive.directory);
  return WalFilesIn(WatchDepsOf(deps), archive.objects);
}

// nullptr for pings: nobody looks for those.
std::unique_ptr<Watcher> MakeWatcher(const CollectorDeps& deps, const WatchConfig& config) {
  if (const auto* files = std::get_if<WatchFiles>(&config.what)) return WatchFilesOf(*files);
  if (const auto* tool = std::get_if<WatchTool>(&config.what)) return WatchToolOf(*tool);
  if (const auto* objects = std::get_if<WatchObjects>(&config.what)) {
    return WatchObjectsOf(WatchDepsOf(deps), *objects);
  }
  return nullptr;
}

}  // namespace

std::vector<Scheduled> MakeCollectors(const CollectorDeps& deps, const ExporterConfig& config) {
  std::vector<Scheduled> all;
  const auto add = [&all](std::unique_ptr<Collector> collector, Gatherer::Schedule schedule) {
    all.push_back({std::move(collector), schedule});
  };
  const auto log = [&deps](const char* component) { return Log(deps.log, component); };
  if (config.host) add(std::make_unique<HostCollector>(*config.host), {});
  for (const ProbeConfig& probe : config.health) {
    // A probe's flip is an event: rules that select it are evaluated at once.
    add(std::make_unique<ProbeCollector>(probe, probe.make(deps.transport, deps.clock), deps.clock,
                                         log("probe")),
        {.interval = probe.interval, .timeout = probe.timeout, .origin = Origin::kEvent});
  }
  for (const PostgresCollectorConfig& postgres : config.postgres) {
    add(std::make_unique<PostgresCollector>(
            PostgresCollector::Deps{.connect = ConnectTo(postgres.connection),
                                    .clock = deps.clock,
                                    .metrics = deps.metrics,
                                    .log = log("postgres")},
            postgres),
        {.interval = postgres.interval});
  }
  for (const RedisCollectorConfig& redis : config.redis) {
    add(std::make_unique<RedisCollector>(
            RedisCollector::Deps{
                .connect = ConnectTo(redis.connection), .clock = deps.clock, .log = log("redis")},
            redis),
        {.interval = redis.interval});
  }
  CostCollector::Deps cost{.store = deps.store, .log = log("cost")};
  for (const S3CollectorConfig& s3 : config.s3) {
    auto collector = std::make_unique<S3Collector>(S3Collector::Deps{.transport = deps.transport,
                                                                     .clock = deps.clock,
                                                                     .random = deps.random,
                                                                     .metrics = deps.metrics,
                                                                     .log = log("s3")},
                                                   s3);
    cost.usage.push_back([bucket = collector.get()] { return bucket->Usage(); });
    constexpr Millis kTurn{60'000};  // an inventory goes on over several
    add(std::move(collector), {.interval = s3.interval, .timeout = kTurn});
  }
  for (const WatchConfig& watch : config.watch) {
    std::unique_ptr<Watcher> watcher = MakeWatcher(deps, watch);
    if (watcher == nullptr) continue;
    // Somebody else's repository may hang: that must not delay what is close by.
    add(std::make_unique<WatchCollector>(std::move(watcher), watch),
        {.interval = watch.interval, .timeout = watch.timeout, .hands = deps.slow_hands});
  }
  for (const WalArchiveConfig& archive : config.wal_archives) {
    add(std::make_unique<WalArchiveCollector>(
            WalArchiveCollector::Deps{.connect = ConnectTo(archive.server),
                                      .files = MakeWalFiles(deps, archive),
                                      .log = log("wal")},
            archive),
        {.interval = archive.interval, .timeout = archive.timeout, .hands = deps.slow_hands});
    if (archive.heartbeat.empty()) continue;
    add(std::make_unique<HeartbeatCollector>(ConnectTo(archive.server), archive),
        {.interval = archive.heartbeat_every});
  }
  if (config.cost && !config.cost->budgets.empty()) {
    add(std::make_unique<BudgetCollector>(deps.judge, config.cost->budgets), {});
  }
  if (config.cost && config.cost->model) {
    add(std::make_unique<CostCollector>(std::move(cost), *config.cost),
        {.interval = config.cost->interval});
  }
  return all;
}

}  // namespace fettle::exporter

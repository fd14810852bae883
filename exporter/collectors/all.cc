#include "exporter/collectors/all.h"

#include <utility>

namespace fettle::exporter {

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
    add(std::make_unique<WatchCollector>(watch), {.interval = watch.interval});
  }
  if (config.cost) {
    add(std::make_unique<CostCollector>(std::move(cost), *config.cost),
        {.interval = config.cost->interval});
  }
  return all;
}

}  // namespace fettle::exporter

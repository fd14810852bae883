#include "exporter/scrape/scraper.h"

#include <algorithm>
#include <utility>

#include "exporter/scrape/page_intake.h"
#include "exporter/scrape/scrape_turn.h"

namespace fettle::exporter {
namespace {

// FNV-1a 64.
std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

}  // namespace

struct Scraper::Counters {
  explicit Counters(Metrics& metrics)
      : over_samples(metrics.Counter("prometheus_target_scrapes_exceeded_sample_limit_total",
                                     "Scrapes that hit the sample limit and were rejected.")),
        over_body(metrics.Counter("prometheus_target_scrapes_exceeded_body_size_limit_total",
                                  "Scrapes that hit the body size limit.")),
        over_labels(
            metrics.Counter("prometheus_target_scrape_pool_exceeded_label_limits_total",
                            "Scrapes rejected because a sample hit one of the label limits.")),
        over_targets(metrics.Counter("prometheus_target_scrape_pool_exceeded_target_limit_total",
                                     "Times a scrape pool had more targets than its limit.")),
        missed(metrics.Counter(
            "fettle_scrapes_missed_total",
            "Scrapes left out because the one before had not ended, or no hand was free.")) {}

  prometheus::Counter& over_samples;
  prometheus::Counter& over_body;
  prometheus::Counter& over_labels;
  prometheus::Counter& over_targets;
  prometheus::Counter& missed;
};

// One target and its turns. A hand that scrapes holds it, so that it outlives its place in the
// list.
struct Scraper::Loop {
  Loop(const ScrapeConfig& c, ScrapeTarget t, std::uint64_t seed)
      : config(c),
        target(std::move(t)),
        intake(config, target.labels),
        offset(static_cast<std::int64_t>((HashOf(target.labels.ToString() + target.url) ^ seed) %
                                         static_cast<std::uint64_t>(target.interval.count()))) {}

  // On a hand.
  void Scrape(const Deps& deps, const std::string& user_agent, Counters& counters, Time at);
  void Finish(const Deps& deps, Time at);

  const ScrapeConfig& config;
  const ScrapeTarget target;
  PageIntake intake;          // the hand's
  const std::int64_t offset;  // milliseconds into the interval

  // The brain's.
  bool busy = false;
  bool gone = false;
  Brain::Ticket timer;

  std::mutex mutex;     // guards the following
  std::string refused;  // why it is not scraped at all
  TargetView::Health health = TargetView::Health::kUnknown;
  std::string last_error;
  Time last_scrape{};
  double last_seconds = 0;
  std::vector<MetricMetadata> metadata;
};

void Scraper::Loop::Scrape(const Deps& deps, const std::string& user_agent, Counters& counters,
                           Time at) {
  const Moment began = deps.clock.Now();
  FetchedPage fetched;
  {
    const std::lock_guard lock(mutex);
    if (!refused.empty()) fetched.page = Fail(Cause::kLimit, "{}", refused);
  }
  if (fetched.page) fetched = FetchPage(deps.transport, config, target, user_agent, deps.stop);
  PageIntake::Taken taken;
  if (fetched.page) {
    taken = intake.Take(fetched.page->body, fetched.page->format, at);
  } else {
    taken.batch = intake.TakeNothing(at);
    taken.status = tl::unexpected(fetched.page.error());
  }
  if (fetched.too_long) counters.over_body.Increment();
  if (taken.over_samples) counters.over_samples.Increment();
  if (taken.over_labels) counters.over_labels.Increment();
  const double seconds = ToSeconds(deps.clock.Now().boot - began.boot);
  AppendReport({.up = taken.status.has_value(),
                .seconds = seconds,
                .scraped = taken.scraped,
                .kept = taken.kept,
                .added = taken.added},
               target.labels, at, taken.batch);
  // What the store drops, it counts.
  (void)deps.sink.Append(taken.batch);
  if (!taken.exemplars.empty()) deps.exemplars.Keep(std::move(taken.exemplars));
  const std::lock_guard lock(mutex);
  health = taken.status ? TargetView::Health::kUp : TargetView::Health::kDown;
  last_error = taken.status ? "" : taken.status.error().message;
  last_scrape = began.wall;
  last_seconds = seconds;
  if (!taken.status) return;
  metadata.clear();
  for (const auto& [name, one] : intake.metadata()) metadata.push_back(one);
}

void Scraper::Loop::Finish(const Deps& deps, Time at) {
  SampleBatch batch = intake.TakeNothing(at);
  AppendReportEnd(target.labels, at, batch);
  (void)deps.sink.Append(batch);
}

struct Scraper::Pool {
  const ScrapeConfig* config = nullptr;
  std::unique_ptr<Discovery> discovery;
  std::map<std::string, std::shared_ptr<Loop>> loops;  // by the target's key
  Dropped dropped;
  prometheus::Gauge* targets = nullptr;
};

Scraper::Scraper(Deps deps, std::vector<ScrapeConfig> configs, std::string user_agent,
                 std::uint64_t seed)
    : deps_(std::move(deps)),
      configs_(std::move(configs)),
      user_agent_(std::move(user_agent)),
      seed_(seed),
      counters_(std::make_shared<Counters>(deps_.metrics)),
      self_(std::make_shared<Scraper*>(this)) {
  for (const ScrapeConfig& config : configs_) {
    auto pool = std::make_unique<Pool>();
    pool->config = &config;
    pool->targets =
        &deps_.metrics.Gauge("prometheus_target_scrape_pool_targets", "Targets of the scrape pool.",
                             {{"scrape_job", config.job_name}});
    pool->discovery = std::make_unique<Discovery>(
        Discovery::Deps{.brain = deps_.brain,
                        .hands = deps_.looks,
                        .lookup = deps_.lookup,
                        .log = deps_.log,
                        .make_engine = deps_.make_engine},
        config.discovery,
        [this, at = pool.get()](const std::vector<TargetGroup>& groups, const Moment& now) {
          Sync(*at, groups, now);
        });
    pools_.push_back(std::move(pool));
  }
}

Scraper::~Scraper() { *self_ = nullptr; }

void Scraper::Start(const Moment& now) {
  for (const auto& pool : pools_) pool->discovery->Start(now);
}

// The targets are these now: new ones begin, those that are gone end, the others go on.
void Scraper::Sync(Pool& pool, const std::vector<TargetGroup>& groups, const Moment& now) {
  const ScrapeConfig& config = *pool.config;
  std::map<std::string, ScrapeTarget> wanted;
  Dropped dropped;
  for (const TargetGroup& group : groups) {
    for (const Labels& found : group.Whole()) {
      auto target = MakeTarget(config, found);
      if (!target) {
        deps_.log.Warn("a target cannot be scraped", {{"scrape_pool", config.job_name},
                                                      {"target", found.ToString()},
                                                      {"err", target.error().message}});
      } else if (!*target) {
        ++dropped.count;
        const bool keep =
            config.keep_dropped_targets == 0 || dropped.kept.size() < config.keep_dropped_targets;
        if (keep) dropped.kept.push_back(found);
      } else {
        std::string key = (*target)->Key();
        wanted.emplace(std::move(key), **std::move(target));
      }
    }
  }
  std::string refused;
  if (config.target_limit > 0 && wanted.size() > config.target_limit) {
    refused = fmt::format("target_limit exceeded (number of targets: {}, limit: {})", wanted.size(),
                          config.target_limit);
    counters_->over_targets.Increment();
  }
  std::vector<std::shared_ptr<Loop>> begin;
  std::vector<std::shared_ptr<Loop>> end;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::shared_ptr<Loop>> next;
    for (auto& [key, target] : wanted) {
      const auto known = pool.loops.find(key);
      if (known != pool.loops.end()) {
        next.emplace(key, std::move(known->second));
        pool.loops.erase(known);
      } else {
        begin.push_back(std::make_shared<Loop>(config, std::move(target), seed_));
        next.emplace(key, begin.back());
      }
    }
    for (const auto& [key, loop] : pool.loops) end.push_back(loop);
    pool.loops = std::move(next);
    pool.dropped = std::move(dropped);
    for (const auto& [key, loop] : pool.loops) {
      const std::lock_guard each(loop->mutex);
      loop->refused = refused;
    }
  }
  pool.targets->Set(static_cast<double>(wanted.size()));
  for (const auto& loop : begin) ScheduleNext(loop, now);
  for (const auto& loop : end) End(loop, now);
}

void Scraper::ScheduleNext(const std::shared_ptr<Loop>& loop, const Moment& now) {
  const std::int64_t interval = loop->target.interval.count();
  const std::int64_t wall = ToMillis(now.wall);
  const std::int64_t past = ((wall - loop->offset) % interval + interval) % interval;
  const Millis wait(interval - past);
  loop->timer = deps_.brain.At(now.boot + wait,
                               [self = self_, loop, slot = now.wall + wait](const Moment& then) {
                                 if (*self != nullptr) (*self)->OnTurn(loop, slot, then);
                               });
}

void Scraper::OnTurn(const std::shared_ptr<Loop>& loop, Time slot, const Moment& now) {
  if (loop->gone) return;
  ScheduleNext(loop, now);
  if (loop->busy) {
    counters_->missed.Increment();
    return;
  }
  const Millis late = now.wall - slot;
  const Time at = late >= Millis(0) && late <= kAlignWithin ? slot : now.wall;
  loop->busy = deps_.hands.Do(
      [self = self_, loop, at, deps = deps_, counters = counters_, user_agent = user_agent_] {
        loop->Scrape(deps, user_agent, *counters, at);
        deps.brain.Finish([self, loop](const Moment& then) {
          if (*self != nullptr) (*self)->OnDone(loop, then);
        });
      });
  if (!loop->busy) counters_->missed.Increment();
}

void Scraper::OnDone(const std::shared_ptr<Loop>& loop, const Moment& now) {
  loop->busy = false;
  if (loop->gone) End(loop, now);
}

// Its series end now, or after the scrape that is under way.
void Scraper::End(const std::shared_ptr<Loop>& loop, const Moment& now) {
  loop->gone = true;
  deps_.brain.Cancel(loop->timer);
  if (loop->busy) return;
  const bool taken =
      deps_.hands.Do([loop, deps = deps_, at = now.wall] { loop->Finish(deps, at); });
  (void)taken;  // without a hand they end by the lookback
}

std::vector<TargetView> Scraper::Targets() const {
  std::vector<TargetView> views;
  const std::lock_guard lock(mutex_);
  for (const auto& pool : pools_) {
    for (const auto& [key, loop] : pool->loops) {
      const std::lock_guard each(loop->mutex);
      views.push_back({.pool = pool->config->job_name,
                       .target = loop->target,
                       .health = loop->health,
                       .last_error = loop->last_error,
                       .last_scrape = loop->last_scrape,
                       .last_seconds = loop->last_seconds});
    }
  }
  return views;
}

std::map<std::string, Scraper::Dropped> Scraper::DroppedTargets() const {
  std::map<std::string, Dropped> out;
  const std::lock_guard lock(mutex_);
  for (const auto& pool : pools_) out[pool->config->job_name] = pool->dropped;
  return out;
}

std::vector<TargetMetadataView> Scraper::Metadata() const {
  std::vector<TargetMetadataView> out;
  const std::lock_guard lock(mutex_);
  for (const auto& pool : pools_) {
    for (const auto& [key, loop] : pool->loops) {
      const std::lock_guard each(loop->mutex);
      out.push_back({loop->target.labels, loop->metadata});
    }
  }
  return out;
}

std::vector<std::string> Scraper::Pools() const {
  std::vector<std::string> names;
  for (const ScrapeConfig& config : configs_) names.push_back(config.job_name);
  return names;
}

}  // namespace fettle::exporter

#include "exporter/gatherer.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <unordered_map>
#include <utility>

namespace fettle::exporter {
namespace {

std::string SourceName(const Collector& collector) {
  return std::string(collector.Name()) + "/" + std::string(collector.Target());
}

Labels StoreLabels(const MetricFamily& family, const MetricPoint& point, const std::string& job,
                   const std::string& instance) {
  std::vector<Labels::Pair> pairs(point.labels.begin(), point.labels.end());
  pairs.emplace_back(kMetricName, family.name + point.suffix);
  // The family's own labels win, as with honor_labels: configuration never names a label so.
  if (!point.labels.Has("job")) pairs.emplace_back("job", job);
  if (!point.labels.Has("instance")) pairs.emplace_back("instance", instance);
  return Labels(std::move(pairs));
}

std::size_t PointsIn(const std::vector<MetricFamily>& families) {
  std::size_t points = 0;
  for (const MetricFamily& family : families) points += family.points.size();
  return points;
}

}  // namespace

// One collector and what is known of it.
struct Gatherer::Station {
  explicit Station(Collector& c, Schedule s) : collector(c), schedule(s), source(SourceName(c)) {}

  Collector& collector;
  const Schedule schedule;
  const std::string source;
  std::atomic<bool> busy = false;
  std::atomic<bool> had_a_turn = false;

  std::mutex mutex;  // guards everything below: a turn and a published change may meet
  std::unordered_map<std::string, std::pair<Labels, double>> last;  // by series text
  Time last_success{};
  double duration_seconds = 0;
  bool up = false;
  std::vector<MetricFamily> shown;
  std::uint64_t published = 0;  // how many changes came between turns
  Time newest{};                // stamp of what was appended last

  // One series has one value a millisecond: what comes within the same one, or after a clock that
  // was put back a little, is stamped right after what was there.
  Time StampFor(Time wall) const {
    constexpr Millis kPutBackMax{1'000};
    const bool met = wall <= newest && newest - wall < kPutBackMax;
    return met ? newest + Millis(1) : wall;
  }

  // The families as shown, and the framework's three beside them.
  std::vector<MetricFamily> WithVerdict() const {
    std::vector<MetricFamily> all = shown;
    const Labels labels{{"collector", std::string(collector.Name())},
                        {"target", std::string(collector.Target())}};
    all.push_back({"fettle_collector_up",
                   "Whether the collector's last turn succeeded; its series are absent if not.",
                   MetricType::kGauge,
                   {{"", labels, up ? 1.0 : 0.0}}});
    all.push_back({"fettle_collector_duration_seconds",
                   "How long the collector's last turn took.",
                   MetricType::kGauge,
                   {{"", labels, duration_seconds}}});
    if (last_success != Time{}) {
      all.push_back({"fettle_collector_last_success_timestamp_seconds",
                     "When the collector's last good turn began.",
                     MetricType::kGauge,
                     {{"", labels, ToSeconds(last_success)}}});
    }
    return all;
  }

  // What to append for `families` at `now`: every value (or only the changed ones), and the stale
  // marker for each series that is not there any more.
  SampleBatch Difference(const std::vector<MetricFamily>& families, const Moment& now,
                         Origin origin, bool only_changes, const Options& options) {
    SampleBatch batch{{}, origin};
    const Time at = StampFor(now.wall);
    std::unordered_map<std::string, std::pair<Labels, double>> next;
    next.reserve(last.size());
    for (const MetricFamily& family : families) {
      for (const MetricPoint& point : family.points) {
        Labels labels = StoreLabels(family, point, options.job, options.instance);
        std::string text = labels.ToString();
        const auto before = last.find(text);
        const bool same =
            before != last.end() && std::bit_cast<std::uint64_t>(before->second.second) ==
                                        std::bit_cast<std::uint64_t>(point.value);
        if (!same || !only_changes) batch.samples.push_back({labels, point.value, at});
        next.insert_or_assign(std::move(text), std::pair(std::move(labels), point.value));
      }
    }
    for (const auto& [text, series] : last) {
      if (!next.contains(text)) batch.samples.push_back({series.first, StaleNaN(), at});
    }
    last = std::move(next);
    if (!batch.samples.empty()) newest = at;
    return batch;
  }
};

Gatherer::Gatherer(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      overruns_(deps_.metrics.Counter(
          "fettle_gatherer_overruns_total",
          "Turns that were left out because the collector's turn before had not ended.")),
      dropped_(deps_.metrics.Counter(
          "fettle_gatherer_series_dropped_total",
          "Series that a collector showed beyond the limit of series per collector.")) {}

Gatherer::~Gatherer() = default;

void Gatherer::Add(Collector& collector, Schedule schedule) {
  if (schedule.interval == Millis(0)) schedule.interval = options_.interval;
  stations_.push_back(std::make_unique<Station>(collector, schedule));
}

void Gatherer::Start(const Moment& now) {
  for (const auto& station : stations_) TurnOnInterval(*station, now);
  AppendSelf(now);
}

void Gatherer::TurnOnInterval(Station& station, const Moment& now) {
  deps_.brain.At(now.boot + station.schedule.interval,
                 [this, &station](const Moment& then) { TurnOnInterval(station, then); });
  Turn(station);
}

void Gatherer::Turn(Station& station) {
  if (station.busy.exchange(true)) {
    overruns_.Increment();
    return;
  }
  Hands& hands = station.schedule.hands == nullptr ? deps_.hands : *station.schedule.hands;
  if (!hands.Do([this, &station] { Collect(station); })) {
    station.busy = false;
    overruns_.Increment();
  }
}

void Gatherer::Collect(Station& station) {
  std::uint64_t published_before = 0;
  {
    const std::lock_guard lock(station.mutex);
    published_before = station.published;
  }
  const Moment began = deps_.clock.Now();
  Result<std::vector<MetricFamily>> families =
      station.collector.Collect({began, began.boot + station.schedule.timeout});
  const Moment ended = deps_.clock.Now();
  if (families && PointsIn(*families) > kSeriesPerCollectorMax) {
    dropped_.Increment(static_cast<double>(PointsIn(*families) - kSeriesPerCollectorMax));
    families = Fail(Cause::kLimit, "more than {} series", kSeriesPerCollectorMax);
  }
  SampleBatch batch;
  {
    const std::lock_guard lock(station.mutex);
    const bool was_up = station.up;
    station.duration_seconds = ToSeconds(ended.boot - began.boot);
    station.up = families.has_value();
    // A change published while this turn was under way is newer than what the turn brings back.
    const bool overtaken = station.published != published_before;
    if (families && !overtaken) {
      station.last_success = began.wall;
      station.shown = *std::move(families);
    } else if (!families) {
      station.shown = station.collector.WhenDown();
      if (was_up || !station.had_a_turn) {
        deps_.log.Warn("a collector failed; its series are absent until it succeeds",
                       {{"collector", station.collector.Name()},
                        {"target", station.collector.Target()},
                        {"err", families.error().message}});
      }
    }
    auto all = std::make_shared<const std::vector<MetricFamily>>(station.WithVerdict());
    batch = station.Difference(*all, overtaken ? ended : began, station.schedule.origin, false,
                               options_);
    page_.Update(station.source, all);
  }
  // What the store drops, it counts.
  (void)deps_.sink.Append(batch);
  station.had_a_turn = true;
  const Millis again = station.collector.AgainIn();
  station.busy = false;
  if (again == Millis(0)) return;
  deps_.brain.Finish([this, &station, when = ended.boot + again](const Moment&) {
    deps_.brain.At(when, [this, &station](const Moment&) { Turn(station); });
  });
}

void Gatherer::Publish(const Collector& collector, std::vector<MetricFamily> families,
                       const Moment& now) {
  for (const auto& station : stations_) {
    if (&station->collector != &collector) continue;
    SampleBatch batch;
    {
      const std::lock_guard lock(station->mutex);
      station->shown = std::move(families);
      ++station->published;
      station->up = true;
      station->last_success = now.wall;
      auto all = std::make_shared<const std::vector<MetricFamily>>(station->WithVerdict());
      batch = station->Difference(*all, now, Origin::kEvent, true, options_);
      page_.Update(station->source, all);
    }
    if (!batch.samples.empty()) (void)deps_.sink.Append(batch);
    return;
  }
}

void Gatherer::AppendSelf(const Moment& now) {
  deps_.brain.At(now.boot + options_.interval, [this](const Moment& then) { AppendSelf(then); });
  SampleBatch batch;
  for (const MetricFamily& family : deps_.metrics.Collect()) {
    for (const MetricPoint& point : family.points) {
      batch.samples.push_back(
          {StoreLabels(family, point, options_.job, options_.instance), point.value, now.wall});
    }
  }
  (void)deps_.sink.Append(batch);
}

HttpResponse Gatherer::Serve(const HttpRequest& request) {
  const Format format = Negotiate(request.headers.Get("Accept"));
  const bool gzip = request.headers.Get("Accept-Encoding").find("gzip") != std::string_view::npos;
  HttpResponse response;
  response.headers.Set("Content-Type", ContentType(format));
  response.headers.Set("Vary", "Accept, Accept-Encoding");
  if (gzip) response.headers.Set("Content-Encoding", "gzip");
  response.body = page_.Render(format, gzip, deps_.metrics.Collect(), deps_.exemplars);
  return response;
}

std::vector<MetricMetadata> Gatherer::Metadata() {
  std::vector<MetricMetadata> all = page_.Metadata();
  for (const MetricFamily& family : deps_.metrics.Collect()) {
    all.push_back({family.name, family.type, family.help});
  }
  return all;
}

bool Gatherer::Ready() const {
  return std::all_of(stations_.begin(), stations_.end(),
                     [](const auto& station) { return station->had_a_turn.load(); });
}

}  // namespace fettle::exporter

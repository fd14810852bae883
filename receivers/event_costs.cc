#include "receivers/event_costs.h"

#include <algorithm>
#include <utility>

#include "receivers/events.h"

namespace fettle::receivers {
namespace {

using Key = std::pair<std::string, std::string>;  // provider, instance

Key KeyOf(const Event& event) {
  return {std::string(event.labels.Get("provider")), std::string(event.labels.Get("instance"))};
}

double Hours(Millis duration) { return ToSeconds(duration) / 3600; }

Time BeginOfMonth(Time now) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(now));
  return std::chrono::sys_days(day.year() / day.month() / 1);
}

Labels Provider(const std::string& provider) {
  return provider.empty() ? Labels() : Labels{{"provider", provider}};
}

MetricFamily MonthToDate(std::span<const std::shared_ptr<const Event>> events,
                         const std::vector<Burst>& bursts, Time now) {
  const Time month = BeginOfMonth(now);
  std::map<Labels, double> spent;
  const auto add = [&](EventKind kind, const Labels& said, double usd) {
    Labels labels = ShownLabels(said);
    labels.Set("source", "events");
    labels.Set("kind", ToString(kind));
    spent[labels] += usd;
  };
  for (const auto& event : events) {
    if (event->at < month || event->kind == EventKind::kGpu || !event->usd) continue;
    add(event->kind, event->labels, *event->usd);
  }
  for (const Burst& burst : bursts) {
    if (burst.to != Time{} && burst.to < month) continue;
    add(EventKind::kGpu, burst.labels, burst.UsdBetween(month, now));
  }
  MetricFamily family{"fettle_cost_month_to_date_usd",
                      "Spent this month (UTC), in dollars.",
                      MetricType::kGauge,
                      {}};
  for (const auto& [labels, usd] : spent) family.points.push_back({"", labels, usd});
  return family;
}

}  // namespace

Labels ShownLabels(const Labels& labels) {
  Labels shown;
  for (const std::string_view name : Events::kShownLabels) shown.Set(name, labels.Get(name));
  return shown;
}

double Burst::UsdBetween(Time begin, Time end) const {
  const Time last = to == Time{} ? end : to;
  const Time first = std::max(begin, from);
  const Time until = std::min(end, last);
  // A sum for no time at all belongs to its moment.
  if (usd && last <= from) return from >= begin && from <= end ? *usd : 0;
  if (until <= first) return 0;
  const double rate = usd ? *usd / Hours(last - from) : usd_per_hour;
  return rate * Hours(until - first);
}

std::vector<Burst> BurstsOf(std::span<const std::shared_ptr<const Event>> events) {
  std::vector<Burst> bursts;
  std::map<Key, std::size_t> running;
  for (const auto& event : events) {
    if (event->kind != EventKind::kGpu || event->phase == EventPhase::kBefore) continue;
    const Key key = KeyOf(*event);
    const auto begun = running.find(key);
    if (begun != running.end()) {
      Burst& burst = bursts[begun->second];
      burst.to = event->at;
      if (event->phase != EventPhase::kStart) burst.usd = event->usd;
      running.erase(begun);
    } else if (event->phase != EventPhase::kStart) {
      if (event->usd)
        bursts.push_back({key.first, event->labels, event->at, event->at, 0, event->usd});
      continue;
    }
    if (event->phase != EventPhase::kStart) continue;
    running[key] = bursts.size();
    bursts.push_back({key.first, event->labels, event->at, Time{}, event->usd_per_hour.value_or(0),
                      std::nullopt});
  }
  return bursts;
}

std::vector<MetricFamily> CostFamilies(std::span<const std::shared_ptr<const Event>> events,
                                       const std::map<std::string, double>& forgotten_usd,
                                       Time now) {
  const std::vector<Burst> bursts = BurstsOf(events);
  std::map<std::string, double> total = forgotten_usd;
  std::map<std::string, int> active;
  std::map<std::string, Time> oldest;
  for (const Burst& burst : bursts) {
    total[burst.provider] += burst.UsdBetween(Time{}, now);
    active.try_emplace(burst.provider, 0);
    if (burst.to != Time{}) continue;
    ++active[burst.provider];
    const auto [at, added] = oldest.try_emplace(burst.provider, burst.from);
    at->second = std::min(at->second, burst.from);
  }
  MetricFamily spend{"fettle_gpu_burst_spend_usd_total",
                     "Spent on GPU bursts, in dollars.",
                     MetricType::kCounter,
                     {}};
  for (const auto& [provider, usd] : total) spend.points.push_back({"", Provider(provider), usd});
  MetricFamily running{"fettle_gpu_burst_active_instances",
                       "GPUs that were started and not stopped.",
                       MetricType::kGauge,
                       {}};
  for (const auto& [provider, count] : active) {
    running.points.push_back({"", Provider(provider), static_cast<double>(count)});
  }
  MetricFamily since{"fettle_gpu_burst_oldest_start_timestamp_seconds",
                     "When the GPU that runs longest was started.",
                     MetricType::kGauge,
                     {}};
  for (const auto& [provider, at] : oldest) {
    since.points.push_back({"", Provider(provider), ToSeconds(at)});
  }
  std::vector<MetricFamily> families{MonthToDate(events, bursts, now), std::move(spend),
                                     std::move(running), std::move(since)};
  std::erase_if(families, [](const MetricFamily& family) { return family.points.empty(); });
  return families;
}

}  // namespace fettle::receivers

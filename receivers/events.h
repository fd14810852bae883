// Events: takes them, stores them before it answers, counts each id once, and shows them.
//
//   POST /api/fettle/v1/events   200 {"id", "counted"} once stored; counted is false for an id that
//   is known;
//                                409 if it is known for something else; 400, 413, 503 (send it
//                                again)
//   GET  /api/fettle/v1/events   ?kind= ?limit= (100, at most 1,000): the newest first
//
// An event becomes samples at once (so that rules react), an alert for the route tree
// (alertname="Event" with kind, phase and the event's labels, over after kAlertLasts), and what
// guards and backup jobs ask: what is under way, and when it last ended. Shown are
//   fettle_event_timestamp_seconds{kind,phase,…}             the newest of each
//   fettle_cost_month_to_date_usd{source="events",kind,…}     spent this month (UTC), running GPUs
//   included fettle_gpu_burst_active_instances{provider}
//   fettle_gpu_burst_oldest_start_timestamp_seconds{provider}  of those that run
//   fettle_gpu_burst_spend_usd_total{provider}
// where … are kShownLabels: what else an event says never becomes a series.
//
// Store records: kind "event", id the event's, key its kind; and "event_forgotten", the money of
// events that are kept no more. Bodies are JSON. The handlers and Collect() are any thread's,
// everything else belongs to the brain.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/alert.h"
#include "common/brain.h"
#include "common/collector.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/router.h"
#include "common/store.h"
#include "receivers/event.h"

namespace fettle::receivers {

class Events final : public Collector {
 public:
  static constexpr std::array<std::string_view, 5> kShownLabels = {"service", "project", "provider",
                                                                   "pipeline", "environment"};
  // Beyond this many kept events new ones are refused (503) until old ones are forgotten; of the
  // shown series, the newest are kept.
  static constexpr std::size_t kEventsMax = 50'000;
  static constexpr std::size_t kSeriesMax = 1'000;
  static constexpr Millis kKept = std::chrono::hours(62 * 24);  // two whole months
  static constexpr Millis kForgetEvery = std::chrono::hours(1);
  static constexpr Millis kAlertLasts{5 * 60'000};
  static constexpr Millis kAnswerWithin{8'000};
  // What has begun and is never said to have ended is over after this.
  static constexpr Millis kUnderWayMax = std::chrono::hours(6);

  struct Deps {
    Brain& brain;
    Store& store;
    const Clock& clock;
    Metrics& metrics;
    Log log;
    AlertSink& alerts;
    Publisher& publisher;
  };
  explicit Events(Deps deps);
  ~Events() override;

  // Blocks; at start-up, before the brain runs.
  Status Restore(const Moment& now);

  // `then` runs on the brain: true if it was counted, false for one that is known already;
  // kConflict if that one is another, kLimit or kUnavailable if it could not be stored.
  using Then = std::function<void(Result<bool>)>;
  void Add(Event event, Then then);
  // Hears of every event from now on, on the brain, once it is stored.
  void Subscribe(std::function<void(const Event&, const Moment&)> listener);

  // When what is under way has begun, and when it last ended; Time{}: never. An event without
  // `service` concerns every service.
  struct Course {
    Time began;
    Time ended;
    bool under_way = false;
  };
  Course LatestOf(EventKind kind, std::string_view service, Time now) const;

  void AddRoutes(Router& router);
  HttpResponse Take(const HttpRequest& request);
  HttpResponse List(const HttpRequest& request) const;

  std::string_view Name() const override { return "events"; }
  std::string_view Target() const override { return ""; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  using Known = std::shared_ptr<const Event>;
  void Believe(const Known& event);
  void Tell(const Known& event, const Moment& now);
  Result<bool> KnownAlready(const Event& event) const;
  void Forget(const Moment& now);
  std::vector<MetricFamily> Families(Time now) const;

  const Deps deps_;
  std::vector<std::function<void(const Event&, const Moment&)>> listeners_;
  Brain::Ticket forgetting_;
  prometheus::Gauge& kept_;

  mutable std::mutex mutex_;                         // guards what follows
  std::map<std::string, Known, std::less<>> known_;  // by id
  std::multimap<Time, Known> by_time_;
  std::map<std::string, double> forgotten_usd_;  // of GPUs, by provider
};

}  // namespace fettle::receivers

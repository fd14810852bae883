#include "receivers/events.h"

#include <algorithm>
#include <charconv>
#include <future>
#include <set>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "receivers/event_costs.h"

namespace fettle::receivers {
namespace {

constexpr const char* kKind = "event";
constexpr const char* kForgottenKind = "event_forgotten";
constexpr const char* kForgottenId = "gpu_usd";
constexpr std::size_t kListedMax = 1'000;
constexpr std::size_t kListed = 100;

HttpResponse ErrorResponse(int status, std::string_view text) {
  JsonWriter json;
  json.BeginObject().Field("error", text).EndObject();
  return JsonResponse(status, json.Take() + "\n");
}

int StatusOfCause(Cause cause) {
  switch (cause) {
    case Cause::kConflict:
      return 409;
    case Cause::kInvalid:
      return 400;
    default:
      return 503;  // send it again
  }
}

bool Concerns(const Event& event, std::string_view service) {
  const std::string_view meant = event.labels.Get("service");
  return meant.empty() || meant == service;
}

Alert AlertOf(const Event& event) {
  Labels labels = event.labels;
  labels.Set("alertname", "Event");
  labels.Set("kind", ToString(event.kind));
  labels.Set("phase", ToString(event.phase));
  // Two events in a row are two alerts, and each is told.
  labels.Set("event", event.id);
  return {.labels = std::move(labels),
          .annotations = {{"summary", Describe(event)}},
          .starts_at = event.at,
          .ends_at = event.at + Events::kAlertLasts,
          .generator_url = ""};
}

}  // namespace

Events::Events(Deps deps)
    : deps_(std::move(deps)),
      kept_(deps_.metrics.Gauge("fettle_events_kept", "Events that are remembered.")) {}

Events::~Events() { deps_.brain.Cancel(forgetting_); }

Status Events::Restore(const Moment& now) {
  RecordQuery query;
  query.kind = kKind;
  const auto records = deps_.store.Read(query);
  if (!records) return While("restoring events", records.error());
  for (const Record& record : *records) {
    // What was taken once is not asked again whether it lies in the future.
    Result<Event> event = ParseEvent(record.body, Time::max() - Event::kAheadMax);
    if (!event) return While("restoring event " + record.id, event.error());
    Believe(std::make_shared<const Event>(*std::move(event)));
  }
  query.kind = kForgottenKind;
  const auto forgotten = deps_.store.Read(query);
  if (!forgotten) return While("restoring events", forgotten.error());
  for (const Record& record : *forgotten) {
    const Result<Json> json = Json::Parse(record.body);
    if (!json) return While("restoring what forgotten events cost", json.error());
    const std::lock_guard lock(mutex_);
    for (const auto& [provider, usd] : json->Entries()) {
      forgotten_usd_[provider] = usd.NumberOr(0);
    }
  }
  Forget(now);
  return {};
}

void Events::Subscribe(std::function<void(const Event&, const Moment&)> listener) {
  listeners_.push_back(std::move(listener));
}

void Events::Add(Event event, Then then) {
  const auto known = std::make_shared<const Event>(std::move(event));
  if (known_.size() >= kEventsMax && !known_.contains(known->id)) {
    return then(Fail(Cause::kLimit, "{} events are kept, which is the limit", kEventsMax));
  }
  Batch batch;
  batch.writes.push_back({.record = {.kind = kKind,
                                     .id = known->id,
                                     .key = std::string(ToString(known->kind)),
                                     .due_at = known->at + kKept,
                                     .body = EncodeEvent(*known)},
                          .expected = 0});
  deps_.store.Commit(std::move(batch), [this, known, then = std::move(then)](Status stored) {
    deps_.brain.Finish([this, known, then, stored = std::move(stored)](const Moment& now) {
      if (stored) {
        Believe(known);
        Tell(known, now);
        return then(true);
      }
      if (stored.error().cause == Cause::kConflict) return then(KnownAlready(*known));
      then(tl::unexpected<Error>(stored.error()));
    });
  });
}

Result<bool> Events::KnownAlready(const Event& event) const {
  const auto before = known_.find(event.id);
  if (before == known_.end()) return false;
  // A sender who leaves the time to us says another one each time.
  Event again = event;
  again.at = before->second->at;
  if (again == *before->second) return false;
  return Fail(Cause::kConflict, "id {} is known for another event: {}", Quote(event.id),
              Describe(*before->second));
}

void Events::Believe(const Known& event) {
  const std::lock_guard lock(mutex_);
  known_[event->id] = event;
  by_time_.emplace(event->at, event);
  kept_.Set(static_cast<double>(known_.size()));
}

void Events::Tell(const Known& event, const Moment& now) {
  deps_.metrics
      .Counter("fettle_events_total", "Events taken.",
               {{"kind", std::string(ToString(event->kind))},
                {"phase", std::string(ToString(event->phase))}})
      .Increment();
  deps_.log.Info("event", {{"id", event->id}, {"what", Describe(*event)}});
  deps_.publisher.Publish(*this, Families(now.wall), now);
  deps_.alerts.Post({AlertSource::kEvents, {AlertOf(*event)}}, [log = deps_.log](const Status& s) {
    if (!s) log.Warn("an event could not be made an alert", {{"err", s.error().message}});
  });
  for (const auto& listener : listeners_) listener(*event, now);
}

Events::Course Events::LatestOf(EventKind kind, std::string_view service, Time now) const {
  const std::lock_guard lock(mutex_);
  Course course;
  for (const auto& [at, event] : by_time_) {
    if (event->kind != kind || !Concerns(*event, service)) continue;
    if (event->phase == EventPhase::kBefore || event->phase == EventPhase::kStart) {
      if (!course.under_way) course.began = at;
      course.under_way = true;
    } else {
      course.ended = at;
      course.under_way = false;
    }
  }
  if (course.under_way && now - course.began > kUnderWayMax) {
    course.under_way = false;
    course.ended = std::max(course.ended, course.began + kUnderWayMax);
  }
  return course;
}

// Events whose time is over go, and the money of their GPUs is kept: a counter never falls.
void Events::Forget(const Moment& now) {
  forgetting_ =
      deps_.brain.At(now.boot + kForgetEvery, [this](const Moment& then) { Forget(then); });
  const std::lock_guard lock(mutex_);
  const Time before = now.wall - kKept;
  std::vector<Known> all;
  for (const auto& [at, event] : by_time_) all.push_back(event);
  // A GPU that still runs keeps its start.
  std::set<Time> running;
  std::map<std::string, double> usd = forgotten_usd_;
  for (const Burst& burst : BurstsOf(all)) {
    if (burst.to == Time{} || burst.to >= before) {
      running.insert(burst.from);
    } else {
      usd[burst.provider] += burst.UsdBetween(Time{}, now.wall);
    }
  }
  Batch batch;
  std::vector<std::pair<Time, std::string>> gone;
  for (const Known& event : all) {
    if (event->at >= before) break;
    if (event->kind == EventKind::kGpu && running.contains(event->at)) continue;
    batch.erasures.push_back({.kind = kKind, .id = event->id});
    known_.erase(event->id);
  }
  if (batch.erasures.empty()) return;
  std::erase_if(by_time_, [this](const auto& entry) { return !known_.contains(entry.second->id); });
  kept_.Set(static_cast<double>(known_.size()));
  forgotten_usd_ = usd;
  JsonWriter json;
  json.BeginObject();
  for (const auto& [provider, sum] : usd) json.Field(provider, sum);
  json.EndObject();
  Record forgotten;
  forgotten.kind = kForgottenKind;
  forgotten.id = kForgottenId;
  forgotten.body = json.Take();
  batch.writes.push_back({.record = std::move(forgotten)});
  deps_.store.Commit(std::move(batch), [log = deps_.log](const Status& status) {
    if (!status) log.Warn("could not forget old events", {{"err", status.error().message}});
  });
}

std::vector<MetricFamily> Events::Families(Time now) const {
  const std::lock_guard lock(mutex_);
  std::vector<Known> all;
  std::map<Labels, Time> newest;
  for (const auto& [at, event] : by_time_) {
    all.push_back(event);
    Labels labels = ShownLabels(event->labels);
    labels.Set("kind", ToString(event->kind));
    labels.Set("phase", ToString(event->phase));
    newest[labels] = at;
  }
  std::vector<std::pair<Time, Labels>> shown;
  for (const auto& [labels, at] : newest) shown.emplace_back(at, labels);
  std::sort(shown.rbegin(), shown.rend());
  if (shown.size() > kSeriesMax) shown.resize(kSeriesMax);
  std::vector<MetricFamily> families;
  if (!shown.empty()) {
    MetricFamily family{"fettle_event_timestamp_seconds",
                        "When the newest such event happened.",
                        MetricType::kGauge,
                        {}};
    for (const auto& [at, labels] : shown) family.points.push_back({"", labels, ToSeconds(at)});
    families.push_back(std::move(family));
  }
  for (MetricFamily& cost : CostFamilies(all, forgotten_usd_, now)) {
    families.push_back(std::move(cost));
  }
  return families;
}

Result<std::vector<MetricFamily>> Events::Collect(const CollectContext& context) {
  return Families(context.now.wall);
}

void Events::AddRoutes(Router& router) {
  router.Add("POST", "/api/fettle/v1/events", Role::kWebhook,
             [this](const HttpRequest& request) { return Take(request); });
  router.Add("GET", "/api/fettle/v1/events", Role::kRead,
             [this](const HttpRequest& request) { return List(request); });
}

HttpResponse Events::Take(const HttpRequest& request) {
  const auto refused = [this](const Error& error) {
    deps_.metrics.Counter("fettle_events_refused_total", "Events that were not taken.").Increment();
    return ErrorResponse(error.cause == Cause::kLimit ? 413 : 400, error.message);
  };
  Result<Event> event = ParseEvent(request.body, deps_.clock.Now().wall);
  if (!event) return refused(event.error());
  const std::string id = event->id;
  auto counted = std::make_shared<std::promise<Result<bool>>>();
  std::future<Result<bool>> answer = counted->get_future();
  const auto asked = deps_.brain.Call(kAnswerWithin, [this, event = *std::move(event),
                                                      counted](const Moment&) mutable {
    Add(std::move(event), [counted](Result<bool> said) { counted->set_value(std::move(said)); });
    return true;
  });
  if (!asked) return ErrorResponse(503, asked.error().message);
  if (answer.wait_for(kAnswerWithin) != std::future_status::ready) {
    return ErrorResponse(503, "the event could not be stored in time");
  }
  const Result<bool> said = answer.get();
  if (!said) return ErrorResponse(StatusOfCause(said.error().cause), said.error().message);
  JsonWriter json;
  json.BeginObject().Field("id", id).Field("counted", *said).EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse Events::List(const HttpRequest& request) const {
  const std::string kind = request.Query("kind").value_or("");
  std::size_t limit = kListed;
  if (const auto asked = request.Query("limit")) {
    const char* end = asked->data() + asked->size();
    const auto read = std::from_chars(asked->data(), end, limit);
    if (read.ec != std::errc() || read.ptr != end || limit == 0) {
      return ErrorResponse(400, "limit must be a number from 1");
    }
    limit = std::min(kListedMax, limit);
  }
  JsonWriter json;
  json.BeginObject().Key("events").BeginArray();
  {
    const std::lock_guard lock(mutex_);
    for (auto at = by_time_.rbegin(); at != by_time_.rend() && limit > 0; ++at) {
      if (!kind.empty() && ToString(at->second->kind) != kind) continue;
      json.Raw(EncodeEvent(*at->second));
      --limit;
    }
  }
  json.EndArray().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

}  // namespace fettle::receivers

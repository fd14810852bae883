#include "rules/notifier.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/deadline.h"
#include "common/duration.h"
#include "common/http_client.h"
#include "common/json.h"
#include "rules/alert_queue.h"

namespace fettle::rules {
namespace {

void Write(JsonWriter& json, std::string_view key, const Labels& labels) {
  json.Key(key).BeginObject();
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.EndObject();
}

// The body of POST /api/v2/alerts.
std::string BodyOf(const std::vector<AlertQueue::Waiting>& alerts) {
  JsonWriter json;
  json.BeginArray();
  for (const AlertQueue::Waiting& waiting : alerts) {
    const Alert& alert = *waiting.alert;
    json.BeginObject();
    Write(json, "annotations", alert.annotations);
    json.Field("endsAt", FormatRfc3339(alert.ends_at))
        .Field("startsAt", FormatRfc3339(alert.starts_at))
        .Field("generatorURL", alert.generator_url);
    Write(json, "labels", alert.labels);
    json.EndObject();
  }
  json.EndArray();
  return json.Take();
}

}  // namespace

// One Alertmanager. A hand that sends holds it.
struct Notifier::Upstream {
  Upstream(Metrics& m, std::string u, std::shared_ptr<const AlertmanagerSet> s)
      : url(std::move(u)),
        sent(m.Counter("prometheus_notifications_sent_total",
                       "Alerts sent to this Alertmanager, delivered or not.",
                       {{"alertmanager", url}})),
        errors(m.Counter("prometheus_notifications_errors_total",
                         "Alerts whose sending to this Alertmanager failed, each time.",
                         {{"alertmanager", url}})),
        dropped(m.Counter("prometheus_notifications_dropped_total",
                          "Alerts this Alertmanager will not hear of: refused, too many, too old.",
                          {{"alertmanager", url}})),
        length(m.Gauge("prometheus_notifications_queue_length",
                       "Alerts that wait for this Alertmanager.", {{"alertmanager", url}})),
        latency(m.Histogram("prometheus_notifications_latency_histogram_seconds",
                            "How long sending took.", {.01, .1, 1, 10}, {{"alertmanager", url}})),
        set(std::move(s)) {}

  // Under the mutex.
  void Push(AlertPtr alert, Time now) {
    if (!set->alert_relabeling.empty()) {
      Alert told = *alert;
      if (!set->alert_relabeling.Apply(told.labels) || told.labels.empty()) return;
      alert = std::make_shared<const Alert>(std::move(told));
    }
    dropped.Increment(static_cast<double>(queue.Push(std::move(alert), now)));
    length.Set(static_cast<double>(queue.size()));
  }
  std::size_t Waiting() {
    const std::lock_guard lock(mutex);
    return queue.size();
  }
  // Sends one batch and says whether it is off our hands.
  bool Send(HttpTransport& transport, const Clock& clock, const Log& log, Millis timeout);

  const std::string url;
  prometheus::Counter &sent, &errors, &dropped;
  prometheus::Gauge& length;
  prometheus::Histogram& latency;

  // The brain's.
  bool busy = false;
  int failures = 0;  // in a row
  BootTime not_before{};
  bool gone = false;

  std::mutex mutex;  // guards the following
  std::shared_ptr<const AlertmanagerSet> set;
  AlertQueue queue{kQueueMax};
};

bool Notifier::Upstream::Send(HttpTransport& transport, const Clock& clock, const Log& log,
                              Millis timeout) {
  AlertQueue::Taken taken;
  std::shared_ptr<const AlertmanagerSet> how;
  const Moment began = clock.Now();
  {
    const std::lock_guard lock(mutex);
    taken = queue.Take(kBatchMax, began.wall);
    how = set;
    length.Set(static_cast<double>(queue.size()));
  }
  dropped.Increment(static_cast<double>(taken.expired));
  if (taken.alerts.empty()) return true;
  const double count = static_cast<double>(taken.alerts.size());
  HttpRequest request{.method = "POST", .url = url, .body = BodyOf(taken.alerts)};
  request.headers.Set("Content-Type", "application/json");
  HttpOptions options{.timeout = timeout};
  Status applied = how->http.Apply(request, options);
  Result<HttpResponse> response = applied ? transport.Send(request, options)
                                          : Result<HttpResponse>(tl::unexpected(applied.error()));
  latency.Observe(ToSeconds(clock.Now().boot - began.boot));
  sent.Increment(count);
  if (response && response->status / 100 == 2) return true;
  errors.Increment(count);
  const std::string why =
      response ? fmt::format("HTTP status {}", response->status) : response.error().message;
  // What is refused would be refused again.
  const bool refused = response && response->status / 100 == 4 && response->status != 429;
  log.Warn(refused ? "an Alertmanager refused alerts" : "an Alertmanager could not be told",
           {{"alertmanager", RedactUrl(url)}, {"count", taken.alerts.size()}, {"err", why}});
  const std::lock_guard lock(mutex);
  dropped.Increment(refused ? count : static_cast<double>(queue.GiveBack(std::move(taken.alerts))));
  length.Set(static_cast<double>(queue.size()));
  return refused;
}

// One set of the configuration and what its discovery found.
struct Notifier::Group {
  std::shared_ptr<const AlertmanagerSet> set;
  std::set<std::string> urls;
  std::vector<std::string> dropped;
  std::unique_ptr<Discovery> discovery;
};

Notifier::Notifier(Deps deps) : deps_(std::move(deps)), self_(std::make_shared<Notifier*>(this)) {
  deps_.metrics
      .Gauge("prometheus_notifications_queue_capacity",
             "How many alerts may wait for an Alertmanager.")
      .Set(static_cast<double>(kQueueMax));
}

Notifier::~Notifier() { *self_ = nullptr; }

void Notifier::Use(NotifierConfig config, const Moment& now) {
  groups_.clear();
  {
    const std::lock_guard lock(mutex_);
    alert_relabeling_ = std::move(config.alert_relabeling);
    active_ = !config.sets.empty();
  }
  for (AlertmanagerSet& set : config.sets) {
    auto group = std::make_unique<Group>();
    group->set = std::make_shared<const AlertmanagerSet>(std::move(set));
    group->discovery = std::make_unique<Discovery>(
        Discovery::Deps{.brain = deps_.brain,
                        .hands = deps_.looks,
                        .lookup = deps_.lookup,
                        .log = deps_.log,
                        .make_engine = deps_.make_engine},
        group->set->discovery,
        [this, at = group.get()](const std::vector<TargetGroup>& found, const Moment& then) {
          Learn(*at, found, then);
        });
    groups_.push_back(std::move(group));
  }
  // What is fixed is known of all groups before anybody is taken for gone.
  starting_ = true;
  for (const auto& group : groups_) group->discovery->Start(now);
  starting_ = false;
  Settle(now);
}

void Notifier::Learn(Group& group, const std::vector<TargetGroup>& found, const Moment& now) {
  group.urls.clear();
  group.dropped.clear();
  for (const TargetGroup& targets : found) {
    for (const Labels& labels : targets.Whole()) {
      if (const auto url = AlertmanagerUrl(*group.set, labels)) {
        group.urls.insert(*url);
      } else {
        group.dropped.push_back(
            fmt::format("{}://{}", group.set->scheme, labels.Get(kAddressLabel)));
      }
    }
  }
  if (!starting_) Settle(now);
}

// Who is to be told, by all groups: known ones go on, new ones hear what fires.
void Notifier::Settle(const Moment& now) {
  const std::vector<AlertPtr> firing = Firing(now.wall);
  {
    const std::lock_guard lock(mutex_);
    auto before = std::exchange(upstreams_, {});
    dropped_.clear();
    for (const auto& one : groups_) {
      dropped_.insert(dropped_.end(), one->dropped.begin(), one->dropped.end());
      for (const std::string& url : one->urls) {
        auto known = before.extract(url);
        if (known.empty()) {
          if (upstreams_.contains(url)) continue;
          auto upstream = std::make_shared<Upstream>(deps_.metrics, url, one->set);
          for (const AlertPtr& alert : firing) upstream->Push(alert, now.wall);
          upstreams_.emplace(url, std::move(upstream));
          continue;
        }
        const std::lock_guard each(known.mapped()->mutex);
        known.mapped()->set = one->set;
        upstreams_.emplace(url, known.mapped());
      }
    }
    for (const auto& [url, upstream] : before) upstream->gone = true;
  }
  deps_.metrics
      .Gauge("prometheus_notifications_alertmanagers_discovered",
             "Alertmanagers that are told what the rules say.")
      .Set(static_cast<double>(View().active.size()));
  Kick();
}

void Notifier::Post(AlertBatch batch, Then then) {
  std::vector<AlertPtr> alerts;
  const Time now = deps_.clock.Now().wall;
  {
    const std::lock_guard lock(mutex_);
    if (active_) {
      for (const Alert& alert : batch.alerts) {
        Alert told = alert;
        if (!alert_relabeling_.Apply(told.labels) || told.labels.empty()) continue;
        alerts.push_back(std::make_shared<const Alert>(std::move(told)));
      }
    }
    for (const auto& [url, upstream] : upstreams_) {
      const std::lock_guard each(upstream->mutex);
      for (const AlertPtr& alert : alerts) upstream->Push(alert, now);
    }
  }
  deps_.next.Post(std::move(batch), std::move(then));
  if (alerts.empty()) return;
  RememberFiring(alerts, now);
  Kick();
}

void Notifier::RememberFiring(const std::vector<AlertPtr>& alerts, Time now) {
  const std::lock_guard lock(mutex_);
  for (const AlertPtr& alert : alerts) {
    const std::uint64_t fingerprint = alert->labels.Fingerprint();
    if (alert->ResolvedAt(now)) {
      firing_.erase(fingerprint);
    } else if (firing_.size() < kFiringMax || firing_.contains(fingerprint)) {
      firing_[fingerprint] = alert;
    }
  }
}

std::vector<Notifier::AlertPtr> Notifier::Firing(Time now) const {
  std::vector<AlertPtr> alerts;
  const std::lock_guard lock(mutex_);
  for (const auto& [fingerprint, alert] : firing_) {
    if (!alert->ResolvedAt(now)) alerts.push_back(alert);
  }
  return alerts;
}

// The brain gives turns to whoever has something waiting.
void Notifier::Kick() {
  {
    const std::lock_guard lock(mutex_);
    if (kicked_) return;
    kicked_ = true;
  }
  deps_.brain.Finish([self = self_](const Moment& now) {
    if (*self == nullptr) return;
    Notifier& notifier = **self;
    std::vector<std::shared_ptr<Upstream>> all;
    {
      const std::lock_guard lock(notifier.mutex_);
      notifier.kicked_ = false;
      for (const auto& [url, upstream] : notifier.upstreams_) all.push_back(upstream);
    }
    for (const auto& upstream : all) notifier.SendIfDue(upstream, now);
  });
}

void Notifier::SendIfDue(const std::shared_ptr<Upstream>& upstream, const Moment& now) {
  if (upstream->busy || upstream->gone || now.boot < upstream->not_before) return;
  Millis timeout{0};
  {
    const std::lock_guard lock(upstream->mutex);
    if (upstream->queue.size() == 0) return;
    timeout = upstream->set->timeout;
  }
  upstream->busy =
      deps_.hands.Do([self = self_, upstream, timeout, &brain = deps_.brain,
                      &transport = deps_.transport, &clock = deps_.clock, log = deps_.log] {
        const bool delivered = upstream->Send(transport, clock, log, timeout);
        brain.Finish([self, upstream, delivered](const Moment& then) {
          if (*self != nullptr) (*self)->OnSent(upstream, delivered, then);
        });
      });
  if (!upstream->busy) OnSent(upstream, false, now);
}

void Notifier::OnSent(const std::shared_ptr<Upstream>& upstream, bool delivered,
                      const Moment& now) {
  upstream->busy = false;
  if (delivered) {
    // It may have begun anew and know nothing.
    if (std::exchange(upstream->failures, 0) > 0) {
      const std::vector<AlertPtr> firing = Firing(now.wall);
      const std::lock_guard lock(upstream->mutex);
      for (const AlertPtr& alert : firing) upstream->Push(alert, now.wall);
    }
    SendIfDue(upstream, now);
    return;
  }
  constexpr int kDoublingsMax = 10;
  const Millis pause = kPauseMin * (1 << std::min(upstream->failures++, kDoublingsMax));
  upstream->not_before = now.boot + std::min(pause, kPauseMax);
  deps_.brain.At(upstream->not_before, [self = self_, upstream](const Moment& then) {
    if (*self != nullptr) (*self)->SendIfDue(upstream, then);
  });
}

void Notifier::Drain(Millis within) {
  const Deadline deadline(within);
  const std::lock_guard lock(mutex_);
  for (const auto& [url, upstream] : upstreams_) {
    while (upstream->Waiting() > 0 && !deadline.Passed()) {
      const Millis timeout = deadline.Left();
      if (!upstream->Send(deps_.transport, deps_.clock, deps_.log, timeout)) break;
    }
  }
}

Notifier::Seen Notifier::View() const {
  Seen seen;
  const std::lock_guard lock(mutex_);
  for (const auto& [url, upstream] : upstreams_) seen.active.push_back(url);
  seen.dropped = dropped_;
  return seen;
}

}  // namespace fettle::rules

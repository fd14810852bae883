#include "receivers/telling.h"

#include <fmt/format.h>

#include <algorithm>

#include "receivers/notifiers/all.h"

namespace fettle::receivers {

Result<std::shared_ptr<const Plan>> MakePlan(AlertmanagerConfig config, const PostDeps& post) {
  Result<std::shared_ptr<const Templates>> templates = Templates::Load(config.templates);
  if (!templates) return tl::unexpected<Error>(templates.error());
  auto plan = std::make_shared<Plan>();
  plan->routes = std::make_shared<const RouteTree>(config.route);
  plan->calendar = Calendar(config.time_intervals);
  for (const ReceiverConfig& receiver : config.receivers) {
    plan->receivers.emplace(receiver.name, MakeIntegrations(receiver, post, *templates));
  }
  plan->config = std::move(config);
  return std::shared_ptr<const Plan>(std::move(plan));
}

Telling::Telling(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      lanes_(deps_.brain, deps_.make_hands),
      silences_({.brain = deps_.brain,
                 .store = deps_.store,
                 .random = deps_.random,
                 .metrics = deps_.metrics,
                 .log = deps_.log},
                options_.silences),
      told_(
          {.brain = deps_.brain, .store = deps_.store, .metrics = deps_.metrics, .log = deps_.log},
          options_.told) {
  if (deps_.replicas == nullptr) return;
  turns_ = std::make_unique<Turns>(
      Turns::Deps{.brain = deps_.brain, .replicas = *deps_.replicas, .store = deps_.store},
      options_.on_loss);
}

Telling::~Telling() {
  Stop();
  deps_.alerts.Unsubscribe(*this);
}

Status Telling::Restore(const Moment& now) {
  not_before_ = now.boot + options_.start_delay;
  if (Status restored = silences_.Restore(now); !restored) return restored;
  if (Status restored = told_.Restore(now); !restored) return restored;
  deps_.alerts.Subscribe(*this, now);
  return {};
}

DeliveryDeps Telling::DeliveryDepsWith(std::stop_token stop) {
  return {.brain = deps_.brain,
          .clock = deps_.clock,
          .lanes = lanes_,
          .random = deps_.random,
          .metrics = deps_.metrics,
          .log = deps_.log,
          .stop = std::move(stop)};
}

void Telling::Use(std::shared_ptr<const Plan> plan, const Moment& now) {
  // What the old plan is telling is cut off; what it has told is recorded all the same.
  if (in_force_) in_force_->stop.request_stop();
  deps_.alerts.SetResolveTimeout(plan->config.resolve_timeout);
  std::set<std::string> lanes;
  for (const auto& [name, integrations] : plan->receivers) {
    for (const Integration& integration : integrations) lanes.insert(LaneOf(integration));
  }
  auto next = std::make_shared<InForce>(InForce{
      plan, std::stop_source(), nullptr, Inhibitor(plan->config.inhibit_rules), nullptr, nullptr});
  next->with_everything = std::make_unique<std::stop_callback<std::function<void()>>>(
      stop_.get_token(), [stop = next->stop]() mutable { stop.request_stop(); });
  next->pipeline = std::make_shared<Pipeline>(
      Pipeline::Deps{.delivery = DeliveryDepsWith(next->stop.get_token()),
                     .inhibitor = next->inhibitor,
                     .calendar = plan->calendar,
                     .silences = silences_,
                     .told = told_,
                     .under_way = under_way_,
                     .external_url = options_.external_url,
                     .turns = turns_.get(),
                     .find = [this](std::uint64_t id) { return deps_.alerts.Find(id); }},
      plan->receivers);
  next->dispatcher = std::make_unique<Dispatcher>(
      Dispatcher::Deps{
          .brain = deps_.brain,
          .metrics = deps_.metrics,
          .log = deps_.log,
          .find = [this](std::uint64_t fingerprint) { return deps_.alerts.Find(fingerprint); },
          .flush =
              [pipeline = next->pipeline](Flush flush, Dispatcher::Deps::Then then) {
                pipeline->Run(std::move(flush), std::move(then));
              }},
      Dispatcher::Options{.tell_webhook = options_.tell_webhook,
                          .groups_max = options_.groups_max,
                          .not_before = not_before_},
      plan->routes);
  in_force_ = std::move(next);
  CountPlan();
  lanes_.KeepOnly(std::move(lanes));
  // First who inhibits, then who is grouped.
  const auto snapshot = deps_.alerts.Snapshot();
  for (const auto& live : snapshot->alerts) in_force_->inhibitor.Consider(*live, now);
  for (const auto& live : snapshot->alerts) in_force_->dispatcher->Consider(*live, now);
}

void Telling::CountPlan() {
  const Plan& plan = *in_force_->plan;
  std::size_t integrations = 0;
  for (const auto& [name, all] : plan.receivers) integrations += all.size();
  const auto count = [this](const char* name, const char* help, std::size_t n) {
    deps_.metrics.Gauge(name, help).Set(static_cast<double>(n));
  };
  count("alertmanager_receivers", "Number of configured receivers.", plan.receivers.size());
  count("alertmanager_integrations", "Number of configured integrations.", integrations);
  count("alertmanager_inhibition_rules", "Number of configured inhibition rules.",
        in_force_->inhibitor.rules());
}

void Telling::Hear(const Record& record) {
  Status heard = silences_.Hear(record);
  if (heard) heard = told_.Hear(record);
  if (heard) return;
  deps_.log.Error("cannot read what another replica has stored", {{"err", heard.error().message}});
}

void Telling::Consider(const LiveAlert& alert, const Moment& now) {
  if (!in_force_) return;
  in_force_->inhibitor.Consider(alert, now);
  in_force_->dispatcher->Consider(alert, now);
}

bool Telling::Needs(std::uint64_t fingerprint) const {
  return in_force_ && in_force_->dispatcher->Needs(fingerprint);
}

std::optional<std::string> Telling::Why(const Labels& labels, const Moment& now) {
  if (in_force_) {
    if (const auto source = in_force_->inhibitor.QuietBecauseOf(labels, now.wall)) {
      return fmt::format("inhibited by {:016x}", *source);
    }
  }
  const auto silences = silences_.Quieting(labels.Fingerprint(), labels, now.wall);
  if (!silences.empty()) return "silenced by " + silences.front();
  return std::nullopt;
}

QuietState Telling::QuietOf(std::uint64_t fingerprint, const Labels& labels, Time now) {
  QuietState quiet;
  quiet.silenced_by = silences_.Quieting(fingerprint, labels, now);
  if (in_force_) quiet.inhibited_by = in_force_->inhibitor.QuietBecauseOf(labels, now);
  return quiet;
}

std::vector<std::string> Telling::MutedBy(const Route& route, Time now) const {
  if (!in_force_) return {};
  const Calendar& calendar = in_force_->plan->calendar;
  const auto& active = route.active_time_intervals;
  if (!active.empty() && calendar.Which(active, now).empty()) return active;
  return calendar.Which(route.mute_time_intervals, now);
}

bool Telling::InTimeInterval(const std::string& name, const Moment& now) {
  return in_force_ && in_force_->plan->calendar.In(name, now.wall);
}

bool Telling::Knows(const std::string& receiver) const {
  return in_force_ && in_force_->plan->receivers.contains(receiver);
}

std::vector<Dispatcher::GroupView> Telling::Groups() const {
  return in_force_ ? in_force_->dispatcher->Groups() : std::vector<Dispatcher::GroupView>();
}

std::vector<Dispatcher::Membership> Telling::Where(const LiveAlert& alert) const {
  return in_force_ ? in_force_->dispatcher->Where(alert) : std::vector<Dispatcher::Membership>();
}

void Telling::Tell(const std::string& receiver, const std::string& group, std::vector<Alert> alerts,
                   Millis timeout, Then then) {
  deps_.brain.Finish([this, receiver, group, alerts = std::move(alerts), timeout,
                      then = std::move(then)](const Moment& now) {
    if (!Knows(receiver)) {
      return then(Fail(Cause::kNotFound, "there is no receiver {}", Quote(receiver)), now);
    }
    const std::vector<Integration>& integrations = in_force_->plan->receivers.at(receiver);
    if (integrations.empty()) return then({}, now);
    Notification notification;
    notification.receiver = receiver;
    notification.group_key = group;
    notification.reason = ToString(Reason::kFirst);
    notification.external_url = options_.external_url;
    notification.now = now.wall;
    for (const Alert& alert : alerts) {
      auto live = std::make_shared<LiveAlert>();
      live->alert = alert;
      live->fingerprint = alert.labels.Fingerprint();
      live->updated_at = now.wall;
      notification.alerts.push_back({std::move(live), alert.ResolvedAt(now.wall)});
    }
    SortAlerts(notification.alerts);

    struct Round {
      std::size_t open = 0;
      Status status;
      Then then;
    };
    auto round = std::make_shared<Round>();
    round->open = integrations.size();
    round->then = then;
    for (const Integration& integration : integrations) {
      Delivery::Start(
          DeliveryDepsWith(stop_.get_token()), integration, notification, now.boot + timeout,
          [round, lane = LaneOf(integration)](const Outcome& outcome, const Moment& later) {
            // One that was reached is not told again for another's sake: the last failure counts.
            if (!outcome.status) round->status = While("telling " + lane, outcome.status.error());
            if (--round->open == 0) round->then(round->status, later);
          },
          now);
    }
  });
}

}  // namespace fettle::receivers

#include "receivers/delivery.h"

#include <fmt/format.h>

#include <algorithm>

namespace fettle::receivers {
namespace {

constexpr const char* kTurnIsOver = "another replica may have taken over";

}  // namespace

std::string LaneOf(const Integration& integration) {
  return fmt::format("{}/{}[{}]", integration.receiver, integration.kind, integration.index);
}

void Delivery::Start(const DeliveryDeps& deps, const Integration& integration,
                     Notification notification, BootTime deadline, Then then, const Moment& now,
                     std::shared_ptr<const Turn> turn) {
  const std::shared_ptr<Delivery> delivery(new Delivery(
      deps, integration, std::move(notification), deadline, std::move(then), std::move(turn)));
  delivery
      ->Count("alertmanager_notifications_total", "The total number of attempted notifications.")
      .Increment();
  delivery->Try(now);
}

Delivery::Delivery(const DeliveryDeps& deps, const Integration& integration,
                   Notification notification, BootTime deadline, Then then,
                   std::shared_ptr<const Turn> turn)
    : deps_(deps),
      integration_(integration),
      notification_(std::make_shared<const Notification>(std::move(notification))),
      deadline_(deadline),
      then_(std::move(then)),
      turn_(std::move(turn)) {}

prometheus::Counter& Delivery::Count(const char* name, const char* help, const char* reason) {
  Labels labels{{"integration", integration_.kind}, {"receiver_name", integration_.receiver}};
  if (reason != nullptr) labels.Set("reason", reason);
  return deps_.metrics.Counter(name, help, labels);
}

void Delivery::Try(const Moment& now) {
  if (deps_.stop.stop_requested()) {
    return End(Outcome::Failed({"the configuration was replaced"}, false), now);
  }
  if (TurnIsOver(now.boot)) return End(Outcome::Failed({kTurnIsOver}, false), now);
  ++tries_;
  started_ = now.boot;
  struct Result {
    Outcome outcome;
    Micros took{0};
  };
  auto result = std::make_shared<Result>();
  auto self = shared_from_this();
  const bool taken = deps_.lanes.Do(
      LaneOf(integration_),
      [result, self] {
        const BootTime begin = self->deps_.clock.Now().boot;
        // Rounded up, so that a try is never given no time at all.
        const Millis left = std::chrono::ceil<Millis>(self->deadline_ - begin);
        if (left <= Millis(0) || self->deps_.stop.stop_requested()) {
          result->outcome = Outcome::Failed({"no time was left to tell", Cause::kTimeout}, true,
                                            "contextDeadlineExceeded");
          return;
        }
        if (self->TurnIsOver(begin)) {
          result->outcome = Outcome::Failed({kTurnIsOver}, false);
          return;
        }
        result->outcome =
            self->integration_.notifier->Notify(*self->notification_, left, self->deps_.stop);
        result->took = self->deps_.clock.Now().boot - begin;
      },
      [result, self](const Moment& later) {
        self->Tried(std::move(result->outcome), result->took, later);
      });
  if (!taken) {
    Tried(
        Outcome::Failed({"too much waits to be told to this receiver", Cause::kUnavailable}, true),
        Micros(0), now);
  }
}

Millis Delivery::NextWait() {
  const double low = wait_ms_ * (1 - kJitter);
  const double high = wait_ms_ * (1 + kJitter);
  wait_ms_ = std::min(wait_ms_ * kGrowth, static_cast<double>(kWaitMax.count()));
  return Millis(static_cast<std::int64_t>(low + deps_.random.Unit() * (high - low)));
}

void Delivery::Tried(Outcome outcome, Micros took, const Moment& now) {
  Count("alertmanager_notification_requests_total",
        "The total number of attempted notification requests.")
      .Increment();
  deps_.metrics
      .Histogram("alertmanager_notification_latency_seconds",
                 "The latency of notifications in seconds.", {1, 5, 10, 15, 20},
                 {{"integration", integration_.kind}, {"receiver_name", integration_.receiver}})
      .Observe(ToSeconds(took));
  if (outcome.status) return End(outcome, now);
  Count("alertmanager_notification_requests_failed_total",
        "The total number of failed notification requests.")
      .Increment();
  const Error& error = outcome.status.error();
  if (!outcome.retry || deps_.stop.stop_requested()) return End(outcome, now);
  if (tries_ == 1) {
    deps_.log.Warn("could not tell, trying again", {{"receiver", integration_.receiver},
                                                    {"integration", integration_.kind},
                                                    {"group", notification_->group_key},
                                                    {"err", error.message}});
  }
  const BootTime next = std::max(now.boot, started_ + NextWait());
  if (next < deadline_) {
    deps_.brain.At(next, [self = shared_from_this()](const Moment& later) { self->Try(later); });
    return;
  }
  outcome.reason = "contextDeadlineExceeded";
  outcome.status = Fail(error.cause, "given up after {} tries: {}", tries_, error.message);
  deps_.brain.At(
      std::max(now.boot, deadline_),
      [self = shared_from_this(), outcome](const Moment& later) { self->End(outcome, later); });
}

void Delivery::End(const Outcome& outcome, const Moment& now) {
  if (!outcome.status) {
    Count("alertmanager_notifications_failed_total",
          "The total number of failed notifications, by reason.", outcome.reason)
        .Increment();
    deps_.log.Error("could not tell", {{"receiver", integration_.receiver},
                                       {"integration", integration_.kind},
                                       {"group", notification_->group_key},
                                       {"tries", tries_},
                                       {"err", outcome.status.error().message}});
  }
  const Then then = std::move(then_);
  then(outcome, now);
}

}  // namespace fettle::receivers

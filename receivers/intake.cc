#include "receivers/intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kComplaintsShownMax = 20;

// {"name": "value"} of strings only, or what is wrong with it.
Result<Labels> ReadLabels(const Json& json, std::string_view what) {
  if (!json.exists() || json.IsNull()) return Labels{};
  if (!json.IsObject()) return Fail(Cause::kInvalid, "{} must be an object", what);
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : json.Entries()) {
    std::optional<std::string> text = value.String();
    if (!text) return Fail(Cause::kInvalid, "{}.{} must be a string", what, name);
    pairs.emplace_back(name, *std::move(text));
  }
  return Labels(std::move(pairs));
}

Result<Time> ReadTime(const Json& json, std::string_view what) {
  if (!json.exists() || json.IsNull()) return Time{};
  const std::optional<std::string> text = json.String();
  if (!text) return Fail(Cause::kInvalid, "{} must be a string", what);
  Result<Time> time = ParseRfc3339(*text);
  if (!time) return While(what, time.error());
  return *time;
}

Result<Alert> ReadAlert(const Json& json, Time now) {
  if (!json.IsObject()) return Fail(Cause::kInvalid, "an alert must be an object");
  Alert alert;
  Result<Labels> labels = ReadLabels(json["labels"], "labels");
  if (!labels) return tl::unexpected<Error>(labels.error());
  Result<Labels> annotations = ReadLabels(json["annotations"], "annotations");
  if (!annotations) return tl::unexpected<Error>(annotations.error());
  const Result<Time> starts_at = ReadTime(json["startsAt"], "startsAt");
  if (!starts_at) return tl::unexpected<Error>(starts_at.error());
  const Result<Time> ends_at = ReadTime(json["endsAt"], "endsAt");
  if (!ends_at) return tl::unexpected<Error>(ends_at.error());
  alert.labels = *std::move(labels);
  alert.annotations = *std::move(annotations);
  alert.starts_at = *starts_at;
  alert.generator_url = json["generatorURL"].StringOr("");
  const std::string status = json["status"].StringOr("");
  if (status == "resolved") {
    // Whatever the sender's clock says, it is over by now.
    alert.ends_at = *ends_at == Time{} ? now : std::min(*ends_at, now);
    if (alert.starts_at != Time{}) alert.ends_at = std::max(alert.ends_at, alert.starts_at);
  } else if (status != "firing") {
    return Fail(Cause::kInvalid, "status must be firing or resolved, not {}", Quote(status));
  }
  return alert;
}

bool KnownVersion(const Json& message) {
  const std::string version = message["version"].StringOr("");
  return version == "4" || (version == "1" && message["orgId"].exists());
}

}  // namespace

WebhookIntake::WebhookIntake(Deps deps)
    : deps_(std::move(deps)),
      mismatched_(deps_.metrics.Counter(
          "fettle_webhook_fingerprint_mismatches_total",
          "Alerts by /webhook whose fingerprint was not that of their labels; ours was used.")),
      truncated_(deps_.metrics.Counter(
          "fettle_webhook_truncated_alerts_total",
          "Alerts that senders said they left out of their messages to /webhook.")) {
  for (const char* result : {"stored", "broken_json", "unsupported_version", "invalid",
                             "too_many_alerts", "unavailable"}) {
    Requests(result);
  }
}

prometheus::Counter& WebhookIntake::Requests(const char* result) {
  return deps_.metrics.Counter("fettle_webhook_requests_total",
                               "Messages to /webhook, by what became of them.",
                               {{"result", result}});
}

Result<WebhookMessage> WebhookIntake::Read(std::string_view body, Time now) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return While("reading the message", json.error());
  if (!json->IsObject()) return Fail(Cause::kInvalid, "the message must be a JSON object");
  WebhookMessage message;
  message.batch.source = AlertSource::kWebhook;
  if (!KnownVersion(*json)) {
    message.unsupported_version = true;
    message.complaints.push_back(fmt::format("version {} is not supported, only \"4\"",
                                             Quote((*json)["version"].StringOr(""))));
    return message;
  }
  const Json alerts = (*json)["alerts"];
  if (!alerts.IsArray()) {
    message.complaints.emplace_back("alerts must be an array");
    return message;
  }
  const std::vector<Json> items = alerts.Items();
  if (items.size() > kAlertsMax) {
    return Fail(Cause::kLimit, "{} alerts in one message, more than {}", items.size(), kAlertsMax);
  }
  message.truncated =
      static_cast<std::size_t>(std::max<std::int64_t>(0, (*json)["truncatedAlerts"].IntegerOr(0)));
  for (std::size_t i = 0; i < items.size(); ++i) {
    Result<Alert> alert = ReadAlert(items[i], now);
    if (!alert) {
      message.complaints.push_back(fmt::format("alerts[{}]: {}", i, alert.error().message));
      continue;
    }
    const std::optional<std::string> theirs = items[i]["fingerprint"].String();
    if (theirs && *theirs != alert->labels.FingerprintHex()) ++message.mismatched_fingerprints;
    message.batch.alerts.push_back(*std::move(alert));
  }
  return message;
}

HttpResponse WebhookIntake::Handle(const HttpRequest& request) {
  Result<WebhookMessage> message = Read(request.body, deps_.clock.Now().wall);
  if (!message) {
    if (message.error().cause == Cause::kLimit) {
      return Refuse(413, "too_many_alerts", message.error().message, request);
    }
    return Refuse(400, "broken_json", message.error().message, request);
  }
  if (message->unsupported_version) {
    return Refuse(422, "unsupported_version", message->complaints.front(), request);
  }
  mismatched_.Increment(static_cast<double>(message->mismatched_fingerprints));
  truncated_.Increment(static_cast<double>(message->truncated));

  std::vector<std::string> complaints = std::move(message->complaints);
  if (const Status stored = Store(std::move(message->batch)); !stored) {
    if (stored.error().cause != Cause::kInvalid) {
      return Refuse(503, "unavailable", stored.error().message, request);
    }
    complaints.push_back(stored.error().message);
  }
  if (!complaints.empty()) {
    if (complaints.size() > kComplaintsShownMax) complaints.resize(kComplaintsShownMax);
    return Refuse(422, "invalid", fmt::format("{}", fmt::join(complaints, "\n")), request);
  }
  Requests("stored").Increment();
  return TextResponse(200, "");
}

Status WebhookIntake::Store(AlertBatch batch) {
  // Shared: the answer may come after we stopped waiting for it.
  auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> stored = promise->get_future();
  deps_.sink.Post(std::move(batch),
                  [promise](Status status) { promise->set_value(std::move(status)); });
  if (stored.wait_for(kAnswerWithin) != std::future_status::ready) {
    return Fail(Cause::kUnavailable, "the alerts were not stored within {} ms",
                kAnswerWithin.count());
  }
  return stored.get();
}

HttpResponse WebhookIntake::Refuse(int status, const char* result, const std::string& reason,
                                   const HttpRequest& request) {
  Requests(result).Increment();
  deps_.log.Warn("refused a message to /webhook",
                 {{"status", status}, {"err", reason}, {"from", request.remote_address}});
  return TextResponse(status, reason + "\n");
}

}  // namespace fettle::receivers

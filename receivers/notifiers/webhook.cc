#include "receivers/notifiers/webhook.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/json.h"
#include "receivers/notifiers/payload.h"

namespace fettle::receivers {
namespace {

void WriteLabels(JsonWriter& writer, std::string_view key, const Labels& labels) {
  writer.Key(key).BeginObject();
  for (const auto& [name, value] : labels) writer.Field(name, value);
  writer.EndObject();
}

void WriteAlert(JsonWriter& writer, const NotifiedAlert& alert) {
  writer.BeginObject();
  writer.Field("status", alert.resolved ? "resolved" : "firing");
  WriteLabels(writer, "labels", alert.labels());
  WriteLabels(writer, "annotations", alert.annotations());
  writer.Field("startsAt", GoTime(alert.live->alert.starts_at));
  writer.Field("endsAt", GoTime(alert.ends_at()));
  writer.Field("generatorURL", alert.live->alert.generator_url);
  writer.Field("fingerprint", fmt::format("{:016x}", alert.live->fingerprint));
  writer.EndObject();
}

// The first `max_alerts`, and how many were left out.
std::pair<Notification, std::size_t> Truncated(const Notification& notification,
                                               std::uint64_t max_alerts) {
  Notification shorter = notification;
  const std::size_t all = shorter.alerts.size();
  if (max_alerts != 0 && all > max_alerts) shorter.alerts.resize(max_alerts);
  const std::size_t kept = shorter.alerts.size();
  return {std::move(shorter), all - kept};
}

}  // namespace

std::string WebhookMessageV4(const Notification& whole, std::uint64_t max_alerts,
                             std::string_view version) {
  const auto [notification, left_out] = Truncated(whole, max_alerts);
  JsonWriter writer(JsonWriter::Options{.escape_html = true});
  writer.BeginObject();
  writer.Field("receiver", QuoteMeta(notification.receiver));
  writer.Field("status", notification.firing() ? "firing" : "resolved");
  writer.Key("alerts").BeginArray();
  for (const NotifiedAlert& alert : notification.alerts) WriteAlert(writer, alert);
  writer.EndArray();
  writer.Field("notification_reason", notification.reason);
  WriteLabels(writer, "groupLabels", notification.group_labels);
  WriteLabels(writer, "commonLabels", notification.CommonLabels());
  WriteLabels(writer, "commonAnnotations", notification.CommonAnnotations());
  writer.Field("externalURL", notification.external_url);
  writer.Field("version", version);
  writer.Field("groupKey", notification.group_key);
  writer.Field("truncatedAlerts", static_cast<std::int64_t>(left_out));
  writer.EndObject();
  return writer.Take() + "\n";
}

WebhookNotifier::WebhookNotifier(PostDeps deps, WebhookReceiver config,
                                 std::shared_ptr<const Templates> templates)
    : config_(std::move(config)),
      templates_(std::move(templates)),
      poster_(std::move(deps), config_.http) {}

Result<std::string> WebhookNotifier::Body(const Notification& notification) const {
  if (!config_.payload) return WebhookMessageV4(notification, config_.max_alerts);
  const auto [shorter, left_out] = Truncated(notification, config_.max_alerts);
  Result<std::string> body =
      RenderPayload(*config_.payload, *templates_, TemplateData(shorter), notification.now);
  if (!body) return While("rendering payload", body.error());
  return *std::move(body) + "\n";
}

Result<std::string> WebhookNotifier::Url(const gotemplate::Value& data, Time now) const {
  const Result<std::string> text = config_.url.Reveal();
  if (!text) return While("read url_file", text.error());
  Result<std::string> url = Text(*templates_, "url", *text).Render(data, now);
  if (!url) return While("failed to template webhook URL", url.error());
  if (url->empty()) return Fail("webhook URL is empty after templating");
  return url;
}

Outcome WebhookNotifier::Notify(const Notification& notification, Millis timeout,
                                const std::stop_token& stop) {
  const auto [shorter, left_out] = Truncated(notification, config_.max_alerts);
  const Result<std::string> url = Url(TemplateData(shorter), notification.now);
  if (!url) return Outcome::Failed(url.error(), false);
  Result<std::string> body = Body(notification);
  if (!body) return Outcome::Failed(body.error(), false);
  return poster_.Post({.url = *url, .body = *std::move(body)}, timeout, config_.timeout, stop)
      .outcome;
}

}  // namespace fettle::receivers

// Tells a program: Alertmanager's webhook message, version 4, or a payload of the user's.
// Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config and measured bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "receivers/alertmanager_config.h"
#include "receivers/notifier.h"
#include "receivers/notifiers/post.h"
#include "receivers/templates.h"

namespace fettle::receivers {

class WebhookNotifier final : public Notifier {
 public:
  WebhookNotifier(PostDeps deps, WebhookReceiver config,
                  std::shared_ptr<const Templates> templates);

  Outcome Notify(const Notification& notification, Millis timeout,
                 const std::stop_token& stop) override;
  // The body, with its last newline.
  Result<std::string> Body(const Notification& notification) const;

 private:
  Result<std::string> Url(const gotemplate::Value& data, Time now) const;

  const WebhookReceiver config_;
  const std::shared_ptr<const Templates> templates_;
  const Poster poster_;
};

// Alertmanager's message; `max_alerts` 0 is all.
std::string WebhookMessageV4(const Notification& notification, std::uint64_t max_alerts,
                             std::string_view version = "4");

}  // namespace fettle::receivers

#include "receivers/notifiers/all.h"

#include "receivers/notifiers/slack.h"
#include "receivers/notifiers/webhook.h"

namespace fettle::receivers {

std::vector<Integration> MakeIntegrations(const ReceiverConfig& receiver, const PostDeps& deps,
                                          const std::shared_ptr<const Templates>& templates) {
  std::vector<Integration> all;
  for (std::size_t i = 0; i < receiver.webhooks.size(); ++i) {
    const WebhookReceiver& config = receiver.webhooks[i];
    all.push_back({receiver.name, "webhook", i, config.send_resolved,
                   std::make_shared<WebhookNotifier>(deps, config, templates)});
  }
  for (std::size_t i = 0; i < receiver.slacks.size(); ++i) {
    const SlackReceiver& config = receiver.slacks[i];
    all.push_back({receiver.name, "slack", i, config.send_resolved,
                   std::make_shared<SlackNotifier>(deps, config, *templates)});
  }
  return all;
}

}  // namespace fettle::receivers

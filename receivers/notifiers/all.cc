#include "receivers/notifiers/all.h"

#include <map>
#include <string>
#include <utility>

#include "receivers/notifiers/email.h"
#include "receivers/notifiers/slack.h"
#include "receivers/notifiers/talk.h"
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
  std::map<std::string, std::size_t> index;
  for (const KindReceiver& config : receiver.others) {
    std::shared_ptr<Notifier> notifier;
    if (config.kind->http) {
      notifier = std::make_shared<KindNotifier>(deps, config, templates);
    } else {
      notifier = std::make_shared<EmailNotifier>(config, templates);
    }
    all.push_back({receiver.name, config.kind->name, index[config.kind->name]++,
                   config.send_resolved, std::move(notifier)});
  }
  for (std::size_t i = 0; i < receiver.slacks.size(); ++i) {
    const SlackReceiver& config = receiver.slacks[i];
    all.push_back({receiver.name, "slack", i, config.send_resolved,
                   std::make_shared<SlackNotifier>(deps, config, *templates)});
  }
  return all;
}

}  // namespace fettle::receivers

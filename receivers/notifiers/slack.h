// Tells a Slack channel, by an incoming webhook or by chat.postMessage with a bot's token; with
// update_message the group's message is edited in place.
// Source: api.slack.com/reference/messaging/attachments, Alertmanager's notify/slack.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "receivers/alertmanager_config.h"
#include "receivers/notifier.h"
#include "receivers/notifiers/post.h"
#include "receivers/templates.h"

namespace fettle::receivers {

class SlackNotifier final : public Notifier {
 public:
  // api.slack.com: 1024, of characters as it seems.
  static constexpr std::size_t kTitleRunesMax = 1024;

  SlackNotifier(PostDeps deps, SlackReceiver config, const Templates& templates);

  Outcome Notify(const Notification& notification, Millis timeout,
                 const std::stop_token& stop) override;

 private:
  struct Texts;
  class Writing;
  struct Message {
    std::string channel;
    std::string body;
    bool update = false;  // of the message told before
  };
  Result<Message> Render(const Notification& notification) const;

  const SlackReceiver config_;
  const std::shared_ptr<const Texts> texts_;
  const Poster poster_;
};

}  // namespace fettle::receivers

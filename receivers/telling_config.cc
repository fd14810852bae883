#include "receivers/telling_config.h"

namespace fettle::receivers {

TellingConfig ReadTellingConfig(yaml::Mapping& receivers) {
  TellingConfig config;
  config.config_file = receivers.Get<std::string>("config_file", "");
  const yaml::Node* node = receivers.Child("webhook");
  if (node == nullptr || node->kind == yaml::Node::Kind::kNull) return config;
  yaml::Mapping webhook(*node, receivers.what() + ".webhook", receivers.complaints());
  config.tell_webhook = webhook.Get("tell", config.tell_webhook);
  config.webhook_max_age = webhook.Get("max_age", config.webhook_max_age);
  if (config.webhook_max_age <= Millis(0)) {
    webhook.Complain(webhook.Child("max_age")->place, "max_age must be longer than 0s");
  }
  return config;
}

}  // namespace fettle::receivers

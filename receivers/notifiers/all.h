// Every kind of receiver there is, listed by hand.
#pragma once

#include <memory>
#include <vector>

#include "receivers/alertmanager_config.h"
#include "receivers/notifier.h"
#include "receivers/notifiers/post.h"
#include "receivers/templates.h"

namespace fettle::receivers {

// The integrations of one receiver, in the order of Alertmanager.
std::vector<Integration> MakeIntegrations(const ReceiverConfig& receiver, const PostDeps& deps,
                                          const std::shared_ptr<const Templates>& templates);

}  // namespace fettle::receivers

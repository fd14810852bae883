// The keys of fettle.yml's `receivers` section that are about telling: config_file and webhook.
#pragma once

#include <string>

#include "common/clock.h"
#include "common/yaml.h"

namespace fettle::receivers {

struct TellingConfig {
  std::string config_file;                // alertmanager.yml; "" tells nobody
  bool tell_webhook = false;              // alerts by /webhook are told, too
  Millis webhook_max_age{5 * 3'600'000};  // they count as resolved when nobody repeats them so long
};

// Reads its keys of the section and leaves the others to others.
TellingConfig ReadTellingConfig(yaml::Mapping& receivers);

}  // namespace fettle::receivers

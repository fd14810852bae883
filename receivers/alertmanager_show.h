// alertmanager.yml as it is shown to whoever may read: in Alertmanager's layout, without secrets.
#pragma once

#include <string>

#include "common/yaml.h"

namespace fettle::receivers {

// REQUIRES: the file was read without complaint.
std::string ShowAlertmanagerConfig(const yaml::Node& top);

}  // namespace fettle::receivers

// alertmanager.yml as it is shown to whoever may read: in Alertmanager's layout, without secrets.
#pragma once

#include <string>
#include <vector>

#include "common/yaml.h"

namespace fettle::receivers {

// With every default, as Alertmanager 0.33 writes it; `templates` are the globs as they count.
// REQUIRES: the file was read without complaint.
std::string ShowAlertmanagerConfig(const yaml::Node& top,
                                   const std::vector<std::string>& templates);

}  // namespace fettle::receivers

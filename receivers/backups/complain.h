// How the sections of a backup job complain: at the value that is wrong.
#pragma once

#include <string>
#include <string_view>

#include "common/yaml.h"

namespace fettle::receivers::backups {

// About the value of a key, or about its mapping if it is not there.
inline void ComplainOf(yaml::Mapping& mapping, std::string_view key, const std::string& text) {
  const yaml::Node* node = mapping.Child(key);
  mapping.Complain(node == nullptr ? mapping.place() : node->place, text);
}

}  // namespace fettle::receivers::backups

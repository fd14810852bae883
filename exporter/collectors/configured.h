// What the collectors' sections have in common.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/duration.h"
#include "common/yaml.h"

namespace fettle::exporter {

// Where a key stands, or its mapping if it is not there.
inline const yaml::Place& PlaceOf(yaml::Mapping& mapping, std::string_view key) {
  const yaml::Node* node = mapping.Child(key);
  return node == nullptr ? mapping.place() : node->place;
}

// Looking more often than this would cost more than it tells.
inline constexpr Millis kIntervalMin{100};

// "interval", or the fallback (0 is the exporter's); a complaint if it is too short.
inline Millis ReadInterval(yaml::Mapping& mapping, Millis fallback) {
  const auto interval = mapping.Get<Millis>("interval", fallback);
  if (mapping.Has("interval") && interval < kIntervalMin) {
    mapping.Complain(PlaceOf(mapping, "interval"), "interval must be at least " +
                                                       FormatDuration(kIntervalMin) + ", not " +
                                                       FormatDuration(interval));
  }
  return interval;
}

// The connection that "connection" names; a complaint with a suggestion if there is none.
template <typename T>
std::pair<std::string, T> ReadConnection(yaml::Mapping& mapping,
                                         const std::map<std::string, T>& known) {
  const auto wanted = mapping.Require<std::string>("connection");
  const auto at = known.find(wanted);
  if (at != known.end()) return {wanted, at->second};
  if (!wanted.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, connection] : known) names.push_back(name);
    mapping.Complain(PlaceOf(mapping, "connection"),
                     fmt::format("there is no connection named {}{}", yaml::Shown(wanted),
                                 yaml::Suggestion(wanted, names)));
  }
  return {wanted, T{}};
}

}  // namespace fettle::exporter

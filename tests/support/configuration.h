// A configuration's text, read by the reader under test.
#pragma once

#include <string>
#include <utility>

#include "common/yaml.h"

namespace fettle {

// read(mapping, complaints) over the text's top mapping; what it gave and what it complained about
// ("f.yml:2:3: …" lines).
template <typename Read>
auto ReadText(const std::string& text, Read read) {
  yaml::Complaints complaints;
  const auto node = yaml::Load(text, "f.yml", complaints);
  using Config = decltype(read(std::declval<yaml::Mapping&>()));
  Config config{};
  if (node) {
    yaml::Mapping mapping(*node, "exporter", complaints);
    config = read(mapping);
  }
  return std::pair<Config, std::string>(std::move(config), complaints.ToString());
}

}  // namespace fettle

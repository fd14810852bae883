// Type, help and unit of metrics that others send, by name. Safe from any thread.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/metadata.h"

namespace fettle::rules {

class MetadataShelf {
 public:
  // Of further names nothing is kept; what is known is still updated.
  static constexpr std::size_t kNamesMax = 20'000;
  // Longer texts are cut at a character.
  static constexpr std::size_t kTextBytesMax = 1'024;

  // False if that is known, or there is no room.
  bool Put(MetricMetadata metadata);
  // By name.
  std::vector<MetricMetadata> All() const;

 private:
  mutable std::mutex mutex_;  // guards the following
  std::map<std::string, MetricMetadata> by_name_;
};

}  // namespace fettle::rules

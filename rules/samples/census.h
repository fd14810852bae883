// What a head holds, counted by its index: nobody's labels are made into texts for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fettle::rules {

class Head;

struct Census {
  // The largest first; of equals, by name.
  using Top = std::vector<std::pair<std::string, std::uint64_t>>;
  std::size_t series = 0;
  std::size_t pairs = 0;
  std::size_t chunks = 0;
  Top series_by_metric;
  Top values_by_name;
  Top bytes_by_name;   // of the values, as often as series have them
  Top series_by_pair;  // "name=value"
};

// At most `top` of each.
Census TakeCensus(const Head& head, std::size_t top);

}  // namespace fettle::rules

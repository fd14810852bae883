// The metrics page as it is served: families of many collectors under one heading each, rendered
// and compressed once per change and not once per scrape.
//
// A family whose parts are unchanged keeps its text and its deflated block; a scrape joins blocks.
// Joining works because a block ends with a full flush and CRC-32s combine (zlib's crc32_combine).
// Update() belongs to whoever publishes; Render() is safe from any thread beside it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/metadata.h"
#include "common/sample.h"
#include "exporter/exposition.h"

namespace fettle::exporter {

using Families = std::shared_ptr<const std::vector<MetricFamily>>;

class Page {
 public:
  // Replaces everything that `source` shows; nullptr takes it away.
  void Update(const std::string& source, Families families);

  // Every family's name, type and help, by name.
  std::vector<MetricMetadata> Metadata();

  // The whole page: what is kept, and `fresh` families that change at every scrape (fettle's own
  // counters), with their exemplars. gzip is a complete gzip stream.
  std::string Render(Format format, bool gzip, const std::vector<MetricFamily>& fresh,
                     const ExemplarBoard* exemplars = nullptr);

 private:
  // One family's bytes in one format.
  struct Block {
    std::string text;
    std::string deflated;  // made at the first gzip scrape
    std::uint32_t crc = 0;
  };
  struct Family {
    std::map<std::string, const MetricFamily*> parts;  // by source
    std::map<Format, Block> blocks;                    // empty after a change
  };
  Block& BlockOf(Family& family, Format format);

  std::mutex mutex_;  // guards everything below
  std::map<std::string, Families> sources_;
  std::map<std::string, Family> families_;
};

}  // namespace fettle::exporter

#include "rules/samples/metadata_shelf.h"

#include <utility>

namespace fettle::rules {
namespace {

void Cut(std::string& text) {
  if (text.size() <= MetadataShelf::kTextBytesMax) return;
  std::size_t end = MetadataShelf::kTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

bool Same(const MetricMetadata& a, const MetricMetadata& b) {
  return a.type == b.type && a.help == b.help && a.unit == b.unit;
}

}  // namespace

bool MetadataShelf::Put(MetricMetadata metadata) {
  Cut(metadata.help);
  Cut(metadata.unit);
  const std::lock_guard lock(mutex_);
  const auto known = by_name_.find(metadata.name);
  if (known != by_name_.end()) {
    if (Same(known->second, metadata)) return false;
    known->second = std::move(metadata);
    return true;
  }
  if (by_name_.size() >= kNamesMax) return false;
  std::string name = metadata.name;
  by_name_.emplace(std::move(name), std::move(metadata));
  return true;
}

std::vector<MetricMetadata> MetadataShelf::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<MetricMetadata> all;
  all.reserve(by_name_.size());
  for (const auto& [name, metadata] : by_name_) all.push_back(metadata);
  return all;
}

}  // namespace fettle::rules

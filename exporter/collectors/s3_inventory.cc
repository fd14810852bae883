#include "exporter/collectors/s3_inventory.h"

#include <algorithm>

namespace fettle::exporter {
namespace {

// A storage class is a label: only words that could be one, for a server may send anything.
constexpr std::size_t kClassesMax = 32;
constexpr const char* kUnknownClass = "UNKNOWN";

bool IsClassName(std::string_view name) {
  return !name.empty() && name.size() <= 40 &&
         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string_view::npos;
}

}  // namespace

S3Inventory::S3Inventory(std::vector<S3Group> groups)
    : groups_(std::move(groups)), rest_(groups_.empty() ? kAll : kOther) {
  std::stable_sort(groups_.begin(), groups_.end(), [](const S3Group& a, const S3Group& b) {
    return a.prefix.size() > b.prefix.size();
  });
  for (const S3Group& group : groups_) totals_[{group.name, "STANDARD"}] = {};
  if (groups_.empty()) totals_[{rest_, "STANDARD"}] = {};
}

const std::string& S3Inventory::GroupOf(std::string_view key) const {
  for (const S3Group& group : groups_) {
    if (key.starts_with(group.prefix)) return group.name;
  }
  return rest_;
}

void S3Inventory::Add(const std::vector<S3Object>& page) {
  ++pages_;
  for (const S3Object& object : page) {
    const std::string& group = GroupOf(object.key);
    std::pair<std::string, std::string> place(
        group, IsClassName(object.storage_class) ? object.storage_class : kUnknownClass);
    if (totals_.size() > (groups_.size() + 1) * kClassesMax) place.second = kUnknownClass;
    Totals& totals = totals_[place];
    ++totals.objects;
    totals.bytes += object.size_bytes;
    const auto [at, fresh] = newest_.emplace(group, object.last_modified);
    if (!fresh) at->second = std::max(at->second, object.last_modified);
  }
  if (!page.empty()) last_key_ = page.back().key;
}

std::map<std::string, std::int64_t> S3Inventory::BytesByClass() const {
  std::map<std::string, std::int64_t> bytes;
  for (const auto& [place, totals] : totals_) bytes[place.second] += totals.bytes;
  return bytes;
}

}  // namespace fettle::exporter

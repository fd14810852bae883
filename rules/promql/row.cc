#include "rules/promql/row.h"

#include <xxhash.h>

#include <algorithm>

namespace fettle::promql {
namespace {

bool Listed(const std::vector<std::string>& names, std::string_view name) {
  return std::binary_search(names.begin(), names.end(), name, std::less<>());
}

bool HasMetadata(const Labels& labels) {
  return std::any_of(labels.begin(), labels.end(),
                     [](const Labels::Pair& pair) { return IsMetricMetadata(pair.first); });
}

LabelsPtr WithoutMetadata(const LabelsPtr& labels) {
  if (!HasMetadata(*labels)) return labels;
  std::vector<Labels::Pair> kept;
  kept.reserve(labels->size());
  for (const Labels::Pair& pair : *labels) {
    if (!IsMetricMetadata(pair.first)) kept.push_back(pair);
  }
  return std::make_shared<const Labels>(std::move(kept));
}

}  // namespace

bool IsMetricMetadata(std::string_view label) {
  return label.starts_with("__") &&
         (label == kMetricName || label == "__type__" || label == "__unit__");
}

std::string_view Row::Get(std::string_view label) const {
  if (nameless && IsMetricMetadata(label)) return {};
  return labels->Get(label);
}

LabelsPtr Row::Seen() const { return nameless ? WithoutMetadata(labels) : labels; }
LabelsPtr Row::Final() const { return nameless || drop_name ? WithoutMetadata(labels) : labels; }

bool FinallyBefore(const Row& a, const Row& b) {
  auto left = a.labels->begin();
  auto right = b.labels->begin();
  for (;; ++left, ++right) {
    while (left != a.labels->end() && a.Hides(left->first)) ++left;
    while (right != b.labels->end() && b.Hides(right->first)) ++right;
    if (left == a.labels->end() || right == b.labels->end()) return right != b.labels->end();
    if (const int names = left->first.compare(right->first); names != 0) return names < 0;
    if (const int values = left->second.compare(right->second); values != 0) return values < 0;
  }
}

void LabelsKeyer::Add(std::string_view name, std::string_view value) {
  // No label contains the byte 0xff: they are UTF-8.
  buffer_.append(name).push_back('\xff');
  buffer_.append(value).push_back('\xff');
}

LabelsKey LabelsKeyer::Hash() const {
  const XXH128_hash_t hash = XXH3_128bits(buffer_.data(), buffer_.size());
  return {hash.low64, hash.high64};
}

LabelsKey LabelsKeyer::All(const Row& row) {
  buffer_.clear();
  for (const auto& [name, value] : *row.labels) {
    if (!(row.nameless && IsMetricMetadata(name))) Add(name, value);
  }
  return Hash();
}

LabelsKey LabelsKeyer::Only(const Row& row, const std::vector<std::string>& names) {
  buffer_.clear();
  for (const std::string& name : names) {
    const std::string_view value = row.Get(name);
    if (!value.empty()) Add(name, value);
  }
  return Hash();
}

LabelsKey LabelsKeyer::Without(const Row& row, const std::vector<std::string>& names) {
  buffer_.clear();
  for (const auto& [name, value] : *row.labels) {
    if (name == kMetricName || (row.nameless && IsMetricMetadata(name)) || Listed(names, name)) {
      continue;
    }
    Add(name, value);
  }
  return Hash();
}

bool AnyHistograms(const std::vector<Row>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.histograms; });
}

Labels KeepLabels(const Row& row, const std::vector<std::string>& names) {
  std::vector<Labels::Pair> kept;
  for (const std::string& name : names) {
    const std::string_view value = row.Get(name);
    if (!value.empty()) kept.emplace_back(name, value);
  }
  return Labels(std::move(kept));
}

Labels DropLabels(const Row& row, const std::vector<std::string>& names) {
  std::vector<Labels::Pair> kept;
  for (const Labels::Pair& pair : *row.labels) {
    if (pair.first == kMetricName || (row.nameless && IsMetricMetadata(pair.first)) ||
        Listed(names, pair.first)) {
      continue;
    }
    kept.push_back(pair);
  }
  return Labels(std::move(kept));
}

}  // namespace fettle::promql

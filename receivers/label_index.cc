#include "receivers/label_index.h"

#include <algorithm>
#include <string>

namespace fettle::receivers {

// FNV-1a, as fingerprints are made.
std::uint64_t LabelIndex::KeyOf(std::string_view name, std::string_view value) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) {
      hash ^= static_cast<unsigned char>(c);
      hash *= 1099511628211ULL;
    }
    hash ^= 0xff;
    hash *= 1099511628211ULL;
  };
  mix(name);
  mix(value);
  return hash;
}

void LabelIndex::Add(std::uint64_t fingerprint, const Labels& labels) {
  for (const auto& [name, value] : labels) {
    const auto [place, fresh] = entries_.try_emplace(KeyOf(name, value));
    Entry& entry = place->second;
    if (fresh) {
      entry.first = fingerprint;
      continue;
    }
    if (entry.many) continue;
    if (entry.size() >= kFewMax) {
      entry.many = true;
      entry.more.reset();
      continue;
    }
    if (!entry.more) entry.more = std::make_unique<std::vector<std::uint64_t>>();
    entry.more->push_back(fingerprint);
  }
}

const LabelIndex::Entry* LabelIndex::Find(std::string_view name, std::string_view value) const {
  const auto found = entries_.find(KeyOf(name, value));
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<std::vector<std::uint64_t>> LabelIndex::Among(const Matchers& matchers,
                                                            std::size_t at_most) const {
  std::optional<std::vector<const Entry*>> best;
  std::size_t best_size = at_most + 1;
  for (const Matcher& matcher : matchers) {
    std::vector<std::string> values = matcher.literals();
    if (matcher.type() == Matcher::Type::kEqual) values = {matcher.value()};
    // An empty value is also that of an alert without the label.
    if (values.empty() || std::find(values.begin(), values.end(), "") != values.end()) continue;
    if (matcher.type() != Matcher::Type::kEqual && matcher.type() != Matcher::Type::kRegexp) {
      continue;
    }
    std::vector<const Entry*> entries;
    std::size_t size = 0;
    for (const std::string& value : values) {
      const Entry* entry = Find(matcher.name(), value);
      if (entry == nullptr) continue;
      entries.push_back(entry);
      size += entry->many ? best_size : entry->size();
    }
    if (size >= best_size) continue;
    best = std::move(entries);
    best_size = size;
  }
  if (!best) return std::nullopt;
  std::vector<std::uint64_t> found;
  found.reserve(best_size);
  for (const Entry* entry : *best) {
    found.push_back(entry->first);
    if (entry->more) found.insert(found.end(), entry->more->begin(), entry->more->end());
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace fettle::receivers

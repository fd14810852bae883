// Finds the few alerts that have a label's value, so that a question about one of many looks at
// few.
//
// Alerts never change their labels, so entries are only added; forgetting is making it again. What
// it names may be gone or, if two texts share a hash, may not have the label at all: the caller
// looks. About 50 bytes for each value of a label that occurs once, and 8 for each further
// occurrence; a value that more than kFewMax have is only remembered as such. A value; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/labels.h"
#include "common/matcher.h"

namespace fettle::receivers {

class LabelIndex {
 public:
  static constexpr std::size_t kFewMax = 5'000;
  void Add(std::uint64_t fingerprint, const Labels& labels);
  void Clear() { entries_.clear(); }

  // All that can pass: the alerts with the rarest of the values that are asked for by name="value"
  // or by a regular expression of few literals, sorted. nullopt if no matcher says so, or if it
  // would be more than `at_most`.
  std::optional<std::vector<std::uint64_t>> Among(const Matchers& matchers,
                                                  std::size_t at_most) const;

 private:
  // Most values belong to one alert.
  struct Entry {
    std::uint64_t first = 0;
    bool many = false;
    std::unique_ptr<std::vector<std::uint64_t>> more;
    std::size_t size() const { return more ? 1 + more->size() : 1; }
  };
  static std::uint64_t KeyOf(std::string_view name, std::string_view value);
  const Entry* Find(std::string_view name, std::string_view value) const;

  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace fettle::receivers

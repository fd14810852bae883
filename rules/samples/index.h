// Which series carry which labels: for each label name, its values, and for each value the numbers
// of the series that have it, ascending ("postings").
//
// Not safe from several threads; the store locks around it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/labels.h"
#include "common/matcher.h"

namespace fettle::rules {

using SeriesId = std::uint32_t;
using Postings = std::vector<SeriesId>;

class LabelIndex {
 public:
  // Series numbers are given in ascending order and never twice.
  void Add(SeriesId series, const Labels& labels);
  // Takes out every series for which `gone` says so; one pass over everything.
  void Remove(const std::function<bool(SeriesId)>& gone);
  void Clear();

  // Candidates for the matchers, ascending, and the matchers that are still to be asked of each
  // candidate's labels. Without a usable matcher the candidates are all series.
  struct Candidates {
    Postings series;
    std::vector<const Matcher*> unasked;
  };
  Candidates Find(const Matchers& matchers) const;

  // Sorted.
  std::vector<std::string> Names() const;
  std::vector<std::string> Values(std::string_view name) const;

 private:
  using Values_ = std::map<std::string, Postings, std::less<>>;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  const Postings* FindEqual(const Matcher& matcher) const;
  Postings FindAny(const Matcher& matcher) const;

  std::unordered_map<std::string, Values_, Hash, std::equal_to<>> names_;
  Postings all_;
};

}  // namespace fettle::rules

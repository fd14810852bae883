// Which series carry which labels: for each label name, its values in order of their text, and for
// each value the numbers of the series that have it, ascending ("postings").
//
// A matcher finds its values without asking them all where it can: an equal one and a regular
// expression that is a set of words look them up, one that begins with a text looks only at values
// that begin so.
//
// Not safe from several threads; the store locks around it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/matcher.h"
#include "rules/samples/postings.h"
#include "rules/samples/symbols.h"

namespace fettle::rules {

// One label: its name and its value, by number.
struct SymbolPair {
  SymbolId name = 0;
  SymbolId value = 0;
  auto operator<=>(const SymbolPair&) const = default;
};

class LabelIndex {
 public:
  // The table must outlive the index; pairs must be taken out before their symbols go.
  explicit LabelIndex(const SymbolTable& symbols) : symbols_(symbols) {}

  // Series numbers are given in ascending order and never twice.
  void Add(SeriesId series, std::span<const SymbolPair> labels);
  // Takes series out, all at once: those for which `gone` says so, whose labels are among `labels`.
  void Remove(const std::function<bool(SeriesId)>& gone, std::span<const SymbolPair> labels);
  // Gives every series a new number; the order stays.
  void Renumber(const std::function<SeriesId(SeriesId)>& map);
  void Clear();

  // Candidates for the matchers, ascending, and the matchers that are still to be asked of each
  // candidate's labels. Without a usable matcher the candidates are all series.
  struct Candidates {
    std::vector<SeriesId> series;
    std::vector<const Matcher*> unasked;
  };
  Candidates Find(const Matchers& matchers) const;
  // No more candidates than this, told by the rarest label that is asked for exactly.
  std::size_t CountAtMost(const Matchers& matchers) const;

  struct ByText {
    using is_transparent = void;
    const SymbolTable* symbols;
    bool operator()(SymbolId a, SymbolId b) const {
      return a != b && symbols->text(a) < symbols->text(b);
    }
    bool operator()(SymbolId a, std::string_view b) const { return symbols->text(a) < b; }
    bool operator()(std::string_view a, SymbolId b) const { return a < symbols->text(b); }
  };
  using ValuesOf = std::map<SymbolId, Postings, ByText>;
  // visit(name, its values with the series of each); the order of names means nothing.
  template <typename Visit>
  void ForEachName(const Visit& visit) const {
    for (const auto& [name, values] : names_) visit(name, values);
  }

 private:
  const ValuesOf* Find(std::string_view name) const;
  std::span<const SeriesId> FindEqual(const std::string& name, const std::string& value) const;
  std::vector<SeriesId> FindAny(const Matcher& matcher) const;

  const SymbolTable& symbols_;
  std::unordered_map<SymbolId, ValuesOf> names_;
  Postings all_;
};

}  // namespace fettle::rules

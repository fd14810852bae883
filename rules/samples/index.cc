#include "rules/samples/index.h"

#include <algorithm>
#include <iterator>

namespace fettle::rules {
namespace {

// Both ascending. When one is much shorter, looks its members up in the other.
std::vector<SeriesId> Intersect(std::span<const SeriesId> a, std::span<const SeriesId> b) {
  const std::span<const SeriesId> small = a.size() <= b.size() ? a : b;
  const std::span<const SeriesId> large = a.size() <= b.size() ? b : a;
  std::vector<SeriesId> both;
  both.reserve(small.size());
  if (small.size() * 16 < large.size()) {
    auto from = large.begin();
    for (const SeriesId series : small) {
      from = std::lower_bound(from, large.end(), series);
      if (from == large.end()) break;
      if (*from == series) both.push_back(series);
    }
  } else {
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  }
  return both;
}

// What every match of the expression begins with: its characters up to the first that means
// something else.
std::string PrefixOf(const Matcher& matcher) {
  const std::string& pattern = matcher.value();
  if (matcher.type() != Matcher::Type::kRegexp || pattern.find('|') != std::string::npos) return "";
  const std::size_t end = std::min(pattern.find_first_of("\\.+*?()|[]{}^$"), pattern.size());
  const bool last_is_counted = end < pattern.size() && end > 0 &&
                               std::string_view("*?{").find(pattern[end]) != std::string::npos;
  if (!last_is_counted) return pattern.substr(0, end);
  // "abc*": the c, all of it if it has several bytes, may be missing.
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(pattern[at]) & 0xc0) == 0x80) --at;
  return pattern.substr(0, at);
}

bool IsSet(const Matcher& matcher) {
  return matcher.type() == Matcher::Type::kRegexp && !matcher.literals().empty();
}

}  // namespace

void LabelIndex::Add(SeriesId series, std::span<const SymbolPair> labels) {
  all_.Add(series);
  for (const SymbolPair& label : labels) {
    const auto values = names_.try_emplace(label.name, ByText{&symbols_}).first;
    values->second.try_emplace(label.value).first->second.Add(series);
  }
}

void LabelIndex::Remove(const std::function<bool(SeriesId)>& gone,
                        std::span<const SymbolPair> labels) {
  all_.RemoveIf(gone);
  std::vector<SymbolPair> once(labels.begin(), labels.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (const SymbolPair& label : once) {
    const auto name = names_.find(label.name);
    if (name == names_.end()) continue;
    const auto value = name->second.find(label.value);
    if (value == name->second.end()) continue;
    value->second.RemoveIf(gone);
    if (value->second.empty()) name->second.erase(value);
    if (name->second.empty()) names_.erase(name);
  }
}

void LabelIndex::Renumber(const std::function<SeriesId(SeriesId)>& map) {
  all_.Renumber(map);
  for (auto& [name, values] : names_) {
    for (auto& [value, postings] : values) postings.Renumber(map);
  }
}

void LabelIndex::Clear() {
  names_.clear();
  all_ = {};
}

const LabelIndex::ValuesOf* LabelIndex::Find(std::string_view name) const {
  const auto found = names_.find(symbols_.Find(name));
  return found == names_.end() ? nullptr : &found->second;
}

std::span<const SeriesId> LabelIndex::FindEqual(const std::string& name,
                                                const std::string& value) const {
  const ValuesOf* values = Find(name);
  const SymbolId symbol = values == nullptr ? SymbolTable::kNone : symbols_.Find(value);
  if (symbol == SymbolTable::kNone) return {};
  const auto found = values->find(symbol);
  return found == values->end() ? std::span<const SeriesId>() : found->second.view();
}

std::vector<SeriesId> LabelIndex::FindAny(const Matcher& matcher) const {
  std::vector<SeriesId> found;
  std::size_t lists = 0;
  const auto add = [&](std::span<const SeriesId> postings) {
    found.insert(found.end(), postings.begin(), postings.end());
    lists += postings.empty() ? 0 : 1;
  };
  if (IsSet(matcher)) {
    for (const std::string& literal : matcher.literals()) add(FindEqual(matcher.name(), literal));
  } else if (const ValuesOf* values = Find(matcher.name())) {
    const std::string prefix = PrefixOf(matcher);
    for (auto at = values->lower_bound(std::string_view(prefix)); at != values->end(); ++at) {
      const std::string_view value = symbols_.text(at->first);
      if (!value.starts_with(prefix)) break;
      if (matcher.Matches(value)) add(at->second.view());
    }
  }
  if (lists > 1) std::sort(found.begin(), found.end());
  return found;
}

LabelIndex::Candidates LabelIndex::Find(const Matchers& matchers) const {
  Candidates out;
  std::vector<std::span<const SeriesId>> exact;
  const Matcher* wide = nullptr;
  for (const Matcher& matcher : matchers) {
    if (matcher.type() == Matcher::Type::kEqual && !matcher.value().empty()) {
      exact.push_back(FindEqual(matcher.name(), matcher.value()));
    } else {
      out.unasked.push_back(&matcher);
      // One that looks its values up is best; one that asks them is better than none.
      const bool usable = !matcher.Matches("");
      if (usable && (wide == nullptr || (!IsSet(*wide) && IsSet(matcher)))) {
        wide = &matcher;
      }
    }
  }
  if (!exact.empty()) {
    std::sort(exact.begin(), exact.end(),
              [](const auto& a, const auto& b) { return a.size() < b.size(); });
    out.series.assign(exact.front().begin(), exact.front().end());
    for (std::size_t i = 1; i < exact.size() && !out.series.empty(); ++i) {
      out.series = Intersect(out.series, exact[i]);
    }
  } else if (wide != nullptr) {
    out.series = FindAny(*wide);
    std::erase(out.unasked, wide);
  } else {
    out.series.assign(all_.view().begin(), all_.view().end());
  }
  return out;
}

std::size_t LabelIndex::CountAtMost(const Matchers& matchers) const {
  std::size_t count = all_.view().size();
  for (const Matcher& matcher : matchers) {
    if (matcher.type() != Matcher::Type::kEqual || matcher.value().empty()) continue;
    count = std::min(count, FindEqual(matcher.name(), matcher.value()).size());
  }
  return count;
}

}  // namespace fettle::rules

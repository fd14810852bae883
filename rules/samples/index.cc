#include "rules/samples/index.h"

#include <algorithm>
#include <iterator>

namespace fettle::rules {
namespace {

// Both ascending. When one is much shorter, looks its members up in the other.
Postings Intersect(const Postings& a, const Postings& b) {
  const Postings& small = a.size() <= b.size() ? a : b;
  const Postings& large = a.size() <= b.size() ? b : a;
  Postings both;
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

}  // namespace

void LabelIndex::Add(SeriesId series, const Labels& labels) {
  all_.push_back(series);
  for (const auto& [name, value] : labels) names_[name][value].push_back(series);
}

void LabelIndex::Remove(const std::function<bool(SeriesId)>& gone) {
  std::erase_if(all_, gone);
  for (auto name = names_.begin(); name != names_.end();) {
    auto& values = name->second;
    for (auto value = values.begin(); value != values.end();) {
      std::erase_if(value->second, gone);
      value = value->second.empty() ? values.erase(value) : std::next(value);
    }
    name = values.empty() ? names_.erase(name) : std::next(name);
  }
}

void LabelIndex::Clear() {
  names_.clear();
  all_.clear();
}

const Postings* LabelIndex::FindEqual(const Matcher& matcher) const {
  static const Postings kNone;
  const auto name = names_.find(matcher.name());
  if (name == names_.end()) return &kNone;
  const auto value = name->second.find(matcher.value());
  return value == name->second.end() ? &kNone : &value->second;
}

Postings LabelIndex::FindAny(const Matcher& matcher) const {
  Postings found;
  const auto name = names_.find(matcher.name());
  if (name == names_.end()) return found;
  std::size_t lists = 0;
  for (const auto& [value, postings] : name->second) {
    if (!matcher.Matches(value)) continue;
    found.insert(found.end(), postings.begin(), postings.end());
    ++lists;
  }
  if (lists > 1) std::sort(found.begin(), found.end());
  return found;
}

LabelIndex::Candidates LabelIndex::Find(const Matchers& matchers) const {
  Candidates out;
  std::vector<const Postings*> exact;
  const Matcher* wide = nullptr;
  for (const Matcher& matcher : matchers) {
    if (matcher.type() == Matcher::Type::kEqual && !matcher.value().empty()) {
      exact.push_back(FindEqual(matcher));
    } else {
      out.unasked.push_back(&matcher);
      if (wide == nullptr && !matcher.Matches("")) wide = &matcher;
    }
  }
  if (!exact.empty()) {
    std::sort(exact.begin(), exact.end(),
              [](const Postings* a, const Postings* b) { return a->size() < b->size(); });
    out.series = *exact.front();
    for (std::size_t i = 1; i < exact.size() && !out.series.empty(); ++i) {
      out.series = Intersect(out.series, *exact[i]);
    }
  } else if (wide != nullptr) {
    out.series = FindAny(*wide);
    std::erase(out.unasked, wide);
  } else {
    out.series = all_;
  }
  return out;
}

std::vector<std::string> LabelIndex::Names() const {
  std::vector<std::string> out;
  out.reserve(names_.size());
  for (const auto& [name, values] : names_) out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> LabelIndex::Values(std::string_view name) const {
  std::vector<std::string> out;
  const auto found = names_.find(name);
  if (found == names_.end()) return out;
  out.reserve(found->second.size());
  for (const auto& [value, postings] : found->second) out.push_back(value);
  return out;
}

}  // namespace fettle::rules

#include "rules/samples/exemplar_shelf.h"

#include <algorithm>

namespace fettle::rules {
namespace {

std::size_t Characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::size_t Characters(const Labels& labels) {
  std::size_t sum = 0;
  for (const auto& [name, value] : labels) sum += Characters(name) + Characters(value);
  return sum;
}

bool Same(const Exemplar& a, const Exemplar& b) {
  return a.at == b.at && a.value == b.value && a.labels == b.labels;
}

}  // namespace

ExemplarShelf::Outcome ExemplarShelf::Add(const Labels& series, Exemplar exemplar) {
  if (Characters(exemplar.labels) > kLabelCharactersMax) return Outcome::kTooLong;
  const std::lock_guard lock(mutex_);
  auto [at, fresh] = newest_.try_emplace(series);
  if (!fresh) {
    if (Same(at->second.exemplar, exemplar)) return Outcome::kKnown;
    if (exemplar.at < at->second.exemplar.at) return Outcome::kOutOfOrder;
  }
  at->second.exemplar = exemplar;
  ++at->second.kept;
  kept_.push_back({at, std::move(exemplar)});
  if (kept_.size() > kExemplarsMax) {
    const auto oldest = kept_.front().series;
    kept_.pop_front();
    if (--oldest->second.kept == 0) newest_.erase(oldest);
  }
  return Outcome::kKept;
}

std::vector<ExemplarSeries> ExemplarShelf::Find(const std::vector<Matchers>& selectors, Time from,
                                                Time to) const {
  std::map<Labels, std::vector<Exemplar>> found;
  const std::lock_guard lock(mutex_);
  for (const Kept& kept : kept_) {
    if (kept.exemplar.at < from || kept.exemplar.at > to) continue;
    const Labels& labels = kept.series->first;
    const bool wanted =
        std::any_of(selectors.begin(), selectors.end(),
                    [&](const Matchers& matchers) { return MatchAll(matchers, labels); });
    if (wanted) found[labels].push_back(kept.exemplar);
  }
  std::vector<ExemplarSeries> out;
  for (auto& [labels, exemplars] : found) out.push_back({labels, std::move(exemplars)});
  return out;
}

void ExemplarShelf::ForEach(
    const std::function<void(const Labels&, const Exemplar&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const Kept& kept : kept_) visit(kept.series->first, kept.exemplar);
}

std::size_t ExemplarShelf::size() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

}  // namespace fettle::rules

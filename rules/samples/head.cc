#include "rules/samples/head.h"

#include <xxhash.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace fettle::rules {

std::uint64_t Head::HashOf(LabelViews labels) {
  std::uint64_t hash = labels.size();
  for (const auto& [name, value] : labels) {
    hash = XXH3_64bits_withSeed(name.data(), name.size(), hash);
    hash = XXH3_64bits_withSeed(value.data(), value.size(), hash);
  }
  return hash;
}

bool Head::Same(const Series& series, LabelViews labels) const {
  return std::equal(series.labels().begin(), series.labels().end(), labels.begin(), labels.end(),
                    [&](const SymbolPair& pair, const LabelView& view) {
                      return symbols_.text(pair.name) == view.name &&
                             symbols_.text(pair.value) == view.value;
                    });
}

Series* Head::Find(LabelViews labels, std::uint64_t hash) const {
  const SeriesId id =
      table_.Find(Fold(hash), [&](SeriesId found) { return Same(*series_[found], labels); });
  return id == IdTable::kNone ? nullptr : series_[id].get();
}

void Head::PrefetchSeries(std::uint64_t hash) const {
  const SeriesId guess = table_.Guess(Fold(hash));
  if (guess == IdTable::kNone) return;
  const Series* series = series_[guess].get();
  __builtin_prefetch(series);
  __builtin_prefetch(reinterpret_cast<const char*>(series) + 64);
}

Series& Head::Create(LabelViews labels, std::uint64_t hash) {
  const auto id = static_cast<SeriesId>(series_.size());
  auto made = std::make_unique<Series>();
  made->pairs = std::make_unique<SymbolPair[]>(labels.size());
  made->pair_count = static_cast<std::uint16_t>(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    made->pairs[i] = {symbols_.Take(labels[i].name), symbols_.Take(labels[i].value)};
  }
  table_.Insert(Fold(hash), id);
  index_.Add(id, made->labels());
  ++live_;
  series_.push_back(std::move(made));
  return *series_.back();
}

void Head::Append(Series& to, const FloatPoint& point, const WriteBatch::More& more) {
  chunk_bytes_ += static_cast<std::size_t>(to.Append(point, more));
  ++samples_;
  newest_ = std::max(newest_, point.time);
}

void Head::Restore(Series& to, RestoredChunk chunk) {
  samples_ += chunk.writer.samples;
  newest_ = std::max(newest_, chunk.writer.last_time);
  chunk_bytes_ += static_cast<std::size_t>(to.Restore(std::move(chunk)));
}

void Head::Expire(std::int64_t before) {
  std::vector<SeriesId> gone;
  for (SeriesId id = 0; id < series_.size(); ++id) {
    Series* series = series_[id].get();
    if (series == nullptr) continue;
    const Series::Loss loss = series->Expire(before);
    samples_ -= loss.samples;
    chunk_bytes_ -= loss.bytes;
    if (series->empty()) gone.push_back(id);
    if (series->shown != nullptr && !std::exchange(series->asked_lately, false)) {
      series->shown.reset();
    }
  }
  if (!gone.empty()) Remove(gone);
}

void Head::Remove(const std::vector<SeriesId>& gone) {
  std::vector<SymbolPair> pairs;
  std::vector<LabelView> labels;
  for (const SeriesId id : gone) {
    labels.clear();
    for (const SymbolPair& pair : series_[id]->labels()) {
      pairs.push_back(pair);
      labels.push_back({symbols_.text(pair.name), symbols_.text(pair.value)});
    }
    table_.Erase(Fold(HashOf(labels)), id);
    series_[id].reset();
  }
  index_.Remove([this](SeriesId id) { return series_[id] == nullptr; }, pairs);
  for (const SymbolPair& pair : pairs) {
    symbols_.Drop(pair.name);
    symbols_.Drop(pair.value);
  }
  live_ -= gone.size();
  constexpr std::size_t kGapsAllowed = 1024;
  if (series_.size() > live_ * 2 + kGapsAllowed) Renumber();
}

// Series come and go: their numbers close up, in the same order.
void Head::Renumber() {
  std::vector<SeriesId> to(series_.size());
  SeriesId next = 0;
  for (SeriesId id = 0; id < series_.size(); ++id) {
    if (series_[id] == nullptr) continue;
    to[id] = next;
    if (next != id) series_[next] = std::move(series_[id]);
    ++next;
  }
  series_.resize(next);
  series_.shrink_to_fit();
  const auto map = [&to](SeriesId id) { return to[id]; };
  table_.Renumber(map);
  index_.Renumber(map);
}

void Head::Clear() {
  series_.clear();
  table_.Clear();
  index_.Clear();
  symbols_.Clear();
  live_ = samples_ = chunk_bytes_ = 0;
  newest_ = std::numeric_limits<std::int64_t>::min();
}

std::vector<SeriesId> Head::Matching(const Matchers& matchers, std::int64_t from_exclusive,
                                     std::int64_t to) const {
  LabelIndex::Candidates found = index_.Find(matchers);
  // A matcher is asked once for each value, not for each series.
  struct Asked {
    const Matcher* matcher;
    SymbolId name;
    bool without;  // its answer for series that lack the label
    std::unordered_map<SymbolId, bool> known{};
  };
  std::vector<Asked> unasked;
  for (const Matcher* matcher : found.unasked) {
    unasked.push_back({matcher, symbols_.Find(matcher->name()), matcher->Matches("")});
  }
  const auto matches = [&](Asked& asked, const Series& series) {
    for (const SymbolPair& pair : series.labels()) {
      if (pair.name != asked.name) continue;
      const auto [at, fresh] = asked.known.try_emplace(pair.value, false);
      if (fresh) at->second = asked.matcher->Matches(symbols_.text(pair.value));
      return at->second;
    }
    return asked.without;
  };
  std::erase_if(found.series, [&](SeriesId id) {
    const Series& series = *series_[id];
    return !series.Overlaps(from_exclusive, to) ||
           !std::all_of(unasked.begin(), unasked.end(),
                        [&](Asked& asked) { return matches(asked, series); });
  });
  return std::move(found.series);
}

LabelsPtr Head::Show(const Series& series) const {
  const std::lock_guard lock(shown_mutex_);
  series.asked_lately = true;
  if (series.shown == nullptr) {
    std::vector<Labels::Pair> pairs;
    pairs.reserve(series.pair_count);
    for (const SymbolPair& pair : series.labels()) {
      pairs.emplace_back(symbols_.text(pair.name), symbols_.text(pair.value));
    }
    series.shown = std::make_shared<const Labels>(std::move(pairs));
  }
  return series.shown;
}

}  // namespace fettle::rules

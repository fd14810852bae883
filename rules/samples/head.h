// What the sample store holds: series, their labels' texts and the index, without locks, limits on
// who may ask when, or a log. samples.h is what others see of it.
//
// Not safe from several threads, except that const calls may run side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "common/matcher.h"
#include "rules/samples/id_table.h"
#include "rules/samples/index.h"
#include "rules/samples/series.h"
#include "rules/samples/symbols.h"
#include "rules/samples/write_batch.h"

namespace fettle::rules {

class Head {
 public:
  Head() = default;
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  static std::uint64_t HashOf(LabelViews labels);

  // The series of exactly these labels, or null.
  Series* Find(LabelViews labels, std::uint64_t hash) const;
  // REQUIRES: Find says null.
  Series& Create(LabelViews labels, std::uint64_t hash);
  // Brings near what Find will look at; a batch asks a few series ahead.
  void Prefetch(std::uint64_t hash) const { table_.Prefetch(Fold(hash)); }
  void PrefetchSeries(std::uint64_t hash) const;

  // REQUIRES: later than the series' last.
  void Append(Series& to, const FloatPoint& point, const WriteBatch::More& more = {});
  // REQUIRES: the chunk begins later than the series' last.
  void Restore(Series& to, RestoredChunk chunk);
  // Forgets whole chunks that end before, and series without samples.
  void Expire(std::int64_t before);
  void Clear();

  // Ascending numbers of the series that match and have samples in (from, to].
  std::vector<SeriesId> Matching(const Matchers& matchers, std::int64_t from_exclusive,
                                 std::int64_t to) const;
  const Series& at(SeriesId id) const { return *series_[id]; }
  Series& at(SeriesId id) { return *series_[id]; }
  // Numbers go up to this; some have no series any more (Exists).
  SeriesId end() const { return static_cast<SeriesId>(series_.size()); }
  bool Exists(SeriesId id) const { return series_[id] != nullptr; }
  // The labels as texts, kept until nobody asks for them for two expiries.
  LabelsPtr Show(const Series& series) const;

  SymbolTable& symbols() { return symbols_; }
  const SymbolTable& symbols() const { return symbols_; }
  const LabelIndex& index() const { return index_; }

  std::size_t size() const { return live_; }
  std::size_t samples() const { return samples_; }
  std::size_t chunk_bytes() const { return chunk_bytes_; }
  std::int64_t newest() const { return newest_; }

 private:
  static std::uint32_t Fold(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
  }
  bool Same(const Series& series, LabelViews labels) const;
  void Remove(const std::vector<SeriesId>& gone);
  void Renumber();

  SymbolTable symbols_;
  LabelIndex index_{symbols_};
  std::vector<std::unique_ptr<Series>> series_;  // by number; null when expired
  IdTable table_;
  std::size_t live_ = 0;
  std::size_t samples_ = 0;
  std::size_t chunk_bytes_ = 0;
  std::int64_t newest_ = std::numeric_limits<std::int64_t>::min();
  mutable std::mutex shown_mutex_;  // guards what Show writes into series
};

}  // namespace fettle::rules

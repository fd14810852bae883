#include "rules/samples/samples.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "common/check.h"
#include "rules/samples/histogram_cell.h"
#include "rules/samples/index.h"
#include "rules/samples/selection.h"

namespace fettle::rules {
namespace {

// A young series gets a small chunk; each next one is twice as large, up to the last size.
constexpr std::uint32_t kChunkBytesFirst = 64;
constexpr std::uint32_t kChunkBytesMax = 1024;
// Either way from the epoch, in milliseconds: differences of differences of times still fit.
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max() / 4;

struct Series {
  LabelsPtr labels;
  std::uint64_t hash = 0;
  SeriesId next_with_hash = 0;  // another series with the same hash, or itself
  struct Held {
    ChunkPtr chunk;
    SampleRunPtr run{};  // in place of a chunk
    std::int64_t last_time = 0;
    std::uint32_t samples = 0;
    std::int64_t first_time() const { return run ? (*run)[0].time : chunk->first_time(); }
    std::size_t bytes() const { return run ? sizeof(SampleRun) : chunk->capacity(); }
  };
  std::vector<Held> chunks;
  ChunkWriter writer;             // of the last chunk; its last time and value also of a run
  HistogramPtr last_histogram{};  // the last sample, if that was one

  bool Overlaps(std::int64_t from_exclusive, std::int64_t to) const {
    return !chunks.empty() && chunks.front().first_time() <= to &&
           chunks.back().last_time > from_exclusive;
  }
};

template <typename AnyLabels>
std::uint64_t HashOf(const AnyLabels& labels) {
  std::uint64_t hash = labels.size();
  for (const auto& [name, value] : labels) {
    hash = XXH3_64bits_withSeed(name.data(), name.size(), hash);
    hash = XXH3_64bits_withSeed(value.data(), value.size(), hash);
  }
  return hash;
}

bool Same(const Labels& labels, LabelViews views) {
  return std::equal(labels.begin(), labels.end(), views.begin(), views.end(),
                    [](const Labels::Pair& pair, const LabelView& view) {
                      return pair.first == view.name && pair.second == view.value;
                    });
}

Labels Copy(LabelViews views) {
  std::vector<Labels::Pair> pairs;
  pairs.reserve(views.size());
  for (const LabelView& view : views) pairs.emplace_back(view.name, view.value);
  return Labels(std::move(pairs));
}

WriteBatch ViewOf(const SampleBatch& batch) {
  WriteBatch view;
  view.series.reserve(batch.samples.size());
  view.points.reserve(batch.samples.size());
  for (const Sample& sample : batch.samples) {
    view.series.push_back({static_cast<std::uint32_t>(view.labels.size()),
                           static_cast<std::uint32_t>(sample.labels.size()),
                           static_cast<std::uint32_t>(view.points.size()), 1});
    for (const auto& [name, value] : sample.labels) view.labels.push_back({name, value});
    FloatPoint point{ToMillis(sample.at), sample.value};
    if (sample.histogram != nullptr || sample.start != Time{}) {
      view.more.push_back({sample.histogram, ToMillis(sample.start)});
      point.more = static_cast<std::uint32_t>(view.more.size());
    }
    view.points.push_back(point);
  }
  return view;
}

bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

// Every NaN but the stale marker is stored as the same one: others mean something to readers.
double AsStored(double nan) {
  return IsStaleNaN(nan) ? nan : std::numeric_limits<double>::quiet_NaN();
}

bool Changed(const Series& series, const HistogramPtr& histogram, double value) {
  const HistogramPtr& last = series.last_histogram;
  if (histogram == nullptr && last == nullptr) return !SameBits(series.writer.last_value, value);
  return !histogram || !last || !SameHistogram(*histogram, *last);
}

enum class Refusal {
  kOutOfOrder,
  kDuplicate,
  kTooOld,
  kOutOfBounds,
  kSeriesLimit,
  kLabelLimit,
  kInvalid,
  kCount,
};
constexpr std::array<std::string_view, static_cast<std::size_t>(Refusal::kCount)> kRefusals = {
    "out of order", "duplicate",   "too old", "out of bounds",
    "series limit", "label limit", "invalid",
};

std::string Reason(Refusal refusal, const SampleStoreOptions& options) {
  switch (refusal) {
    case Refusal::kOutOfOrder:
      return "out of order: the series has a newer sample";
    case Refusal::kDuplicate:
      return "duplicate: the series has another value at this time";
    case Refusal::kTooOld:
      return "too old: beyond the retention";
    case Refusal::kOutOfBounds:
      return "out of bounds: too far in the future";
    case Refusal::kSeriesLimit:
      return fmt::format("series limit: {} series", options.series_max);
    case Refusal::kLabelLimit:
      return fmt::format("label limit: {} labels, {} bytes each", options.labels_per_series_max,
                         options.label_bytes_max);
    default:
      return "invalid: a series needs labels, a sample a time within reach";
  }
}

}  // namespace

// selection.h's friend: only the store makes selections.
struct SelectionAccess {
  static void Add(Selection& selection, const Series& series) {
    Selection::Entry entry{.labels = series.labels,
                           .first_chunk = static_cast<std::uint32_t>(selection.chunks_.size())};
    const auto first = std::upper_bound(
        series.chunks.begin(), series.chunks.end(), selection.from_exclusive_,
        [](std::int64_t from, const Series::Held& held) { return from < held.last_time; });
    for (auto held = first; held != series.chunks.end(); ++held) {
      if (held->first_time() > selection.to_) break;
      entry.runs = entry.runs || held->run;
      entry.histograms = entry.histograms || (held->run && held->run->histograms());
      selection.chunks_.push_back({held->chunk, held->run, held->samples});
    }
    entry.chunks = static_cast<std::uint32_t>(selection.chunks_.size()) - entry.first_chunk;
    if (entry.chunks > 0) selection.series_.push_back(std::move(entry));
  }
  static void SetTime(Selection& selection, std::int64_t from_exclusive, std::int64_t to) {
    selection.from_exclusive_ = from_exclusive;
    selection.to_ = to;
  }
};

struct SampleStore::Impl {
  Impl(SampleStoreOptions o, Metrics* metrics) : options(o) {
    if (metrics == nullptr) return;
    shown.appended = &metrics->Counter("prometheus_tsdb_head_samples_appended_total",
                                       "Total number of appended samples.", {{"type", "float"}});
    shown.series =
        &metrics->Gauge("prometheus_tsdb_head_series", "Total number of series in the head block.");
    shown.chunk_bytes =
        &metrics->Gauge("fettle_samples_chunk_bytes", "Memory of the stored samples.");
    for (std::size_t i = 0; i < kRefusals.size(); ++i) {
      shown.refused[i] =
          &metrics->Counter("fettle_samples_refused_total", "Samples not stored, by reason.",
                            {{"reason", std::string(kRefusals[i])}});
    }
  }

  const SampleStoreOptions options;
  struct {
    prometheus::Counter* appended = nullptr;
    prometheus::Gauge* series = nullptr;
    prometheus::Gauge* chunk_bytes = nullptr;
    std::array<prometheus::Counter*, kRefusals.size()> refused{};
  } shown;
  ChangeObserver observer;

  mutable std::shared_mutex mutex;
  std::vector<std::unique_ptr<Series>> series;  // by number; null when expired
  std::unordered_map<std::uint64_t, SeriesId> by_hash;
  LabelIndex index;
  std::size_t live = 0;
  std::int64_t newest = std::numeric_limits<std::int64_t>::min();
  std::int64_t expired_before = std::numeric_limits<std::int64_t>::min();
  std::size_t samples = 0;
  std::size_t chunk_bytes = 0;
  std::uint64_t appended = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Refusal::kCount)> refused{};

  struct Outcome {
    bool watch = false;
    std::int64_t latest = kTimeMax;
    std::size_t taken = 0;
    struct First {
      Refusal why;
      LabelViews labels;
      std::int64_t time;
    };
    std::optional<First> first_refusal;
    std::array<std::uint64_t, static_cast<std::size_t>(Refusal::kCount)> refused{};
    std::vector<LabelsPtr> changed;
  };

  Series* Find(LabelViews labels, std::uint64_t hash) const {
    auto at = by_hash.find(hash);
    if (at == by_hash.end()) return nullptr;
    for (SeriesId id = at->second;;) {
      Series* found = series[id].get();
      if (Same(*found->labels, labels)) return found;
      if (found->next_with_hash == id) return nullptr;
      id = found->next_with_hash;
    }
  }

  std::optional<Refusal> RefuseSeries(LabelViews labels) const {
    if (labels.empty()) return Refusal::kInvalid;
    if (live >= options.series_max || series.size() >= std::numeric_limits<SeriesId>::max()) {
      return Refusal::kSeriesLimit;
    }
    if (labels.size() > options.labels_per_series_max) return Refusal::kLabelLimit;
    for (const auto& [name, value] : labels) {
      if (std::max(name.size(), value.size()) > options.label_bytes_max) {
        return Refusal::kLabelLimit;
      }
    }
    return std::nullopt;
  }

  Series* Create(LabelViews labels, std::uint64_t hash) {
    const auto id = static_cast<SeriesId>(series.size());
    auto made = std::make_unique<Series>();
    made->labels = std::make_shared<const Labels>(Copy(labels));
    made->hash = hash;
    const auto [at, fresh] = by_hash.try_emplace(hash, id);
    made->next_with_hash = fresh ? id : at->second;
    at->second = id;
    index.Add(id, *made->labels);
    ++live;
    series.push_back(std::move(made));
    return series.back().get();
  }

  void AppendTo(Series& to, std::int64_t time, double value) {
    const bool open = !to.chunks.empty() && !to.chunks.back().run;
    if (open && to.chunks.back().chunk->Append(to.writer, time, value)) {
      ++to.chunks.back().samples;
      to.chunks.back().last_time = time;
      return;
    }
    std::uint32_t size = kChunkBytesFirst;
    if (open) {
      size = std::min(to.chunks.back().chunk->capacity() * 2, kChunkBytesMax);
      Trim(to);
    }
    to.chunks.push_back({ChunkPtr(Chunk::New(time, size)), nullptr, time, 1});
    chunk_bytes += size;
    to.writer = {};
    const bool fits = to.chunks.back().chunk->Append(to.writer, time, value);
    FETTLE_CHECK(fits);
  }

  // What a chunk cannot hold. A run of histograms ends where counting began anew, where the
  // buckets' layout changes, and after a stale marker; readers are told so by the hints.
  void AppendRich(Series& to, const FloatPoint& point, const WriteBatch::More& more) {
    const bool histograms = more.histogram != nullptr || to.last_histogram != nullptr;
    const bool open = !to.chunks.empty() && to.chunks.back().run &&
                      to.chunks.back().run->histograms() == histograms &&
                      to.chunks.back().samples < SampleRun::kSamplesMax;
    HistogramPtr stored = more.histogram;
    const RunStep step = more.histogram == nullptr
                             ? RunStep{.goes_on = true}
                             : NextInRun(open ? to.last_histogram.get() : nullptr, *stored);
    if (stored != nullptr && stored->hint != step.hint) {
      auto hinted = std::make_shared<FloatHistogram>(*stored);
      hinted->hint = step.hint;
      stored = std::move(hinted);
    }
    if (!open || !step.goes_on) {
      if (!to.chunks.empty() && !to.chunks.back().run) Trim(to);
      to.chunks.push_back({ChunkPtr(), std::make_shared<SampleRun>(histograms), point.time, 0});
      chunk_bytes += sizeof(SampleRun);
    }
    Series::Held& last = to.chunks.back();
    last.run->Put(last.samples++, {point.time, more.start, point.value, stored});
    last.last_time = point.time;
    to.last_histogram = std::move(stored);
    to.writer = {.last_time = point.time, .last_value = point.value};
  }

  // The last chunk is complete: give back what it did not use. Readers keep the old one.
  void Trim(Series& of) {
    ChunkPtr& last = of.chunks.back().chunk;
    const std::uint32_t unused = last->capacity() - of.writer.bytes;
    if (unused < last->capacity() / 8) return;
    last = last->Copy(of.writer.bytes);
    chunk_bytes -= unused;
  }

  // One series' points. What all of a call share is in `outcome`.
  void AppendSeries(const WriteBatch& batch, const WriteBatch::Series& written, std::uint64_t hash,
                    Outcome& outcome) {
    const LabelViews labels = batch.LabelsOf(written);
    Series* to = Find(labels, hash);
    for (FloatPoint point : batch.PointsOf(written)) {
      static const WriteBatch::More kNothing;
      const WriteBatch::More* more = point.more == 0 ? &kNothing : &batch.more[point.more - 1];
      if (more->histogram != nullptr && IsStaleNaN(more->histogram->sum)) {
        point = {point.time, StaleNaN()};
        more = &kNothing;
      }
      if (std::isnan(point.value)) point.value = AsStored(point.value);
      const std::optional<Refusal> why = AppendPoint(to, labels, point, *more, hash, outcome);
      if (!why) continue;
      ++outcome.refused[static_cast<std::size_t>(*why)];
      if (!outcome.first_refusal) outcome.first_refusal = {*why, labels, point.time};
    }
  }

  // `to` is null until the series has a first sample.
  std::optional<Refusal> AppendPoint(Series*& to, LabelViews labels, const FloatPoint& point,
                                     const WriteBatch::More& more, std::uint64_t hash,
                                     Outcome& outcome) {
    if (std::abs(point.time) > kTimeMax) return Refusal::kInvalid;
    if (point.time < expired_before) return Refusal::kTooOld;
    if (point.time > outcome.latest) return Refusal::kOutOfBounds;
    bool changed = true;
    if (to == nullptr) {
      if (const auto why = RefuseSeries(labels)) return why;
      to = Create(labels, hash);
    } else if (!to->chunks.empty()) {
      const ChunkWriter& last = to->writer;
      if (point.time < last.last_time) return Refusal::kOutOfOrder;
      changed = Changed(*to, more.histogram, point.value);
      if (point.time == last.last_time) {
        return changed ? std::optional(Refusal::kDuplicate) : std::nullopt;
      }
    }
    const bool in_run = !to->chunks.empty() && to->chunks.back().run && IsStaleNaN(point.value);
    if (point.more != 0 || in_run) {
      AppendRich(*to, point, more);
    } else {
      AppendTo(*to, point.time, point.value);
      to->last_histogram = nullptr;
    }
    ++outcome.taken;
    newest = std::max(newest, point.time);
    if (outcome.watch && changed) outcome.changed.push_back(to->labels);
    return std::nullopt;
  }

  void Count(const Outcome& outcome) {
    if (shown.appended == nullptr) return;
    shown.appended->Increment(static_cast<double>(outcome.taken));
    for (std::size_t i = 0; i < outcome.refused.size(); ++i) {
      if (outcome.refused[i] > 0) {
        shown.refused[i]->Increment(static_cast<double>(outcome.refused[i]));
      }
    }
    const std::shared_lock lock(mutex);
    shown.series->Set(static_cast<double>(live));
    shown.chunk_bytes->Set(static_cast<double>(chunk_bytes));
  }

  // Ascending numbers of the matching series that overlap the time. Locked by the caller.
  std::vector<SeriesId> Matching(const Matchers& matchers, std::int64_t from_exclusive,
                                 std::int64_t to) const {
    LabelIndex::Candidates found = index.Find(matchers);
    // A regular expression is asked once for each value, not for each series.
    std::vector<std::unordered_map<std::string_view, bool>> known(found.unasked.size());
    const auto matches = [&](SeriesId id) {
      const Series& candidate = *series[id];
      if (!candidate.Overlaps(from_exclusive, to)) return false;
      for (std::size_t i = 0; i < found.unasked.size(); ++i) {
        const Matcher& matcher = *found.unasked[i];
        const std::string_view value = candidate.labels->Get(matcher.name());
        const auto [at, fresh] = known[i].try_emplace(value, false);
        if (fresh) at->second = matcher.Matches(value);
        if (!at->second) return false;
      }
      return true;
    };
    std::erase_if(found.series, [&](SeriesId id) { return !matches(id); });
    return std::move(found.series);
  }

  void Unlink(SeriesId id) {
    const Series& gone = *series[id];
    const auto at = by_hash.find(gone.hash);
    if (at->second == id) {
      if (gone.next_with_hash == id) {
        by_hash.erase(at);
      } else {
        at->second = gone.next_with_hash;
      }
      return;
    }
    SeriesId before = at->second;
    while (series[before]->next_with_hash != id) before = series[before]->next_with_hash;
    series[before]->next_with_hash = gone.next_with_hash == id ? before : gone.next_with_hash;
  }
};

SampleStore::SampleStore(SampleStoreOptions options, Metrics* metrics)
    : impl_(std::make_unique<Impl>(options, metrics)) {}
SampleStore::~SampleStore() = default;

Status SampleStore::Append(const SampleBatch& batch) {
  return Write(ViewOf(batch), {.origin = batch.origin});
}

Status SampleStore::Write(const WriteBatch& batch, const WriteOptions& options) {
  std::vector<std::uint64_t> hashes;
  hashes.reserve(batch.series.size());
  for (const WriteBatch::Series& series : batch.series) {
    hashes.push_back(HashOf(batch.LabelsOf(series)));
  }
  Impl::Outcome outcome;
  outcome.watch = options.origin == Origin::kEvent && impl_->observer != nullptr;
  if (options.latest) outcome.latest = std::min(ToMillis(*options.latest), kTimeMax);
  {
    const std::unique_lock lock(impl_->mutex);
    for (std::size_t i = 0; i < batch.series.size(); ++i) {
      const WriteBatch::Series& series = batch.series[i];
      impl_->AppendSeries(batch, series, hashes[i], outcome);
    }
    impl_->samples += outcome.taken;
    impl_->appended += outcome.taken;
    for (std::size_t i = 0; i < outcome.refused.size(); ++i) {
      impl_->refused[i] += outcome.refused[i];
    }
  }
  impl_->Count(outcome);
  if (!outcome.changed.empty()) impl_->observer(outcome.changed);
  if (!outcome.first_refusal) return {};
  const auto& [why, labels, time] = *outcome.first_refusal;
  const bool limit = why == Refusal::kSeriesLimit || why == Refusal::kLabelLimit;
  return Fail(limit ? Cause::kLimit : Cause::kInvalid, "storing {} at {}: {}",
              Copy(labels).ToString(), time, Reason(why, impl_->options));
}

void SampleStore::OnEventChange(ChangeObserver observer) { impl_->observer = std::move(observer); }

Selection SampleStore::Select(const Matchers& matchers, Time from, Time to) const {
  Selection selection;
  SelectionAccess::SetTime(selection, ToMillis(from), ToMillis(to));
  const std::shared_lock lock(impl_->mutex);
  for (const SeriesId id : impl_->Matching(matchers, ToMillis(from), ToMillis(to))) {
    SelectionAccess::Add(selection, *impl_->series[id]);
  }
  return selection;
}

void SampleStore::Expire(Time now) {
  const std::int64_t before = ToMillis(now - impl_->options.retention);
  std::unordered_set<SeriesId> gone;
  const std::unique_lock lock(impl_->mutex);
  impl_->expired_before = std::max(impl_->expired_before, before);
  for (SeriesId id = 0; id < impl_->series.size(); ++id) {
    Series* series = impl_->series[id].get();
    if (series == nullptr) continue;
    auto keep = series->chunks.begin();
    for (; keep != series->chunks.end() && keep->last_time < before; ++keep) {
      impl_->samples -= keep->samples;
      impl_->chunk_bytes -= keep->bytes();
    }
    series->chunks.erase(series->chunks.begin(), keep);
    if (series->chunks.empty()) gone.insert(id);
  }
  if (gone.empty()) return;
  impl_->index.Remove([&](SeriesId id) { return gone.contains(id); });
  for (const SeriesId id : gone) {
    impl_->Unlink(id);
    impl_->series[id].reset();
    --impl_->live;
  }
}

std::optional<Time> SampleStore::newest() const {
  const std::shared_lock lock(impl_->mutex);
  if (impl_->samples == 0) return std::nullopt;
  return TimeFromMillis(impl_->newest);
}

std::optional<Time> SampleStore::oldest() const {
  const std::shared_lock lock(impl_->mutex);
  std::optional<Time> oldest;
  for (const auto& series : impl_->series) {
    if (series == nullptr || series->chunks.empty()) continue;
    const Time first = TimeFromMillis(series->chunks.front().first_time());
    if (!oldest || first < *oldest) oldest = first;
  }
  return oldest;
}

std::optional<Sample> SampleStore::Latest(const Labels& labels) const {
  const std::shared_lock lock(impl_->mutex);
  std::vector<LabelView> views;
  for (const auto& [name, value] : labels) views.push_back({name, value});
  const Series* found = impl_->Find(views, HashOf(views));
  if (found == nullptr || found->chunks.empty()) return std::nullopt;
  return Sample{labels, found->writer.last_value, TimeFromMillis(found->writer.last_time),
                found->last_histogram};
}

std::vector<std::string> SampleStore::LabelNames(const Matchers& matchers, Time from, Time to,
                                                 std::size_t limit) const {
  std::unordered_set<std::string_view> names;
  const std::shared_lock lock(impl_->mutex);
  for (const SeriesId id : impl_->Matching(matchers, ToMillis(from), ToMillis(to))) {
    for (const auto& [name, value] : *impl_->series[id]->labels) names.insert(name);
  }
  std::vector<std::string> out(names.begin(), names.end());
  std::sort(out.begin(), out.end());
  if (limit > 0 && out.size() > limit) out.resize(limit);
  return out;
}

std::vector<std::string> SampleStore::LabelValues(std::string_view name, const Matchers& matchers,
                                                  Time from, Time to, std::size_t limit) const {
  std::unordered_set<std::string_view> values;
  const std::shared_lock lock(impl_->mutex);
  for (const SeriesId id : impl_->Matching(matchers, ToMillis(from), ToMillis(to))) {
    const std::string_view value = impl_->series[id]->labels->Get(name);
    if (!value.empty()) values.insert(value);
  }
  std::vector<std::string> out(values.begin(), values.end());
  std::sort(out.begin(), out.end());
  if (limit > 0 && out.size() > limit) out.resize(limit);
  return out;
}

SampleStore::Stats SampleStore::stats() const {
  const std::shared_lock lock(impl_->mutex);
  Stats stats{.series = impl_->live,
              .samples = impl_->samples,
              .chunk_bytes = impl_->chunk_bytes,
              .appended = impl_->appended};
  for (const std::uint64_t count : impl_->refused) stats.refused += count;
  return stats;
}

void SampleStore::Clear() {
  const std::unique_lock lock(impl_->mutex);
  impl_->series.clear();
  impl_->by_hash.clear();
  impl_->index.Clear();
  impl_->live = impl_->samples = impl_->chunk_bytes = 0;
  impl_->newest = std::numeric_limits<std::int64_t>::min();
}

}  // namespace fettle::rules

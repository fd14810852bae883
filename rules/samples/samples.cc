#include "rules/samples/samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <unordered_set>
#include <utility>

#include "rules/samples/head.h"
#include "rules/samples/histogram_cell.h"
#include "rules/samples/keeper.h"
#include "rules/samples/replay.h"
#include "rules/samples/selection.h"
#include "rules/samples/shelves.h"

namespace fettle::rules {
namespace {

// Either way from the epoch, in milliseconds: differences of differences of times still fit.
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max() / 4;

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
  const FloatHistogram* last = series.last_histogram();
  if (histogram == nullptr && last == nullptr) return !SameBits(series.last_value(), value);
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
  static void Add(Selection& selection, const Head& head, const Series& series) {
    const std::int64_t from = selection.from_exclusive_;
    Selection::Entry entry{.labels = nullptr,
                           .first_chunk = static_cast<std::uint32_t>(selection.chunks_.size())};
    auto sealed = std::upper_bound(
        series.sealed.begin(), series.sealed.end(), from,
        [](std::int64_t time, const Series::Sealed& chunk) { return time < chunk.last_time; });
    for (; sealed != series.sealed.end(); ++sealed) {
      if (sealed->chunk->first_time() > selection.to_) break;
      selection.chunks_.push_back({sealed->chunk, nullptr, sealed->samples});
    }
    if (series.open && series.last_time() > from && series.open->first_time() <= selection.to_) {
      selection.chunks_.push_back({series.open, nullptr, series.writer.samples});
    }
    if (series.rich != nullptr) {
      AddRuns(selection, *series.rich, entry);
    } else if (series.last_time() > from && series.last_time() <= selection.to_) {
      entry.newest = {series.last_time(), series.last_value()};
    }
    entry.chunks = static_cast<std::uint32_t>(selection.chunks_.size()) - entry.first_chunk;
    if (entry.chunks == 0) return;
    entry.labels = head.Show(series);
    selection.series_.push_back(std::move(entry));
  }
  static void AddRuns(Selection& selection, const Series::Rich& rich, Selection::Entry& entry) {
    for (const Series::Run& run : rich.runs) {
      if (run.last_time <= selection.from_exclusive_ || run.first_time() > selection.to_) continue;
      entry.runs = true;
      entry.histograms = entry.histograms || run.run->histograms();
      selection.chunks_.push_back({ChunkPtr(), run.run, run.samples});
    }
    std::sort(selection.chunks_.begin() + entry.first_chunk, selection.chunks_.end(),
              [](const auto& a, const auto& b) { return a.first_time() < b.first_time(); });
  }
  static void SetTime(Selection& selection, std::int64_t from_exclusive, std::int64_t to) {
    selection.from_exclusive_ = from_exclusive;
    selection.to_ = to;
  }
};

struct SampleStore::Impl {
  Impl(SampleStoreOptions o, Metrics* m) : options(o), metrics(m) {
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
  Metrics* const metrics;
  struct {
    prometheus::Counter* appended = nullptr;
    prometheus::Gauge* series = nullptr;
    prometheus::Gauge* chunk_bytes = nullptr;
    std::array<prometheus::Counter*, kRefusals.size()> refused{};
  } shown;
  ChangeObserver observer;

  mutable std::shared_mutex mutex;
  Head head;
  Shelves shelves;
  std::unique_ptr<SampleKeeper> keeper;  // null: in memory alone
  std::int64_t expired_before = std::numeric_limits<std::int64_t>::min();
  std::uint64_t appended = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Refusal::kCount)> refused{};

  struct Outcome {
    bool watch = false;
    std::int64_t latest = kTimeMax;
    SampleLog* log = nullptr;
    std::size_t taken = 0;
    struct First {
      Refusal why;
      LabelViews labels;
      std::int64_t time;
    };
    std::optional<First> first_refusal;
    std::array<std::uint64_t, static_cast<std::size_t>(Refusal::kCount)> refused{};
    std::vector<LabelsPtr> changed;
    std::int64_t changed_at = 0;  // the newest of them
  };

  std::optional<Refusal> RefuseSeries(LabelViews labels) const {
    if (labels.empty()) return Refusal::kInvalid;
    if (head.size() >= options.series_max) return Refusal::kSeriesLimit;
    if (labels.size() > options.labels_per_series_max) return Refusal::kLabelLimit;
    for (const auto& [name, value] : labels) {
      if (std::max(name.size(), value.size()) > options.label_bytes_max) {
        return Refusal::kLabelLimit;
      }
    }
    return std::nullopt;
  }

  // One series' points. What all of a call share is in `outcome`.
  void AppendSeries(const WriteBatch& batch, const WriteBatch::Series& written, std::uint64_t hash,
                    Outcome& outcome) {
    const LabelViews labels = batch.LabelsOf(written);
    Series* to = head.Find(labels, hash);
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
    if (more.histogram != nullptr && !ValidateLayout(*more.histogram)) return Refusal::kInvalid;
    if (point.time < expired_before) return Refusal::kTooOld;
    if (point.time > outcome.latest) return Refusal::kOutOfBounds;
    bool changed = true;
    if (to == nullptr) {
      if (const auto why = RefuseSeries(labels)) return why;
      to = &head.Create(labels, hash);
    } else if (!to->empty()) {
      if (point.time < to->last_time()) return Refusal::kOutOfOrder;
      changed = Changed(*to, more.histogram, point.value);
      if (point.time == to->last_time()) {
        return changed ? std::optional(Refusal::kDuplicate) : std::nullopt;
      }
    }
    head.Append(*to, point, more);
    if (outcome.log != nullptr) outcome.log->Point(head.symbols(), *to, point, more);
    ++outcome.taken;
    if (outcome.watch && changed) {
      outcome.changed.push_back(head.Show(*to));
      outcome.changed_at = std::max(outcome.changed_at, point.time);
    }
    return std::nullopt;
  }

  // Sorted; at most `limit` (0: all).
  std::vector<std::string> Texts(const std::unordered_set<SymbolId>& symbols,
                                 std::size_t limit) const {
    std::vector<std::string> out;
    out.reserve(symbols.size());
    for (const SymbolId symbol : symbols) out.emplace_back(head.symbols().text(symbol));
    std::sort(out.begin(), out.end());
    if (limit > 0 && out.size() > limit) out.resize(limit);
    return out;
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
    shown.series->Set(static_cast<double>(head.size()));
    shown.chunk_bytes->Set(static_cast<double>(head.chunk_bytes()));
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
    hashes.push_back(Head::HashOf(batch.LabelsOf(series)));
  }
  Impl::Outcome outcome;
  outcome.watch = options.origin == Origin::kEvent && impl_->observer != nullptr;
  std::uint64_t ticket = 0;
  if (options.latest) outcome.latest = std::min(ToMillis(*options.latest), kTimeMax);
  {
    const std::unique_lock lock(impl_->mutex);
    if (impl_->keeper != nullptr && impl_->keeper->log().Begin()) {
      outcome.log = &impl_->keeper->log();
    }
    for (std::size_t i = 0; i < batch.series.size(); ++i) {
      // What the next ones need is fetched meanwhile: a known series is mostly waited for.
      if (i + 16 < batch.series.size()) impl_->head.Prefetch(hashes[i + 16]);
      if (i + 8 < batch.series.size()) impl_->head.PrefetchSeries(hashes[i + 8]);
      const WriteBatch::Series& series = batch.series[i];
      impl_->AppendSeries(batch, series, hashes[i], outcome);
    }
    if (outcome.log != nullptr) ticket = outcome.log->End();
    impl_->appended += outcome.taken;
    for (std::size_t i = 0; i < outcome.refused.size(); ++i) {
      impl_->refused[i] += outcome.refused[i];
    }
  }
  if (outcome.log != nullptr) {
    if (options.lasting) {
      outcome.log->Commit(ticket);
    } else {
      outcome.log->Wake();
    }
  }
  impl_->Count(outcome);
  if (!outcome.changed.empty()) {
    impl_->observer(outcome.changed, TimeFromMillis(outcome.changed_at));
  }
  if (!outcome.first_refusal) return {};
  const auto& [why, labels, time] = *outcome.first_refusal;
  const bool limit = why == Refusal::kSeriesLimit || why == Refusal::kLabelLimit;
  return Fail(limit ? Cause::kLimit : Cause::kInvalid, "storing {} at {}: {}",
              Copy(labels).ToString(), time, Reason(why, impl_->options));
}

SampleStore::Remarked SampleStore::Remark(std::vector<SeriesExemplar> exemplars,
                                          std::vector<MetricMetadata> metadata) {
  Remarked remarked;
  if (exemplars.empty() && metadata.empty()) return remarked;
  const std::unique_lock lock(impl_->mutex);
  SampleLog* log = nullptr;
  if (impl_->keeper != nullptr && impl_->keeper->log().Begin()) log = &impl_->keeper->log();
  for (const auto& [series, exemplar] : exemplars) {
    const ExemplarShelf::Outcome outcome = impl_->shelves.exemplars.Add(series, exemplar);
    if (outcome == ExemplarShelf::Outcome::kOutOfOrder) ++remarked.out_of_order;
    if (outcome != ExemplarShelf::Outcome::kKept) continue;
    ++remarked.kept;
    if (log != nullptr) log->Remark(series, exemplar);
  }
  for (const MetricMetadata& one : metadata) {
    if (impl_->shelves.metadata.Put(one) && log != nullptr) log->Remark(one);
  }
  if (log != nullptr) (void)log->End();
  return remarked;
}

const Shelves& SampleStore::shelves() const { return impl_->shelves; }

Status SampleStore::Persist(Keep keep) {
  const std::int64_t oldest = ToMillis(keep.now - impl_->options.retention);
  Result<Replayed> replayed = [&] {
    const std::unique_lock lock(impl_->mutex);
    impl_->expired_before = std::max(impl_->expired_before, oldest);
    return Replay(*keep.files, keep.log, oldest, impl_->head, impl_->shelves);
  }();
  if (!replayed) return tl::unexpected(replayed.error());
  if (replayed->samples > 0) {
    keep.log.Info("samples are back", {{"samples", std::to_string(replayed->samples)},
                                       {"series", std::to_string(impl_->head.size())}});
  }
  impl_->keeper = std::make_unique<SampleKeeper>(
      SampleKeeper::Deps{.files = std::move(keep.files),
                         .log = std::move(keep.log),
                         .metrics = impl_->metrics,
                         .mutex = impl_->mutex,
                         .head = impl_->head,
                         .shelves = impl_->shelves},
      *replayed, keep.log_bytes_min == 0 ? SampleKeeper::kLogBytesMin : keep.log_bytes_min);
  impl_->Count({});
  if (keep.thread) impl_->keeper->Start();
  return {};
}

void SampleStore::TurnForTest(bool retry) { impl_->keeper->Turn(retry); }

void SampleStore::OnEventChange(ChangeObserver observer) { impl_->observer = std::move(observer); }

std::size_t SampleStore::CountAtMost(const Matchers& matchers) const {
  const std::shared_lock lock(impl_->mutex);
  return impl_->head.index().CountAtMost(matchers);
}

Selection SampleStore::Select(const Matchers& matchers, Time from, Time to) const {
  Selection selection;
  SelectionAccess::SetTime(selection, ToMillis(from), ToMillis(to));
  const std::shared_lock lock(impl_->mutex);
  for (const SeriesId id : impl_->head.Matching(matchers, ToMillis(from), ToMillis(to))) {
    SelectionAccess::Add(selection, impl_->head, impl_->head.at(id));
  }
  return selection;
}

void SampleStore::Expire(Time now) {
  const std::int64_t before = ToMillis(now - impl_->options.retention);
  std::unique_lock<std::mutex> numbers;
  if (impl_->keeper != nullptr) {
    // Series may get new numbers, which a snapshot under way must not see: next time, then.
    numbers = std::unique_lock(impl_->keeper->numbers_mutex(), std::try_to_lock);
    if (!numbers) return;
  }
  const std::unique_lock lock(impl_->mutex);
  impl_->expired_before = std::max(impl_->expired_before, before);
  impl_->head.Expire(before);
}

std::optional<Time> SampleStore::newest() const {
  const std::shared_lock lock(impl_->mutex);
  if (impl_->head.samples() == 0) return std::nullopt;
  return TimeFromMillis(impl_->head.newest());
}

std::optional<Time> SampleStore::oldest() const {
  const std::shared_lock lock(impl_->mutex);
  std::optional<Time> oldest;
  const Head& head = impl_->head;
  for (SeriesId id = 0; id < head.end(); ++id) {
    if (!head.Exists(id) || head.at(id).empty()) continue;
    const Time first = TimeFromMillis(head.at(id).first_time());
    if (!oldest || first < *oldest) oldest = first;
  }
  return oldest;
}

std::optional<Sample> SampleStore::Latest(const Labels& labels) const {
  std::vector<LabelView> views;
  for (const auto& [name, value] : labels) views.push_back({name, value});
  const std::shared_lock lock(impl_->mutex);
  const Series* found = impl_->head.Find(views, Head::HashOf(views));
  if (found == nullptr || found->empty()) return std::nullopt;
  return Sample{labels, found->last_value(), TimeFromMillis(found->last_time()),
                found->rich == nullptr ? nullptr : found->rich->last_histogram};
}

std::vector<std::string> SampleStore::LabelNames(const Matchers& matchers, Time from, Time to,
                                                 std::size_t limit) const {
  const std::shared_lock lock(impl_->mutex);
  const Head& head = impl_->head;
  std::unordered_set<SymbolId> names;
  for (const SeriesId id : head.Matching(matchers, ToMillis(from), ToMillis(to))) {
    for (const SymbolPair& label : head.at(id).labels()) names.insert(label.name);
  }
  return impl_->Texts(names, limit);
}

std::vector<std::string> SampleStore::LabelValues(std::string_view name, const Matchers& matchers,
                                                  Time from, Time to, std::size_t limit) const {
  const std::shared_lock lock(impl_->mutex);
  const Head& head = impl_->head;
  const SymbolId wanted = head.symbols().Find(name);
  std::unordered_set<SymbolId> values;
  if (wanted == SymbolTable::kNone) return {};
  for (const SeriesId id : head.Matching(matchers, ToMillis(from), ToMillis(to))) {
    for (const SymbolPair& label : head.at(id).labels()) {
      if (label.name == wanted) values.insert(label.value);
    }
  }
  return impl_->Texts(values, limit);
}

SampleStore::Stats SampleStore::stats() const {
  const std::shared_lock lock(impl_->mutex);
  Stats stats{.series = impl_->head.size(),
              .samples = impl_->head.samples(),
              .chunk_bytes = impl_->head.chunk_bytes(),
              .appended = impl_->appended};
  for (const std::uint64_t count : impl_->refused) stats.refused += count;
  return stats;
}

Census SampleStore::TakeCensus(std::size_t top) const {
  const std::shared_lock lock(impl_->mutex);
  return rules::TakeCensus(impl_->head, top);
}

void SampleStore::Clear() {
  const std::unique_lock lock(impl_->mutex);
  impl_->head.Clear();
}

}  // namespace fettle::rules

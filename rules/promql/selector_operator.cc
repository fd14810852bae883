// Instant selectors: at each step the newest sample of a series that is not older than the
// lookback.
#include <bit>
#include <utility>

#include "rules/promql/open.h"
#include "rules/promql/range_source.h"
#include "rules/samples/selection.h"

namespace fettle::promql {
namespace {

// What of a sample: its value, when it was, when its counting began; the latter two in seconds.
enum class Shown { kValues, kTimes, kStarts };

class SelectorOperator final : public Operator {
 public:
  SelectorOperator(Evaluation& evaluation, rules::Selection selection, const Grid& grid,
                   const Reach& reach, std::int64_t lookback, Shown shown)
      : Operator(evaluation, grid.steps),
        selection_(std::move(selection)),
        grid_(grid),
        reach_(reach),
        lookback_(lookback),
        only_counts_(evaluation.histogram_use().only_counts()),
        shown_(shown) {
    rows_.reserve(selection_.size());
    for (std::size_t i = 0; i < selection_.size(); ++i) {
      rows_.push_back({selection_.labels(i)});
      rows_.back().histograms = shown_ == Shown::kValues && selection_.histograms(i);
      if (rows_.back().histograms) evaluation.NeedAllSteps();
    }
    if (shown_ != Shown::kValues) MarkNameless(evaluation, rows_);
  }

  Status Fill(std::size_t row, Cells& out) override {
    if (steps() == 1 && shown_ != Shown::kStarts && selection_.newest(row)) {
      const rules::Selection::Newest& newest = *selection_.newest(row);
      const bool as_time = shown_ == Shown::kTimes && !IsAbsent(newest.value);
      out[0] = as_time ? static_cast<double>(newest.time) / 1000 : newest.value;
      evaluation().CountRead(1);
      return evaluation().Spend(1);
    }
    Evaluation::ScratchSamples scratch(evaluation());
    rules::SampleColumns& samples = *scratch;
    selection_.Read(row, reach_.First(grid_) - lookback_, reach_.Last(grid_), samples);
    const std::size_t size = samples.times.size();
    if (only_counts_ && rows_[row].histograms) DetectResets(samples);
    evaluation().CountRead(size);
    if (Status status = evaluation().Spend(size + steps()); !status) return status;
    if (steps() == 1) {
      const std::int64_t reference = reach_.At(grid_, 0);
      // All that was read is not after the reference.
      const bool found = size > 0 && samples.times.back() > reference - lookback_;
      out[0] = found ? ValueOf(samples, size - 1) : Absent();
    } else {
      FindPicks(samples.times);
      for (std::size_t step = 0; step < steps(); ++step) {
        out[step] = picks_[step] == 0 ? Absent() : ValueOf(samples, picks_[step] - 1);
      }
    }
    if (rows_[row].histograms) KeepHistograms(samples, out);
    return {};
  }

 private:
  double ValueOf(const rules::SampleColumns& samples, std::size_t sample) const {
    // A stale marker is an absent cell as it is.
    const double value = samples.values[sample];
    if (shown_ == Shown::kValues || IsAbsent(value)) return value;
    if (shown_ == Shown::kTimes) return static_cast<double>(samples.times[sample]) / 1000;
    return samples.starts.empty() ? 0 : static_cast<double>(samples.starts[sample]) / 1000;
  }

  // Which sample each step sees. Most series were scraped at the same times as the one before.
  void FindPicks(const std::vector<std::int64_t>& times) {
    if (!picks_.empty() && times == known_times_) return;
    known_times_ = times;
    picks_.resize(steps());
    std::uint32_t next = 0;  // the first sample after the step's reference
    for (std::size_t step = 0; step < steps(); ++step) {
      const std::int64_t reference = reach_.At(grid_, step);
      while (next < times.size() && times[next] <= reference) ++next;
      const bool found = next > 0 && times[next - 1] > reference - lookback_;
      picks_[step] = found ? next : 0;
    }
  }

  // Cells name places beside the samples; now they name places beside the rows. A sample that is
  // seen at several steps is kept once.
  void KeepHistograms(const rules::SampleColumns& samples, Cells& out) {
    double last = Absent();
    double kept = Absent();
    for (double& cell : out) {
      if (!IsHistogramCell(cell)) continue;
      if (!SameBits(cell, last)) {
        last = cell;
        kept = evaluation().Keep(samples.histograms[rules::HistogramPlace(cell)]);
      }
      cell = kept;
    }
  }
  static bool SameBits(double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  }

  const rules::Selection selection_;
  const Grid grid_;
  const Reach reach_;
  const std::int64_t lookback_;
  const bool only_counts_;
  const Shown shown_;
  std::vector<std::int64_t> known_times_;
  std::vector<std::uint32_t> picks_;  // for those times: by step, one more than the sample; 0: none
};

Result<OperatorPtr> Select(Evaluation& evaluation, const VectorSelector& selector, const Grid& grid,
                           Shown shown) {
  const Result<Reach> reach = ReachOf(selector.when, evaluation.query());
  if (!reach) return tl::unexpected(reach.error());
  const std::int64_t lookback = evaluation.options().lookback.count();
  rules::Selection selection =
      evaluation.samples().Select(selector.matchers, TimeFromMillis(reach->First(grid) - lookback),
                                  TimeFromMillis(reach->Last(grid)));
  return OperatorPtr(std::make_unique<SelectorOperator>(evaluation, std::move(selection), grid,
                                                        *reach, lookback, shown));
}

}  // namespace

Result<OperatorPtr> OpenSelector(Evaluation& evaluation, const VectorSelector& selector,
                                 const Grid& grid) {
  if (selector.extent == Extent::kSmoothed) {
    return OpenSmoothedSelector(evaluation, selector, grid);
  }
  return Select(evaluation, selector, grid, Shown::kValues);
}

Result<OperatorPtr> OpenTimestampOfSelector(Evaluation& evaluation, const VectorSelector& selector,
                                            const Grid& grid) {
  Result<OperatorPtr> times = Select(evaluation, selector, grid, Shown::kTimes);
  if (!times) return times;
  return MergeSameLabels(std::move(*times), Merge::kNamesDropped);
}

Result<OperatorPtr> OpenStartOfSelector(Evaluation& evaluation, const VectorSelector& selector,
                                        const Grid& grid) {
  if (!evaluation.options().start_timestamps) {
    return TableOperator::Make(evaluation, grid.steps, {}, {});
  }
  Result<OperatorPtr> starts = Select(evaluation, selector, grid, Shown::kStarts);
  if (!starts) return starts;
  return MergeSameLabels(std::move(*starts), Merge::kNamesDropped);
}

}  // namespace fettle::promql

// Instant selectors: at each step the newest sample of a series that is not older than the
// lookback.
#include <utility>

#include "rules/promql/open.h"
#include "rules/samples/selection.h"

namespace fettle::promql {
namespace {

class SelectorOperator final : public Operator {
 public:
  SelectorOperator(Evaluation& evaluation, rules::Selection selection, const Grid& grid,
                   const Reach& reach, std::int64_t lookback, bool times)
      : Operator(evaluation, grid.steps),
        selection_(std::move(selection)),
        grid_(grid),
        reach_(reach),
        lookback_(lookback),
        times_(times) {
    rows_.reserve(selection_.size());
    for (std::size_t i = 0; i < selection_.size(); ++i) rows_.push_back({selection_.labels(i)});
    if (times_) MarkNameless(evaluation, rows_);
  }

  Status Fill(std::size_t row, Cells& out) override {
    Evaluation::ScratchSamples scratch(evaluation());
    rules::SampleColumns& samples = *scratch;
    selection_.Read(row, reach_.First(grid_) - lookback_, reach_.Last(grid_), samples);
    const std::size_t size = samples.times.size();
    evaluation().CountRead(size);
    if (Status status = evaluation().Spend(size + steps()); !status) return status;
    std::size_t next = 0;  // the first sample after the step's reference
    for (std::size_t step = 0; step < steps(); ++step) {
      const std::int64_t reference = reach_.At(grid_, step);
      while (next < size && samples.times[next] <= reference) ++next;
      // A stale marker is an absent cell as it is.
      if (next == 0 || samples.times[next - 1] <= reference - lookback_) {
        out[step] = Absent();
      } else if (times_ && !IsAbsent(samples.values[next - 1])) {
        out[step] = static_cast<double>(samples.times[next - 1]) / 1000;
      } else {
        out[step] = samples.values[next - 1];
      }
    }
    return {};
  }

 private:
  const rules::Selection selection_;
  const Grid grid_;
  const Reach reach_;
  const std::int64_t lookback_;
  const bool times_;  // when the sample was, in seconds, instead of its value
};

Result<OperatorPtr> Select(Evaluation& evaluation, const VectorSelector& selector, const Grid& grid,
                           bool times) {
  const Result<Reach> reach = ReachOf(selector.when, evaluation.query());
  if (!reach) return tl::unexpected(reach.error());
  const std::int64_t lookback = evaluation.options().lookback.count();
  rules::Selection selection =
      evaluation.samples().Select(selector.matchers, TimeFromMillis(reach->First(grid) - lookback),
                                  TimeFromMillis(reach->Last(grid)));
  return OperatorPtr(std::make_unique<SelectorOperator>(evaluation, std::move(selection), grid,
                                                        *reach, lookback, times));
}

}  // namespace

Result<OperatorPtr> OpenSelector(Evaluation& evaluation, const VectorSelector& selector,
                                 const Grid& grid) {
  return Select(evaluation, selector, grid, false);
}

Result<OperatorPtr> OpenTimestampOfSelector(Evaluation& evaluation, const VectorSelector& selector,
                                            const Grid& grid) {
  Result<OperatorPtr> times = Select(evaluation, selector, grid, true);
  if (!times) return times;
  return MergeSameLabels(std::move(*times), Merge::kNamesDropped);
}

}  // namespace fettle::promql

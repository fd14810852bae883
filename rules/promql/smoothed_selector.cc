// `metric smoothed`: at each step the value on the line between the samples around it, as far as
// the lookback reaches either way; the last value where no later one is known.
#include <algorithm>
#include <utility>
#include <vector>

#include "rules/promql/open.h"
#include "rules/promql/window_rates.h"
#include "rules/samples/selection.h"

namespace fettle::promql {
namespace {

class SmoothedOperator final : public Operator {
 public:
  SmoothedOperator(Evaluation& evaluation, const VectorSelector& selector,
                   rules::Selection selection, const Grid& grid, const Reach& reach)
      : Operator(evaluation, grid.steps),
        selector_(selector),
        selection_(std::move(selection)),
        grid_(grid),
        reach_(reach),
        lookback_(evaluation.options().lookback.count()) {
    for (std::size_t i = 0; i < selection_.size(); ++i) {
      rows_.push_back({selection_.labels(i)});
      rows_.back().histograms = selection_.histograms(i);
      if (rows_.back().histograms) evaluation.NeedAllSteps();
    }
  }

  Status Fill(std::size_t row, Cells& out) override {
    Evaluation::ScratchSamples scratch(evaluation());
    rules::SampleColumns& samples = *scratch;
    selection_.Read(row, reach_.First(grid_) - lookback_, reach_.Last(grid_) + lookback_, samples);
    evaluation().CountRead(samples.times.size());
    Status status = evaluation().Spend(samples.times.size() + steps());
    if (!status) return status;
    std::vector<TimedNumber> numbers;
    std::vector<TimedHistogram> histograms;
    for (std::size_t i = 0; i < samples.times.size(); ++i) {
      const double value = samples.values[i];
      if (IsStaleNaN(value)) continue;
      if (IsHistogramCell(value)) {
        const HistogramPtr& histogram = samples.histograms[rules::HistogramPlace(value)];
        histograms.push_back({samples.times[i], histogram.get(), histogram});
      } else {
        numbers.push_back({samples.times[i], value});
      }
    }
    const Remarks remarks{evaluation(), selector_.span, rows_[row].Get(kMetricName)};
    for (std::size_t step = 0; step < steps(); ++step) {
      const std::int64_t at = reach_.At(grid_, step);
      const auto near_numbers = Near(numbers, at);
      const auto near_histograms = Near(histograms, at);
      out[step] = Absent();
      if (!near_numbers.empty() && !near_histograms.empty()) {
        remarks.Mixed();
      } else if (!near_numbers.empty()) {
        out[step] = Between(near_numbers, at);
      } else if (!near_histograms.empty()) {
        out[step] = Between(near_histograms, at, remarks);
      }
    }
    return {};
  }

 private:
  template <typename Point>
  std::span<const Point> Near(const std::vector<Point>& points, std::int64_t at) const {
    const auto before = [](std::int64_t time, const Point& point) { return time < point.time; };
    const auto begin = std::upper_bound(points.begin(), points.end(), at - lookback_, before);
    return {begin, std::upper_bound(begin, points.end(), at + lookback_, before)};
  }

  // The first point at or after the moment.
  template <typename Point>
  static std::size_t PlaceOf(std::span<const Point> points, std::int64_t at) {
    const auto found = std::lower_bound(points.begin(), points.end(), at,
                                        [](const Point& p, std::int64_t t) { return p.time < t; });
    return static_cast<std::size_t>(found - points.begin());
  }

  static double Between(std::span<const TimedNumber> points, std::int64_t at) {
    const std::size_t next = PlaceOf(points, at);
    if (next < points.size() && points[next].time == at) return points[next].value;
    if (next == 0) return Absent();
    if (next == points.size()) return points[next - 1].value;
    return Interpolate(points[next - 1], points[next], at, false);
  }

  double Between(std::span<const TimedHistogram> points, std::int64_t at,
                 const Remarks& remarks) const {
    const std::size_t next = PlaceOf(points, at);
    if (next < points.size() && points[next].time == at) {
      return evaluation().Keep(points[next].held);
    }
    if (next == 0) return Absent();
    if (next == points.size()) return evaluation().Keep(points[next - 1].held);
    if (points[next - 1].value->custom() != points[next].value->custom()) {
      remarks.MixedSchemas();
      return Absent();
    }
    const bool counter = points[next - 1].value->hint != FloatHistogram::ResetHint::kGauge &&
                         points[next].value->hint != FloatHistogram::ResetHint::kGauge;
    std::optional<FloatHistogram> between =
        Interpolate(points[next - 1], points[next], at, counter, remarks);
    return between ? evaluation().Keep(std::move(*between)) : Absent();
  }

  const VectorSelector& selector_;
  const rules::Selection selection_;
  const Grid grid_;
  const Reach reach_;
  const std::int64_t lookback_;
};

}  // namespace

Result<OperatorPtr> OpenSmoothedSelector(Evaluation& evaluation, const VectorSelector& selector,
                                         const Grid& grid) {
  const Result<Reach> reach = ReachOf(selector.when, evaluation.query());
  if (!reach) return tl::unexpected(reach.error());
  const std::int64_t lookback = evaluation.options().lookback.count();
  rules::Selection selection =
      evaluation.samples().Select(selector.matchers, TimeFromMillis(reach->First(grid) - lookback),
                                  TimeFromMillis(reach->Last(grid) + lookback));
  return OperatorPtr(
      std::make_unique<SmoothedOperator>(evaluation, selector, std::move(selection), grid, *reach));
}

}  // namespace fettle::promql

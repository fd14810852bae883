#include "rules/promql/mixed_windows.h"

#include <algorithm>

#include "common/labels.h"
#include "rules/promql/cell_arithmetic.h"
#include "rules/promql/histogram_mean.h"
#include "rules/promql/window_functions.h"
#include "rules/promql/window_rates.h"

namespace fettle::promql {
namespace {

using enum FunctionId;

double Seconds(std::int64_t millis) { return static_cast<double>(millis) / 1000; }

// Functions of the numbers alone.
bool IgnoresHistograms(FunctionId id) {
  switch (id) {
    case kMaxOverTime:
    case kMinOverTime:
    case kTsOfMaxOverTime:
    case kTsOfMinOverTime:
    case kStddevOverTime:
    case kStdvarOverTime:
    case kQuantileOverTime:
    case kMadOverTime:
    case kDeriv:
    case kPredictLinear:
    case kDoubleExponentialSmoothing:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool MixedRangeFunction::MakesHistograms(FunctionId id) {
  switch (id) {
    case kRate:
    case kIncrease:
    case kDelta:
    case kIrate:
    case kIdelta:
    case kAvgOverTime:
    case kSumOverTime:
    case kFirstOverTime:
    case kLastOverTime:
      return true;
    default:
      return false;
  }
}

void MixedRangeFunction::Split(const rules::SampleColumns& samples) {
  numbers_.clear();
  histograms_.clear();
  for (std::size_t i = 0; i < samples.times.size(); ++i) {
    const std::int64_t start = samples.starts.empty() ? 0 : samples.starts[i];
    const double value = samples.values[i];
    if (IsHistogramCell(value)) {
      const HistogramPtr& histogram = samples.histograms[rules::HistogramPlace(value)];
      histograms_.push_back({samples.times[i], histogram.get(), histogram, start});
    } else {
      numbers_.push_back({samples.times[i], value, start});
    }
  }
}

MixedWindow MixedRangeFunction::WindowAt(std::size_t step) const {
  const std::int64_t to = deps_.reach.At(deps_.grid, step);
  const std::int64_t from = to - deps_.range;
  const std::int64_t lookback = deps_.evaluation.options().lookback.count();
  const std::int64_t first = deps_.extent == Extent::kPlain ? from : from - lookback;
  const std::int64_t last = deps_.extent == Extent::kSmoothed ? to + lookback : to;
  const auto cut = [&](const auto& points) {
    const auto after = [](std::int64_t time, const auto& point) { return time < point.time; };
    const auto begin = std::upper_bound(points.begin(), points.end(), first, after);
    return std::span(begin, std::upper_bound(begin, points.end(), last, after));
  };
  return {cut(numbers_), cut(histograms_), from, to};
}

// What the float path says of the numbers.
Status MixedRangeFunction::FillNumbers(Cells& out) const {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  for (const TimedNumber& number : numbers_) {
    times.push_back(number.time);
    values.push_back(number.value);
  }
  std::vector<std::uint32_t> begins;
  std::vector<std::uint32_t> ends;
  for (std::size_t step = 0; step < out.size(); ++step) {
    const std::span<const TimedNumber> window = WindowAt(step).numbers;
    const auto begin = static_cast<std::uint32_t>(window.data() - numbers_.data());
    begins.push_back(window.empty() ? 0 : begin);
    ends.push_back(begins.back() + static_cast<std::uint32_t>(window.size()));
  }
  std::vector<Stretch> stretches;
  const Windows windows{.grid = deps_.grid,
                        .reach = deps_.reach,
                        .range = deps_.range,
                        .times = times,
                        .values = values,
                        .begins = begins,
                        .ends = ends,
                        .arguments = deps_.arguments,
                        .stretches = stretches};
  return FindWindowFunction(deps_.call.function->id)(windows, deps_.evaluation, out);
}

Status MixedRangeFunction::Fill(const rules::SampleColumns& samples, std::string_view metric,
                                Cells& out) {
  metric_ = metric;
  Split(samples);
  const FunctionId id = deps_.call.function->id;
  std::fill(out.begin(), out.end(), Absent());
  if (IgnoresHistograms(id) || id == kAvgOverTime || id == kSumOverTime) {
    if (Status status = FillNumbers(out); !status) return status;
  }
  for (std::size_t step = 0; step < out.size(); ++step) {
    const MixedWindow window = WindowAt(step);
    if (window.numbers.empty() && window.histograms.empty()) {
      out[step] = Absent();
      continue;
    }
    const std::size_t work = window.numbers.size() + 16 * window.histograms.size();
    if (Status status = deps_.evaluation.Spend(work); !status) return status;
    out[step] = Compute(window, out[step]);
  }
  return {};
}

double MixedRangeFunction::Compute(const MixedWindow& window, double numbers_say) {
  const FunctionId id = deps_.call.function->id;
  const Remarks remarks{deps_.evaluation, deps_.call.arguments[0]->span, metric_};
  const RateKind kind{.counter = id == kRate || id == kIncrease,
                      .per_second = id == kRate,
                      .seconds = Seconds(deps_.range)};
  switch (id) {
    case kRate:
    case kIncrease:
    case kDelta:
      if (deps_.extent == Extent::kPlain) return ExtrapolatedRate(window, kind, remarks);
      return ExtendedRate(window, kind, deps_.extent == Extent::kSmoothed, remarks);
    case kIrate:
    case kIdelta:
      return LastDifference(window, id == kIrate, remarks);
    case kResets:
      return CountResets(window, deps_.extent == Extent::kAnchored);
    case kChanges:
      return CountChanges(window, deps_.extent == Extent::kAnchored);
    case kAvgOverTime:
    case kSumOverTime:
      return ComputeMean(window, numbers_say);
    default:
      break;
  }
  if (!IgnoresHistograms(id)) return ComputeCount(window);
  if (!window.numbers.empty() && !window.histograms.empty()) InformOfIgnored(window);
  return numbers_say;
}

// Functions of where samples are, whatever they are.
double MixedRangeFunction::ComputeCount(const MixedWindow& window) const {
  const bool any_numbers = !window.numbers.empty();
  const bool any_histograms = !window.histograms.empty();
  const auto earlier = [&] {
    return !any_histograms ||
           (any_numbers && window.numbers.front().time < window.histograms.front().time);
  };
  const auto later = [&] {
    return !any_histograms ||
           (any_numbers && window.numbers.back().time > window.histograms.back().time);
  };
  switch (deps_.call.function->id) {
    case kCountOverTime:
      return static_cast<double>(window.numbers.size() + window.histograms.size());
    case kFirstOverTime:
      return earlier() ? window.numbers.front().value
                       : deps_.evaluation.Keep(window.histograms.front().held);
    case kLastOverTime:
      return later() ? window.numbers.back().value
                     : deps_.evaluation.Keep(window.histograms.back().held);
    case kTsOfFirstOverTime:
      return Seconds(earlier() ? window.numbers.front().time : window.histograms.front().time);
    case kTsOfLastOverTime:
      return Seconds(later() ? window.numbers.back().time : window.histograms.back().time);
    default:  // present_over_time, absent_over_time
      return 1;
  }
}

double MixedRangeFunction::ComputeMean(const MixedWindow& window, double numbers_say) {
  if (window.histograms.empty()) return numbers_say;
  const Remarks remarks{deps_.evaluation, deps_.call.arguments[0]->span, metric_};
  if (!window.numbers.empty()) {
    remarks.Mixed();
    return Absent();
  }
  HistogramMean mean(*window.histograms[0].value, deps_.call.function->id == kAvgOverTime);
  for (const TimedHistogram& histogram : window.histograms.subspan(1)) {
    if (mean.Add(*histogram.value)) continue;
    remarks.MixedSchemas();
    return Absent();
  }
  remarks.Sum(mean.outcome(), "aggregation");
  return deps_.evaluation.Keep(mean.Value());
}

void MixedRangeFunction::InformOfIgnored(const MixedWindow&) {
  deps_.evaluation.Inform(deps_.call.arguments[0]->span,
                          fmt::format("PromQL info: ignored histograms in a range containing both "
                                      "floats and histograms for metric name {}",
                                      Quote(metric_)));
}

}  // namespace fettle::promql

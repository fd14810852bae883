#include "rules/promql/window_functions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "rules/promql/statistics.h"
#include "rules/promql/window_lanes.h"

namespace fettle::promql {
namespace {

double Factor(const Stretch& reach) {
  return (reach.sampled + reach.to_start + reach.to_end) / reach.sampled;
}

double Seconds(std::int64_t millis) { return static_cast<double>(millis) / 1000; }

// compute(step, begin, end) for each window with at least `least` samples. `reads_all` if it looks
// at every sample, which is work to be counted.
template <typename Compute>
Status EachWindow(const Windows& w, Evaluation& evaluation, Cells& out, std::uint32_t least,
                  bool reads_all, const Compute& compute) {
  constexpr std::size_t kWorkBetweenLooks = 1'000;
  std::size_t work = 0;
  for (std::size_t step = 0; step < out.size(); ++step) {
    const std::uint32_t begin = w.begins[step];
    const std::uint32_t end = w.ends[step];
    if (end - begin < least) {
      out[step] = Absent();
      continue;
    }
    work += reads_all ? end - begin : 1;
    if (work >= kWorkBetweenLooks) {
      if (Status status = evaluation.Spend(std::exchange(work, 0)); !status) return status;
    }
    out[step] = compute(step, begin, end);
  }
  return evaluation.Spend(work);
}

// How far beyond its first and last sample a series is taken to reach, but for the limit that a
// counter's zero sets.
void FindStretches(const Windows& w, std::size_t steps, bool per_second) {
  w.stretches.assign(steps, {});
  for (std::size_t step = 0; step < steps; ++step) {
    const std::uint32_t begin = w.begins[step];
    const std::uint32_t end = w.ends[step];
    if (end - begin < 2) continue;
    Stretch& stretch = w.stretches[step];
    stretch = {.sampled = Seconds(w.times[end - 1] - w.times[begin]),
               .to_start = Seconds(w.times[begin] - w.From(step)),
               .to_end = Seconds(w.To(step) - w.times[end - 1])};
    const double average = stretch.sampled / static_cast<double>(end - begin - 1);
    const double threshold = average * 1.1;
    if (stretch.to_start >= threshold) stretch.to_start = average / 2;
    if (stretch.to_end >= threshold) stretch.to_end = average / 2;
    stretch.factor = per_second ? Factor(stretch) / Seconds(w.range) : Factor(stretch);
  }
}

// A counter is not below zero: it cannot have begun earlier than `sampled * (first / change)` ago.
// Whether that is closer than `to_start`; the division is done only where it may matter.
bool BeganLater(const Stretch& stretch, double first, double change, double& to_zero) {
  const double left = stretch.sampled * first;
  const double right = stretch.to_start * change;
  constexpr double kSurely = 1 + 1e-9;  // rounding is far below
  if (left >= right * kSurely && left > 1e-290 && left < 1e290) return false;
  to_zero = stretch.sampled * (first / change);
  return to_zero < stretch.to_start;
}

template <bool kCounter, bool kPerSecond>
double Extrapolate(const Windows& w, std::size_t step, std::uint32_t begin, double change) {
  const Stretch& stretch = w.stretches[step];
  double to_zero = 0;
  if (!kCounter || !(change > 0) || !(w.values[begin] >= 0) ||
      !BeganLater(stretch, w.values[begin], change, to_zero)) {
    return change * stretch.factor;
  }
  double factor = Factor({stretch.sampled, to_zero, stretch.to_end});
  if (kPerSecond) factor /= Seconds(w.range);
  return change * factor;
}

// Where a counter was reset: the indexes of samples lower than the one before.
std::vector<std::uint32_t> Resets(const Windows& w) {
  std::vector<std::uint32_t> resets;
  for (std::uint32_t i = 1; i < w.values.size(); ++i) {
    if (w.values[i] < w.values[i - 1]) resets.push_back(i);
  }
  return resets;
}

template <bool kCounter, bool kPerSecond>
Status Rate(const Windows& w, Evaluation& evaluation, Cells& out) {
  const std::vector<std::uint32_t> resets = kCounter ? Resets(w) : std::vector<std::uint32_t>();
  std::size_t first_reset = 0;
  if (w.stretches.empty()) FindStretches(w, out.size(), kPerSecond);
  return EachWindow(w, evaluation, out, 2, false,
                    [&](std::size_t step, std::uint32_t begin, std::uint32_t end) {
                      double change = w.values[end - 1] - w.values[begin];
                      while (first_reset < resets.size() && resets[first_reset] <= begin) {
                        ++first_reset;
                      }
                      for (std::size_t i = first_reset; i < resets.size() && resets[i] < end; ++i) {
                        change += w.values[resets[i] - 1];
                      }
                      return Extrapolate<kCounter, kPerSecond>(w, step, begin, change);
                    });
}

template <bool kPerSecond>
Status LastChange(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(
      w, evaluation, out, 2, false, [&](std::size_t, std::uint32_t, std::uint32_t end) {
        const double last = w.values[end - 1];
        const double before = w.values[end - 2];
        const double change = kPerSecond && last < before ? last : last - before;
        return kPerSecond ? change / Seconds(w.times[end - 1] - w.times[end - 2]) : change;
      });
}

// How often counts(before, after) holds between neighbours.
template <typename Counts>
Status CountPairs(const Windows& w, Evaluation& evaluation, Cells& out, const Counts& counts) {
  std::vector<std::uint32_t> until(w.values.size(), 0);
  for (std::size_t i = 1; i < w.values.size(); ++i) {
    until[i] = until[i - 1] + (counts(w.values[i - 1], w.values[i]) ? 1 : 0);
  }
  return EachWindow(w, evaluation, out, 1, false,
                    [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      return static_cast<double>(until[end - 1] - until[begin]);
                    });
}

Status CountChanges(const Windows& w, Evaluation& evaluation, Cells& out) {
  return CountPairs(w, evaluation, out, [](double before, double after) {
    return before != after && !(std::isnan(before) && std::isnan(after));
  });
}

Status CountResets(const Windows& w, Evaluation& evaluation, Cells& out) {
  return CountPairs(w, evaluation, out, [](double before, double after) { return after < before; });
}

// The best value of each window by better(a, b), NaN only where there is nothing else. Keeps the
// candidates in order, so that every sample is looked at once however wide the windows are.
template <typename Better>
Status Extreme(const Windows& w, Evaluation& evaluation, Cells& out, const Better& better) {
  std::vector<std::uint32_t> candidates(w.values.size());  // [front, back)
  std::size_t front = 0;
  std::size_t back = 0;
  std::uint32_t seen = 0;
  return EachWindow(
      w, evaluation, out, 1, false, [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
        for (; seen < end; ++seen) {
          if (std::isnan(w.values[seen])) continue;
          while (front < back && better(w.values[seen], w.values[candidates[back - 1]])) --back;
          candidates[back++] = seen;
        }
        while (front < back && candidates[front] < begin) ++front;
        return front == back ? NaN() : w.values[candidates[front]];
      });
}

Status MaxOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return Extreme(w, evaluation, out, [](double a, double b) { return a > b; });
}
Status MinOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return Extreme(w, evaluation, out, [](double a, double b) { return a < b; });
}

// When the last of the best values was.
template <typename AsGood>
Status WhenExtreme(const Windows& w, Evaluation& evaluation, Cells& out, const AsGood& as_good) {
  return EachWindow(w, evaluation, out, 1, true,
                    [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      std::uint32_t best = begin;
                      for (std::uint32_t i = begin; i < end; ++i) {
                        if (as_good(w.values[i], w.values[best]) || std::isnan(w.values[best])) {
                          best = i;
                        }
                      }
                      return Seconds(w.times[best]);
                    });
}

Status TsOfMaxOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return WhenExtreme(w, evaluation, out, [](double a, double b) { return a >= b; });
}
Status TsOfMinOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return WhenExtreme(w, evaluation, out, [](double a, double b) { return a <= b; });
}

// As many windows are summed between two looks at the clock.
constexpr std::size_t kStepsTogether = 64;

// value_of(sum, count) of each window's compensated sum, from zero or from its first sample.
template <typename ValueOf>
Status SumEach(const Windows& w, Evaluation& evaluation, Cells& out, bool from_first,
               const ValueOf& value_of) {
  std::array<CompensatedSum, kStepsTogether> sums;
  for (std::size_t first = 0; first < out.size(); first += kStepsTogether) {
    const std::size_t steps = std::min(kStepsTogether, out.size() - first);
    const WindowSpans some{w.values, w.begins.subspan(first, steps), w.ends.subspan(first, steps)};
    SumWindows(some, from_first, std::span(sums).first(steps));
    std::size_t work = 0;
    for (std::size_t i = 0; i < steps; ++i) {
      const std::uint32_t count = some.ends[i] - some.begins[i];
      work += count;
      out[first + i] = count == 0 ? Absent() : value_of(sums[i], static_cast<double>(count));
    }
    if (Status status = evaluation.Spend(work); !status) return status;
  }
  return {};
}

Status SumOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  if (SumsStayFinite(w.values)) {
    return SumEach(w, evaluation, out, false,
                   [](const CompensatedSum& sum, double) { return sum.Total(); });
  }
  return EachWindow(w, evaluation, out, 1, true,
                    [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      CompensatedSum sum;
                      for (std::uint32_t i = begin; i < end; ++i) sum.Add(w.values[i]);
                      return sum.Total();
                    });
}

Status AvgOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  if (SumsStayFinite(w.values)) {
    return SumEach(w, evaluation, out, true, [](const CompensatedSum& sum, double count) {
      return CompensatedMean{.sum = sum, .count = count}.Value();
    });
  }
  return EachWindow(w, evaluation, out, 1, true,
                    [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      CompensatedMean mean;
                      for (std::uint32_t i = begin; i < end; ++i) mean.Add(w.values[i]);
                      return mean.Value();
                    });
}

template <bool kRoot>
Status Variance(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(w, evaluation, out, 1, true,
                    [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      CompensatedVariance variance;
                      for (std::uint32_t i = begin; i < end; ++i) variance.Add(w.values[i]);
                      return kRoot ? std::sqrt(variance.Value()) : variance.Value();
                    });
}

Status QuantileOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  std::vector<double> sorted;
  return EachWindow(w, evaluation, out, 1, true,
                    [&](std::size_t step, std::uint32_t begin, std::uint32_t end) {
                      sorted.assign(w.values.begin() + begin, w.values.begin() + end);
                      return Quantile(w.arguments[0][step], sorted);
                    });
}

Status MadOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  std::vector<double> sorted;
  return EachWindow(
      w, evaluation, out, 1, true, [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
        sorted.assign(w.values.begin() + begin, w.values.begin() + end);
        if (std::any_of(sorted.begin(), sorted.end(), [](double v) { return std::isnan(v); })) {
          return NaN();
        }
        const double median = Quantile(0.5, sorted);
        for (double& value : sorted) value = std::abs(value - median);
        return Quantile(0.5, sorted);
      });
}

Status CountOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(w, evaluation, out, 1, false,
                    [](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      return static_cast<double>(end - begin);
                    });
}
Status PresentOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(w, evaluation, out, 1, false,
                    [](std::size_t, std::uint32_t, std::uint32_t) { return 1.0; });
}
Status FirstOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(
      w, evaluation, out, 1, false,
      [&](std::size_t, std::uint32_t begin, std::uint32_t) { return w.values[begin]; });
}
Status LastOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(
      w, evaluation, out, 1, false,
      [&](std::size_t, std::uint32_t, std::uint32_t end) { return w.values[end - 1]; });
}
Status TsOfFirstOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(
      w, evaluation, out, 1, false,
      [&](std::size_t, std::uint32_t begin, std::uint32_t) { return Seconds(w.times[begin]); });
}
Status TsOfLastOverTime(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(
      w, evaluation, out, 1, false,
      [&](std::size_t, std::uint32_t, std::uint32_t end) { return Seconds(w.times[end - 1]); });
}

struct Line {
  double slope = 0;
  double intercept = 0;  // at the moment given
};

// Least squares.
Line FitLine(const Windows& w, std::uint32_t begin, std::uint32_t end, std::int64_t zero) {
  CompensatedSum x_sum, y_sum, xy_sum, xx_sum;
  bool constant = true;
  for (std::uint32_t i = begin; i < end; ++i) {
    const double y = w.values[i];
    if (i > begin && y != w.values[begin]) constant = false;
    const double x = static_cast<double>(w.times[i] - zero) / 1e3;
    x_sum.Add(x);
    y_sum.Add(y);
    xy_sum.Add(x * y);
    xx_sum.Add(x * x);
  }
  if (constant) {
    if (std::isinf(w.values[begin])) return {NaN(), NaN()};
    return {0, w.values[begin]};
  }
  const auto n = static_cast<double>(end - begin);
  const double x = x_sum.sum + x_sum.lost;
  const double y = y_sum.sum + y_sum.lost;
  const double covariance = xy_sum.sum + xy_sum.lost - x * y / n;
  const double variance = xx_sum.sum + xx_sum.lost - x * x / n;
  const double slope = covariance / variance;
  return {slope, y / n - slope * x / n};
}

Status Derivative(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(w, evaluation, out, 2, true,
                    [&](std::size_t, std::uint32_t begin, std::uint32_t end) {
                      return FitLine(w, begin, end, w.times[begin]).slope;
                    });
}

Status PredictLinear(const Windows& w, Evaluation& evaluation, Cells& out) {
  return EachWindow(w, evaluation, out, 2, true,
                    [&](std::size_t step, std::uint32_t begin, std::uint32_t end) {
                      const Line line = FitLine(w, begin, end, w.grid.At(step));
                      return line.slope * w.arguments[0][step] + line.intercept;
                    });
}

Status DoubleExponentialSmoothing(const Windows& w, Evaluation& evaluation, Cells& out) {
  for (std::size_t step = 0; step < out.size(); ++step) {
    if (w.begins[step] == w.ends[step]) continue;
    const double smoothing = w.arguments[0][step];
    const double trending = w.arguments[1][step];
    if (smoothing <= 0 || smoothing >= 1) {
      return Fail("invalid smoothing factor. Expected: 0 < sf < 1, got: {:f}", smoothing);
    }
    if (trending <= 0 || trending >= 1) {
      return Fail("invalid trend factor. Expected: 0 < tf < 1, got: {:f}", trending);
    }
  }
  for (std::size_t first = 0; first < out.size(); first += kStepsTogether) {
    const std::size_t steps = std::min(kStepsTogether, out.size() - first);
    const auto some = [&](auto all) { return all.subspan(first, steps); };
    SmoothWindows({w.values, some(w.begins), some(w.ends)},
                  some(std::span<const double>(w.arguments[0])),
                  some(std::span<const double>(w.arguments[1])), some(std::span<double>(out)));
    std::size_t work = 0;
    for (std::size_t step = first; step < first + steps; ++step) {
      work += w.ends[step] - w.begins[step];
      if (w.ends[step] - w.begins[step] < 2) out[step] = Absent();
    }
    if (Status status = evaluation.Spend(work); !status) return status;
  }
  return {};
}

}  // namespace

WindowFunction FindWindowFunction(FunctionId id) {
  switch (id) {
    case FunctionId::kRate:
      return Rate<true, true>;
    case FunctionId::kIncrease:
      return Rate<true, false>;
    case FunctionId::kDelta:
      return Rate<false, false>;
    case FunctionId::kIrate:
      return LastChange<true>;
    case FunctionId::kIdelta:
      return LastChange<false>;
    case FunctionId::kChanges:
      return CountChanges;
    case FunctionId::kResets:
      return CountResets;
    case FunctionId::kMaxOverTime:
      return MaxOverTime;
    case FunctionId::kMinOverTime:
      return MinOverTime;
    case FunctionId::kTsOfMaxOverTime:
      return TsOfMaxOverTime;
    case FunctionId::kTsOfMinOverTime:
      return TsOfMinOverTime;
    case FunctionId::kSumOverTime:
      return SumOverTime;
    case FunctionId::kAvgOverTime:
      return AvgOverTime;
    case FunctionId::kStddevOverTime:
      return Variance<true>;
    case FunctionId::kStdvarOverTime:
      return Variance<false>;
    case FunctionId::kQuantileOverTime:
      return QuantileOverTime;
    case FunctionId::kMadOverTime:
      return MadOverTime;
    case FunctionId::kCountOverTime:
      return CountOverTime;
    case FunctionId::kPresentOverTime:
    case FunctionId::kAbsentOverTime:
      return PresentOverTime;
    case FunctionId::kFirstOverTime:
      return FirstOverTime;
    case FunctionId::kLastOverTime:
      return LastOverTime;
    case FunctionId::kTsOfFirstOverTime:
      return TsOfFirstOverTime;
    case FunctionId::kTsOfLastOverTime:
      return TsOfLastOverTime;
    case FunctionId::kDeriv:
      return Derivative;
    case FunctionId::kPredictLinear:
      return PredictLinear;
    case FunctionId::kDoubleExponentialSmoothing:
      return DoubleExponentialSmoothing;
    default:
      return nullptr;
  }
}

}  // namespace fettle::promql

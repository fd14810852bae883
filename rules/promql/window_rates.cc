#include "rules/promql/window_rates.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "common/labels.h"
#include "rules/promql/cell_arithmetic.h"

namespace fettle::promql {
namespace {

using Hint = FloatHistogram::ResetHint;
using Histograms = std::span<const TimedHistogram>;

double Seconds(std::int64_t millis) { return static_cast<double>(millis) / 1000; }

// Whether a start timestamp says that counting began anew between two samples.
template <typename Point>
bool StartsAnew(const Point& before, const Point& now) {
  if (now.start == 0 || now.start >= now.time || now.start < before.time) return false;
  if (now.start > before.time) return true;
  // Deltas begin where the last one ended; so does counting with an unknown start.
  if (before.start > before.time) return false;
  return before.start != 0 && before.start != before.time;
}

template <typename Point>
bool Overlaps(const Point& before, const Point& now) {
  return now.start != 0 && now.start < before.time && now.start != before.start;
}

bool IsReset(const TimedHistogram& before, const TimedHistogram& now) {
  return StartsAnew(before, now) || DetectReset(*now.value, *before.value);
}

bool Subtract(HistogramSum& from, const FloatHistogram& histogram, const Remarks& remarks) {
  HistogramOutcome outcome = from.Subtract(histogram);
  outcome.resets_collide = false;  // resets are dealt with one by one
  if (outcome.compatible) {
    remarks.Sum(outcome, "subtraction");
  } else {
    remarks.MixedSchemas();
  }
  return outcome.compatible;
}

bool Add(HistogramSum& to, const FloatHistogram& histogram, const Remarks& remarks) {
  HistogramOutcome outcome = to.Add(histogram);
  outcome.resets_collide = false;
  if (outcome.compatible) {
    remarks.Sum(outcome, "addition");
  } else {
    remarks.MixedSchemas();
  }
  return outcome.compatible;
}

// An empty one with the buckets of another.
FloatHistogram EmptyLike(const FloatHistogram& other) {
  FloatHistogram out;
  out.schema = other.schema;
  out.custom_bounds = other.custom_bounds;
  return out;
}

// By how much two or more histograms grew; nullopt after a remark if they do not fit each other.
std::optional<HistogramSum> Growth(Histograms points, bool counter, const Remarks& remarks) {
  const FloatHistogram& last = *points.back().value;
  const auto gauge = [](const TimedHistogram& point) { return point.value->hint == Hint::kGauge; };
  if (counter && std::any_of(points.begin(), points.end(), gauge)) remarks.NotACounter();
  // What the first one looked like does not matter if counting began anew after it.
  const bool forget = counter && IsReset(points[0], points[1]);
  const FloatHistogram first = forget ? EmptyLike(*points[1].value) : *points[0].value;
  if (last.custom() != first.custom()) {
    remarks.MixedSchemas();
    return std::nullopt;
  }
  std::int32_t schema = std::min(last.schema, first.schema);
  for (const TimedHistogram& point : points.subspan(1, points.size() - 2)) {
    if (!counter) break;
    if (point.value->custom() != first.custom()) {
      remarks.MixedSchemas();
      return std::nullopt;
    }
    schema = std::min(schema, point.value->schema);
  }
  HistogramSum growth(Coarsened(last, schema), HistogramSum::Precision::kPlain);
  if (!Subtract(growth, first, remarks)) return std::nullopt;
  if (counter) {
    const FloatHistogram* before = &first;
    for (std::size_t i = 1; i < points.size(); ++i) {
      if (Overlaps(points[i - 1], points[i])) remarks.StartsOverlap();
      if ((StartsAnew(points[i - 1], points[i]) || DetectReset(*points[i].value, *before)) &&
          !Add(growth, *before, remarks)) {
        return std::nullopt;
      }
      before = points[i].value;
    }
  } else if (!gauge(points.front()) || !gauge(points.back())) {
    remarks.NotAGauge();
  }
  growth.set_hint(Hint::kGauge);
  return growth;
}

double NumbersGrowth(std::span<const TimedNumber> points, bool counter, const Remarks& remarks) {
  double growth = points.back().value - points.front().value;
  for (std::size_t i = 1; counter && i < points.size(); ++i) {
    if (Overlaps(points[i - 1], points[i])) remarks.StartsOverlap();
    if (points[i].value < points[i - 1].value || StartsAnew(points[i - 1], points[i])) {
      growth += points[i - 1].value;
    }
  }
  return growth;
}

// Samples of a window, told apart from what they hold.
struct Times {
  std::size_t count = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t start = 0;  // of the first
};
template <typename Points>
Times TimesOf(const Points& points) {
  return {points.size(), points.front().time, points.back().time, points.front().start};
}

// How much longer the series is taken to reach than it was seen.
struct Reached {
  double sampled = 0;
  double to_start = 0;
  double to_end = 0;
};

}  // namespace

void Remarks::Mixed() const {
  evaluation.Warn(where, fmt::format("PromQL warning: encountered a mix of histograms and floats "
                                     "for metric name {}",
                                     Quote(metric)));
}
void Remarks::MixedSchemas() const { WarnOfMixedSchemas(evaluation, where, metric); }
void Remarks::NotACounter() const {
  evaluation.Warn(where, fmt::format("PromQL warning: this native histogram metric is not a "
                                     "counter: {}",
                                     Quote(metric)));
}
void Remarks::NotAGauge() const {
  evaluation.Warn(where, fmt::format("PromQL warning: this native histogram metric is not a "
                                     "gauge: {}",
                                     Quote(metric)));
}
void Remarks::StartsOverlap() const {
  evaluation.Warn(where, fmt::format("PromQL warning: overlapping start timestamps detected for "
                                     "metric name {}",
                                     Quote(metric)));
}
void Remarks::Sum(const HistogramOutcome& outcome, std::string_view operation) const {
  AnnotateSum(evaluation, where, outcome, operation);
}

double ExtrapolatedRate(const MixedWindow& window, RateKind kind, const Remarks& remarks) {
  const bool histograms = !window.histograms.empty();
  if (histograms && !window.numbers.empty()) {
    remarks.Mixed();
    return Absent();
  }
  const Times times = histograms ? TimesOf(window.histograms) : TimesOf(window.numbers);
  double value = 0;
  std::optional<HistogramSum> growth;
  if (!histograms) {
    value = NumbersGrowth(window.numbers, kind.counter, remarks);
  } else if (times.count > 1) {
    growth = Growth(window.histograms, kind.counter, remarks);
    if (!growth) return Absent();
  }
  Reached reached{Seconds(times.last - times.first), Seconds(times.first - window.from),
                  Seconds(window.to - times.last)};
  const double average =
      times.count > 1 ? reached.sampled / static_cast<double>(times.count - 1) : 0;
  const double threshold = average * 1.1;
  if (kind.counter && times.start != 0 && times.start > window.from && times.start < times.first) {
    // Counting began within the range: from zero.
    reached.to_start = 0;
    reached.sampled = Seconds(times.last - times.start);
    if (!histograms) {
      value += window.numbers.front().value;
    } else if (!growth) {
      growth.emplace(*window.histograms.front().value, HistogramSum::Precision::kPlain);
    } else if (!Add(*growth, *window.histograms.front().value, remarks)) {
      return Absent();
    }
  } else if (times.count == 1) {
    return Absent();
  } else {
    if (reached.to_start >= threshold) reached.to_start = average / 2;
    // A counter is not below zero: it cannot have begun earlier than this.
    double to_zero = reached.to_start;
    if (kind.counter && !histograms && value > 0 && window.numbers.front().value >= 0) {
      to_zero = reached.sampled * (window.numbers.front().value / value);
    } else if (kind.counter && histograms) {
      const double grown = growth->Total().count;
      const double first = window.histograms.front().value->count;
      if (grown > 0 && first >= 0) to_zero = reached.sampled * (first / grown);
    }
    reached.to_start = std::min(reached.to_start, to_zero);
  }
  if (reached.to_end >= threshold) reached.to_end = average / 2;
  double factor = 1;
  if (reached.sampled != 0) {
    factor = (reached.sampled + reached.to_start + reached.to_end) / reached.sampled;
  }
  if (kind.per_second) factor /= kind.seconds;
  if (!growth) return value * factor;
  growth->Scale(factor);
  return remarks.evaluation.Keep(growth->Total());
}

double LastDifference(const MixedWindow& window, bool per_second, const Remarks& remarks) {
  const std::size_t numbers = window.numbers.size();
  const std::size_t histograms = window.histograms.size();
  if (numbers + histograms < 2) return Absent();
  const auto number = [&](std::size_t from_end) {
    return numbers >= from_end ? window.numbers[numbers - from_end].time : INT64_MIN;
  };
  const auto histogram = [&](std::size_t from_end) {
    return histograms >= from_end ? window.histograms[histograms - from_end].time : INT64_MIN;
  };
  if (number(2) > histogram(1)) {
    const TimedNumber& before = window.numbers[numbers - 2];
    const TimedNumber& last = window.numbers[numbers - 1];
    const bool reset = per_second && (last.value < before.value || StartsAnew(before, last));
    const double change = reset ? last.value : last.value - before.value;
    return per_second ? change / Seconds(last.time - before.time) : change;
  }
  if (histogram(2) <= number(1)) {
    remarks.Mixed();
    return Absent();
  }
  const TimedHistogram& before = window.histograms[histograms - 2];
  const TimedHistogram& last = window.histograms[histograms - 1];
  const bool gauges = last.value->hint == Hint::kGauge && before.value->hint == Hint::kGauge;
  const bool any_gauge = last.value->hint == Hint::kGauge || before.value->hint == Hint::kGauge;
  if (per_second && any_gauge) remarks.NotACounter();
  if (!per_second && !gauges) remarks.NotAGauge();
  HistogramSum change(*last.value, HistogramSum::Precision::kPlain);
  if ((!per_second || !IsReset(before, last)) && !Subtract(change, *before.value, remarks)) {
    return Absent();
  }
  change.set_hint(Hint::kGauge);
  if (per_second) change.Divide(Seconds(last.time - before.time));
  return remarks.evaluation.Keep(change.Total());
}

namespace {

// For `anchored`: from the last sample at or before the beginning, if any; nothing if there is none
// after it. Calls use(before, now) for neighbours, in order of time, of either kind.
template <typename Use>
std::optional<double> CountPairs(const MixedWindow& window, bool anchored, const Use& use) {
  std::size_t number = 0;
  std::size_t histogram = 0;
  if (anchored) {
    const auto up_to = [&](const auto& points) {
      std::size_t count = 0;
      while (count < points.size() && points[count].time <= window.from) ++count;
      return count;
    };
    number = up_to(window.numbers);
    histogram = up_to(window.histograms);
    if (number == window.numbers.size() && histogram == window.histograms.size()) {
      return std::nullopt;
    }
    const bool is_number =
        number > 0 && (histogram == 0 ||
                       window.numbers[number - 1].time >= window.histograms[histogram - 1].time);
    if (is_number) {
      --number;
    } else if (histogram > 0) {
      --histogram;
    }
  }
  double count = 0;
  const TimedNumber* last_number = nullptr;
  const TimedHistogram* last_histogram = nullptr;
  while (number < window.numbers.size() || histogram < window.histograms.size()) {
    const bool is_number = histogram == window.histograms.size() ||
                           (number < window.numbers.size() &&
                            window.numbers[number].time < window.histograms[histogram].time);
    const TimedNumber* now_number = is_number ? &window.numbers[number++] : nullptr;
    const TimedHistogram* now_histogram = is_number ? nullptr : &window.histograms[histogram++];
    if (last_number != nullptr || last_histogram != nullptr) {
      count += use(last_number, last_histogram, now_number, now_histogram) ? 1 : 0;
    }
    last_number = now_number;
    last_histogram = now_histogram;
  }
  return count;
}

}  // namespace

double CountResets(const MixedWindow& window, bool anchored) {
  const auto reset = [](const TimedNumber* a, const TimedHistogram* ah, const TimedNumber* b,
                        const TimedHistogram* bh) {
    if (a != nullptr && b != nullptr) return b->value < a->value || StartsAnew(*a, *b);
    if (ah != nullptr && bh != nullptr) return IsReset(*ah, *bh);
    return true;
  };
  return CountPairs(window, anchored, reset).value_or(Absent());
}

double CountChanges(const MixedWindow& window, bool anchored) {
  const auto change = [](const TimedNumber* a, const TimedHistogram* ah, const TimedNumber* b,
                         const TimedHistogram* bh) {
    if (a != nullptr && b != nullptr) {
      return a->value != b->value && !(std::isnan(a->value) && std::isnan(b->value));
    }
    if (ah != nullptr && bh != nullptr) return !SameHistogram(*ah->value, *bh->value);
    return true;
  };
  return CountPairs(window, anchored, change).value_or(Absent());
}

double Interpolate(const TimedNumber& a, const TimedNumber& b, std::int64_t at, bool counter) {
  const double from = counter && b.value < a.value ? 0 : a.value;
  return from +
         (b.value - from) * static_cast<double>(at - a.time) / static_cast<double>(b.time - a.time);
}

std::optional<FloatHistogram> Interpolate(const TimedHistogram& a, const TimedHistogram& b,
                                          std::int64_t at, bool counter, const Remarks& remarks) {
  if (at == a.time) return *a.value;
  if (at == b.time) return *b.value;
  const double fraction = static_cast<double>(at - a.time) / static_cast<double>(b.time - a.time);
  HistogramSum sum(*b.value, HistogramSum::Precision::kPlain);
  if (counter && DetectReset(*b.value, *a.value)) {
    sum.Scale(fraction);
    return sum.Total();
  }
  if (!Subtract(sum, *a.value, remarks)) return std::nullopt;
  sum.Scale(fraction);
  if (!Add(sum, *a.value, remarks)) return std::nullopt;
  return sum.Total();
}

namespace {

// Which samples an anchored or smoothed range goes by: from the last at or before its beginning
// to the last in it, or (smoothed) the first at or after its end. Indexes.
struct Ends {
  std::size_t first = 0;
  std::size_t last = 0;
};
template <typename Points>
std::optional<Ends> FindEnds(const Points& points, const MixedWindow& window, bool smoothed) {
  Ends ends{0, points.size() - 1};
  while (ends.first < ends.last && points[ends.first].time <= window.from) ++ends.first;
  if (ends.first > 0) --ends.first;
  if (smoothed) {
    std::size_t at = 0;
    while (at < points.size() - 1 && points[at].time < window.to) ++at;
    ends.last = at;
  }
  if (points[ends.last].time <= window.from) return std::nullopt;
  if (smoothed && points[ends.first].time > window.to) return std::nullopt;
  return ends;
}

double ExtendedNumbers(const MixedWindow& window, RateKind kind, bool smoothed) {
  const auto& points = window.numbers;
  std::optional<Ends> ends = FindEnds(points, window, smoothed);
  if (!ends) return Absent();
  double left = points[ends->first].value;
  if (smoothed && points[ends->first].time < window.from) {
    left = Interpolate(points[ends->first], points[ends->first + 1], window.from, kind.counter);
  }
  double right = points[ends->last].value;
  if (smoothed && ends->last > 0 && points[ends->last].time > window.to) {
    right = Interpolate(points[ends->last - 1], points[ends->last], window.to, kind.counter);
  }
  double growth = right - left;
  if (kind.counter) {
    double before = left;
    for (std::size_t i = ends->first; i <= ends->last; ++i) {
      if ((i == ends->first && points[i].time <= window.from) ||
          (i == ends->last && points[i].time >= window.to)) {
        continue;
      }
      if (points[i].value < before) growth += before;
      before = points[i].value;
    }
    if (right < before) growth += before;
  }
  return kind.per_second ? growth / kind.seconds : growth;
}

// What counters lost by resets between the ends.
bool AddLost(HistogramSum& to, Histograms points, const Ends& ends, const FloatHistogram& left,
             const FloatHistogram& right, bool left_is_after_reset, const Remarks& remarks) {
  std::size_t next = ends.first + 1;
  const FloatHistogram* before = &left;
  if (left_is_after_reset) before = points[next++].value;
  if (next > ends.last) return true;
  std::optional<HistogramSum> lost;
  const auto lose = [&](const FloatHistogram& histogram) {
    if (lost) return Add(*lost, histogram, remarks);
    lost.emplace(histogram, HistogramSum::Precision::kPlain);
    return true;
  };
  for (; next < ends.last; ++next) {
    if (DetectReset(*points[next].value, *before) && !lose(*before)) return false;
    before = points[next].value;
  }
  if (DetectReset(right, *before) && !lose(*before)) return false;
  return !lost || Add(to, lost->Total(), remarks);
}

double ExtendedHistograms(const MixedWindow& window, RateKind kind, bool smoothed,
                          const Remarks& remarks) {
  const Histograms points = window.histograms;
  const std::optional<Ends> ends = FindEnds(points, window, smoothed);
  if (!ends) return Absent();
  for (std::size_t i = ends->first; i <= ends->last; ++i) {
    if (points[i].value->custom() != points[ends->first].value->custom()) {
      remarks.MixedSchemas();
      return Absent();
    }
    if (kind.counter && points[i].value->hint == Hint::kGauge) remarks.NotACounter();
  }
  const TimedHistogram& first = points[ends->first];
  const TimedHistogram& last = points[ends->last];
  const bool before_range = smoothed && first.time < window.from;
  std::optional<FloatHistogram> left = *first.value;
  if (before_range) {
    left = Interpolate(first, points[ends->first + 1], window.from, kind.counter, remarks);
  }
  std::optional<FloatHistogram> right = *last.value;
  if (smoothed && ends->last > 0 && last.time > window.to) {
    right = Interpolate(points[ends->last - 1], last, window.to, kind.counter, remarks);
  }
  if (!left || !right) return Absent();
  if (!kind.counter && (left->hint != Hint::kGauge || right->hint != Hint::kGauge)) {
    remarks.NotAGauge();
  }
  HistogramSum growth(*right, HistogramSum::Precision::kPlain);
  if (!Subtract(growth, *left, remarks)) return Absent();
  const bool after_reset =
      before_range && DetectReset(*points[ends->first + 1].value, *first.value);
  if (kind.counter && !AddLost(growth, points, *ends, *left, *right, after_reset, remarks)) {
    return Absent();
  }
  if (kind.per_second) growth.Divide(kind.seconds);
  growth.set_hint(Hint::kGauge);
  return remarks.evaluation.Keep(growth.Total());
}

}  // namespace

double ExtendedRate(const MixedWindow& window, RateKind kind, bool smoothed,
                    const Remarks& remarks) {
  if (window.histograms.empty()) return ExtendedNumbers(window, kind, smoothed);
  if (window.numbers.empty()) return ExtendedHistograms(window, kind, smoothed, remarks);
  remarks.Mixed();
  return Absent();
}

}  // namespace fettle::promql

#include "rules/promql/histogram_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fettle::promql {
namespace {

using Hint = FloatHistogram::ResetHint;

// The bounds both have; both ascending.
std::vector<double> SharedBounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

}  // namespace

HistogramSum::HistogramSum(const FloatHistogram& first, Precision precision)
    : precision_(precision),
      hint_(first.hint),
      layout_(LayOut(first)),
      count_{first.count},
      sum_{first.sum} {}

HistogramSum::Layout HistogramSum::LayOut(const FloatHistogram& histogram) {
  Layout out{.schema = histogram.schema,
             .threshold = histogram.zero_threshold,
             .zero = {histogram.zero_count},
             .bounds = histogram.custom_bounds};
  for (const auto& [from, to] : {std::pair{&histogram.positive, &out.positive},
                                 std::pair{&histogram.negative, &out.negative}}) {
    to->reserve(from->counts.size());
    for (BucketCursor cursor(*from, histogram.schema); cursor.Next();) {
      to->push_back({cursor.index(), {cursor.count()}});
    }
  }
  return out;
}

double HistogramSum::BoundOf(const Layout& layout, std::int32_t index) {
  FloatHistogram schema;
  schema.schema = layout.schema;
  return UpperBound(schema, index);
}

void HistogramSum::AddTo(CompensatedSum& to, const CompensatedSum& more) const {
  if (precision_ == Precision::kPlain) {
    to.sum += more.sum;
    return;
  }
  to.Add(more.sum);
  if (more.lost != 0) to.Add(more.lost);
}

HistogramSum::Bins HistogramSum::Coarser(const Bins& bins, std::int32_t steps) const {
  if (steps <= 0) return bins;
  Bins out;
  for (const Bin& bin : bins) {
    const std::int32_t index = ((bin.index - 1) >> steps) + 1;
    if (!out.empty() && out.back().index == index) {
      AddTo(out.back().sum, bin.sum);
    } else {
      out.push_back({index, bin.sum});
    }
  }
  return out;
}

HistogramSum::Bins HistogramSum::Merged(const Bins& a, const Bins& b, double sign) const {
  Bins out;
  out.reserve(a.size() + b.size());
  auto left = a.begin();
  for (const Bin& bin : b) {
    for (; left != a.end() && left->index < bin.index; ++left) out.push_back(*left);
    const CompensatedSum more{bin.sum.sum * sign, bin.sum.lost * sign};
    if (left != a.end() && left->index == bin.index) {
      out.push_back(*left++);
      AddTo(out.back().sum, more);
    } else {
      out.push_back({bin.index, more});
    }
  }
  out.insert(out.end(), left, a.end());
  return out;
}

// Makes the zero bucket reach `threshold`, or the end of the populated bucket that is there.
void HistogramSum::Widen(Layout& layout, double threshold) {
  for (bool again = true; again;) {
    again = false;
    CompensatedSum zero = layout.zero;
    for (const Bins* side : {&layout.positive, &layout.negative}) {
      for (const Bin& bin : *side) {
        if (BoundOf(layout, bin.index - 1) >= threshold) break;
        zero.Add(bin.sum.sum);
        if (bin.sum.lost != 0) zero.Add(bin.sum.lost);
        const double upper = BoundOf(layout, bin.index);
        if (upper <= threshold) continue;
        if (bin.sum.sum != 0) {
          again = side == &layout.negative;  // the positive side must be asked once more
          threshold = upper;
        }
        break;
      }
      if (again) break;
    }
    if (again) continue;
    layout.zero = zero;
    layout.threshold = threshold;
  }
  DropWithinZero(layout, layout.positive);
  DropWithinZero(layout, layout.negative);
}

void HistogramSum::DropWithinZero(Layout& layout, Bins& bins) {
  std::erase_if(bins, [&](const Bin& bin) {
    return BoundOf(layout, bin.index - 1) < layout.threshold ||
           (bin.sum.sum == 0 && bin.sum.lost == 0);
  });
}

// Adding is meant for gauges; of counters, the hint says what can still be said. Whether they
// contradict each other.
bool HistogramSum::AdjustHint(Hint other) {
  if (other == hint_ || hint_ == Hint::kGauge) return false;
  if (other == Hint::kGauge) {
    hint_ = Hint::kGauge;
    return false;
  }
  const bool collide = hint_ != Hint::kUnknown && other != Hint::kUnknown;
  hint_ = Hint::kUnknown;
  return collide;
}

HistogramOutcome HistogramSum::AddTimes(const FloatHistogram& histogram, double sign) {
  const bool custom = layout_.schema == FloatHistogram::kCustomSchema;
  if (custom != histogram.custom()) return {.compatible = false};
  HistogramOutcome outcome{.resets_collide = AdjustHint(histogram.hint)};
  Layout other = LayOut(histogram);
  if (!custom && !std::isnan(other.threshold) && !std::isnan(layout_.threshold)) {
    // As trimmed buckets widen a zero bucket further, each may have to follow the other.
    while (other.threshold != layout_.threshold) {
      if (other.threshold < layout_.threshold) {
        Widen(other, layout_.threshold);
      } else {
        Widen(layout_, other.threshold);
      }
    }
    AddTo(layout_.zero, {other.zero.sum * sign, other.zero.lost * sign});
  }
  AddTo(count_, {histogram.count * sign});
  AddTo(sum_, {histogram.sum * sign});
  if (custom) {
    outcome.bounds_reconciled = other.bounds != layout_.bounds;
    if (outcome.bounds_reconciled) {
      AddCustom(other, sign);
    } else {
      layout_.positive = Merged(layout_.positive, other.positive, sign);
    }
    return outcome;
  }
  const std::int32_t schema = std::min(layout_.schema, other.schema);
  for (Layout* layout : {&layout_, &other}) {
    layout->positive = Coarser(layout->positive, layout->schema - schema);
    layout->negative = Coarser(layout->negative, layout->schema - schema);
    layout->schema = schema;
  }
  layout_.positive = Merged(layout_.positive, other.positive, sign);
  layout_.negative = Merged(layout_.negative, other.negative, sign);
  return outcome;
}

// Both are put into the buckets between the bounds they share.
void HistogramSum::AddCustom(Layout& other, double sign) {
  const std::vector<double> bounds = SharedBounds(layout_.bounds, other.bounds);
  std::vector<CompensatedSum> target(bounds.size() + 1);
  const auto put = [&](const Layout& from, double times) {
    for (const Bin& bin : from.positive) {
      const auto index = static_cast<std::size_t>(bin.index);
      std::size_t place = bounds.size();
      if (index < from.bounds.size()) {
        const auto at = std::lower_bound(bounds.begin(), bounds.end(), from.bounds[index]);
        place = static_cast<std::size_t>(at - bounds.begin());
      }
      AddTo(target[place], {bin.sum.sum * times, bin.sum.lost * times});
    }
  };
  put(layout_, 1);
  put(other, sign);
  layout_.positive.clear();
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i].sum == 0 && target[i].lost == 0) continue;
    layout_.positive.push_back({static_cast<std::int32_t>(i), target[i]});
  }
  layout_.bounds = bounds;
}

template <typename Change>
void HistogramSum::Each(const Change& change) {
  for (CompensatedSum* sum : {&layout_.zero, &count_, &sum_}) change(*sum);
  for (Bins* side : {&layout_.positive, &layout_.negative}) {
    for (Bin& bin : *side) change(bin.sum);
  }
}

void HistogramSum::Scale(double factor) {
  Each([factor](CompensatedSum& sum) {
    sum.sum *= factor;
    if (sum.lost != 0) sum.lost *= factor;
  });
  if (factor < 0) hint_ = Hint::kGauge;
}

void HistogramSum::Divide(double by) {
  Each([by](CompensatedSum& sum) {
    sum.sum /= by;
    if (sum.lost != 0) sum.lost /= by;
  });
  if (by == 0) {
    layout_.positive.clear();
    layout_.negative.clear();
  }
  if (by < 0) hint_ = Hint::kGauge;
}

bool HistogramSum::overflowed() const {
  const auto any = [](const Bins& bins) {
    return std::any_of(bins.begin(), bins.end(),
                       [](const Bin& bin) { return std::isinf(bin.sum.sum); });
  };
  return std::isinf(layout_.zero.sum) || std::isinf(count_.sum) || std::isinf(sum_.sum) ||
         any(layout_.positive) || any(layout_.negative);
}

FloatHistogram HistogramSum::Total() const {
  FloatHistogram out;
  out.hint = hint_;
  out.schema = layout_.schema;
  out.zero_threshold = layout_.threshold;
  out.zero_count = layout_.zero.sum + layout_.zero.lost;
  out.count = count_.sum + count_.lost;
  out.sum = sum_.sum + sum_.lost;
  out.custom_bounds = layout_.bounds;
  for (const auto& [from, to] :
       {std::pair{&layout_.positive, &out.positive}, std::pair{&layout_.negative, &out.negative}}) {
    BucketBuilder builder;
    for (const Bin& bin : *from) {
      const double count = bin.sum.sum + bin.sum.lost;
      if (count != 0) builder.Add(bin.index, count);
    }
    *to = builder.Take();
  }
  return out;
}

FloatHistogram Scaled(const FloatHistogram& histogram, double factor) {
  HistogramSum sum(histogram, HistogramSum::Precision::kPlain);
  sum.Scale(factor);
  return sum.Total();
}

FloatHistogram Divided(const FloatHistogram& histogram, double by) {
  HistogramSum sum(histogram, HistogramSum::Precision::kPlain);
  sum.Divide(by);
  return sum.Total();
}

FloatHistogram Coarsened(const FloatHistogram& histogram, std::int32_t schema) {
  if (schema == histogram.schema) return histogram;
  FloatHistogram out = histogram;
  out.schema = schema;
  out.hint = Hint::kUnknown;
  for (const auto& [from, to] : {std::pair{&histogram.positive, &out.positive},
                                 std::pair{&histogram.negative, &out.negative}}) {
    BucketBuilder builder;
    for (BucketCursor cursor(*from, histogram.schema, schema); cursor.Next();) {
      builder.Add(cursor.index(), cursor.count());
    }
    *to = builder.Take();
  }
  return out;
}

}  // namespace fettle::promql

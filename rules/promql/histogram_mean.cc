#include "rules/promql/histogram_mean.h"

namespace fettle::promql {

HistogramMean::HistogramMean(const FloatHistogram& first, bool mean) : mean_(mean), sum_(first) {
  Note(first.hint);
}

void HistogramMean::Note(FloatHistogram::ResetHint hint) {
  reset_seen_ = reset_seen_ || hint == FloatHistogram::ResetHint::kReset;
  not_reset_seen_ = not_reset_seen_ || hint == FloatHistogram::ResetHint::kNotReset;
}

bool HistogramMean::Add(const FloatHistogram& histogram) {
  Note(histogram.hint);
  ++count_;
  if (!incremental_) {
    if (!mean_) {
      const HistogramOutcome outcome = sum_.Add(histogram);
      bounds_reconciled_ = bounds_reconciled_ || outcome.bounds_reconciled;
      return outcome.compatible;
    }
    HistogramSum more = sum_;
    const HistogramOutcome outcome = more.Add(histogram);
    if (!outcome.compatible) return false;
    bounds_reconciled_ = bounds_reconciled_ || outcome.bounds_reconciled;
    if (!more.overflowed()) {
      sum_ = std::move(more);
      return true;
    }
    incremental_ = true;
    sum_.Divide(count_ - 1);
  }
  sum_.Scale((count_ - 1) / count_);
  const HistogramOutcome outcome = sum_.Add(Divided(histogram, count_));
  bounds_reconciled_ = bounds_reconciled_ || outcome.bounds_reconciled;
  return outcome.compatible;
}

FloatHistogram HistogramMean::Value() const {
  if (!mean_ || incremental_) return sum_.Total();
  HistogramSum mean = sum_;
  mean.Divide(count_);
  return mean.Total();
}

HistogramOutcome HistogramMean::outcome() const {
  return {.resets_collide = reset_seen_ && not_reset_seen_,
          .bounds_reconciled = bounds_reconciled_};
}

}  // namespace fettle::promql

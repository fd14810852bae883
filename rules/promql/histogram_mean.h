// The sum or mean of histograms, as sum, avg, sum_over_time and avg_over_time make it. Pure.
#pragma once

#include <optional>

#include "rules/promql/histogram_arithmetic.h"

namespace fettle::promql {

class HistogramMean {
 public:
  HistogramMean(const FloatHistogram& first, bool mean);

  // False if it does not fit the others: then there is no outcome.
  bool Add(const FloatHistogram& histogram);
  FloatHistogram Value() const;
  // What all additions had to say: whether any two hints contradict each other, whether custom
  // bounds were reconciled.
  HistogramOutcome outcome() const;

 private:
  void Note(FloatHistogram::ResetHint hint);

  const bool mean_;
  HistogramSum sum_;
  double count_ = 1;
  bool incremental_ = false;  // from where the sum would overflow
  bool reset_seen_ = false;
  bool not_reset_seen_ = false;
  bool bounds_reconciled_ = false;
};

}  // namespace fettle::promql

// Sums, differences and multiples of native histograms. Buckets that do not fit each other are
// reconciled: to the coarser schema, the wider zero bucket, the custom bounds both have.
//
// Every count is summed with compensation (see statistics.h), as Prometheus does it in
// model/histogram/float_histogram.go. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/histogram.h"
#include "rules/promql/statistics.h"

namespace fettle::promql {

// What an addition had to say.
struct HistogramOutcome {
  bool compatible = true;  // false: one has custom buckets, the other has not; nothing was done
  bool resets_collide = false;     // one says that counting began anew, the other that it did not
  bool bounds_reconciled = false;  // custom bounds differed
};

class HistogramSum {
 public:
  // Without compensation only the plain sums are kept: what + and - of the language do.
  enum class Precision { kPlain, kCompensated };
  explicit HistogramSum(const FloatHistogram& first, Precision = Precision::kCompensated);

  HistogramOutcome Add(const FloatHistogram& other) { return AddTimes(other, 1); }
  HistogramOutcome Subtract(const FloatHistogram& other) { return AddTimes(other, -1); }
  void Scale(double factor);
  void Divide(double by);
  // Whether any of the sums is infinite.
  bool overflowed() const;

  void set_hint(FloatHistogram::ResetHint hint) { hint_ = hint; }
  FloatHistogram::ResetHint hint() const { return hint_; }
  // Sums and what they are short of; without empty buckets.
  FloatHistogram Total() const;

 private:
  // One bucket.
  struct Bin {
    std::int32_t index = 0;
    CompensatedSum sum{};
  };
  using Bins = std::vector<Bin>;
  // A histogram with its buckets laid out.
  struct Layout {
    std::int32_t schema = 0;
    double threshold = 0;
    CompensatedSum zero{};
    Bins positive{};
    Bins negative{};
    std::vector<double> bounds{};
  };

  static Layout LayOut(const FloatHistogram& histogram);
  static void Widen(Layout& layout, double threshold);
  static void DropWithinZero(Layout& layout, Bins& bins);
  static double BoundOf(const Layout& layout, std::int32_t index);
  HistogramOutcome AddTimes(const FloatHistogram& other, double sign);
  void AddTo(CompensatedSum& to, const CompensatedSum& more) const;
  Bins Coarser(const Bins& bins, std::int32_t steps) const;
  Bins Merged(const Bins& a, const Bins& b, double sign) const;
  void AddCustom(Layout& other, double sign);
  bool AdjustHint(FloatHistogram::ResetHint other);
  template <typename Change>
  void Each(const Change& change);

  Precision precision_;
  FloatHistogram::ResetHint hint_;
  Layout layout_;
  CompensatedSum count_;
  CompensatedSum sum_;
};

// h * factor and h / by. A negative number makes a gauge of it.
FloatHistogram Scaled(const FloatHistogram& histogram, double factor);
FloatHistogram Divided(const FloatHistogram& histogram, double by);
// The same observations in a schema as coarse or coarser.
FloatHistogram Coarsened(const FloatHistogram& histogram, std::int32_t schema);

// What is left of it below (h </ x) or above (h >/ x) a value; the bucket around the value is cut,
// and the sum estimated anew.
FloatHistogram TrimmedAbove(const FloatHistogram& histogram, double value);
FloatHistogram TrimmedBelow(const FloatHistogram& histogram, double value);

}  // namespace fettle::promql

// Functions of a range over series that hold histograms, whose samples say when their counting
// began, or whose selector is `anchored` or `smoothed`: what the float paths of window_functions.cc
// leave to it.
//
// Formulas and annotations are Prometheus' (3.x, promql/functions.go).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "rules/promql/ast.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/function_table.h"
#include "rules/promql/reach.h"

namespace fettle::promql {

struct TimedNumber {
  std::int64_t time = 0;
  double value = 0;
  std::int64_t start = 0;  // 0: unknown
};
struct TimedHistogram {
  std::int64_t time = 0;
  const FloatHistogram* value = nullptr;
  HistogramPtr held{};
  std::int64_t start = 0;
};

// What a function sees at one step.
struct MixedWindow {
  std::span<const TimedNumber> numbers;
  std::span<const TimedHistogram> histograms;
  std::int64_t from = 0;  // exclusive; samples before it are there if the selector is extended
  std::int64_t to = 0;
};

// One call over all series.
class MixedRangeFunction {
 public:
  struct Deps {
    Evaluation& evaluation;
    const Call& call;
    const Grid& grid;
    const Reach& reach;
    std::int64_t range = 0;
    Extent extent = Extent::kPlain;
    std::span<const Cells> arguments;
  };
  explicit MixedRangeFunction(const Deps& deps) : deps_(deps) {}

  // Whether histograms come out of it where they go in.
  static bool MakesHistograms(FunctionId id);

  // Every cell of `out`, of a series called so.
  Status Fill(const rules::SampleColumns& samples, std::string_view metric, Cells& out);

 private:
  void Split(const rules::SampleColumns& samples);
  MixedWindow WindowAt(std::size_t step) const;
  Status FillNumbers(Cells& out) const;
  double Compute(const MixedWindow& window, double numbers_say);
  double ComputeCount(const MixedWindow& window) const;
  double ComputeMean(const MixedWindow& window, double numbers_say);
  void InformOfIgnored(const MixedWindow& window);

  const Deps deps_;
  std::string_view metric_;
  std::vector<TimedNumber> numbers_;
  std::vector<TimedHistogram> histograms_;
};

}  // namespace fettle::promql

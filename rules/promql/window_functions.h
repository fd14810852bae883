// Functions from a range of samples to a number: rate, increase, the …_over_time. Each is given one
// series and computes its value at every step, so that neighbouring windows share work.
//
// Formulas and edge cases are Prometheus' (3.x, promql/functions.go).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/function_table.h"
#include "rules/promql/reach.h"

namespace fettle::promql {

// What rates need to know of a window besides the values, worked out once for all series whose
// samples have the same times.
struct Stretch {
  double sampled = 0;   // seconds between the first sample and the last
  double to_start = 0;  // and beyond them, as far as the series is taken to reach
  double to_end = 0;
  double factor = 0;  // what a change is to be multiplied with
};

// One series, without stale markers, seen through a window a step: samples [begin, end).
struct Windows {
  const Grid& grid;
  const Reach& reach;
  std::int64_t range = 0;  // milliseconds
  std::span<const std::int64_t> times;
  std::span<const double> values;
  std::span<const std::uint32_t> begins;
  std::span<const std::uint32_t> ends;
  // The function's scalar arguments at each step, in order.
  std::span<const Cells> arguments;
  // By step; empty until the first function that needs them fills them in.
  std::vector<Stretch>& stretches;

  // The window is (From, To].
  std::int64_t To(std::size_t step) const { return reach.At(grid, step); }
  std::int64_t From(std::size_t step) const { return To(step) - range; }
};

// Writes every step's value; absent where the window holds too little.
using WindowFunction = Status (*)(const Windows& windows, Evaluation& evaluation, Cells& out);

// Null if `id` is not such a function. (absent_over_time is made of present_over_time.)
WindowFunction FindWindowFunction(FunctionId id);

}  // namespace fettle::promql

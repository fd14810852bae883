#include "rules/promql/function_table.h"

#include <algorithm>

namespace fettle::promql {
namespace {

constexpr ValueType kS = ValueType::kScalar;
constexpr ValueType kV = ValueType::kVector;
constexpr ValueType kM = ValueType::kMatrix;
constexpr ValueType kT = ValueType::kString;
using enum FunctionId;

std::vector<Function> Table() {
  return {
      {"abs", kAbs, {kV}},
      {"absent", kAbsent, {kV}},
      {"absent_over_time", kAbsentOverTime, {kM}},
      {"acos", kAcos, {kV}},
      {"acosh", kAcosh, {kV}},
      {"asin", kAsin, {kV}},
      {"asinh", kAsinh, {kV}},
      {"atan", kAtan, {kV}},
      {"atanh", kAtanh, {kV}},
      {"avg_over_time", kAvgOverTime, {kM}},
      {"ceil", kCeil, {kV}},
      {"changes", kChanges, {kM}},
      {"clamp", kClamp, {kV, kS, kS}},
      {"clamp_max", kClampMax, {kV, kS}},
      {"clamp_min", kClampMin, {kV, kS}},
      {"cos", kCos, {kV}},
      {"cosh", kCosh, {kV}},
      {"count_over_time", kCountOverTime, {kM}},
      {"day_of_month", kDayOfMonth, {kV}, 1},
      {"day_of_week", kDayOfWeek, {kV}, 1},
      {"day_of_year", kDayOfYear, {kV}, 1},
      {"days_in_month", kDaysInMonth, {kV}, 1},
      {"deg", kDeg, {kV}},
      {"delta", kDelta, {kM}},
      {"deriv", kDeriv, {kM}},
      {"double_exponential_smoothing", kDoubleExponentialSmoothing, {kM, kS, kS}, 0, kV, true},
      {"end", kEnd, {}, 0, kS, true},
      {"exp", kExp, {kV}},
      {"first_over_time", kFirstOverTime, {kM}},
      {"floor", kFloor, {kV}},
      {"histogram_avg", kHistogramAvg, {kV}},
      {"histogram_count", kHistogramCount, {kV}},
      {"histogram_fraction", kHistogramFraction, {kS, kS, kV}},
      {"histogram_quantile", kHistogramQuantile, {kS, kV}},
      {"histogram_quantiles", kHistogramQuantiles, {kV, kT, kS, kS}, 9, kV, true},
      {"histogram_stddev", kHistogramStddev, {kV}},
      {"histogram_stdvar", kHistogramStdvar, {kV}},
      {"histogram_sum", kHistogramSum, {kV}},
      {"hour", kHour, {kV}, 1},
      {"idelta", kIdelta, {kM}},
      {"increase", kIncrease, {kM}},
      {"info", kInfo, {kV, kV}, 1, kV, true},
      {"irate", kIrate, {kM}},
      {"label_join", kLabelJoin, {kV, kT, kT, kT}, -1},
      {"label_replace", kLabelReplace, {kV, kT, kT, kT, kT}},
      {"last_over_time", kLastOverTime, {kM}},
      {"ln", kLn, {kV}},
      {"log10", kLog10, {kV}},
      {"log2", kLog2, {kV}},
      {"mad_over_time", kMadOverTime, {kM}, 0, kV, true},
      {"max_of", kMaxOf, {kS, kS}, 0, kS, true},
      {"max_over_time", kMaxOverTime, {kM}},
      {"min_of", kMinOf, {kS, kS}, 0, kS, true},
      {"min_over_time", kMinOverTime, {kM}},
      {"minute", kMinute, {kV}, 1},
      {"month", kMonth, {kV}, 1},
      {"pi", kPi, {}, 0, kS},
      {"predict_linear", kPredictLinear, {kM, kS}},
      {"present_over_time", kPresentOverTime, {kM}},
      {"quantile_over_time", kQuantileOverTime, {kS, kM}},
      {"rad", kRad, {kV}},
      {"range", kRange, {}, 0, kS, true},
      {"rate", kRate, {kM}},
      {"resets", kResets, {kM}},
      {"round", kRound, {kV, kS}, 1},
      {"scalar", kScalar, {kV}, 0, kS},
      {"sgn", kSgn, {kV}},
      {"sin", kSin, {kV}},
      {"sinh", kSinh, {kV}},
      {"sort", kSort, {kV}},
      {"sort_by_label", kSortByLabel, {kV, kT}, -1, kV, true},
      {"sort_by_label_desc", kSortByLabelDesc, {kV, kT}, -1, kV, true},
      {"sort_desc", kSortDesc, {kV}},
      {"sqrt", kSqrt, {kV}},
      {"start", kStart, {}, 0, kS, true},
      {"start_timestamp", kStartTimestamp, {kV}, 0, kV, true},
      {"stddev_over_time", kStddevOverTime, {kM}},
      {"stdvar_over_time", kStdvarOverTime, {kM}},
      {"step", kStep, {}, 0, kS, true},
      {"sum_over_time", kSumOverTime, {kM}},
      {"tan", kTan, {kV}},
      {"tanh", kTanh, {kV}},
      {"time", kTime, {}, 0, kS},
      {"timestamp", kTimestamp, {kV}},
      {"ts_of_first_over_time", kTsOfFirstOverTime, {kM}, 0, kV, true},
      {"ts_of_last_over_time", kTsOfLastOverTime, {kM}, 0, kV, true},
      {"ts_of_max_over_time", kTsOfMaxOverTime, {kM}, 0, kV, true},
      {"ts_of_min_over_time", kTsOfMinOverTime, {kM}, 0, kV, true},
      {"vector", kVector, {kS}},
      {"year", kYear, {kV}, 1},
  };
}

}  // namespace

const std::vector<Function>& AllFunctions() {
  static const std::vector<Function> table = Table();
  return table;
}

const Function* FindFunction(std::string_view name) {
  const std::vector<Function>& table = AllFunctions();
  const auto at =
      std::lower_bound(table.begin(), table.end(), name,
                       [](const Function& f, std::string_view n) { return f.name < n; });
  return at != table.end() && at->name == name ? &*at : nullptr;
}

}  // namespace fettle::promql

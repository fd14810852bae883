#include "rules/samples/sample_run.h"

namespace fettle::rules {

RunStep NextInRun(const FloatHistogram* last, const FloatHistogram& next) {
  using enum FloatHistogram::ResetHint;
  if (next.hint == kGauge) return {last != nullptr && last->hint == kGauge, kGauge};
  if (next.hint == kReset) return {false, kReset};
  if (last == nullptr || last->hint == kGauge) return {};
  const bool same_layout =
      next.schema == last->schema && next.zero_threshold == last->zero_threshold;
  if (next.count >= last->count && !same_layout) return {};
  if (next.custom_bounds != last->custom_bounds) return {false, kReset};
  FloatHistogram counted = next;
  counted.hint = kUnknown;
  return DetectReset(counted, *last) ? RunStep{false, kReset} : RunStep{true, kNotReset};
}

}  // namespace fettle::rules

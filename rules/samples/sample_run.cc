#include "rules/samples/sample_run.h"

namespace fettle::rules {

RunStep NextInRun(const FloatHistogram* last, const FloatHistogram& next) {
  using enum FloatHistogram::ResetHint;
  if (next.hint == kGauge) return {last != nullptr && last->hint == kGauge, kGauge};
  if (next.hint == kReset || last == nullptr || last->hint == kGauge) return {};
  if (next.schema != last->schema || next.zero_threshold != last->zero_threshold ||
      next.custom_bounds != last->custom_bounds) {
    return {};
  }
  FloatHistogram counted = next;
  counted.hint = kUnknown;
  return DetectReset(counted, *last) ? RunStep() : RunStep{true, kNotReset};
}

}  // namespace fettle::rules

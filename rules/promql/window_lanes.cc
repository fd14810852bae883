#include "rules/promql/window_lanes.h"

#include <array>
#include <cmath>
#include <cstring>

namespace fettle::promql {
namespace {

constexpr std::size_t kLanes = 8;
using Four = double __attribute__((vector_size(4 * sizeof(double))));
using Steps = std::array<std::size_t, kLanes>;

namespace any {
#define FETTLE_TARGET
#include "rules/promql/window_lanes.inc"
#undef FETTLE_TARGET
}  // namespace any

#ifdef __x86_64__
namespace avx2 {
#define FETTLE_TARGET __attribute__((target("avx2")))
#include "rules/promql/window_lanes.inc"
#undef FETTLE_TARGET
}  // namespace avx2
#endif

bool HasAvx2() {
#ifdef __x86_64__
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
#else
  return false;
#endif
}

// use(steps) for each eight windows with at least `least` samples; the last may come repeatedly.
template <typename Use>
void EachBatch(const WindowSpans& windows, std::uint32_t least, const Use& use) {
  Steps steps{};
  std::size_t taken = 0;
  for (std::size_t step = 0; step < windows.begins.size(); ++step) {
    if (windows.ends[step] - windows.begins[step] < least) continue;
    steps[taken++] = step;
    if (taken < kLanes) continue;
    use(steps);
    taken = 0;
  }
  if (taken == 0) return;
  for (std::size_t lane = taken; lane < kLanes; ++lane) steps[lane] = steps[taken - 1];
  use(steps);
}

}  // namespace

bool SumsStayFinite(std::span<const double> values) {
  constexpr double kMax = 1e290;  // times as many samples as there can be
  bool all = true;
  for (const double value : values) all &= std::abs(value) < kMax;
  return all;
}

void SumWindows(const WindowSpans& windows, bool from_first, std::span<CompensatedSum> out) {
  EachBatch(windows, 1, [&, wide = HasAvx2()](const Steps& steps) {
#ifdef __x86_64__
    if (wide) return avx2::SumBatch(windows, steps, from_first, out);
#endif
    static_cast<void>(wide);
    any::SumBatch(windows, steps, from_first, out);
  });
}

void SmoothWindows(const WindowSpans& windows, std::span<const double> smoothing,
                   std::span<const double> trending, std::span<double> out) {
  EachBatch(windows, 2, [&, wide = HasAvx2()](const Steps& steps) {
#ifdef __x86_64__
    if (wide) return avx2::SmoothBatch(windows, steps, smoothing, trending, out);
#endif
    static_cast<void>(wide);
    any::SmoothBatch(windows, steps, smoothing, trending, out);
  });
}

}  // namespace fettle::promql

// No query brings the engine down, or keeps it longer than its limits, however strange.
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "common/check.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"
#include "rules/samples/samples.h"

namespace {

using namespace fettle;

struct World {
  World() {
    SampleBatch batch;
    for (std::int64_t i = 0; i < 40; ++i) {
      for (const char* name : {"a", "b", "c_bucket"}) {
        for (const char* label : {"1", "2.5", "+Inf"}) {
          const Time at = TimeFromMillis(i * 15'000);
          const double value = i % 11 == 7 ? StaleNaN() : static_cast<double>(i * i % 17) / 3;
          batch.samples.push_back(
              {Labels{{"__name__", name}, {"le", label}, {"x", i < 20 ? "y" : ""}}, value, at});
        }
      }
    }
    for (std::int64_t i = 0; i < 40; ++i) {
      const Time at = TimeFromMillis(i * 15'000);
      for (const bool custom : {false, true}) {
        batch.samples.push_back({Labels{{"__name__", custom ? "n" : "h"}, {"le", "1"}}, 0, at,
                                 Histogram(i, custom), Time(at - std::chrono::seconds(i % 30))});
      }
    }
    FETTLE_CHECK(samples.Append(batch).has_value());
  }
  static HistogramPtr Histogram(std::int64_t i, bool custom) {
    FloatHistogram h;
    h.schema = custom ? FloatHistogram::kCustomSchema : static_cast<std::int32_t>(i % 3);
    if (custom) h.custom_bounds = i < 20 ? std::vector{1.0, 2.0} : std::vector{1.0, 4.0};
    h.positive = {{{static_cast<std::int32_t>(i % 2), 2}}, {static_cast<double>(i % 13), 2}};
    h.count = h.positive.counts[0] + 2;
    h.sum = i % 7 == 3 ? std::numeric_limits<double>::quiet_NaN() : h.count;
    if (!custom && i % 5 == 0) {
      h.zero_threshold = 0.5;
      h.zero_count = 1;
    }
    return std::make_shared<const FloatHistogram>(std::move(h));
  }
  SystemClock clock;
  rules::SampleStore samples{rules::SampleStoreOptions{}};
  promql::Engine immediate{{samples, clock}, {.samples_max = 20'000}};
  promql::Engine delayed{{samples, clock},
                         {.samples_max = 20'000,
                          .delayed_name_removal = true,
                          .start_timestamps = true,
                          .type_and_unit_labels = true}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expr = promql::Parse(
      text, {.experimental_functions = true, .fill_modifiers = true, .extended_ranges = true});
  if (!expr) return 0;
  const Time end = TimeFromMillis(600'000);
  const Millis step(30'000);
  for (const promql::Engine* engine : {&world.immediate, &world.delayed}) {
    const BootTime deadline = world.clock.Now().boot + std::chrono::seconds(2);
    static_cast<void>(engine->Instant(**expr, end, deadline).has_value());
    static_cast<void>(engine->Range(**expr, end - 10 * step, end, step, deadline).has_value());
    FETTLE_CHECK(world.clock.Now().boot < deadline + std::chrono::seconds(20));
  }
  return 0;
}

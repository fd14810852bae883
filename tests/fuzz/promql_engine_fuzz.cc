// No query brings the engine down, or keeps it longer than its limits, however strange.
#include <chrono>
#include <cstdint>
#include <string_view>

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
    FETTLE_CHECK(samples.Append(batch).has_value());
  }
  SystemClock clock;
  rules::SampleStore samples{rules::SampleStoreOptions{}};
  promql::Engine immediate{{samples, clock}, {.samples_max = 20'000}};
  promql::Engine delayed{{samples, clock}, {.samples_max = 20'000, .delayed_name_removal = true}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expr = promql::Parse(text, {.experimental_functions = true, .fill_modifiers = true});
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

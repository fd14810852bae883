// Commits to the embedded store on a real disk: how many a second, and how long one waits.
//
// The arguments are how many commits are in flight together and the bytes of each record's body:
// one alone (a decision), and floods of small and of large records (a POST of 1 and of 100 alerts).
// The directory is TMPDIR's; a tmpfs there measures no disk.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/sqlite_store.h"
#include "tests/support/temp_dir.h"

namespace {

using Steady = std::chrono::steady_clock;

void BM_Commit(benchmark::State& state) {
  const auto in_flight = static_cast<std::size_t>(state.range(0));
  const std::string body(static_cast<std::size_t>(state.range(1)), 'x');
  fettle::TempDir directory;
  const fettle::SystemClock clock;
  fettle::Metrics metrics;
  fettle::LogWriter writer(clock, fettle::StderrSink(), {});
  auto store = fettle::SqliteStore::Open({clock, metrics, fettle::Log(writer, "store")},
                                         {.directory = directory / "data"});
  if (!store) return state.SkipWithError(store.error().message.c_str());
  std::vector<double> waits;
  std::int64_t number = 0;
  for (auto _ : state) {
    std::vector<std::future<double>> outcomes;
    for (std::size_t i = 0; i < in_flight; ++i) {
      auto told = std::make_shared<std::promise<double>>();
      outcomes.push_back(told->get_future());
      fettle::Batch batch{
          .writes = {
              {.record = {.kind = "alerts", .id = fmt::format("{:016}", ++number), .body = body},
               .expected = 0}}};
      (*store)->Commit(std::move(batch), [told, start = Steady::now()](const fettle::Status&) {
        told->set_value(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
      });
    }
    for (auto& outcome : outcomes) waits.push_back(outcome.get());
  }
  std::sort(waits.begin(), waits.end());
  state.SetItemsProcessed(number);
  state.SetBytesProcessed(number * state.range(1));
  state.counters["p50_ms"] = waits[waits.size() / 2];
  state.counters["p99_ms"] = waits[waits.size() * 99 / 100];
}
BENCHMARK(BM_Commit)
    ->ArgNames({"in_flight", "bytes"})
    ->Args({1, 300})
    ->Args({4, 300})
    ->Args({64, 300})
    ->Args({1000, 300})
    ->Args({4, 30'000})
    ->Args({64, 30'000})
    ->UseRealTime();

}  // namespace

// /metrics with 10,000 series, beside prometheus-cpp's serializer on the same families.
//
// The shape is a busy host's: 100 families of 100 series with three labels and one changing value,
// as node_exporter and cAdvisor show them (median line there: 90 bytes). "Changed" renders after
// every family was replaced, which happens once an interval; "Scrape" is what a scrape between two
// collections costs, which is every scrape but the first.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "exporter/page.h"

namespace {

using fettle::MetricFamily;
using fettle::MetricType;

constexpr int kFamilies = 100;
constexpr int kSeriesPerFamily = 100;

std::vector<MetricFamily> Ours(double offset) {
  std::vector<MetricFamily> families;
  for (int f = 0; f < kFamilies; ++f) {
    MetricFamily family{fmt::format("fettle_bench_family_{}_bytes", f),
                        "A family of the benchmark.",
                        MetricType::kGauge,
                        {}};
    for (int s = 0; s < kSeriesPerFamily; ++s) {
      family.points.push_back({"",
                               {{"project", "shop"},
                                {"service", fmt::format("service-{}", s % 10)},
                                {"container", fmt::format("shop-service-{}", s)}},
                               f * 1000.25 + s + offset});
    }
    families.push_back(std::move(family));
  }
  return families;
}

std::vector<prometheus::MetricFamily> Theirs() {
  std::vector<prometheus::MetricFamily> families;
  for (const MetricFamily& ours : Ours(0)) {
    prometheus::MetricFamily family;
    family.name = ours.name;
    family.help = ours.help;
    family.type = prometheus::MetricType::Gauge;
    for (const fettle::MetricPoint& point : ours.points) {
      prometheus::ClientMetric metric;
      for (const auto& [name, value] : point.labels) metric.label.push_back({name, value});
      metric.gauge.value = point.value;
      family.metric.push_back(std::move(metric));
    }
    families.push_back(std::move(family));
  }
  return families;
}

void Changed(benchmark::State& state) {
  const bool gzip = state.range(0) != 0;
  fettle::exporter::Page page;
  const auto families = std::make_shared<const std::vector<MetricFamily>>(Ours(0));
  std::size_t bytes = 0;
  for (auto _ : state) {
    page.Update("bench", families);
    const std::string body = page.Render(fettle::exporter::Format::kText, gzip, {});
    bytes = body.size();
    benchmark::DoNotOptimize(body.data());
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(Changed)->ArgName("gzip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void Scrape(benchmark::State& state) {
  const bool gzip = state.range(0) != 0;
  fettle::exporter::Page page;
  page.Update("bench", std::make_shared<const std::vector<MetricFamily>>(Ours(0)));
  for (auto _ : state) {
    const std::string body = page.Render(fettle::exporter::Format::kText, gzip, {});
    benchmark::DoNotOptimize(body.data());
  }
}
BENCHMARK(Scrape)->ArgName("gzip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void PrometheusCpp(benchmark::State& state) {
  const std::vector<prometheus::MetricFamily> families = Theirs();
  const prometheus::TextSerializer serializer;
  for (auto _ : state) {
    std::ostringstream out;
    serializer.Serialize(out, families);
    const std::string body = out.str();
    benchmark::DoNotOptimize(body.data());
  }
}
BENCHMARK(PrometheusCpp)->Unit(benchmark::kMillisecond);

}  // namespace

#include "tests/support/demo_samples.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>

namespace fettle {
namespace {

using ValueAt = std::function<std::optional<double>(int)>;

class Shop {
 public:
  std::vector<Sample> Take() && {
    for (const std::string instance : {"demo:10000", "demo:10001", "demo:10002"}) {
      Counters(instance);
      Gauges(instance);
      Requests(instance);
    }
    Oddities();
    std::stable_sort(samples_.begin(), samples_.end(),
                     [](const Sample& a, const Sample& b) { return a.labels < b.labels; });
    return std::move(samples_);
  }

 private:
  double Unit() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

  void Add(std::string name, std::vector<Labels::Pair> labels, const ValueAt& value_at) {
    labels.emplace_back("__name__", std::move(name));
    labels.emplace_back("job", "demo");
    const Labels all(std::move(labels));
    for (int i = 0; i < kDemoSamples; ++i) {
      if (const auto value = value_at(i)) {
        samples_.push_back({all, *value, TimeFromMillis(kDemoFirst + i * kDemoInterval)});
      }
    }
  }

  void Counters(const std::string& instance) {
    for (const std::string mode : {"idle", "user", "system"}) {
      // Far from zero, where 2.x extrapolates otherwise; reset now and then.
      double total = 5e4 + 1e3 * Unit();
      Add("demo_cpu_usage_seconds_total", {{"instance", instance}, {"mode", mode}}, [&](int i) {
        total = i % 190 == 189 ? 4e4 : total + 10 * Unit();
        return total;
      });
    }
  }

  void Gauges(const std::string& instance) {
    for (const std::string type : {"free", "used", "cached", "buffers"}) {
      double bytes = 1e9 * (1 + Unit());
      Add("demo_memory_usage_bytes", {{"instance", instance}, {"type", type}},
          [&](int) { return bytes += std::floor(1e6 * (Unit() - 0.5)); });
    }
    double disk = 4e10;
    Add("demo_disk_usage_bytes", {{"instance", instance}},
        [&](int) { return disk += std::floor(2e4 * Unit()); });
    Add("demo_num_cpus", {{"instance", instance}}, [](int) { return 4.0; });
    Add("demo_batch_last_success_timestamp_seconds", {{"instance", instance}},
        [](int i) { return 1.7e9 + 300 * std::floor(i / 30.0); });
    Add("demo_intermittent_metric", {{"instance", instance}}, [](int i) -> std::optional<double> {
      if (i % 60 == 40) return StaleNaN();
      if (i % 60 > 30) return std::nullopt;
      return i;
    });
  }

  void Requests(const std::string& instance) {
    const std::map<std::string, std::pair<double, double>> buckets = {
        {"0.1", {1e3, 3}}, {"0.5", {1.5e3, 6}}, {"1", {1.7e3, 8}}, {"+Inf", {1.8e3, 9}}};
    for (const std::string method : {"GET", "POST"}) {
      for (const auto& [le, first_and_pace] : buckets) {
        const auto [first, pace] = first_and_pace;
        Add("demo_api_request_duration_seconds_bucket",
            {{"instance", instance}, {"method", method}, {"le", le}},
            [first = first, pace = pace](int i) { return first + pace * i; });
      }
      Add("demo_api_request_duration_seconds_count", {{"instance", instance}, {"method", method}},
          [](int i) { return 1.8e3 + 9 * i; });
      Add("demo_api_request_duration_seconds_sum", {{"instance", instance}, {"method", method}},
          [](int i) { return 512.25 + 1.375 * i; });
    }
  }

  void Oddities() {
    const double inf = std::numeric_limits<double>::infinity();
    const std::map<std::string, double> values = {{"nan", std::nan("")},
                                                  {"inf", inf},
                                                  {"minus_inf", -inf},
                                                  {"tiny", 5e-324},
                                                  {"small", 1e-7},
                                                  {"large", 1.5e21},
                                                  {"max", 1.7976931348623157e308},
                                                  {"minus_zero", -0.0},
                                                  {"third", 1.0 / 3},
                                                  {"integer", 9007199254740993.0}};
    for (const auto& [kind, value] : values) {
      Add("demo_odd_values", {{"kind", kind}}, [value = value](int) { return value; });
    }
    Add("demo.utf8 name", {{"a.b", "\xc3\xbc \"quoted\" \\ <&>"}}, [](int i) { return i % 7; });
    Add("demo_label_values", {{"text", "line\nbreak\ttab"}, {"\xf0\x9f\x98\x80", "face"}},
        [](int) { return 1.0; });
  }

  std::mt19937_64 random_{42};
  std::vector<Sample> samples_;
};

Sample HistogramAt(std::string_view name, const std::string& instance, int i,
                   FloatHistogram histogram) {
  return {{{"__name__", std::string(name)}, {"instance", instance}, {"job", "demo"}},
          0,
          TimeFromMillis(kDemoFirst + i * kDemoInterval),
          std::make_shared<const FloatHistogram>(std::move(histogram))};
}

void CountUp(FloatHistogram& histogram, std::mt19937_64& random) {
  for (double& count : histogram.positive.counts) count += static_cast<double>(random() % 6);
  histogram.zero_count += static_cast<double>(random() % 2);
  histogram.count = histogram.zero_count;
  for (const double count : histogram.positive.counts) histogram.count += count;
  histogram.sum += static_cast<double>(random() % 1'000) / 64;
}

FloatHistogram Load(std::mt19937_64& random) {
  FloatHistogram load{.hint = FloatHistogram::ResetHint::kGauge,
                      .schema = 1,
                      .zero_threshold = 0.001,
                      .zero_count = 2,
                      .positive = {{{0, 2}}, {3, static_cast<double>(random() % 9)}},
                      .negative = {{{1, 1}}, {static_cast<double>(random() % 9)}}};
  load.count = 5 + load.positive.counts[1] + load.negative.counts[0];
  load.sum = load.positive.counts[1] - load.negative.counts[0];
  return load;
}

}  // namespace

std::vector<Sample> DemoHistograms() {
  std::mt19937_64 random(7);
  std::vector<Sample> samples;
  for (const std::string instance : {"demo:10000", "demo:10001", "demo:10002"}) {
    FloatHistogram latency;
    for (int i = 0; i < kDemoSamples; ++i) {
      if (i % 190 == 0) {
        latency = {.schema = 2, .zero_threshold = 0.001, .positive = {{{-4, 3}}, {0, 0, 0}}};
      }
      if (i % 190 == 50) {
        latency.positive.spans.push_back({2, 2});
        latency.positive.counts.resize(5);
      }
      CountUp(latency, random);
      samples.push_back(HistogramAt("demo_latency_seconds", instance, i, latency));
    }
    FloatHistogram sizes{.schema = FloatHistogram::kCustomSchema,
                         .positive = {{{0, 4}}, {0, 0, 0, 0}},
                         .custom_bounds = {100, 1e3, 1e4}};
    for (int i = 0; i < kDemoSamples; ++i) {
      CountUp(sizes, random);
      sizes.count -= std::exchange(sizes.zero_count, 0);
      samples.push_back(HistogramAt("demo_sizes_bytes", instance, i, sizes));
    }
    for (int i = 0; i < kDemoSamples; ++i) {
      samples.push_back(HistogramAt("demo_load", instance, i, Load(random)));
    }
  }
  std::stable_sort(samples.begin(), samples.end(),
                   [](const Sample& a, const Sample& b) { return a.labels < b.labels; });
  return samples;
}

std::vector<Sample> DemoSamples() { return Shop().Take(); }

}  // namespace fettle

#include "bench/promql_data.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>

namespace fettle::bench {
namespace {

constexpr int kInstances = 50;
constexpr std::array<std::string_view, 10> kPaths = {
    "/",         "/login",    "/search", "/cart",        "/checkout",
    "/products", "/api/v1/a", "/api/v1", "/api/v1/jobs", "/static"};
constexpr std::array<std::string_view, 11> kBounds = {
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "+Inf"};

Labels With(std::string_view name, int instance, std::vector<Labels::Pair> more) {
  more.emplace_back(kMetricName, name);
  more.emplace_back("instance", fmt::format("10.0.0.{}:9100", instance));
  more.emplace_back("job", instance % 5 == 0 ? "api" : "web");
  return Labels(std::move(more));
}

// Draws the next value of every series of the shop.
class ShopValues {
 public:
  enum class Kind { kCounter, kBucket, kSum, kCount, kGauge, kConstant };

  void Add(Kind kind) {
    kinds_.push_back(kind);
    values_.push_back(kind == Kind::kGauge ? 50 : kind == Kind::kConstant ? 1 : 0);
  }

  const std::vector<double>& Next() {
    for (std::size_t i = 0; i < kinds_.size(); ++i) Advance(i);
    return values_;
  }

 private:
  void Advance(std::size_t i) {
    double& value = values_[i];
    switch (kinds_[i]) {
      case Kind::kCounter:
        value = random_() % 2'000 == 0 ? 0 : value + static_cast<double>(random_() % 40);
        break;
      case Kind::kBucket:
        // The buckets of a histogram follow each other: each has what the one before has.
        if (i == 0 || kinds_[i - 1] != Kind::kBucket) below_ = 0;
        below_ += static_cast<double>(random_() % 4);
        value += below_;
        break;
      case Kind::kSum:
        value += below_ * 0.137 * std::generate_canonical<double, 53>(random_);
        break;
      case Kind::kCount:
        value += below_;
        break;
      case Kind::kGauge:
        value += std::generate_canonical<double, 53>(random_) - 0.5;
        break;
      case Kind::kConstant:
        break;
    }
  }

  std::mt19937 random_{42};
  double below_ = 0;
  std::vector<Kind> kinds_;
  std::vector<double> values_;
};

}  // namespace

DataSet MakeShop() {
  using Kind = ShopValues::Kind;
  DataSet data{.series = {}, .interval = 15'000, .samples = 720, .values = {}};
  auto values = std::make_shared<ShopValues>();
  const auto add = [&](Labels labels, Kind kind) {
    data.series.push_back(std::move(labels));
    values->Add(kind);
  };
  for (int instance = 0; instance < kInstances; ++instance) {
    for (const std::string_view handler : {"read", "write"}) {
      const Labels::Pair label{"handler", handler};
      for (const std::string_view bound : kBounds) {
        add(With("request_duration_seconds_bucket", instance, {label, {"le", std::string(bound)}}),
            Kind::kBucket);
      }
      add(With("request_duration_seconds_sum", instance, {label}), Kind::kSum);
      add(With("request_duration_seconds_count", instance, {label}), Kind::kCount);
    }
    for (const std::string_view path : kPaths) {
      for (const std::string_view code : {"200", "500"}) {
        add(With("http_requests_total", instance,
                 {{"path", std::string(path)}, {"code", std::string(code)}}),
            Kind::kCounter);
      }
    }
    for (int sensor = 0; sensor < 10; ++sensor) {
      add(With("temperature_celsius", instance, {{"sensor", fmt::format("s{}", sensor)}}),
          Kind::kGauge);
    }
    add(With("up", instance, {}), Kind::kConstant);
    add(With("build_info", instance, {{"version", fmt::format("1.{}.0", instance % 3)}}),
        Kind::kConstant);
  }
  data.values = [values](std::size_t) -> const std::vector<double>& { return values->Next(); };
  return data;
}

DataSet MakeUpstream() {
  DataSet data{.series = {}, .interval = 10'000, .samples = 9'640, .values = {}};
  std::vector<std::string> bounds;
  for (int i = 0; i < 10; ++i) bounds.push_back(std::to_string(i));
  bounds.emplace_back("+Inf");
  const std::string name(kMetricName);
  const auto add = [&](std::string_view size, std::vector<Labels::Pair> more) {
    for (const std::string_view metric : {"a_", "b_", "h_"}) {
      std::vector<Labels::Pair> labels = more;
      labels.emplace_back(name, std::string(metric) + std::string(size));
      if (metric != "h_") {
        data.series.emplace_back(labels);
        continue;
      }
      for (const std::string& bound : bounds) {
        std::vector<Labels::Pair> bucket = labels;
        bucket.emplace_back("le", bound);
        data.series.emplace_back(bucket);
      }
    }
  };
  add("one", {});
  for (int i = 0; i < 100; ++i) add("hundred", {{"l", std::to_string(i)}});
  auto values = std::make_shared<std::vector<double>>(data.series.size());
  data.values = [values](std::size_t index) -> const std::vector<double>& {
    const auto size = static_cast<double>(values->size());
    for (std::size_t i = 0; i < values->size(); ++i) {
      (*values)[i] = static_cast<double>(index) + static_cast<double>(i) / size;
    }
    return *values;
  };
  return data;
}

DataSet MakeData(std::string_view name) {
  if (name == "shop") return MakeShop();
  if (name == "upstream") return MakeUpstream();
  fmt::print(stderr, "no data set \"{}\"\n", name);
  std::exit(2);
}

}  // namespace fettle::bench

#include "common/metrics.h"

#include <prometheus/family.h>

#include <algorithm>

#include "common/check.h"
#include "common/number.h"

namespace fettle {
namespace {

prometheus::Labels ToPrometheus(const Labels& labels) {
  prometheus::Labels out;
  for (const auto& [name, value] : labels) {
    FETTLE_CHECK(IsLabelName(name) && !name.starts_with("__"));
    out.emplace(name, value);
  }
  return out;
}

Labels FromPrometheus(const std::vector<prometheus::ClientMetric::Label>& labels) {
  std::vector<Labels::Pair> pairs;
  pairs.reserve(labels.size() + 1);
  for (const auto& label : labels) pairs.emplace_back(label.name, label.value);
  return Labels(std::move(pairs));
}

void AppendHistogram(const prometheus::ClientMetric::Histogram& histogram, const Labels& labels,
                     std::vector<MetricPoint>& points) {
  for (const auto& bucket : histogram.bucket) {
    Labels with_bound = labels;
    with_bound.Set("le", FormatFloat(bucket.upper_bound));
    points.push_back(
        {"_bucket", std::move(with_bound), static_cast<double>(bucket.cumulative_count)});
  }
  points.push_back({"_sum", labels, histogram.sample_sum});
  points.push_back({"_count", labels, static_cast<double>(histogram.sample_count)});
}

MetricFamily Convert(prometheus::MetricFamily& family) {
  MetricFamily out;
  out.name = family.name;
  out.help = family.help;
  std::sort(family.metric.begin(), family.metric.end(),
            [](const auto& a, const auto& b) { return a.label < b.label; });
  for (const prometheus::ClientMetric& metric : family.metric) {
    const Labels labels = FromPrometheus(metric.label);
    switch (family.type) {
      case prometheus::MetricType::Counter:
        out.type = MetricType::kCounter;
        out.points.push_back({"", labels, metric.counter.value});
        break;
      case prometheus::MetricType::Histogram:
        out.type = MetricType::kHistogram;
        AppendHistogram(metric.histogram, labels, out.points);
        break;
      default:
        out.points.push_back({"", labels, metric.gauge.value});
    }
  }
  return out;
}

}  // namespace

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

template <typename T>
prometheus::Family<T>& Metrics::FamilyOf(std::map<std::string, prometheus::Family<T>*>& families,
                                         prometheus::detail::Builder<T> builder,
                                         const std::string& name, const std::string& help) {
  const std::lock_guard lock(mutex_);
  const auto found = families.find(name);
  if (found != families.end()) return *found->second;
  FETTLE_CHECK(IsMetricName(name));
  FETTLE_CHECK(!help.empty() && IsUtf8(help) && help.find('\n') == std::string::npos);
  // One name, one type: prometheus-cpp would throw.
  FETTLE_CHECK(!counters_.contains(name) && !gauges_.contains(name) && !histograms_.contains(name));
  prometheus::Family<T>& family = builder.Name(name).Help(help).Register(registry_);
  families.emplace(name, &family);
  return family;
}

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help,
                                      const Labels& labels) {
  // promtool check metrics asks for it.
  FETTLE_CHECK(name.ends_with("_total"));
  return FamilyOf(counters_, prometheus::BuildCounter(), name, help).Add(ToPrometheus(labels));
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help,
                                  const Labels& labels) {
  return FamilyOf(gauges_, prometheus::BuildGauge(), name, help).Add(ToPrometheus(labels));
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help,
                                          const std::vector<double>& buckets,
                                          const Labels& labels) {
  FETTLE_CHECK(!labels.Has("le"));
  FETTLE_CHECK(std::is_sorted(buckets.begin(), buckets.end()));
  return FamilyOf(histograms_, prometheus::BuildHistogram(), name, help)
      .Add(ToPrometheus(labels), buckets);
}

void Metrics::RemoveGauge(const std::string& name, const Labels& labels) {
  prometheus::Family<prometheus::Gauge>* family = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = gauges_.find(name);
    if (found == gauges_.end()) return;
    family = found->second;
  }
  const prometheus::Labels wanted = ToPrometheus(labels);
  // Add() answers with the existing one.
  if (family->Has(wanted)) family->Remove(&family->Add(wanted));
}

std::vector<MetricFamily> Metrics::Collect() const {
  std::vector<MetricFamily> out;
  for (prometheus::MetricFamily& family : registry_.Collect()) {
    if (!family.metric.empty()) out.push_back(Convert(family));
  }
  std::sort(out.begin(), out.end(),
            [](const MetricFamily& a, const MetricFamily& b) { return a.name < b.name; });
  return out;
}

}  // namespace fettle

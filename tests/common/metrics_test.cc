#include "common/metrics.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "common/number.h"

namespace fettle {
namespace {

// The page in the text format's words, without escaping.
std::string Page(const Metrics& metrics) {
  std::string out;
  for (const MetricFamily& family : metrics.Collect()) {
    const std::string type = family.type == MetricType::kCounter     ? "counter"
                             : family.type == MetricType::kHistogram ? "histogram"
                                                                     : "gauge";
    out += "# " + type + " " + family.name + " " + family.help + "\n";
    for (const MetricPoint& point : family.points) {
      out += family.name + point.suffix + point.labels.ToString() + " " + FormatFloat(point.value) +
             "\n";
    }
  }
  return out;
}

TEST(MetricsTest, ShowsCountersFromZeroSortedByNameAndLabels) {
  Metrics metrics;
  metrics.Gauge("fettle_up", "Whether it is up.").Set(1);
  metrics.Counter("fettle_acts_total", "Acts.", {{"kind", "restart"}}).Increment(3);
  metrics.Counter("fettle_acts_total", "Acts.", {{"kind", "exec"}});
  EXPECT_EQ(Page(metrics),
            "# counter fettle_acts_total Acts.\n"
            "fettle_acts_total{kind=\"exec\"} 0\n"
            "fettle_acts_total{kind=\"restart\"} 3\n"
            "# gauge fettle_up Whether it is up.\n"
            "fettle_up{} 1\n");
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameCounter) {
  Metrics metrics;
  prometheus::Counter& first = metrics.Counter("fettle_a_total", "A.", {{"x", "1"}, {"y", "2"}});
  prometheus::Counter& again =
      metrics.Counter("fettle_a_total", "Other.", {{"y", "2"}, {"x", "1"}});
  prometheus::Counter& other = metrics.Counter("fettle_a_total", "A.", {{"x", "1"}});
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &other);
  EXPECT_EQ(metrics.Collect().at(0).help, "A.");
}

TEST(MetricsTest, ShowsHistogramsAsPrometheusDoes) {
  Metrics metrics;
  prometheus::Histogram& histogram =
      metrics.Histogram("fettle_took_seconds", "How long.", {0.005, 1, 1e6}, {{"job", "x"}});
  histogram.Observe(0.001);
  histogram.Observe(0.5);
  histogram.Observe(2e6);
  EXPECT_EQ(Page(metrics),
            "# histogram fettle_took_seconds How long.\n"
            "fettle_took_seconds_bucket{job=\"x\", le=\"0.005\"} 1\n"
            "fettle_took_seconds_bucket{job=\"x\", le=\"1\"} 2\n"
            "fettle_took_seconds_bucket{job=\"x\", le=\"1e+06\"} 2\n"
            "fettle_took_seconds_bucket{job=\"x\", le=\"+Inf\"} 3\n"
            "fettle_took_seconds_sum{job=\"x\"} 2.000000501e+06\n"
            "fettle_took_seconds_count{job=\"x\"} 3\n");
}

TEST(MetricsTest, ARemovedGaugeIsAbsentUntilItIsSetAgain) {
  Metrics metrics;
  metrics.Gauge("fettle_age", "Age.", {{"who", "a"}}).Set(1);
  metrics.Gauge("fettle_age", "Age.", {{"who", "b"}}).Set(2);
  metrics.RemoveGauge("fettle_age", {{"who", "a"}});
  EXPECT_EQ(Page(metrics), "# gauge fettle_age Age.\nfettle_age{who=\"b\"} 2\n");
  metrics.RemoveGauge("fettle_age", {{"who", "b"}});
  EXPECT_EQ(Page(metrics), "");
  metrics.Gauge("fettle_age", "Age.", {{"who", "b"}}).Set(3);
  EXPECT_EQ(Page(metrics), "# gauge fettle_age Age.\nfettle_age{who=\"b\"} 3\n");
}

TEST(MetricsTest, RemovingWhatIsNotThereChangesNothing) {
  Metrics metrics;
  metrics.RemoveGauge("fettle_age", {});
  metrics.Gauge("fettle_age", "Age.", {{"who", "a"}});
  metrics.RemoveGauge("fettle_age", {{"who", "nobody"}});
  EXPECT_EQ(Page(metrics), "# gauge fettle_age Age.\nfettle_age{who=\"a\"} 0\n");
}

TEST(MetricsTest, CountsFromManyThreads) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&metrics] {
        for (int i = 0; i < 500; ++i) {
          metrics.Counter("fettle_n_total", "N.", {{"i", std::to_string(i % 10)}}).Increment();
        }
      });
    }
  }
  double sum = 0;
  const std::vector<MetricFamily> families = metrics.Collect();
  for (const MetricPoint& point : families.at(0).points) sum += point.value;
  EXPECT_EQ(sum, 2'000);
}

TEST(MetricsDeathTest, RefusesOurOwnMistakes) {
  Metrics metrics;
  metrics.Gauge("fettle_x", "X.");
  EXPECT_DEATH(metrics.Gauge("fettle-x", "X."), "IsMetricName");
  EXPECT_DEATH(metrics.Gauge("fettle_y", ""), "help.empty");
  EXPECT_DEATH(metrics.Gauge("fettle_y", "two\nlines"), "help.find");
  EXPECT_DEATH(metrics.Gauge("fettle_x", "X.", {{"a-b", "1"}}), "IsLabelName");
  EXPECT_DEATH(metrics.Gauge("fettle_x", "X.", {{"__a", "1"}}), "starts_with");
  EXPECT_DEATH(metrics.Counter("fettle_x", "X."), "_total");
  EXPECT_DEATH(metrics.Histogram("fettle_x", "X.", {1}), "gauges_.contains");
  EXPECT_DEATH(metrics.Histogram("fettle_h", "X.", {2, 1}), "is_sorted");
  EXPECT_DEATH(metrics.Histogram("fettle_h", "X.", {1}, {{"le", "1"}}), "le");
}

}  // namespace
}  // namespace fettle

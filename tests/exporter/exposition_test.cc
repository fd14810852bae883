#include "exporter/exposition.h"

#include <gtest/gtest.h>

#include <limits>

namespace fettle::exporter {
namespace {

std::string Write(const MetricFamily& family, Format format = Format::kText) {
  std::string out;
  AppendFamily(out, {&family}, format);
  return out + std::string(Ending(format));
}

TEST(ExpositionTest, WritesAGauge) {
  EXPECT_EQ(Write({"fettle_x",
                   "What x is.",
                   MetricType::kGauge,
                   {{"", {{"b", "2"}, {"a", "1"}}, 1.5}, {"", {}, 3}}}),
            "# HELP fettle_x What x is.\n"
            "# TYPE fettle_x gauge\n"
            "fettle_x{a=\"1\",b=\"2\"} 1.5\n"
            "fettle_x 3\n");
}

TEST(ExpositionTest, NamesCountersAndInfosAsEachFormatWantsIt) {
  const MetricFamily counter{"fettle_runs_total", "Runs.", MetricType::kCounter, {{"", {}, 2}}};
  EXPECT_EQ(Write(counter),
            "# HELP fettle_runs_total Runs.\n# TYPE fettle_runs_total counter\n"
            "fettle_runs_total 2\n");
  EXPECT_EQ(Write(counter, Format::kOpenMetrics),
            "# HELP fettle_runs Runs.\n# TYPE fettle_runs counter\nfettle_runs_total 2\n# EOF\n");
  const MetricFamily info{
      "fettle_build_info", "Build.", MetricType::kInfo, {{"", {{"version", "1"}}, 1}}};
  EXPECT_EQ(Write(info, Format::kOpenMetrics),
            "# HELP fettle_build Build.\n# TYPE fettle_build info\n"
            "fettle_build_info{version=\"1\"} 1\n# EOF\n");
  EXPECT_NE(Write(info).find("# TYPE fettle_build_info gauge"), std::string::npos);
}

TEST(ExpositionTest, WritesHistogramPointsUnderOneHeading) {
  EXPECT_EQ(Write({"fettle_d_seconds",
                   "D.",
                   MetricType::kHistogram,
                   {{"_bucket", {{"le", "0.5"}}, 1},
                    {"_bucket", {{"le", "+Inf"}}, 2},
                    {"_sum", {}, 0.75},
                    {"_count", {}, 2}}}),
            "# HELP fettle_d_seconds D.\n# TYPE fettle_d_seconds histogram\n"
            "fettle_d_seconds_bucket{le=\"0.5\"} 1\nfettle_d_seconds_bucket{le=\"+Inf\"} 2\n"
            "fettle_d_seconds_sum 0.75\nfettle_d_seconds_count 2\n");
}

TEST(ExpositionTest, ShowsTheExemplarOfABucketInOpenMetrics) {
  const MetricFamily family{"fettle_d_seconds",
                            "D.",
                            MetricType::kHistogram,
                            {{"_bucket", {{"le", "0.5"}}, 1}, {"_bucket", {{"le", "+Inf"}}, 2}}};
  ExemplarBoard board;
  board.Note("fettle_d_seconds", {{"le", "0.5"}},
             {{{"trace_id", "a\"b"}}, 0.25, TimeFromMillis(1'520'879'607'789)});
  std::string out;
  AppendFamily(out, {&family}, Format::kOpenMetrics, &board);
  EXPECT_EQ(out,
            "# HELP fettle_d_seconds D.\n# TYPE fettle_d_seconds histogram\n"
            "fettle_d_seconds_bucket{le=\"0.5\"} 1 # {trace_id=\"a\\\"b\"} 0.25 1520879607.789\n"
            "fettle_d_seconds_bucket{le=\"+Inf\"} 2\n");
  out.clear();
  AppendFamily(out, {&family}, Format::kText, &board);
  EXPECT_EQ(out.find("trace_id"), std::string::npos) << "the text format has none";
}

TEST(ExpositionTest, JoinsPartsOfOneFamily) {
  const MetricFamily a{"fettle_up", "Up.", MetricType::kGauge, {{"", {{"n", "a"}}, 1}}};
  const MetricFamily b{"fettle_up", "Up.", MetricType::kGauge, {{"", {{"n", "b"}}, 0}}};
  std::string out;
  AppendFamily(out, {&a, &b}, Format::kText);
  EXPECT_EQ(out,
            "# HELP fettle_up Up.\n# TYPE fettle_up gauge\n"
            "fettle_up{n=\"a\"} 1\nfettle_up{n=\"b\"} 0\n");
}

TEST(ExpositionTest, EscapesHelpAndLabelValues) {
  const MetricFamily family{"x",
                            "a \"quoted\" \\ line\nbreak",
                            MetricType::kGauge,
                            {{"", {{"v", "q\" b\\ n\n é \xff"}}, 1}}};
  EXPECT_EQ(Write(family),
            "# HELP x a \"quoted\" \\\\ line\\nbreak\n# TYPE x gauge\n"
            "x{v=\"q\\\" b\\\\ n\\n é \xef\xbf\xbd\"} 1\n");
  EXPECT_NE(Write(family, Format::kOpenMetrics).find("# HELP x a \\\"quoted\\\""),
            std::string::npos);
}

TEST(ExpositionTest, WritesNumbersThatReadBackTheSame) {
  const auto text = [](double value) {
    std::string out;
    AppendNumber(out, value);
    return out;
  };
  EXPECT_EQ(text(0), "0");
  EXPECT_EQ(text(-0.0), "-0");
  EXPECT_EQ(text(1767225600.123), "1767225600.123");
  EXPECT_EQ(text(1e15), "1e+15");
  EXPECT_EQ(text(-3), "-3");
  EXPECT_EQ(text(0.1), "0.1");
  EXPECT_EQ(text(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(text(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(text(std::nan("")), "NaN");
  for (const double value : {1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789.123456789}) {
    EXPECT_EQ(std::strtod(text(value).c_str(), nullptr), value);
  }
}

TEST(ExpositionTest, NegotiatesTheFormat) {
  EXPECT_EQ(Negotiate(""), Format::kText);
  EXPECT_EQ(Negotiate("*/*"), Format::kText);
  EXPECT_EQ(Negotiate("text/plain;version=0.0.4"), Format::kText);
  EXPECT_EQ(Negotiate("application/openmetrics-text; version=1.0.0"), Format::kOpenMetrics);
  // What Prometheus 2.42 sends.
  EXPECT_EQ(Negotiate("application/openmetrics-text;version=1.0.0,"
                      "application/openmetrics-text;version=0.0.1;q=0.75,"
                      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Format::kOpenMetrics);
  EXPECT_EQ(Negotiate("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9"),
            Format::kText);
  EXPECT_EQ(Negotiate("application/openmetrics-text;version=2.0.0"), Format::kText);
}

}  // namespace
}  // namespace fettle::exporter

#include "rules/histogram_json.h"

#include <gtest/gtest.h>

#include <memory>

#include "rules/matrix_writer.h"
#include "rules/query_json.h"

namespace fettle::rules {
namespace {

FloatHistogram Exponential() {
  FloatHistogram h;
  h.count = 6;
  h.sum = 7.5;
  h.zero_threshold = 0.001;
  h.zero_count = 1;
  h.positive = {{{0, 3}}, {2, 0, 1}};
  h.negative = {{{1, 1}}, {2}};
  return h;
}

TEST(HistogramJsonTest, BucketsAreInOrderAndEmptyOnesLeftOut) {
  std::string out;
  AppendHistogramPoint(1'435'781'451'781, Exponential(), out);
  EXPECT_EQ(out, R"([1435781451.781,{"count":"6","sum":"7.5","buckets":[[1,"-2","-1","2"],)"
                 R"([3,"-0.001","0.001","1"],[0,"0.5","1","2"],[0,"2","4","1"]]}])");
}

TEST(HistogramJsonTest, CustomBucketsReachToInfinity) {
  FloatHistogram h;
  h.schema = FloatHistogram::kCustomSchema;
  h.custom_bounds = {1, 2};
  h.count = 3;
  h.positive = {{{0, 3}}, {1, 1, 1}};
  std::string out;
  AppendHistogramPoint(0, h, out);
  EXPECT_EQ(out, R"([0,{"count":"3","sum":"0","buckets":[[3,"-Inf","1","1"],[0,"1","2","1"],)"
                 R"([0,"2","+Inf","1"]]}])");
  out.clear();
  AppendHistogramPoint(0, {}, out);
  EXPECT_EQ(out, R"([0,{"count":"0","sum":"0"}])");
}

TEST(HistogramJsonTest, NumbersAndHistogramsOfASeriesStandApart) {
  const auto histogram = std::make_shared<const FloatHistogram>();
  const auto labels = std::make_shared<const Labels>(Labels{{"a", "b"}});
  const std::string points = R"("histograms":[[1,{"count":"0","sum":"0"}]])";
  promql::Value value{.type = promql::ValueType::kMatrix};
  value.matrix.push_back({labels, {{0, 5}}, {{1'000, histogram}}});
  value.matrix.push_back({labels, {}, {{1'000, histogram}}});
  JsonWriter json;
  WriteValue(value, 0, json);
  const std::string both = R"({"metric":{"a":"b"},"values":[[0,"5"]],)" + points + "}";
  const std::string one = R"({"metric":{"a":"b"},)" + points + "}";
  EXPECT_EQ(json.Take(), R"({"resultType":"matrix","result":[)" + both + "," + one + "]}");

  MatrixWriter writer("", 0);
  promql::Row row{.labels = labels};
  row.histograms = true;
  const std::vector<HistogramPtr> kept = {nullptr, histogram};
  writer.Expect(2);
  const promql::Grid grid{.start = 0, .step = 1'000, .steps = 2};
  writer.Take(row, grid, {5, HistogramCell(1)}, 2, kept);
  writer.Take(row, grid, {promql::Absent(), HistogramCell(1)}, 1, kept);
  EXPECT_EQ(writer.Finish(), R"({"resultType":"matrix","result":[)" + both + "," + one + "]}");
}

TEST(HistogramJsonTest, AnElementIsAValueOrAHistogram) {
  promql::Value value{.type = promql::ValueType::kVector};
  value.vector.push_back(
      {std::make_shared<const Labels>(), 0, std::make_shared<const FloatHistogram>()});
  JsonWriter json;
  WriteValue(value, 0, json);
  EXPECT_EQ(json.Take(), R"({"resultType":"vector","result":[{"metric":{},"histogram":)"
                         R"([0,{"count":"0","sum":"0"}]}]})");
}

}  // namespace
}  // namespace fettle::rules

#include "rules/query_api.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "rules/query_params.h"
#include "rules/series_api.h"
#include "rules/status_api.h"
#include "tests/support/case_file.h"
#include "tests/support/manual_clock.h"
#include "tests/support/requests.h"

namespace fettle::rules {
namespace {

std::vector<MetricMetadata> KnownMetrics() {
  return {{"up", MetricType::kGauge, "Whether it answers.", ""},
          {"odd", MetricType::kUnknown, "", ""},
          {"up", MetricType::kCounter, "Another opinion.", "seconds"}};
}

std::vector<ExemplarSeries> KnownExemplars(const std::vector<Matchers>& selectors, Time, Time) {
  if (selectors[0].empty() || selectors[0].back().value() != "up") return {};
  return {{Labels{{"__name__", "up"}}, {{Labels{{"trace_id", "t"}}, 0.25, TimeFromMillis(1500)}}}};
}

std::string ShownConfig() { return "global: {}\n"; }

struct Desk {
  explicit Desk(QueryApi::Options options = {})
      : api({engine, samples, clock, metrics}, std::move(options)) {
    api.AddRoutes(router);
    series.AddRoutes(router);
    status.AddRoutes(router);
    const auto at = [](std::int64_t second) { return TimeFromMillis(second * 1000); };
    EXPECT_TRUE(samples.Append(
        {{{Labels{{"__name__", "up"}, {"job", "a"}}, 1, at(100)},
          {Labels{{"__name__", "up"}, {"job", "b"}}, 0, at(100)},
          {Labels{{"__name__", "up"}, {"job", "a"}}, 1, at(110)},
          {Labels{{"__name__", "up"}, {"job", "b"}}, 0, at(110)},
          {Labels{{"__name__", "odd"}, {"job", "a"}, {"le", "0.5"}}, 1e-7, at(110)}}}));
  }
  HttpResponse Ask(HttpRequest request) {
    const Router::Route* route = router.Find(request.method, request.Path());
    if (route == nullptr) return TextResponse(404, "no route\n");
    EXPECT_EQ(route->role, Role::kRead);
    return route->handler(request);
  }
  ManualClock clock{TimeFromMillis(120'000)};
  Metrics metrics;
  SampleStore samples{SampleStoreOptions{}};
  promql::Engine engine{{samples, clock}, {}};
  QueryApi api;
  SeriesApi series{{.samples = samples, .metadata = &KnownMetrics, .exemplars = &KnownExemplars},
                   {}};
  StatusApi status{{.samples = samples, .clock = clock, .loaded = {}, .config = &ShownConfig},
                   {.revision = "r1", .retention = "1d", .flags = {{"query.timeout", "2m"}}}};
  Router router;
};

HttpRequest Form(std::string url, std::string body) {
  HttpRequest request = Post(std::move(url), std::move(body));
  request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  return request;
}

class QueryApiFileTest : public testing::TestWithParam<TextCase> {};
TEST_P(QueryApiFileTest, Answers) {
  Desk desk;
  std::string input = GetParam().input;
  HttpRequest request = Get(input);
  if (input.starts_with("POST ")) {
    const std::size_t end = input.find('\n');
    request = Form(input.substr(5, end - 5), input.substr(end + 1));
  }
  const HttpResponse response = desk.Ask(request);
  EXPECT_EQ(fmt::format("{} {}", response.status, response.body), GetParam().parts.at("answer"))
      << GetParam().name;
}
INSTANTIATE_TEST_SUITE_P(Cases, QueryApiFileTest, testing::ValuesIn(LoadCases("query_api")));

TEST(QueryApiTest, ABodyThatIsNoFormIsNotRead) {
  Desk desk;
  EXPECT_EQ(desk.Ask(Post("/api/v1/query", "query=up")).status, 400);
}

TEST(QueryApiTest, TheBodyComesBeforeTheUrl) {
  Desk desk;
  const HttpResponse response = desk.Ask(Form("/api/v1/query?query=2", "query=1"));
  EXPECT_NE(response.body.find(R"([120,"1"])"), std::string::npos) << response.body;
}

TEST(QueryApiTest, MoreQueriesThanPlacesWaitAndThenTimeOut) {
  Desk desk({.queries_max = 0});
  const HttpResponse response = desk.Ask(Get("/api/v1/query?query=1&timeout=10ms"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            R"({"status":"error","errorType":"timeout","error":"query timed out in query queue"})");
}

TEST(QueryApiTest, QueriesEndWhenTheDaemonDoes) {
  const auto ending = [](const HttpResponse& response) {
    return fmt::format("{} {}", response.status, response.body);
  };
  const std::string canceled =
      "499 {\"status\":\"error\",\"errorType\":\"canceled\","
      "\"error\":\"query was canceled in query execution\"}";
  Desk waiting({.queries_max = 0});
  std::string waited;
  std::jthread asker(
      [&] { waited = ending(waiting.Ask(Get("/api/v1/query?query=1&timeout=1m"))); });
  waiting.api.Stop();
  asker.join();
  EXPECT_EQ(waited, canceled);
  Desk desk;
  desk.api.Stop();
  EXPECT_EQ(ending(desk.Ask(Get("/api/v1/query_range?query=up&start=0&end=9&step=1"))), canceled);
}

TEST(QueryApiTest, CountsItsQueries) {
  Desk desk;
  desk.Ask(Get("/api/v1/query?query=up"));
  double samples = -1;
  double running = -1;
  for (const MetricFamily& family : desk.metrics.Collect()) {
    if (family.name == "prometheus_engine_query_samples_total") samples = family.points[0].value;
    if (family.name == "prometheus_engine_queries") running = family.points[0].value;
  }
  EXPECT_EQ(samples, 2);
  EXPECT_EQ(running, 0);
}

TEST(QueryApiTest, ReadsWrittenWhileItIsAsked) {
  Desk desk;
  std::atomic<bool> done = false;
  std::jthread writer([&] {
    for (int i = 0; i < 2'000; ++i) {
      EXPECT_TRUE(desk.samples.Append(
          {{{Labels{{"__name__", "n"}}, 1.0 * i, TimeFromMillis(120'000 + i)}}}));
    }
    done = true;
  });
  while (!done) EXPECT_EQ(desk.Ask(Get("/api/v1/query?query=rate(n[1m])&time=200")).status, 200);
}

TEST(QueryParamsTest, UnescapesLabelNames) {
  EXPECT_EQ(UnescapeLabelName("plain_name"), "plain_name");
  EXPECT_EQ(UnescapeLabelName("U__a_2e_b"), "a.b");
  EXPECT_EQ(UnescapeLabelName("U__a__b"), "a_b");
  EXPECT_EQ(UnescapeLabelName("U___1f600_"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(UnescapeLabelName("U__a_zz_b"), "U__a_zz_b");
  EXPECT_EQ(UnescapeLabelName("U__a_2e"), "U__a_2e");
  EXPECT_EQ(UnescapeLabelName("U___d800_"), "U___d800_");
}

TEST(QueryParamsTest, RefusesTimesThatCannotBeReckonedWith) {
  const HttpRequest request = Get("/?time=1e300&step=1e300");
  const QueryParams params(request);
  EXPECT_FALSE(params.GetTime("time"));
  EXPECT_EQ(params.GetDuration("step").error().message,
            "invalid parameter \"step\": cannot parse \"1e300\" to a valid duration. It overflows "
            "int64");
}

}  // namespace
}  // namespace fettle::rules

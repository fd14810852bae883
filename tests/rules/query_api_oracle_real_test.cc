// The same requests sent over HTTP to Prometheus and to fettle's query API: status and body agree,
// but for what tests/data/query_api_oracle/requests.txt names.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "common/http_client.h"
#include "rules/query_api.h"
#include "rules/series_api.h"
#include "rules/status_api.h"
#include "tests/support/answer_difference.h"
#include "tests/support/demo_samples.h"
#include "tests/support/peer.h"
#include "tests/support/prometheus_oracle.h"
#include "tests/support/test_server.h"

namespace fettle::rules {
namespace {

struct OneRequest {
  std::string line;
  std::string tolerance;  // the word before the colon; "" if nothing may differ
};

// Every line that the choices <<a;;b>> stand for.
void Expand(const std::string& line, std::vector<std::string>& out) {
  const std::size_t open = line.find("<<");
  if (open == std::string::npos) return out.push_back(line);
  const std::size_t close = line.find(">>", open);
  const std::string inside = line.substr(open + 2, close - open - 2);
  for (std::size_t at = 0; at <= inside.size();) {
    const std::size_t end = std::min(inside.find(";;", at), inside.size());
    Expand(line.substr(0, open) + inside.substr(at, end - at) + line.substr(close + 2), out);
    at = end + 2;
  }
}

std::vector<OneRequest> Requests() {
  std::ifstream in(std::string(FETTLE_TEST_DATA) + "/query_api_oracle/requests.txt");
  std::vector<OneRequest> requests;
  std::string tolerance;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with("#")) continue;
    if (line.starts_with("! ")) {
      tolerance = line.substr(2, line.find(':') - 2);
      continue;
    }
    std::vector<std::string> expanded;
    Expand(line, expanded);
    for (const std::string& one : expanded) requests.push_back({one, tolerance});
    tolerance.clear();
  }
  return requests;
}

// "GET /path ? a=b & c=d" as it goes over the wire.
HttpRequest ToHttp(const std::string& line, const std::string& server) {
  const std::size_t space = line.find(' ');
  const std::size_t mark = std::min(line.find(" ? "), line.size());
  HttpRequest request{.method = line.substr(0, space),
                      .url = server + line.substr(space + 1, mark - space - 1)};
  std::string form;
  const std::string parameters = mark < line.size() ? line.substr(mark + 3) : "";
  for (std::size_t at = 0; at < parameters.size();) {
    const std::size_t end = std::min(parameters.find(" & ", at), parameters.size());
    const std::string one = parameters.substr(at, end - at);
    const std::size_t equals = std::min(one.find('='), one.size() - 1);
    std::string value = one.substr(equals + 1);
    if (value == "$T") value = "1700003000";
    if (!form.empty()) form += '&';
    form += one.substr(0, equals) + "=" + PercentEncode(value);
    at = end + 3;
  }
  if (request.method == "POST") {
    request.body = form;
    request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  } else if (!form.empty()) {
    request.url += "?" + form;
  }
  return request;
}

class QueryApiOracleTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (PrometheusOracle::Program().empty()) return;
    world_ = new World;
    world_->api.AddRoutes(world_->router);
    world_->series.AddRoutes(world_->router);
    world_->status.AddRoutes(world_->router);
    for (const Router::Route& route : world_->router.routes()) {
      world_->server.Route(route.method, route.path, route.handler, route.role);
    }
    world_->server.Start();
    const std::vector<Sample> samples = DemoSamples();
    ASSERT_TRUE(world_->samples.Append({samples, Origin::kCollector}));
    const Status written = world_->prometheus->Write(samples);
    ASSERT_TRUE(written) << written.error().message;
  }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  void SetUp() override {
    if (world_ == nullptr) GTEST_SKIP() << "prometheus is not installed";
    const std::string version = world_->prometheus->Version();
    if (!version.starts_with("3.5.")) {
      GTEST_SKIP() << "ANOTHER ORACLE: Prometheus " << version << ", not 3.5 (tests/support/peers)";
    }
  }

  struct World {
    std::unique_ptr<PrometheusOracle> prometheus = PrometheusOracle::Start();
    Metrics metrics;
    SampleStore samples{SampleStoreOptions{}};
    SystemClock clock;
    promql::Engine engine{{samples, clock}, {}};
    QueryApi api{{engine, samples, clock, metrics}, {.parser = {.experimental_functions = true}}};
    SeriesApi series{{.samples = samples}, {.experimental_functions = true}};
    StatusApi status{{.samples = samples, .clock = clock, .config = [] { return "global: {}\n"; }},
                     {}};
    Router router;
    TestServer server;
    HttpClient http;
  };
  static World* world_;

  static Result<HttpResponse> Send(const std::string& line, const std::string& server) {
    return world_->http.Send(
        ToHttp(line, server),
        {.timeout = Millis(20'000), .body_bytes_max = 1 << 26, .accept_gzip = true});
  }

  // What differs, or "".
  static std::string Difference(const OneRequest& request) {
    const Result<HttpResponse> theirs = Send(request.line, world_->prometheus->url());
    const Result<HttpResponse> ours = Send(request.line, world_->server.url());
    if (!theirs) return "they: " + theirs.error().message;
    if (!ours) return "we: " + ours.error().message;
    if (theirs->status != ours->status) {
      return fmt::format("they {} {}, we {} {}", theirs->status, theirs->body.substr(0, 300),
                         ours->status, ours->body.substr(0, 300));
    }
    if (request.tolerance == "status") return "";
    const std::string_view type = theirs->headers.Get("Content-Type");
    if (type != ours->headers.Get("Content-Type")) {
      return fmt::format("they {}, we {}", type, ours->headers.Get("Content-Type"));
    }
    if (type != "application/json") return theirs->body == ours->body ? "" : ours->body;
    const Result<Json> left = Json::Parse(theirs->body);
    const Result<Json> right = Json::Parse(ours->body);
    if (!left || !right) return "not JSON: " + ours->body.substr(0, 300);
    if (request.tolerance == "text" || request.tolerance == "order")
      return AnswerDifference(*left, *right, {});
    return JsonDifference(*left, *right, {.shape_only = request.tolerance == "shape"});
  }
};
QueryApiOracleTest::World* QueryApiOracleTest::world_ = nullptr;

TEST_F(QueryApiOracleTest, AnswersRequestsAsPrometheusDoes) {
  const std::vector<OneRequest> requests = Requests();
  EXPECT_GT(requests.size(), 300U);
  std::size_t alike = 0;
  for (const OneRequest& request : requests) {
    const std::string difference = Difference(request);
    if (request.tolerance == "differs") {
      EXPECT_NE(difference, "") << request.line << "\n  no longer differs";
    } else {
      EXPECT_EQ(difference, "") << request.line;
    }
    if (difference.empty()) ++alike;
  }
  std::printf("[ oracle   ] %zu of %zu requests answered alike\n", alike, requests.size());
}

}  // namespace
}  // namespace fettle::rules

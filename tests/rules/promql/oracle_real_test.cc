// The same samples and the same queries given to Prometheus and to fettle: the answers agree.
//
// Prometheus 3.x is the better oracle (FETTLE_PROMETHEUS names one); with 2.x, what has changed
// since is left out: samples lie 7 ms beside whole seconds and queries 3 ms, so that no boundary of
// a window, closed then and half open now, is ever hit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "common/json.h"
#include "rules/query_api.h"
#include "tests/support/answer_difference.h"
#include "tests/support/demo_samples.h"
#include "tests/support/manual_clock.h"
#include "tests/support/peer.h"
#include "tests/support/prometheus_oracle.h"
#include "tests/support/query_maker.h"

namespace fettle::rules {
namespace {

using Lists = std::map<std::string, std::vector<std::string>>;
const Lists& QueryLists() {
  static const Lists lists = {
      {"offset", {"1m", "5m", "10m"}},
      {"range", {"15s", "1m", "5m", "15m", "1h"}},
      {"aggregation", {"sum", "avg", "max", "min", "count", "stddev", "stdvar", "group"}},
      {"arithmetic", {"+", "-", "*", "/", "%", "^"}},
      {"comparison", {"==", "!=", "<", ">", "<=", ">="}},
      {"quantile", {"-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"}},
      {"over_time", {"sum", "avg", "max", "min", "count", "stddev", "stdvar", "last", "present"}},
      {"math", {"abs",  "ceil", "floor", "exp",   "sqrt",  "ln",   "log2", "log10",
                "sgn",  "sin",  "cos",   "tan",   "asin",  "acos", "atan", "sinh",
                "cosh", "tanh", "asinh", "acosh", "atanh", "rad",  "deg"}},
      {"date",
       {"day_of_week", "day_of_month", "days_in_month", "hour", "minute", "month", "year",
        "day_of_year"}},
  };
  return lists;
}

// Every query a template stands for.
void Expand(const std::string& pattern, std::vector<std::string>& out) {
  const std::size_t open = pattern.find('<');
  for (const auto& [name, words] : QueryLists()) {
    const std::size_t at = pattern.find("<" + name + ">");
    if (at == std::string::npos || at != open) continue;
    for (const std::string& word : words) {
      Expand(pattern.substr(0, at) + word + pattern.substr(at + name.size() + 2), out);
    }
    return;
  }
  out.push_back(pattern);
}

// {a|b} first: lists may stand within.
void ExpandChoices(const std::string& pattern, std::vector<std::string>& out) {
  for (std::size_t open = pattern.find('{'); open != std::string::npos;
       open = pattern.find('{', open + 1)) {
    const std::size_t close = pattern.find('}', open);
    const std::string inside = pattern.substr(open + 1, close - open - 1);
    if (inside.find('|') == std::string::npos || inside.find('"') != std::string::npos) continue;
    for (std::size_t at = 0; at <= inside.size();) {
      const std::size_t bar = std::min(inside.find('|', at), inside.size());
      ExpandChoices(
          pattern.substr(0, open) + inside.substr(at, bar - at) + pattern.substr(close + 1), out);
      at = bar + 1;
    }
    return;
  }
  out.push_back(pattern);
}

// Of the test's own list, or one query a line of the file that FETTLE_ORACLE_FILE names.
std::vector<std::string> ListedQueries(const std::string& name) {
  const char* given = std::getenv("FETTLE_ORACLE_FILE");
  std::ifstream in(given != nullptr ? std::string(given)
                                    : std::string(FETTLE_TEST_DATA) + "/promql/" + name);
  std::vector<std::string> queries;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with("# ")) continue;
    if (given != nullptr) {
      queries.push_back(line);
      continue;
    }
    // Where lists stand among choices, the choices are cut around them.
    std::vector<std::string> chosen;
    ExpandChoices(line, chosen);
    for (const std::string& query : chosen) {
      // A comparison's < is no list.
      Expand(query, queries);
    }
  }
  return queries;
}

// Both sides of the comparison, with the same samples.
class OracleTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (PrometheusOracle::Program().empty()) return;
    world_ = new World;
    if (!IsKnownPrometheus(world_->prometheus->Version())) return;
    const std::vector<Sample> samples = DemoSamples();
    ASSERT_TRUE(world_->samples.Append({samples, Origin::kCollector}));
    const Status written = world_->prometheus->Write(samples);
    ASSERT_TRUE(written) << written.error().message;
    if (world_->modern) {
      const std::vector<Sample> histograms = DemoHistograms();
      ASSERT_TRUE(world_->samples.Append({histograms, Origin::kCollector}));
      const Status more = world_->prometheus->Write(histograms);
      ASSERT_TRUE(more) << more.error().message;
    }
    std::printf("[ oracle   ] Prometheus %s\n", world_->prometheus->Version().c_str());
  }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  void SetUp() override {
    if (world_ == nullptr) GTEST_SKIP() << "prometheus is not installed";
    const std::string version = world_->prometheus->Version();
    if (!IsKnownPrometheus(version)) {
      GTEST_SKIP() << "ANOTHER ORACLE: Prometheus " << version << " wants a look first (peer.h)";
    }
  }

  struct World {
    std::unique_ptr<PrometheusOracle> prometheus = PrometheusOracle::Start();
    const bool modern = !prometheus->Version().starts_with("2.");
    ManualClock clock;
    Metrics metrics;
    SampleStore samples{SampleStoreOptions{}};
    promql::Engine engine{{samples, clock}, {}};
    QueryApi api{{engine, samples, clock, metrics}, {.parser = {.experimental_functions = true}}};
  };
  static World* world_;

  using Form = std::vector<std::pair<std::string, std::string>>;

  // "" if both answer the same.
  std::string Compare(const std::string& endpoint, const Form& form) {
    const Result<HttpResponse> theirs = world_->prometheus->Post(endpoint, form);
    if (!theirs) return "prometheus: " + theirs.error().message;
    HttpRequest request{.url = "/api/v1/" + endpoint + "?"};
    for (const auto& [name, value] : form) request.url += name + "=" + PercentEncode(value) + "&";
    const HttpResponse ours =
        endpoint == "query" ? world_->api.Query(request) : world_->api.QueryRange(request);
    const Result<Json> their_json = Json::Parse(theirs->body, 1 << 28);
    const Result<Json> our_json = Json::Parse(ours.body, 1 << 28);
    if (!their_json || !our_json) return "not JSON";
    return CompareAnswers(*their_json, *our_json);
  }

  static std::string CompareAnswers(const Json& theirs, const Json& ours) {
    // Since 3.9 a comparison minds two matches of one series even if it filters them out …
    if (ours["error"].StringOr("").starts_with("multiple matches for labels: ")) return "";
    // … and label_replace, label_join and a sign merge series that have become the same if they
    // have no step in common.
    if (theirs["error"].StringOr("") == "vector cannot contain metrics with the same labelset" &&
        ours["status"].StringOr("") == "success") {
      return "";
    }
    return AnswerDifference(theirs, ours, {.relative = world_->modern ? 1e-9 : 1e-6});
  }

  static Form Range(const std::string& query) {
    return {
        {"query", query}, {"start", "1700001000.003"}, {"end", "1700004600.003"}, {"step", "60"}};
  }
  static Form Instant(const std::string& query, int minute) {
    return {{"query", query}, {"time", std::to_string(1'700'000'000 + 60 * minute) + ".003"}};
  }
};
OracleTest::World* OracleTest::world_ = nullptr;

TEST_F(OracleTest, AnswersTheListedQueriesAlike) {
  const std::vector<std::string> queries = ListedQueries("oracle_queries.txt");
  EXPECT_GT(queries.size(), std::getenv("FETTLE_ORACLE_FILE") != nullptr ? 0U : 500U);
  std::size_t failed = 0;
  for (const std::string& query : queries) {
    const std::string difference = Compare("query_range", Range(query));
    if (difference.empty()) continue;
    ++failed;
    ADD_FAILURE() << query << "\n  " << difference;
  }
  EXPECT_EQ(failed, 0U) << "of " << queries.size();
}

TEST_F(OracleTest, AnswersQueriesAboutHistogramsAlike) {
  if (!world_->modern) GTEST_SKIP() << "2.x knows other native histograms";
  const std::vector<std::string> queries = ListedQueries("oracle_histogram_queries.txt");
  EXPECT_FALSE(queries.empty());
  for (const std::string& query : queries) {
    EXPECT_EQ(Compare("query_range", Range(query)), "") << query;
    EXPECT_EQ(Compare("query", Instant(query, 45)), "") << query;
  }
}

TEST_F(OracleTest, AnswersRandomQueriesAlike) {
  const char* wanted = std::getenv("FETTLE_ORACLE_QUERIES");
  const std::size_t count = wanted == nullptr ? 1'000 : std::strtoull(wanted, nullptr, 10);
  std::size_t answered = 0;
  for (std::size_t seed = 1; seed <= count; ++seed) {
    const std::string query = QueryMaker(seed, {.modern = world_->modern}).Vector(3);
    const std::string range = Compare("query_range", Range(query));
    const std::string instant = Compare("query", Instant(query, 20 + static_cast<int>(seed % 60)));
    EXPECT_EQ(range, "") << "seed " << seed << ": " << query;
    EXPECT_EQ(instant, "") << "seed " << seed << " at an instant: " << query;
    answered += range.empty() && instant.empty() ? 1 : 0;
  }
  EXPECT_EQ(answered, count);
}

}  // namespace
}  // namespace fettle::rules

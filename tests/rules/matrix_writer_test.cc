#include "rules/matrix_writer.h"

#include <gtest/gtest.h>

#include "common/json.h"
#include "rules/promql/parser.h"
#include "rules/query_json.h"
#include "tests/support/manual_clock.h"

namespace fettle::rules {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Time kStart = Time(std::chrono::hours(1'000));

// Forty minutes of counters, gauges and a classic histogram. Some series begin or end in the middle
// of it, and one is called `late` after `early` has gone.
class MatrixWriterTest : public testing::Test {
 protected:
  MatrixWriterTest() {
    for (int i = 0; i < 160; ++i) {
      SampleBatch batch;
      const auto add = [&](Labels labels, double value) {
        batch.samples.push_back({std::move(labels), value, kStart + seconds(15 * i)});
      };
      for (const char* host : {"a", "b", "c"}) {
        add({{"__name__", "requests_total"}, {"host", host}}, (i * 7) % 90 * host[0]);
        add({{"__name__", "load"}, {"host", host}, {"core", i < 80 ? "0" : "1"}}, i / 7.0);
        for (const char* bound : {"0.1", "1", "+Inf"}) {
          add({{"__name__", "took_bucket"}, {"host", host}, {"le", bound}}, i * (bound[0] - '*'));
        }
      }
      add({{"__name__", i < 70 ? "early_total" : "late_total"}, {"x", "y"}}, i);
      EXPECT_TRUE(samples_.Append(batch));
    }
  }

  struct Told {
    std::string text;
    std::string error;
    bool truncated = false;
    std::size_t annotations = 0;
    bool operator==(const Told&) const = default;
  };

  Told Ask(const std::string& query, std::size_t cells_for_two_threads, std::size_t limit = 0) {
    const promql::Engine engine({.samples = samples_, .clock = clock_},
                                {.cells_for_two_threads = cells_for_two_threads});
    const Result<promql::ExprPtr> expr = promql::Parse(query, {.experimental_functions = true});
    EXPECT_TRUE(expr) << query;
    MatrixWriter writer("<", limit);
    const Result<promql::Answer> answer = engine.RangeInto(
        **expr, kStart + minutes(2), kStart + minutes(39), seconds(20), kNever, writer);
    if (!answer) return {.error = answer.error().message};
    std::string text = writer.Finish();
    return {std::move(text), "", writer.truncated(), answer->annotations.size()};
  }
  Told AskOne(const std::string& query, std::size_t limit = 0) {
    return Ask(query, static_cast<std::size_t>(-1), limit);
  }
  Told AskTwo(const std::string& query, std::size_t limit = 0) { return Ask(query, 0, limit); }

  static constexpr BootTime kNever = promql::Engine::kNoDeadline;
  SampleStore samples_{{}};
  ManualClock clock_;
};

TEST_F(MatrixWriterTest, WritesWhatTheMatrixSays) {
  const promql::Engine engine({.samples = samples_, .clock = clock_}, {});
  const Result<promql::ExprPtr> expr = promql::Parse("rate(requests_total[2m]) or load");
  ASSERT_TRUE(expr);
  const Result<promql::Answer> answer =
      engine.Range(**expr, kStart + minutes(2), kStart + minutes(39), seconds(20), kNever);
  ASSERT_TRUE(answer);
  JsonWriter json;
  WriteValue(answer->value, 0, json);
  EXPECT_EQ(AskOne("rate(requests_total[2m]) or load").text, "<" + json.Take());
}

TEST_F(MatrixWriterTest, SaysTheSameWithTwoThreads) {
  for (const char* query : {
           "requests_total",
           "load",
           "rate(requests_total[2m])",
           "sum by (host) (rate(requests_total[2m]))",
           "sum(rate(requests_total[2m])) / count(load)",
           "histogram_quantile(0.9, rate(took_bucket[5m]))",
           "topk(1, load)",
           "quantile(2, load)",
           "count_values(\"v\", round(load))",
           "max_over_time(sum(load)[5m:30s])",
           "requests_total and on (host) load{core=\"1\"}",
           "load * on (host) group_left () (requests_total > 4000)",
           "absent(early_total)",
           "early_total or late_total",
           "label_replace(load, \"l\", \"$1\", \"host\", \"(.)\")",
           "load @ end() - load @ start()",
           "time() - start() + range()",
           "rate({__name__=~\"early_total|late_total\"}[1m])",
           "-{__name__=~\"early_total|late_total\"}",
           "load + on (host) group_right requests_total",
           "load offset -5m",
           "vector(1)",
           "3",
       }) {
    EXPECT_EQ(AskTwo(query), AskOne(query)) << query;
  }
  EXPECT_EQ(AskTwo("rate({__name__=~\"early_total|late_total\"}[1m])").error,
            "vector cannot contain metrics with the same labelset");
}

TEST_F(MatrixWriterTest, CutsOffWhatIsOverTheLimit) {
  const Told told = AskTwo("load", 4);
  EXPECT_EQ(told, AskOne("load", 4));
  EXPECT_TRUE(told.truncated);
  EXPECT_FALSE(AskTwo("load", 6).truncated);
  EXPECT_FALSE(AskOne("load", 6).truncated);
}

}  // namespace
}  // namespace fettle::rules

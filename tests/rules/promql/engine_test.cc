#include "rules/promql/engine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/promql/parser.h"
#include "tests/support/manual_clock.h"

namespace fettle::promql {
namespace {

using Lines = std::vector<std::string>;
using std::chrono::seconds;

Time At(std::int64_t second) { return TimeFromMillis(second * 1000); }

// Ten series of 100 samples, fifteen seconds apart: n{i="0"} … n{i="9"}, values i, i + 1, ….
struct Bench {
  explicit Bench(EngineOptions options = {}) : engine({samples, clock}, options) {
    SampleBatch batch;
    for (int i = 0; i < 10; ++i) {
      for (int sample = 0; sample < 100; ++sample) {
        batch.samples.push_back({Labels{{"__name__", "n"}, {"i", std::to_string(i)}},
                                 1.0 * i + sample, At(15 * sample)});
      }
    }
    EXPECT_TRUE(samples.Append(batch));
  }
  Result<Answer> Instant(std::string_view query, std::int64_t second = 900) const {
    return engine.Instant(**Parse(query, {.experimental_functions = true}), At(second), deadline);
  }
  Result<Answer> Range(std::string_view query, std::int64_t start = 0, std::int64_t end = 900,
                       Millis step = seconds(15)) const {
    return engine.Range(**Parse(query, {.experimental_functions = true}), At(start), At(end), step,
                        deadline);
  }
  ManualClock clock;
  rules::SampleStore samples{rules::SampleStoreOptions{}};
  Engine engine;
  BootTime deadline = Engine::kNoDeadline;
};

std::string Why(const Result<Answer>& answer) {
  return answer ? "no error" : answer.error().message;
}

TEST(EngineTest, CountsWhatItReads) {
  const Bench bench;
  const Result<Answer> answer = bench.Instant("n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->value.vector.size(), 10U);
  EXPECT_EQ(answer->samples, 10U * 20);  // five minutes of each
  EXPECT_EQ(bench.Instant("rate(n[10m])")->samples, 10U * 40);
}

// The limit bounds what is held at one time, not what is read.
TEST(EngineTest, ASumHoldsOneSeriesAtATime) {
  const Bench bench({.samples_max = 350});
  const Result<Answer> sum = bench.Range("sum(rate(n[1m]))");
  ASSERT_TRUE(sum) << Why(sum);
  EXPECT_LT(sum->samples_peak, 350U);
  const Result<Answer> all = bench.Range("n");
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().cause, Cause::kLimit);
  EXPECT_EQ(Why(all),
            "query processing would load too many samples into memory in query execution");
}

TEST(EngineTest, RefusesWhatWouldNotFitHoweverItIsAsked) {
  const Bench bench({.samples_max = 500});
  for (const char* query :
       {"n", "topk(3, n)", "quantile(0.5, n)", "count_values(\"v\", n)", "n + on(i) n", "n or n",
        "histogram_quantile(0.5, label_replace(n, \"le\", \"$1\", \"i\", \"(.*)\"))",
        "n * on(i) group_left n", "n[1h:1s]"}) {
    const Result<Answer> answer =
        As<SubqueryExpr>(*Parse(query)) != nullptr ? bench.Instant(query) : bench.Range(query);
    EXPECT_EQ(Why(answer),
              "query processing would load too many samples into memory in query execution")
        << query;
  }
  EXPECT_FALSE(bench.Range("1", 0, 900, Millis(1)));
  EXPECT_FALSE(bench.Instant("max_over_time(sum(n)[100y:1ms])"));
  EXPECT_TRUE(bench.Range("sum(n)"));
}

TEST(EngineTest, GivesBackWhatItHeld) {
  const Bench bench({.samples_max = 2'000});
  // Each operand holds much, none of them together with the others.
  const Result<Answer> answer =
      bench.Range("sum(topk(3, n)) + sum(topk(3, n)) + sum(topk(3, n)) + sum(topk(3, n))");
  EXPECT_TRUE(answer) << Why(answer);
}

TEST(EngineTest, EndsAtItsDeadline) {
  Bench bench;
  bench.deadline = bench.clock.Now().boot + seconds(1);
  EXPECT_TRUE(bench.Instant("sum(n)"));
  bench.clock.Pass(seconds(1));
  const Result<Answer> late = bench.Instant("sum(n)");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().cause, Cause::kTimeout);
  EXPECT_EQ(Why(late), "query timed out in expression evaluation");
}

// A clock that goes on by itself, so that the deadline passes in the middle of the work.
class HurryingClock final : public Clock {
 public:
  Moment Now() const override {
    moment_.boot += std::chrono::milliseconds(1);
    return moment_;
  }

 private:
  mutable Moment moment_{};
};

TEST(EngineTest, LooksAtTheClockWithinItsLoops) {
  const Bench bench;
  const HurryingClock clock;
  const Engine engine({bench.samples, clock}, {});
  for (const char* query :
       {"sum_over_time(n[1h])", "quantile_over_time(0.5, n[1h])", "max_over_time(n[1h:1s])",
        "stddev_over_time(n[1h:15s])", "n * on() group_left sum(n)", "topk(2, n)"}) {
    const BootTime deadline = clock.Now().boot + std::chrono::milliseconds(10);
    const Result<Answer> answer =
        engine.Range(**Parse(query), At(0), At(1'500), Millis(137), deadline);
    EXPECT_EQ(Why(answer), "query timed out in expression evaluation") << query;
  }
}

TEST(EngineTest, RefusesRangesItCannotMean) {
  const Bench bench;
  EXPECT_EQ(Why(bench.Range("n", 0, 10, Millis(0))),
            "zero or negative query resolution step widths are not accepted. Try a positive "
            "integer");
  EXPECT_EQ(Why(bench.Range("n[5m]")),
            "invalid expression type \"range vector\" for range query, must be Scalar or instant "
            "Vector");
  EXPECT_EQ(Why(bench.Range("\"s\"")),
            "invalid expression type \"string\" for range query, must be Scalar or instant Vector");
  EXPECT_EQ(bench.Range("n", 10, 0)->value.matrix.size(), 0U);
}

TEST(EngineTest, ComplainsOfDurationsThatMakeNoSense) {
  const Bench bench;
  EXPECT_EQ(Why(bench.Instant("rate(n[step()])")), "7:13: duration must be greater than 0");
  EXPECT_EQ(Why(bench.Instant("rate(n[1m / 0])")), "7:13: division by zero");
  EXPECT_EQ(Why(bench.Instant("rate(n[1m % 0])")), "7:13: modulo by zero");
  EXPECT_EQ(Why(bench.Instant("rate(n[1m ^ 9])")), "7:13: duration is out of range");
  EXPECT_EQ(Why(bench.Instant("n offset (1m - 2m)")), "no error");
}

TEST(EngineTest, LooksAsFarBackAsItIsTold) {
  const Bench bench;
  EXPECT_EQ(bench.Instant("count(n)", 1'600)->value.vector.size(), 1U);
  EXPECT_EQ(bench.Instant("count(n)", 2'000)->value.vector.size(), 0U);
  const Engine farther = bench.engine.WithLookback(std::chrono::hours(1));
  EXPECT_EQ(
      farther.Instant(**Parse("count(n)"), At(2'000), Engine::kNoDeadline)->value.vector.size(),
      1U);
}

TEST(EngineTest, UsesTheDefaultStepInSubqueries) {
  const Bench bench({.default_step = seconds(30)});
  const Result<Answer> answer = bench.Instant("count_over_time(n{i=\"0\"}[5m:])");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->value.vector[0].value, 10);
}

TEST(EngineTest, SortsARangesSeriesAndKeepsAnInstantsOrder) {
  Bench bench;
  ASSERT_TRUE(bench.samples.Append({{{Labels{{"__name__", "a"}, {"i", "10"}}, 1, At(900)}}}));
  const Result<Answer> range = bench.Range("{i=~\"[01]+\"}");
  ASSERT_TRUE(range);
  Lines names;
  for (const Series& series : range->value.matrix) names.push_back(series.labels->ToString());
  EXPECT_EQ(names, (Lines{R"(a{i="10"})", R"(n{i="0"})", R"(n{i="1"})"}));
  names.clear();
  const Result<Answer> instant = bench.Instant("{i=~\"[01]+\"}");
  ASSERT_TRUE(instant);
  for (const Element& element : instant->value.vector) names.push_back(element.labels->ToString());
  EXPECT_EQ(names, (Lines{R"(n{i="0"})", R"(n{i="1"})", R"(a{i="10"})"}));
}

TEST(EngineTest, RemarksOnceAndWhere) {
  const Bench bench;
  const Result<Answer> answer = bench.Range("rate(n[1m]) + on(i) rate(n[1m])");
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->annotations.size(), 1U);
  EXPECT_EQ(answer->annotations[0].kind, Annotation::Kind::kInfo);
  EXPECT_EQ(answer->annotations[0].where.start, 5U);
}

// Every function and aggregation answers the same at an instant as in the middle of a range.
TEST(EngineTest, AnInstantIsTheMiddleOfARange) {
  const Bench bench;
  for (const char* query : {"n",
                            "rate(n[2m])",
                            "sum by (i) (n)",
                            "n offset 1m",
                            "max_over_time(n[3m])",
                            "quantile_over_time(0.7, n[3m])",
                            "n / 3 > 20",
                            "n and n > 63",
                            "stddev(n)",
                            "deriv(n[5m])",
                            "resets(n[5m])",
                            "changes(n[5m])",
                            "irate(n[5m])",
                            "scalar(sum(n)) + 1",
                            "predict_linear(n[5m], 60)",
                            "avg_over_time(n[4m:20s])",
                            "bottomk(3, n)",
                            "time()",
                            "n @ 300",
                            "absent(n > 1000)",
                            "label_join(n, \"j\", \"-\", \"i\", \"i\")"}) {
    const Result<Answer> instant = bench.Instant(query, 900);
    const Result<Answer> range = bench.Range(query, 870, 930);
    ASSERT_TRUE(instant && range) << query;
    std::size_t found = 0;
    for (const Series& series : range->value.matrix) {
      for (const Point& point : series.points) {
        if (point.at != 900'000) continue;
        ++found;
        if (instant->value.type == ValueType::kScalar) {
          EXPECT_EQ(point.value, instant->value.scalar) << query;
          continue;
        }
        for (const Element& element : instant->value.vector) {
          if (*element.labels != *series.labels) continue;
          EXPECT_EQ(point.value, element.value) << query;
        }
      }
    }
    const bool scalar = instant->value.type == ValueType::kScalar;
    EXPECT_EQ(found, scalar ? 1U : instant->value.vector.size()) << query;
  }
}

}  // namespace
}  // namespace fettle::promql

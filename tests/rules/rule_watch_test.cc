#include "rules/rule_watch.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "rules/promql/parser.h"
#include "rules/promql/printer.h"
#include "tests/support/fake_rule_query.h"

namespace fettle::rules {
namespace {

// Knows which metrics there are.
class MetricsQuery final : public RuleQuery {
 public:
  explicit MetricsQuery(std::set<std::string> metrics) : metrics_(std::move(metrics)) {}
  Result<RuleAnswer> Ask(const promql::Expr&, const std::string&, Time, BootTime) const override {
    return RuleAnswer{};
  }
  std::optional<std::size_t> CountSeries(const Matchers& matchers, Time, Time) const override {
    std::size_t count = 0;
    for (const std::string& metric : metrics_) {
      if (MatchAll(matchers, Labels{{"__name__", metric}})) ++count;
    }
    return count;
  }

 private:
  const std::set<std::string> metrics_;
};

bool DeadWith(const std::string& expr, const std::set<std::string>& metrics) {
  RuleWatch watch(promql::Parse(expr).value());
  watch.MarkFound(watch.FindNew(MetricsQuery(metrics), {}, Time{}));
  return watch.dead();
}

TEST(RuleWatchTest, ARuleIsDeadIfASeriesItNeedsWasNeverThere) {
  const std::set<std::string> there = {"a", "b"};
  for (const char* const alive :
       {"a > 1", "a + b", "rate(a[5m]) > 0", "a or x", "x or a", "a unless x", "absent(x)",
        "absent_over_time(x[5m])", "ALERTS{alertname=\"X\"}", "vector(1)", "a / scalar(x)",
        "sum_over_time((a > 1)[5m:])"}) {
    EXPECT_FALSE(DeadWith(alive, there)) << alive;
  }
  for (const char* const dead :
       {"x > 1", "a + x", "rate(x[5m]) > 0", "x or y", "x unless a", "a and x",
        "sum by (job) (rate(x[5m])) / sum by (job) (rate(a[5m])) > 1"}) {
    EXPECT_TRUE(DeadWith(dead, there)) << dead;
  }
}

TEST(RuleWatchTest, WhereNobodyCanBeAskedSamplesSay) {
  RuleWatch watch(promql::Parse("x > 1").value());
  const FakeRuleQuery query;
  RuleAnswer answer;
  EXPECT_TRUE(watch.FindNew(query, answer, Time{}).empty());
  answer.samples = 1;
  watch.MarkFound(watch.FindNew(query, answer, Time{}));
  EXPECT_FALSE(watch.dead());
  EXPECT_TRUE(watch.FindNew(query, answer, Time{}).empty());
}

TEST(RuleWatchTest, KeepsTheLastEvaluationsNewestFirst) {
  RuleWatch watch(promql::Parse("x").value());
  for (std::size_t i = 0; i < RuleWatch::kEvaluationsKept + 5; ++i) watch.Note({.returned = i});
  const std::vector<EvaluationView> kept = watch.Evaluations();
  ASSERT_EQ(kept.size(), RuleWatch::kEvaluationsKept);
  EXPECT_EQ(kept.front().returned, RuleWatch::kEvaluationsKept + 4);
}

TEST(RuleWatchTest, FindsWhatAConditionCompares) {
  const std::pair<const char*, const char*> cases[] = {
      {"x > 5", "x"},
      {"5 < x", "x"},
      {"(sum(x)) > 1 < 5", "(sum(x))"},
      {"x / y > 0.5 and z == 1", "x / y"},
      {"x > bool 5", ""},
      {"x", ""},
      {"absent(x)", ""},
      {"x > y", "x"},
  };
  for (const auto& [expr, side] : cases) {
    const promql::ExprPtr tree = promql::Parse(expr).value();
    const promql::Expr* const found = ValueSide(*tree);
    EXPECT_EQ(found == nullptr ? "" : promql::Print(*found), side) << expr;
  }
}

}  // namespace
}  // namespace fettle::rules

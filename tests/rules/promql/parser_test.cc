#include "rules/promql/parser.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "rules/promql/printer.h"

namespace fettle::promql {
namespace {

using Lines = std::vector<std::string>;

std::string Unescape(std::string text) {
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"\\n", "\n"}, {"\\xff", "\xff"}, {"\\\\", "\\"}}) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

// Lines "query" or "query<tab>expected"; # begins a comment line.
std::vector<std::pair<std::string, std::string>> Table(const std::string& name) {
  std::ifstream in(std::string(FETTLE_TEST_DATA) + "/promql/" + name);
  std::vector<std::pair<std::string, std::string>> table;
  for (std::string line; std::getline(in, line);) {
    if (table.empty() && line.starts_with("# A ")) continue;
    const std::size_t tab = line.find('\t');
    table.emplace_back(line.substr(0, tab), tab == std::string::npos ? line : line.substr(tab + 1));
  }
  return table;
}

TEST(ParserTest, ComplainsAsPrometheusDoes) {
  const auto table = Table("parse_errors.txt");
  EXPECT_GT(table.size(), 100U);
  for (const auto& [query, complaint] : table) {
    const Result<ExprPtr> parsed = Parse(Unescape(query));
    if (parsed) {
      ADD_FAILURE() << query << " was parsed as " << Print(**parsed);
      continue;
    }
    EXPECT_EQ(parsed.error().message, complaint) << query;
    EXPECT_EQ(parsed.error().cause, Cause::kInvalid);
  }
}

TEST(ParserTest, PrintsWhatItReadAndReadsWhatItPrints) {
  const auto table = Table("print.txt");
  EXPECT_GT(table.size(), 60U);
  for (const auto& [query, printed] : table) {
    const Result<ExprPtr> parsed = Parse(Unescape(query));
    if (!parsed) {
      ADD_FAILURE() << query << ": " << parsed.error().message;
      continue;
    }
    EXPECT_EQ(Print(**parsed), printed) << query;
    const Result<ExprPtr> again = Parse(printed);
    ASSERT_TRUE(again) << printed << ": " << again.error().message;
    EXPECT_EQ(Print(**again), printed);
  }
}

TEST(ParserTest, ListsTheSelectorsOfAnExpression) {
  const ExprPtr expr =
      *Parse(R"(sum(rate(a{x="1"}[5m])) / on(y) b + max_over_time(c[1h:1m]) > bool scalar(d))");
  Lines names;
  for (const VectorSelector* selector : Selectors(*expr)) names.push_back(selector->name);
  EXPECT_EQ(names, (Lines{"a", "b", "c", "d"}));
  const Matchers& matchers = Selectors(*expr)[0]->matchers;
  ASSERT_EQ(matchers.size(), 2U);
  EXPECT_EQ(matchers[0].ToString(), R"(x="1")");
  EXPECT_EQ(matchers[1].ToString(), R"(__name__="a")");
}

TEST(ParserTest, KnowsTypesAndSpans) {
  const ExprPtr expr = *Parse("  sum(foo) by (a) + 1");
  EXPECT_EQ(expr->type, ValueType::kVector);
  EXPECT_EQ(expr->span.start, 2U);
  EXPECT_EQ(expr->span.end, 21U);
  EXPECT_EQ(As<BinaryExpr>(expr)->lhs->span.end, 17U);
  EXPECT_EQ((*Parse("(1 + 2)"))->type, ValueType::kScalar);
  EXPECT_EQ((*Parse("foo[5m]"))->type, ValueType::kMatrix);
  EXPECT_EQ((*Parse("(\"a\")"))->type, ValueType::kString);
}

TEST(ParserTest, BindsOperatorsAsTheLanguageSays) {
  const auto shape = [](std::string_view query) {
    const Result<ExprPtr> expr = Parse(query);
    if (!expr) return expr.error().message;
    const auto* top = As<BinaryExpr>(*expr);
    if (top == nullptr) return Print(**expr);
    return fmt::format("[{}] {} [{}]", Print(*top->lhs), ToString(top->op), Print(*top->rhs));
  };
  EXPECT_EQ(shape("a + b * c"), "[a] + [b * c]");
  EXPECT_EQ(shape("a - b - c"), "[a - b] - [c]");
  EXPECT_EQ(shape("a ^ b ^ c"), "[a] ^ [b ^ c]");
  EXPECT_EQ(shape("-a * b"), "[-a] * [b]");
  EXPECT_EQ(shape("a ^ -b * c"), "[a ^ -b] * [c]");
  EXPECT_EQ(shape("a or b and c"), "[a] or [b and c]");
  EXPECT_EQ(shape("a > b + 1"), "[a] > [b + 1]");
  EXPECT_EQ(shape("a unless b > 1 or c"), "[a unless b > 1] or [c]");
  EXPECT_EQ(shape("a + b offset 5m"), "[a] + [b offset 5m]");
  EXPECT_EQ(shape("a + b @ 5"), "[a] + [b @ 5.000]");
  EXPECT_EQ(shape("a offset 5m + 2"), "[a offset 5m] + [2]");
  const ExprPtr negated = *Parse("-a ^ b");
  ASSERT_NE(As<UnaryExpr>(negated), nullptr);
  EXPECT_EQ(Print(*As<UnaryExpr>(negated)->inner), "a ^ b");
}

TEST(ParserTest, ReadsExperimentalPartsWhereTheyAreEnabled) {
  const ParserOptions all{
      .experimental_functions = true, .fill_modifiers = true, .extended_ranges = true};
  for (const std::string query :
       {"mad_over_time(foo[5m])", "limitk(3, foo)", "limit_ratio by (a) (0.5, foo)", "step()",
        "a + fill (0) b", "a * on (x) group_left () fill_right (-1) b",
        "a - fill_left (1) fill_right (2) b", "rate(foo[5m] anchored @ 10.000 offset 1m)",
        "foo{a=\"b\"} smoothed", "info(foo, {data=~\".+\"})", "start_timestamp(foo)",
        "sort_by_label(foo, \"a\", \"b\")"}) {
    const Result<ExprPtr> parsed = Parse(query, all);
    ASSERT_TRUE(parsed) << query << ": " << parsed.error().message;
    EXPECT_EQ(Print(**parsed), query);
  }
}

TEST(ParserTest, ExtendsOnlyWhatHasSamplesAround) {
  const ParserOptions all{.experimental_functions = true, .extended_ranges = true};
  const auto complaint = [&](std::string_view query) {
    const Result<ExprPtr> parsed = Parse(query, all);
    return parsed ? "" : parsed.error().message;
  };
  EXPECT_EQ(complaint("rate(foo[5m:1m] smoothed)"),
            "1:6: parse error: smoothed modifier is not supported for subqueries");
  EXPECT_EQ(complaint("foo[5m] anchored smoothed"),
            "1:1: parse error: anchored and smoothed modifiers cannot be used together");
  EXPECT_EQ(complaint("info(foo, bar)"),
            "1:11: parse error: expected label selectors only, got vector selector instead");
  EXPECT_EQ(complaint("info(foo, 1)"),
            "1:11: parse error: expected type instant vector in call to function \"info\", got "
            "scalar");
}

TEST(ParserTest, RefusesWhatIsTooLongOrTooDeep) {
  EXPECT_EQ(Parse(std::string(kQueryBytesMax + 1, ' ')).error().message,
            "1:1: parse error: query is longer than 1048576 bytes");
  const std::string open(kNestingMax + 1, '(');
  EXPECT_EQ(Parse(open + "1" + std::string(kNestingMax + 1, ')')).error().message,
            "1:501: parse error: expression is nested deeper than 500 levels");
  std::string signs(kNestingMax + 1, '-');
  EXPECT_FALSE(Parse(signs + "foo"));
  std::string chain = "1";
  for (int i = 0; i < kTreeDepthMax; ++i) chain += "+1";
  EXPECT_EQ(Parse(chain).error().message,
            "1:1: parse error: expression is deeper than 2000 levels");
  EXPECT_TRUE(Parse(std::string(kNestingMax - 1, '(') + "1" + std::string(kNestingMax - 1, ')')));
  std::string lengths = "foo[1m";
  for (int i = 0; i < kNestingMax; ++i) lengths += "+1m";
  EXPECT_FALSE(Parse(lengths + "]"));
}

TEST(ParserTest, ReadsSelectorsAndMetricsAlone) {
  EXPECT_EQ(ParseSelector(R"(up{job="x"})")->size(), 2U);
  EXPECT_EQ(ParseSelector("up + 1").error().message, "1:4: parse error: unexpected <op:+>");
  EXPECT_EQ(ParseSelector("1").error().message, "1:1: parse error: unexpected number \"1\"");
  EXPECT_EQ(ParseSelector("{}").error().message,
            "match[] must contain at least one non-empty matcher");
  EXPECT_EQ(ParseMetric(R"(up{job="x", b='y'})")->ToString(), R"(up{b="y", job="x"})");
  EXPECT_EQ(ParseMetric(R"({"utf8.name", "a b"="c"})")->ToString(), R"(utf8.name{"a b"="c"})");
  EXPECT_EQ(ParseMetric("{}")->ToString(), "{}");
  EXPECT_EQ(ParseMetric("sum")->ToString(), "sum");
  EXPECT_EQ(ParseMetric("up{job=~\"x\"}").error().message,
            "1:7: parse error: unexpected <op:=~> in label set, expected \"=\"");
  EXPECT_EQ(ParseMetric("up 1").error().message,
            "1:4: parse error: unexpected text after the metric: \"1\"");
}

TEST(PrinterTest, BreaksLongExpressionsIntoLines) {
  const auto pretty = [](std::string_view query) { return PrintPretty(**Parse(query)); };
  EXPECT_EQ(pretty("sum(rate(foo[5m]))"), "sum(rate(foo[5m]))");
  const std::string a = "a_metric_with_a_long_name{label_one=\"value\"}";
  const std::string b = "another_metric_with_a_long_name{label_two=\"value\"}";
  EXPECT_EQ(pretty("sum by (job) (" + a + " / on (x) " + b + ")"),
            "sum by (job) (\n    " + a + "\n  / on (x)\n    " + b + "\n)");
  EXPECT_EQ(pretty("clamp((" + a + " + " + b + "), 1, 2)"),
            "clamp(\n  (" + a + " + " + b + "),\n  1,\n  2\n)");
  EXPECT_EQ(pretty("((" + a + " + " + b + ") > 1)"),
            "(\n    (" + a + " + " + b + ")\n  >\n    1\n)");
  EXPECT_EQ(pretty("-sum(" + a + " + " + b + "+c)"),
            "-sum(\n    " + a + " + " + b + "\n  +\n    c\n)");
  EXPECT_EQ(pretty("max_over_time(sum(" + a + " + " + b + ")[5m:])"),
            "max_over_time(\n  sum(\n    " + a + " + " + b + "\n  )[5m:]\n)");
}

}  // namespace
}  // namespace fettle::promql

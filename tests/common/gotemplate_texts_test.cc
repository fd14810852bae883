#include "common/gotemplate_texts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace fettle::gotemplate {
namespace {

std::string Call(const std::string& name, std::vector<Value> arguments) {
  const Functions functions = TextFunctions();
  const Result<Value> result = functions.at(name)(arguments);
  return result ? Print(*result) : "error: " + result.error().message;
}

struct Golden {
  std::string function;
  Value argument;
  std::string text;
};

// The values of Prometheus' own template tests.
TEST(TemplateTextsTest, PrintNumbersAsPrometheusDoes) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Golden> cases = {
      {"humanize", 0.0, "0"},
      {"humanize", 1.0, "1"},
      {"humanize", 1234567.0, "1.235M"},
      {"humanize", .12, "120m"},
      {"humanize", -1, "-1"},
      {"humanize", "1234567.0", "1.235M"},
      {"humanize", ".12", "120m"},
      {"humanize", std::numeric_limits<std::int64_t>::max(), "9.223E"},
      {"humanize", 18446744073709551615.0, "18.45E"},
      {"humanize", infinity, "+Inf"},
      {"humanize", -infinity, "-Inf"},
      {"humanize", std::nan(""), "NaN"},
      {"humanize", "+Inf", "+Inf"},
      {"humanize", "NaN", "NaN"},
      {"humanize", "one", R"(error: strconv.ParseFloat: parsing "one": invalid syntax)"},
      {"humanize", true, "error: can't convert bool to float"},
      {"humanize1024", 0.0, "0"},
      {"humanize1024", 1.0, "1"},
      {"humanize1024", 1048576.0, "1Mi"},
      {"humanize1024", .12, "0.12"},
      {"humanize1024", 1234567, "1.177Mi"},
      {"humanize1024", std::numeric_limits<std::int64_t>::max(), "8Ei"},
      {"humanize1024", 18446744073709551615.0, "16Ei"},
      {"humanize1024", infinity, "+Inf"},
      {"humanizeDuration", 0, "0s"},
      {"humanizeDuration", 1, "1s"},
      {"humanizeDuration", -1, "-1s"},
      {"humanizeDuration", 60.0, "1m 0s"},
      {"humanizeDuration", "3600", "1h 0m 0s"},
      {"humanizeDuration", 86400, "1d 0h 0m 0s"},
      {"humanizeDuration", 86400 + 3600, "1d 1h 0m 0s"},
      {"humanizeDuration", -183845, "-2d 3h 4m 5s"},
      {"humanizeDuration", 899.99, "14m 59s"},
      {"humanizeDuration", 1234567, "14d 6h 56m 7s"},
      {"humanizeDuration", .1, "100ms"},
      {"humanizeDuration", .0001, "100us"},
      {"humanizeDuration", .12345, "123.5ms"},
      {"humanizeDuration", 60.1, "1m 0s"},
      {"humanizeDuration", 60.5, "1m 0s"},
      {"humanizeDuration", 1.2345, "1.234s"},
      {"humanizeDuration", 12.345, "12.35s"},
      {"humanizeDuration", infinity, "+Inf"},
      {"humanizeDuration", 1e300, "106751991167300d 15h 30m 7s"},
      {"humanizeDuration", Duration(std::chrono::minutes(90)), "1h 30m 0s"},
      {"humanizePercentage", -0.22222, "-22.22%"},
      {"humanizePercentage", 0.0, "0%"},
      {"humanizePercentage", 0.1234567, "12.35%"},
      {"humanizePercentage", 1.23456, "123.5%"},
      {"humanizePercentage", 1234567, "1.235e+08%"},
      {"humanizePercentage", "one", R"(error: strconv.ParseFloat: parsing "one": invalid syntax)"},
      {"humanizeTimestamp", 0, "1970-01-01 00:00:00 +0000 UTC"},
      {"humanizeTimestamp", -1, "1969-12-31 23:59:59 +0000 UTC"},
      {"humanizeTimestamp", 9223372036, "2262-04-11 23:47:16 +0000 UTC"},
      {"humanizeTimestamp", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC"},
      {"humanizeTimestamp", "1435065584.128", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"humanizeTimestamp", infinity, "+Inf"},
      {"humanizeTimestamp", std::numeric_limits<std::int64_t>::min(),
       "error: -9.223372036854776e+18 cannot be represented as a nanoseconds timestamp since it "
       "overflows int64"},
  };
  for (const Golden& one : cases) {
    EXPECT_EQ(Call(one.function, {one.argument}), one.text) << one.function << " " << one.text;
  }
}

TEST(TemplateTextsTest, ChangeTheCaseOfWords) {
  EXPECT_EQ(Call("title", {"aa bb CC"}), "Aa Bb CC");
  EXPECT_EQ(Call("title", {"disk-full on_host über"}), "Disk-Full On_host Über");
  EXPECT_EQ(Call("toUpper", {"aa Bb éß ÿ щ ω"}), "AA BB Éß Ÿ Щ Ω");
  EXPECT_EQ(Call("toLower", {"aA BB ÉÄ Ÿ Щ Ω Ё"}), "aa bb éä ÿ щ ω ё");
  EXPECT_EQ(Call("toLower", {5}), "error: wrong type for value; expected string; got int");
  EXPECT_EQ(Call("toUpper", {}), "error: wrong number of args: want 1 got 0");
}

TEST(TemplateTextsTest, MatchAnywhere) {
  EXPECT_EQ(Call("match", {"a+", "baab"}), "true");
  EXPECT_EQ(Call("match", {"^a", "ba"}), "false");
  EXPECT_TRUE(Call("match", {"(", "x"}).starts_with("error: error parsing regexp: "));
}

TEST(TemplateTextsTest, ReplaceAsGoDoes) {
  struct Case {
    std::string pattern, replacement, text, result;
  };
  // Mostly from Go's regexp tests.
  const std::vector<Case> cases = {
      {"(a)b", "x$1", "ab", "xa"},
      {"", "x", "", "x"},
      {"", "x", "abc", "xaxbxcx"},
      {"b", "", "abc", "ac"},
      {"[a-c]*", "x", "abcbcdcdedef", "xdxdxexdxexfx"},
      {"^[a-c]*", "x", "abcdabc", "xdabc"},
      {"a+", "($0)", "banana", "b(a)n(a)n(a)"},
      {"hello, (.+)", "goodbye, ${1}x", "hello, world", "goodbye, worldx"},
      {"hello, (.+)", "goodbye, $1x", "hello, world", "goodbye, "},
      {"hello, (?P<noun>.+)", "goodbye, $noun!", "hello, world", "goodbye, world!"},
      {"hi", "$$1 ${ $", "hi", "$1 ${ $"},
      {"(.*)\\.example\\.com:.*", "$1", "web.example.com:80", "web"},
      {"é*", "-", "日é", "-日-"},
  };
  for (const Case& one : cases) {
    const Result<std::string> replaced = ReplaceAll(one.pattern, one.replacement, one.text);
    ASSERT_TRUE(replaced);
    EXPECT_EQ(*replaced, one.result) << one.pattern << " in " << one.text;
  }
  EXPECT_EQ(ReplaceAll("(", "", "").error().cause, Cause::kInvalid);
  EXPECT_EQ(ReplaceAll("", std::string(1'000'000, 'x'), "abcdefgh").error().cause, Cause::kLimit);
}

TEST(TemplateTextsTest, SafeHtmlIsTheTextItself) { EXPECT_EQ(Call("safeHtml", {"<b>"}), "<b>"); }

}  // namespace
}  // namespace fettle::gotemplate

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "common/json.h"

namespace fettle {
namespace {

std::string Written(std::string_view text, bool escape_html = false) {
  return JsonWriter({.escape_html = escape_html}).String(text).Take();
}
std::string Written(double number) { return JsonWriter().Number(number).Take(); }

TEST(JsonWriterTest, WritesNestedValuesWithoutSpaces) {
  JsonWriter json;
  json.BeginObject()
      .Field("status", "success")
      .Field("count", 3)
      .Field("size", std::size_t{18'446'744'073'709'551'615U})
      .Field("ratio", 0.5)
      .Field("ok", true)
      .Field("name", std::string("n"))
      .Key("none")
      .Null()
      .Key("list")
      .BeginArray()
      .Integer(-1)
      .BeginArray()
      .EndArray()
      .BeginObject()
      .EndObject()
      .Raw("{\"raw\":1}")
      .EndArray()
      .EndObject();
  EXPECT_EQ(json.Take(),
            R"({"status":"success","count":3,"size":18446744073709551615,"ratio":0.5,"ok":true,)"
            R"("name":"n","none":null,"list":[-1,[],{},{"raw":1}]})");
}

TEST(JsonWriterTest, CanBeUsedAgainAfterTake) {
  JsonWriter json;
  EXPECT_EQ(json.Bool(false).Take(), "false");
  EXPECT_EQ(json.BeginArray().EndArray().Take(), "[]");
}

TEST(JsonWriterTest, EscapesStringsAsGoDoes) {
  EXPECT_EQ(Written(""), R"("")");
  EXPECT_EQ(Written("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(Written("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(Written(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(Written("ü漢😀"), "\"ü漢😀\"");
  EXPECT_EQ(Written("a\u2028b\u2029"), R"("a\u2028b\u2029")");
  EXPECT_EQ(Written("<a href='x'>&"), "\"<a href='x'>&\"");
  EXPECT_EQ(Written("<a>&", true), R"("\u003ca\u003e\u0026")");
}

TEST(JsonWriterTest, EscapesKeysToo) {
  EXPECT_EQ(JsonWriter().BeginObject().Field("a\"\n", 1).EndObject().Take(), R"({"a\"\n":1})");
}

TEST(JsonWriterTest, ReplacesEachInvalidByte) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x80", "\\ufffd"},
      {"a\xff", "a\\ufffd"},
      {"\xc3", "\\ufffd"},
      {"\xc3(", "\\ufffd("},
      {"\xc0\xaf", "\\ufffd\\ufffd"},             // overlong /
      {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},  // overlong
      {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},  // a surrogate
      {"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},
      {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
      {"\xf5\x80", "\\ufffd\\ufffd"},
      {"\xe6\xbc", "\\ufffd\\ufffd"},            // cut short
      {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},  // the last character there is
      {"\xed\x9f\xbf", "\xed\x9f\xbf"},          // the last before the surrogates
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Written(text), "\"" + want + "\"");
}

TEST(JsonWriterTest, WritesTheShortestNumberThatReadsBackTheSame) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {-1.5, "-1.5"},
      {0.1, "0.1"},
      {0.1 + 0.2, "0.30000000000000004"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1.5e300, "1.5e+300"},
      {0.000001, "0.000001"},
      {0.0000001, "1e-7"},
      {1.25e-9, "1.25e-9"},
      {1e-10, "1e-10"},
      {5e-324, "5e-324"},
      {1'795'169'686.12, "1795169686.12"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {std::nan(""), "null"},
      {std::numeric_limits<double>::infinity(), "null"},
  };
  for (const auto& [number, want] : cases) EXPECT_EQ(Written(number), want);
}

TEST(JsonWriterTest, WritesTheEndsOfTheIntegers) {
  EXPECT_EQ(JsonWriter().Integer(std::numeric_limits<std::int64_t>::min()).Take(),
            "-9223372036854775808");
  EXPECT_EQ(JsonWriter().Unsigned(std::numeric_limits<std::uint64_t>::max()).Take(),
            "18446744073709551615");
}

TEST(JsonWriterDeathTest, StopsOnWhatWouldNotBeJson) {
  EXPECT_DEATH(JsonWriter().BeginObject().String("no key"), "after_key_");
  EXPECT_DEATH(JsonWriter().BeginObject().Key("a").Key("b"), "after_key_");
  EXPECT_DEATH(JsonWriter().BeginObject().Key("a").EndObject(), "after_key_");
  EXPECT_DEATH(JsonWriter().BeginArray().Key("a"), "object");
  EXPECT_DEATH(JsonWriter().BeginArray().EndObject(), "object");
  EXPECT_DEATH(JsonWriter().BeginObject().EndArray(), "object");
  EXPECT_DEATH(JsonWriter().EndArray(), "levels_");
  EXPECT_DEATH(JsonWriter().Integer(1).Integer(2), "out_.empty");
  EXPECT_DEATH(JsonWriter().BeginArray().Take(), "levels_.empty");
  EXPECT_DEATH(JsonWriter().Take(), "out_.empty");
  EXPECT_DEATH(JsonWriter().Raw(""), "json.empty");
}

}  // namespace
}  // namespace fettle

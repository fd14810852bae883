#include "common/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fettle {
namespace {

Json Parsed(std::string_view text) {
  const Result<Json> json = Json::Parse(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

// The value written again, or why there is none.
std::string Read(std::string_view text) {
  const Result<Json> json = Json::Parse(text);
  return json ? json->Dump() : "! " + json.error().message;
}

TEST(JsonTest, ReadsAndWritesEveryKindOfValue) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"null", "null"},
      {" true ", "true"},
      {"false\n", "false"},
      {"0", "0"},
      {"-0", "0"},
      {"-0.0", "-0"},
      {"-17", "-17"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"1.5", "1.5"},
      {"1e3", "1000"},
      {"1E-7", "1e-7"},
      {R"("")", R"("")"},
      {R"("a\u00fc\n\"\\\/")", R"("aü\n\"\\/")"},
      {R"("\ud83d\ude00")", R"("😀")"},
      {R"("\u0000")", R"("\u0000")"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"[[],{},[{}]]", "[[],{},[{}]]"},
      {R"( { "a" : [ 1 , "x" , { "b" : null } ] , "c" : 2.5 } )",
       R"({"a":[1,"x",{"b":null}],"c":2.5})"},
      {R"({"a":{"b":{"c":[]}},"d":"e"})", R"({"a":{"b":{"c":[]}},"d":"e"})"},
      {R"({"a":1,"a":2})", R"({"a":1,"a":2})"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Read(text), want);
}

TEST(JsonTest, SaysWhatIsWrong) {
  const std::string structure =
      "! bad JSON: a comma, colon, quote or bracket is missing or too many";
  const std::string number = "! bad JSON: a number is malformed or out of range";
  const std::string word = "! bad JSON: a word is neither true, false nor null";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "! bad JSON: empty"},
      {"  ", "! bad JSON: empty"},
      {"{", structure},
      {"[1,]", structure},
      {"[1 2]", structure},
      {"{\"a\"}", structure},
      {"{a:1}", structure},
      {"{'a':1}", structure},
      {"1 2", structure},
      {"{} x", structure},
      {"[]]", structure},
      {"\xef\xbb\xbf{}", structure},
      {"// no\n1", structure},
      {"01", number},
      {"1.", number},
      {".5", structure},
      {"+1", structure},
      {"1e999", number},
      {"[99999999999999999999, 1e999]", number},
      {"099999999999999999999", number},
      {"NaN", structure},
      {"nul", word},
      {"truee", word},
      {"falsy", word},
      {"\"abc", "! bad JSON: a string does not end"},
      {"\"\\x\"", "! bad JSON: a string has a bad escape"},
      {"\"\\ud800\"", "! bad JSON: a string has a bad escape"},
      {"\"\\u12\"", "! bad JSON: a string has a bad escape"},
      {"\"a\nb\"", "! bad JSON: a string has a control character"},
      {"\"\xff\"", "! bad JSON: not valid UTF-8"},
      {"\"\xed\xa0\x80\"", "! bad JSON: not valid UTF-8"},
      {"\"\xc0\xaf\"", "! bad JSON: not valid UTF-8"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Read(text), want) << text;
  EXPECT_EQ(Json::Parse("{").error().cause, Cause::kInvalid);
}

std::string Nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += i % 2 == 0 ? "[" : "{\"k\":";
  text += "1";
  for (int i = depth - 1; i >= 0; --i) text += i % 2 == 0 ? "]" : "}";
  return text;
}

TEST(JsonTest, IsAsDeepAsItsLimitAndNoDeeper) {
  EXPECT_EQ(Read(Nested(Json::kDepthMax)), Nested(Json::kDepthMax));
  EXPECT_EQ(Read(Nested(Json::kDepthMax + 1)), "! bad JSON: nested deeper than 64 levels");
  EXPECT_EQ(Read(Nested(1'000'000)), "! bad JSON: nested deeper than 64 levels");
}

TEST(JsonTest, IsAsLongAsItsLimitAndNoLonger) {
  EXPECT_TRUE(Json::Parse("[1,2]", 5));
  const Result<Json> json = Json::Parse("[1,2]", 4);
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().message, "bad JSON: longer than 4 bytes");
  EXPECT_EQ(json.error().cause, Cause::kLimit);
  EXPECT_EQ(Json::Parse("", 0).error().message, "bad JSON: empty");
}

TEST(JsonTest, AnswersWithWhatIsThere) {
  const Json json = Parsed(R"({"s":"x","i":-3,"d":1.5,"t":true,"f":false,"n":null,"a":[1,[2]],
                               "o":{"k":"v"}})");
  EXPECT_TRUE(json.IsObject());
  EXPECT_TRUE(json["s"].IsString());
  EXPECT_TRUE(json["i"].IsNumber());
  EXPECT_TRUE(json["d"].IsNumber());
  EXPECT_TRUE(json["t"].IsBool());
  EXPECT_TRUE(json["f"].IsBool());
  EXPECT_TRUE(json["n"].IsNull());
  EXPECT_TRUE(json["n"].exists());
  EXPECT_TRUE(json["a"].IsArray());
  EXPECT_TRUE(json["o"].IsObject());
  EXPECT_EQ(json["s"].String(), "x");
  EXPECT_EQ(json["i"].Integer(), -3);
  EXPECT_EQ(json["i"].Number(), -3.0);
  EXPECT_EQ(json["d"].Number(), 1.5);
  EXPECT_EQ(json["t"].Bool(), true);
  EXPECT_EQ(json["f"].Bool(), false);
  EXPECT_EQ(json["o"]["k"].String(), "v");
  EXPECT_EQ(json["a"].Items().at(1).Items().at(0).Integer(), 2);
}

TEST(JsonTest, AnswersWithNothingForWhatIsAbsentOrOfAnotherKind) {
  const Json absent;
  const Json json = Parsed(R"({"s":"x","a":[1]})");
  for (const Json& none : {absent, json["nobody"], json["s"]["k"], json["a"]["0"], absent["x"]}) {
    EXPECT_FALSE(none.exists());
    EXPECT_FALSE(none.IsNull() || none.IsObject() || none.IsArray() || none.IsString() ||
                 none.IsNumber() || none.IsBool());
    EXPECT_EQ(none.Dump(), "");
    EXPECT_TRUE(none.Items().empty());
    EXPECT_TRUE(none.Entries().empty());
    EXPECT_EQ(none.String(), std::nullopt);
    EXPECT_EQ(none.Integer(), std::nullopt);
  }
  EXPECT_EQ(json["s"].Number(), std::nullopt);
  EXPECT_EQ(json["s"].Integer(), std::nullopt);
  EXPECT_EQ(json["s"].Bool(), std::nullopt);
  EXPECT_EQ(json["a"].String(), std::nullopt);
  EXPECT_TRUE(json["s"].Items().empty());
  EXPECT_TRUE(json["a"].Entries().empty());
  EXPECT_EQ(json["s"].StringOr("no"), "x");
  EXPECT_EQ(json["x"].StringOr("no"), "no");
  EXPECT_EQ(json["x"].NumberOr(2.5), 2.5);
  EXPECT_EQ(json["x"].IntegerOr(7), 7);
  EXPECT_EQ(json["x"].BoolOr(true), true);
}

TEST(JsonTest, AnIntegerIsANumberWithoutFractionThatFits) {
  const std::vector<std::pair<std::string, std::optional<std::int64_t>>> cases = {
      {"5.0", 5},
      {"1e3", 1000},
      {"-2.0", -2},
      {"5.5", std::nullopt},
      {"9007199254740992.0", 9'007'199'254'740'992},
      {"1e300", std::nullopt},
      {"9223372036854775807", INT64_MAX},
      {"-9223372036854775808", INT64_MIN},
      {"9223372036854775808", std::nullopt},
      {"\"5\"", std::nullopt},
      {"true", std::nullopt},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Parsed(text).Integer(), want) << text;
  EXPECT_EQ(Parsed("9223372036854775808").Number(), 9223372036854775808.0);
}

TEST(JsonTest, IntegersBeyond64BitsAreDoubles) {
  EXPECT_EQ(Read("99999999999999999999"), "100000000000000000000");
  EXPECT_EQ(Read("-9223372036854775809"), "-9223372036854776000");
  EXPECT_EQ(Read(R"({"a\"1":[100000000000000000000,5,"18446744073709551616\\"],"b":1.5e3})"),
            R"({"a\"1":[100000000000000000000,5,"18446744073709551616\\"],"b":1500})");
  EXPECT_EQ(Read(R"(["18446744073709551616\"", 18446744073709551616])"),
            R"(["18446744073709551616\"",18446744073709552000])");
  // What fits in 64 bits stays exact beside them.
  EXPECT_EQ(Read("[99999999999999999999,1234567890123456789,-9223372036854775808]"),
            "[100000000000000000000,1234567890123456789,-9223372036854775808]");
}

TEST(JsonTest, TheFirstOfRepeatedKeysCounts) {
  EXPECT_EQ(Parsed(R"({"a":1,"b":0,"a":2})")["a"].Integer(), 1);
}

TEST(JsonTest, FindsKeysBehindValuesThatLookLikeThem) {
  const Json json = Parsed(R"({"x":"k","y":{"k":1},"z":["k",2],"k":3})");
  EXPECT_EQ(json["k"].Integer(), 3);
}

TEST(JsonTest, KeepsEntriesInTheirOrder) {
  std::string seen;
  for (const auto& [key, value] : Parsed(R"({"z":1,"a":[2,3],"":{"k":4}})").Entries()) {
    seen += key + "=" + value.Dump() + " ";
  }
  EXPECT_EQ(seen, "z=1 a=[2,3] ={\"k\":4} ");
}

TEST(JsonTest, DumpsAPartOfADocument) {
  const Json json = Parsed(R"({"a":{"b":[1,{"c":"d"}]},"e":"f"})");
  EXPECT_EQ(json["a"].Dump(), R"({"b":[1,{"c":"d"}]})");
  EXPECT_EQ(json["a"]["b"].Items().at(1).Dump(), R"({"c":"d"})");
  EXPECT_EQ(json["e"].Dump(), R"("f")");
}

TEST(JsonTest, APartKeepsItsDocumentAlive) {
  Json part;
  {
    std::string text = R"({"deep":{"text":"still here"}})";
    part = Parsed(text)["deep"]["text"];
    text.assign(text.size(), 'x');
  }
  EXPECT_EQ(part.String(), "still here");
}

TEST(JsonTest, ReadsTextThatEndsAtAPageWithoutPadding) {
  // Every length around simdjson's blocks of 64 bytes.
  for (std::size_t length = 1; length < 200; ++length) {
    const std::string text = "\"" + std::string(length, 'x') + "\"";
    const std::vector<char> exact(text.begin(), text.end());
    EXPECT_EQ(Parsed({exact.data(), exact.size()}).String()->size(), length);
  }
}

TEST(JsonTest, HoldsItsLimitsForShortAndLongTextsInAnyOrder) {
  // Up to 64 KiB a thread keeps its parser; what it read before must not show.
  for (const int spaces : {0, 65'000, 65'536, 70'000, 1'000'000, 10}) {
    const std::string padding(static_cast<std::size_t>(spaces), ' ');
    EXPECT_EQ(Read(padding + Nested(Json::kDepthMax)), Nested(Json::kDepthMax));
    EXPECT_EQ(Read(padding + Nested(Json::kDepthMax + 1)),
              "! bad JSON: nested deeper than 64 levels");
    EXPECT_EQ(Read(padding + "[1"),
              "! bad JSON: a comma, colon, quote or bracket is missing or too many");
  }
}

TEST(JsonTest, DocumentsReadBeforeStayWhole) {
  const Json first = Parsed(R"({"a":"first"})");
  const Json second = Parsed(R"({"a":"second one"})");
  EXPECT_EQ(first["a"].String(), "first");
  EXPECT_EQ(second["a"].String(), "second one");
}

TEST(JsonTest, CountsMembersBeyondWhatTheTapeCounts) {
  // The tape's count saturates at 2^24 - 1; ours must not use it.
  std::string text = "[";
  for (int i = 0; i < 100'000; ++i) text += "0,";
  text += "1]";
  EXPECT_EQ(Parsed(text).Items().size(), 100'001U);
}

}  // namespace
}  // namespace fettle

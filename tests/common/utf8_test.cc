#include "common/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/labels.h"

namespace fettle {
namespace {

TEST(Utf8Test, DecodesWhatItAppends) {
  for (const char32_t rune : {0x0U, 0x41U, 0x7fU, 0x80U, 0x7ffU, 0x800U, 0xd7ffU, 0xe000U, 0xffffU,
                              0x10000U, 0x1f642U, 0x10ffffU}) {
    std::string text;
    AppendRune(rune, text);
    const Rune decoded = DecodeRune(text, 0);
    EXPECT_EQ(decoded.value, rune);
    EXPECT_EQ(decoded.length, text.size());
  }
}

TEST(Utf8Test, RefusesWhatIsNoCharacter) {
  for (const char* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                           "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc3",
                           "\xe6\xbc", "\xf0\x9f\x99", "\xc3(", "\xff"}) {
    EXPECT_EQ(DecodeRune(text, 0).length, 0U);
    EXPECT_FALSE(IsUtf8(text));
  }
}

TEST(Utf8Test, KnowsUnicodesSpaces) {
  for (const char32_t space :
       {U'\t', U'\n', U'\r', U' ', U'\u0085', U'\u00a0', U'\u2003', U'\u3000'}) {
    EXPECT_TRUE(IsSpace(space));
  }
  for (const char32_t other : {U'a', U'\0', U'\u200b', U'\ufeff', U'\u0084'}) {
    EXPECT_FALSE(IsSpace(other));
  }
}

TEST(UnquoteTest, ReadsGosLiterals) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("")", ""},
      {R"("abc")", "abc"},
      {R"("\a\b\f\n\r\t\v\\\"")", "\a\b\f\n\r\t\v\\\""},
      {R"("\x41\101\u00fc\U0001f642")", "AAü🙂"},
      {R"("\xff")", "\xff"},
      {R"("\377")", "\xff"},
      {R"("tab	inside")", "tab\tinside"},
      {R"("ü'`")", "ü'`"},
  };
  for (const auto& [literal, want] : cases) EXPECT_EQ(Unquote(literal), want) << literal;
}

TEST(UnquoteTest, RefusesWhatIsNoLiteral) {
  for (const char* text : {"", "\"", "abc", "\"abc", "abc\"", "\"a\"b\"", "\"a\nb\"", R"("\")",
                           R"("\'")", R"("\q")", R"("\x4")", R"("\xg0")", R"("\400")", R"("\18")",
                           R"("\ud800")", R"("\U00110000")", R"("\u12")", "'abc'", "`abc`"}) {
    EXPECT_EQ(Unquote(text), std::nullopt) << text;
  }
}

TEST(UnquoteTest, ReadsBackWhatQuoteWrites) {
  for (const std::string text : {"", "a\"b\\c\n", "ü\x01\x7f", "\xff\xfe", "🙂"}) {
    EXPECT_EQ(Unquote(Quote(text)), text);
  }
}

}  // namespace
}  // namespace fettle

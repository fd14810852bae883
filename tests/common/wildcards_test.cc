#include "common/wildcards.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <random>

namespace fettle {
namespace {

using Texts = std::vector<std::string>;

TEST(WildcardsTest, KnowsWhichTextsAreAll) {
  const auto literals = [](std::string_view regexp) {
    const auto parsed = Wildcards::Parse(regexp);
    return parsed ? parsed->Literals() : Texts{"RE2"};
  };
  EXPECT_EQ(literals("web"), Texts{"web"});
  EXPECT_EQ(literals("b|a|b"), (Texts{"a", "b"}));
  EXPECT_EQ(literals("^10[.]0\\.0$"), Texts{"10.0.0"});
  EXPECT_EQ(literals("x(a|(?:b|c)d)[1-3]|"),
            (Texts{"", "xa1", "xa2", "xa3", "xbd1", "xbd2", "xbd3", "xcd1", "xcd2", "xcd3"}));
  EXPECT_EQ(literals("web-.*"), Texts{});
  std::string hosts = "h";
  for (int i = 0; i < 500; ++i) hosts += "|host-" + std::to_string(i);
  EXPECT_EQ(literals(hosts).size(), 501U);
  EXPECT_EQ(literals(hosts + "|.*"), Texts{"RE2"});
  for (const char* hard : {"a.", "a*", "(a|b)+", "é?", "[^a]", "\\d", "(?i)a", "a{2}", "(a", "a)",
                           "[a", "[]a]", "a^", "$a", "\\Qa", ".+.+", "[!-~]{2}", "[[:alpha:]]"}) {
    EXPECT_EQ(literals(hard), Texts{"RE2"}) << hard;
  }
}

// Whatever it understands, it understands as RE2 does.
TEST(WildcardsTest, MatchesWhatRe2Matches) {
  const Texts pieces = {"a",   "b", "ab", ".*", ".+", "|", "(a|b)", "(?:ab|.*b)", "[ab]",
                        "\\.", ".", "é",  "^",  "$",  "(", ")",     "[.]",        "?"};
  const Texts letters = {"a", "b", ".", "é", "\n", "ab"};
  std::mt19937 random(5);
  const auto some = [&](const Texts& from, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += from[random() % from.size()];
    return out;
  };
  std::size_t understood = 0;
  for (int i = 0; i < 4'000; ++i) {
    const std::string regexp = some(pieces, 1 + random() % 6);
    const auto simple = Wildcards::Parse(regexp);
    if (!simple) continue;
    ++understood;
    re2::RE2::Options options;
    options.set_log_errors(false);
    const re2::RE2 re2("^(?s:" + regexp + ")$", options);
    ASSERT_TRUE(re2.ok()) << regexp;
    for (int k = 0; k < 20; ++k) {
      const std::string value = some(letters, random() % 6);
      ASSERT_EQ(simple->Matches(value), re2::RE2::PartialMatch(value, re2))
          << regexp << " against " << value;
    }
  }
  EXPECT_GT(understood, 1'000U);
}

}  // namespace
}  // namespace fettle

#include "common/matcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fettle {
namespace {

using Type = Matcher::Type;

// The matchers as Alertmanager prints them, or "! complaint".
std::string Read(std::string_view text, MatcherSyntax syntax = MatcherSyntax::kFallback) {
  const Result<Matchers> matchers = ParseMatchers(text, syntax);
  if (!matchers) return "! " + matchers.error().message;
  std::string out = "{";
  for (const Matcher& matcher : *matchers) {
    out += (out.size() > 1 ? "," : "") + matcher.ToString();
  }
  return out + "}";
}
std::string ReadOne(std::string_view text, MatcherSyntax syntax = MatcherSyntax::kFallback) {
  const Result<Matcher> matcher = ParseMatcher(text, syntax);
  return matcher ? matcher->ToString() : "! " + matcher.error().message;
}

struct Case {
  const char* text;
  const char* want;
};

TEST(MatcherTest, ComparesTextsAndPatterns) {
  struct {
    Type type;
    const char* pattern;
    std::vector<std::string> matches;
    std::vector<std::string> misses;
  } const cases[] = {
      {Type::kEqual, "a", {"a"}, {"", "b", "aa"}},
      {Type::kEqual, "", {""}, {"a"}},
      {Type::kNotEqual, "a", {"", "b", "aa"}, {"a"}},
      {Type::kRegexp, "a.*", {"a", "ab", "a\nb"}, {"", "ba"}},
      {Type::kRegexp, "a|b", {"a", "b"}, {"", "ab", "a|b"}},
      {Type::kRegexp, "a|b.", {"a", "bc"}, {"ac", "b"}},
      {Type::kRegexp, "", {""}, {"a"}},
      {Type::kRegexp, "a|", {"a", ""}, {"b"}},
      {Type::kRegexp, ".*", {"", "a", "a\nb"}, {}},
      {Type::kRegexp, ".+", {"a", "\n"}, {""}},
      {Type::kRegexp, "(?i)web", {"WEB", "web"}, {"webs"}},
      {Type::kRegexp, "5..", {"500"}, {"5000", "50"}},
      {Type::kRegexp, "ü|漢", {"ü", "漢"}, {"u"}},
      {Type::kRegexp, "[ü]", {"ü"}, {"\xc3"}},
      {Type::kRegexp, "\\d+", {"123"}, {"12a", ""}},
      {Type::kRegexp, "a$|^b", {"a", "b"}, {"ab"}},
      {Type::kRegexp, "(?<n>a)(?P<m>b)", {"ab"}, {"a"}},
      {Type::kRegexp, "[(?<n>]", {"(", "?", "<", "n", ">"}, {"P"}},
      {Type::kRegexp, "[](?<n>]", {"]", "<"}, {"P"}},
      {Type::kRegexp, "[^](?<n>]", {"P"}, {"]", "<"}},
      {Type::kRegexp, "\\Q(?<n>\\E.", {"(?<n>x"}, {"(?P<n>x"}},
      {Type::kRegexp, "\\(?<n>", {"(<n>", "<n>"}, {"(?P<n>"}},
      {Type::kNotRegexp, "a|b", {"", "c", "ab"}, {"a", "b"}},
      {Type::kNotRegexp, "a.*", {"", "ba"}, {"a", "ab"}},
      {Type::kNotRegexp, ".*", {}, {"", "a"}},
      {Type::kNotRegexp, ".+", {""}, {"a"}},
  };
  for (const auto& c : cases) {
    const Result<Matcher> matcher = Matcher::Make(c.type, "x", c.pattern);
    ASSERT_TRUE(matcher) << c.pattern;
    for (const std::string& text : c.matches) {
      EXPECT_TRUE(matcher->Matches(text)) << matcher->ToString() << " on \"" << text << '"';
    }
    for (const std::string& text : c.misses) {
      EXPECT_FALSE(matcher->Matches(text)) << matcher->ToString() << " on \"" << text << '"';
    }
  }
}

TEST(MatcherTest, AnAbsentLabelIsTheEmptyText) {
  const Labels labels = {{"a", "1"}};
  EXPECT_TRUE(Matcher::Make(Type::kEqual, "a", "1")->Matches(labels));
  EXPECT_TRUE(Matcher::Make(Type::kEqual, "b", "")->Matches(labels));
  EXPECT_TRUE(Matcher::Make(Type::kNotEqual, "b", "x")->Matches(labels));
  EXPECT_FALSE(Matcher::Make(Type::kRegexp, "b", ".+")->Matches(labels));
}

TEST(MatcherTest, AllOfAListMustMatch) {
  const Matchers matchers = *ParseMatchers(R"({a="1",b=~"x|y"})");
  EXPECT_TRUE(MatchAll(matchers, {{"a", "1"}, {"b", "y"}}));
  EXPECT_FALSE(MatchAll(matchers, {{"a", "1"}, {"b", "z"}}));
  EXPECT_FALSE(MatchAll(matchers, {{"b", "y"}}));
  EXPECT_TRUE(MatchAll({}, {}));
}

TEST(MatcherTest, TellsItsLiteralsToAnIndex) {
  using Literals = std::vector<std::string>;
  const auto literals = [](Type type, const char* pattern) {
    return Matcher::Make(type, "x", pattern)->literals();
  };
  EXPECT_EQ(literals(Type::kRegexp, "b|a|b|"), (Literals{"", "a", "b"}));
  EXPECT_EQ(literals(Type::kRegexp, "only"), (Literals{"only"}));
  EXPECT_EQ(literals(Type::kRegexp, "a|b.c"), Literals{});
  EXPECT_EQ(literals(Type::kRegexp, "(a|b)"), (Literals{"a", "b"}));
  EXPECT_EQ(literals(Type::kEqual, "a|b"), Literals{});
}

TEST(MatcherTest, IsEqualByTypeNameAndValue) {
  EXPECT_EQ(*Matcher::Make(Type::kRegexp, "a", "b.*"), *Matcher::Make(Type::kRegexp, "a", "b.*"));
  EXPECT_FALSE(*Matcher::Make(Type::kRegexp, "a", "b") == *Matcher::Make(Type::kEqual, "a", "b"));
  EXPECT_FALSE(*Matcher::Make(Type::kEqual, "a", "b") == *Matcher::Make(Type::kEqual, "a", "c"));
}

TEST(MatcherTest, SaysWhatIsWrongWithAPatternAsGoDoes) {
  const std::string too_long = std::string(128 * 1024, 'a') + ".";
  const Case cases[] = {
      {"[a", "error parsing regexp: missing closing ]: `[a)$`"},
      {"a(b", "error parsing regexp: missing closing ): `a(b`"},
      {"a)(b", "error parsing regexp: unexpected ): `a)(b`"},
      {"[)]\\Q)\\E\\)(", "error parsing regexp: missing closing ): `[)]\\Q)\\E\\)(`"},
      {too_long.c_str(), "the regular expression is longer than 131072 bytes"},
      {"a**", "error parsing regexp: invalid nested repetition operator: `**`"},
      {"*", "error parsing regexp: missing argument to repetition operator: `*`"},
      {"a{1001}", "error parsing regexp: invalid repeat count: `{1001}`"},
      {"\\8", "error parsing regexp: invalid escape sequence: `\\8`"},
      {"[z-a]", "error parsing regexp: invalid character class range: `z-a`"},
      {"(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
      {"(?P<n->a)", "error parsing regexp: invalid named capture: `(?P<n->`"},
      {"[[:nobody:]]", "error parsing regexp: invalid character class range: `[:nobody:]`"},
      {"a\xff|b.", "error parsing regexp: invalid UTF-8: ``"},
      {"\xff", "error parsing regexp: invalid UTF-8: ``"},
      // To the pattern's end, as Go: it swallows our own parenthesis.
      {"\\Qa", "error parsing regexp: missing closing ): `^(?s:\\Qa)$`"},
      {"((a{100}){100}){100}", "error parsing regexp: invalid repeat count: `{100}`"},
      {"(\\pL{500}){2}", "error parsing regexp: expression too large: ``"},
  };
  for (const Case& c : cases) {
    const Result<Matcher> matcher = Matcher::Make(Type::kRegexp, "x", c.text);
    ASSERT_FALSE(matcher) << c.text;
    EXPECT_EQ(matcher.error().message, c.want);
    EXPECT_EQ(matcher.error().cause, Cause::kInvalid);
  }
}

TEST(MatcherTest, PrintsAsAlertmanagerDoes) {
  EXPECT_EQ(Matcher::Make(Type::kEqual, "a", "b")->ToString(), R"(a="b")");
  EXPECT_EQ(Matcher::Make(Type::kNotEqual, "a", "")->ToString(), R"(a!="")");
  EXPECT_EQ(Matcher::Make(Type::kRegexp, "a", "x.*")->ToString(), R"(a=~"x.*")");
  EXPECT_EQ(Matcher::Make(Type::kNotRegexp, "a", "\\d\"\n\t")->ToString(), "a!~\"\\\\d\\\"\\n\t\"");
  EXPECT_EQ(Matcher::Make(Type::kEqual, "ü-x", "b")->ToString(), R"(ü-x="b")");
  EXPECT_EQ(Matcher::Make(Type::kEqual, "a b", "c\t")->ToString(), R"("a b"="c\t")");
}

// What Alertmanager's own tests of the UTF-8 grammar say.
TEST(MatcherParseTest, ReadsTheUtf8Grammar) {
  const Case cases[] = {
      {"", "{}"},
      {"{}", "{}"},
      {" { } ", "{}"},
      {"{foo=bar}", R"({foo="bar"})"},
      {"{foo=bar,}", R"({foo="bar"})"},
      {"{foo!=bar}", R"({foo!="bar"})"},
      {"{foo=~[a-z]+}", R"({foo=~"[a-z]+"})"},
      {"{foo!~[a-z]+}", R"({foo!~"[a-z]+"})"},
      {"{foo=🙂bar}", R"({foo="🙂bar"})"},
      {"foo=bar", R"({foo="bar"})"},
      {"foo=bar,", R"({foo="bar"})"},
      {R"({"foo"="bar"})", R"({foo="bar"})"},
      {R"("foo"!~"[a-z]+")", R"({foo!~"[a-z]+"})"},
      {R"({"foo"="\xf0\x9f\x99\x82"})", R"({foo="🙂"})"},
      {R"({"foo"="\U0001f642"})", R"({foo="🙂"})"},
      {R"({"foo"="bar\n\t\\\""})", "{foo=\"bar\\n\t\\\\\\\"\"}"},
      {"{foo=bar,bar!=baz}", R"({foo="bar",bar!="baz"})"},
      {R"(  foo  =~  "a b" ,  "c d" = e  )", R"({foo=~"a b","c d"="e"})"},
      {"ü-name.x=1", R"({ü-name.x="1"})"},
      {"foo:bar=~baz", R"({foo:bar=~"baz"})"},
      {"foo=\u00a0bar", R"({foo="bar"})"},
      {",", "! 0:1: unexpected ,: expected label name"},
      {"{,}", "! 1:2: unexpected ,: expected label name"},
      {"{", "! 0:1: end of input: expected close brace"},
      {"}", "! 0:1: }: expected opening brace"},
      {"foo=bar}", "! 0:8: }: expected opening brace"},
      {"{foo=bar", "! 0:8: end of input: expected close brace"},
      {"{foo=bar} x", "! 10:11: x: expected end of input"},
      {"{foo=:\"bar\"}", "! 6:11: unexpected \"bar\": expected a comma or close brace"},
      {"{foo=\"bar\\w\"}", "! 5:12: \"bar\\w\": invalid input"},
      {"{foo=bar\\n}", "! 8:9: \\: invalid input: expected a comma or close brace"},
      {"{\"foo\"=\"\\xf0\\x9f\"}", "! 7:17: \"\\xf0\\x9f\": invalid input"},
      {"foo", "! 0:3: end of input: expected an operator such as '=', '!=', '=~' or '!~'"},
      {"foo bar", "! 4:7: unexpected bar: expected an operator such as '=', '!=', '=~' or '!~'"},
      {"foo=", "! 0:4: end of input: expected label value"},
      {"foo==bar", "! 4:5: unexpected =: expected label value"},
      {"foo!bar",
       "! 3:4: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'"},
      {"foo!",
       "! 3:4: unexpected end of input, expected one of '=~': expected an operator such as '=', "
       "'!=', '=~' or '!~'"},
      {"foo=\"bar", "! 4:8: \"bar: missing end \": expected label value"},
      {"foo='bar'", "! 4:5: ': invalid input: expected label value"},
      {"~", "! 0:1: ~: invalid input"},
      {"foo=bar baz=qux", "! 8:11: unexpected baz: expected a comma or close brace"},
      {"foo=bar,=", "! 8:9: unexpected =: expected a matcher or close brace after comma"},
      {"foo=bar,'", "! 8:9: ': invalid input: expected a matcher or close brace after comma"},
      {"{foo=bar}'", "! 9:10: ': invalid input: expected end of input"},
      {"foo=~[a", "! error parsing regexp: missing closing ]: `[a)$`"},
      {"\"\"=x", "! a matcher has an empty label name"},
  };
  for (const Case& c : cases) EXPECT_EQ(Read(c.text, MatcherSyntax::kUtf8), c.want) << c.text;
}

// What Alertmanager's own tests of the classic grammar say.
TEST(MatcherParseTest, ReadsTheClassicGrammar) {
  const Case cases[] = {
      {"", "{}"},
      {"{}", "{}"},
      {"{foo='}", R"({foo="'"})"},
      {"{foo=`}", R"({foo="`"})"},
      {R"({foo=\n})", R"({foo="\n"})"},
      {R"({foo=bar\t})", R"({foo="bar\\t"})"},
      {R"({foo=bar\})", R"({foo="bar\\"})"},
      {R"({foo=bar\\})", R"({foo="bar\\"})"},
      {R"({foo=\"})", R"({foo="\""})"},
      {R"({foo="bar"})", R"({foo="bar"})"},
      {R"({foo=~"bar.*"})", R"({foo=~"bar.*"})"},
      {R"({foo="bar", baz!~"quux.*", derp="wat"})", R"({foo="bar",baz!~"quux.*",derp="wat"})"},
      {R"({foo=""})", R"({foo=""})"},
      {R"({foo="bar,quux", job="job1"})", R"({foo="bar,quux",job="job1"})"},
      {R"({foo = "bar", dings != "bums", })", R"({foo="bar",dings!="bums"})"},
      {"foo=bar,dings!=bums", R"({foo="bar",dings!="bums"})"},
      {R"({quote="She said: \"Hi, ladies! That's gender-neutral…\""})",
       R"({quote="She said: \"Hi, ladies! That's gender-neutral…\""})"},
      {R"(tricky=~~~)", R"({tricky=~"~~"})"},
      {R"(trickier==\\=\=\")", R"({trickier="=\\=\\=\""})"},
      {R"(contains_quote != "\"" , contains_comma !~ "foo,bar" , )",
       R"({contains_quote!="\"",contains_comma!~"foo,bar"})"},
      {"{foo=bar}}", R"({foo="bar}"})"},
      {"{foo=bar}},}", R"({foo="bar}}"})"},
      {"{foo=,bar=}}", R"({foo="",bar="}"})"},
      {"job=", R"({job=""})"},
      {"{foo=", R"({foo=""})"},
      {"{foo=}b", R"({foo="}b"})"},
      {"a:b=c", R"({a:b="c"})"},
      {"\u3000a=b,c=d", "! bad matcher format: \u3000a=b"},
      {"a=b\u00a0,c=d\u00a0", "{a=\"b\u00a0\",c=\"d\"}"},
      {"\u00a0foo=bar ", R"({foo="bar"})"},
      {"{name-with-dashes = \"bar\"}", "! bad matcher format: name-with-dashes = \"bar\""},
      {"{,}", "! bad matcher format: "},
      {"job=\"value", "! matcher value contains unescaped double quote: \"value"},
      {"job=value\"", "! matcher value contains unescaped double quote: value\""},
      {"job=\"", "! matcher value contains unescaped double quote: \""},
      {"trickier==\\\\=\\=\\\"\"",
       "! matcher value contains unescaped double quote: =\\\\=\\=\\\"\""},
      {"contains_unescaped_quote = foo\"bar",
       "! matcher value contains unescaped double quote: foo\"bar"},
      {"{foo=~\"invalid[regexp\"}", "! error parsing regexp: missing closing ]: `[regexp)$`"},
      {"\"{foo=\\\"bar\"}", "! bad matcher format: \"{foo=\\\"bar\""},
      {"\"foo=\"bar\"\"", "! bad matcher format: \"foo=\"bar\"\""},
      {"{{foo=", "! bad matcher format: {foo="},
      {"foo", "! bad matcher format: foo"},
      {"1a=b", "! bad matcher format: 1a=b"},
      {"=b", "! bad matcher format: =b"},
  };
  for (const Case& c : cases) EXPECT_EQ(Read(c.text, MatcherSyntax::kClassic), c.want) << c.text;
}

TEST(MatcherParseTest, FallsBackAsAlertmanagerDoes) {
  const Case cases[] = {
      // Both understand, and agree.
      {"{foo=\"bar\"}", R"({foo="bar"})"},
      // Only UTF-8 understands.
      {"{ü=\"bar\"}", R"({ü="bar"})"},
      {"\"foo bar\"=baz", R"({"foo bar"="baz"})"},
      // Only classic understands.
      {"foo=", R"({foo=""})"},
      {"{foo=bar}}", R"({foo="bar}"})"},
      {"foo=~a b", R"({foo=~"a b"})"},
      {R"(foo="a\d")", R"({foo="a\\d"})"},
      {"foo={bar", R"({foo="{bar"})"},
      // Both understand and differ: classic has the last word.
      {R"(foo="\t")", R"({foo="\\t"})"},
      {R"(foo="\xf0\x9f\x99\x82")", R"({foo="\\xf0\\x9f\\x99\\x82"})"},
      // Neither understands: classic complains.
      {"{,}", "! bad matcher format: "},
      {"foo", "! bad matcher format: foo"},
      {"ü", "! bad matcher format: ü"},
      {"ü=~[a", "! bad matcher format: ü=~[a"},
      {"foo=~[a", "! error parsing regexp: missing closing ]: `[a)$`"},
      {"a=\xff", "! matcher is not valid UTF-8: \"a=\\xff\""},
  };
  for (const Case& c : cases) EXPECT_EQ(Read(c.text), c.want) << c.text;
}

TEST(MatcherParseTest, OneMatcherHasNoBraces) {
  const Case cases[] = {
      {"foo=bar", R"(foo="bar")"},
      {"foo=bar,", R"(foo="bar,")"},
      {"foo=bar,baz=qux", R"(foo="bar,baz=qux")"},
      {"ü=bar,", R"(ü="bar")"},
      {"{foo=bar}", "! unexpected open or close brace: {foo=bar}"},
      {"{foo=bar", "! unexpected open or close brace: {foo=bar"},
      {"foo=bar}", "! unexpected open or close brace: foo=bar}"},
      {"", "! bad matcher format: "},
      {"foo", "! bad matcher format: foo"},
      {"ü=a,ö=b", "! bad matcher format: ü=a,ö=b"},
      {"\"\"=x", "! a matcher has an empty label name"},
  };
  for (const Case& c : cases) EXPECT_EQ(ReadOne(c.text), c.want) << c.text;
  EXPECT_EQ(ReadOne("", MatcherSyntax::kUtf8), "! no matchers");
  EXPECT_EQ(ReadOne("a=b,c=d", MatcherSyntax::kUtf8), "! expected 1 matcher, found 2");
  EXPECT_EQ(ReadOne("foo=bar}", MatcherSyntax::kClassic), R"(foo="bar}")");
}

TEST(MatcherParseTest, ReadsBackWhatItPrints) {
  for (const char* name : {"a", "a:b", "ü", "a b", "a\"b", "{", "=", "'"}) {
    for (const char* value : {"", "b", " b ", "a\nb", "\\", "\"", "a,b", "{x}", "ü\t", "\\n"}) {
      const Matcher matcher = *Matcher::Make(Type::kEqual, name, value);
      const Result<Matchers> back = ParseMatchers("{" + matcher.ToString() + "}");
      ASSERT_TRUE(back) << matcher.ToString();
      EXPECT_EQ(*back, Matchers{matcher}) << matcher.ToString();
    }
  }
}

}  // namespace
}  // namespace fettle

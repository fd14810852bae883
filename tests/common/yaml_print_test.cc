#include "common/yaml_print.h"

#include <gtest/gtest.h>

namespace fettle::yaml {
namespace {

// What Go's yaml.v2 was seen to write.
TEST(YamlPrintTest, QuotesATextAsGoDoes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"plain", "plain"},
      {"", R"("")"},
      {"123", R"("123")"},
      {"1.5e3", R"("1.5e3")"},
      {"0x1F", R"("0x1F")"},
      {"1:5", R"("1:5")"},
      {"12:30:45", R"("12:30:45")"},
      {"2020-01-01", R"("2020-01-01")"},
      {"y", R"("y")"},
      {"true", R"("true")"},
      {"null", R"("null")"},
      {"~", R"("~")"},
      {"<<", "<<"},
      {"=", "="},
      {"-", "'-'"},
      {"- x", "'- x'"},
      {"-x", "-x"},
      {"?x", "?x"},
      {"---", "'---'"},
      {"a,b", "a,b"},
      {"[x", "'[x'"},
      {"a]b", "a]b"},
      {" x", "' x'"},
      {"x ", "'x '"},
      {"a #b", "'a #b'"},
      {"a: b", "'a: b'"},
      {":x: y", "':x: y'"},
      {"<secret>", "<secret>"},
      {"'{{ ' \" }}", R"('''{{ '' " }}')"},
      {"sev=\"b\"", "sev=\"b\""},
      {"...", "'...'"},
      {"\tx\x01\xc3\xa9\xe2\x98\x83\xf0\x9f\x99\x82",
       "\"\\tx\\x01\xc3\xa9\xe2\x98\x83\\U0001F642\""},
      {"a\nb", "|-\n  a\n  b"},
      {"a\nb\n", "|\n  a\n  b"},
      {"a\n\nb\n\n", "|+\n  a\n\n  b\n"},
      {"\n", "|2+\n"},
      {" a\n b", "|2-\n   a\n   b"},
      {"line one that is very long and goes on and on and on past the eighty columns for sure, and "
       "more",
       "line one that is very long and goes on and on and on past the eighty columns for\n  sure, "
       "and "
       "more"},
  };
  for (const auto& [text, written] : cases) {
    Tree tree;
    tree.Add("k", Tree::Text(text));
    EXPECT_EQ(Print(tree), "k: " + written + "\n") << text;
  }
}

TEST(YamlPrintTest, IndentsAsGoDoes) {
  Tree route;
  route.Add("matchers", Tree::List({"a=\"b\"", "c"}));
  route.Add("none", Tree::List({}));
  route.Add("nothing", Tree());
  Tree days = Tree::List({"saturday", "monday:friday", "1:5"});
  days.flow = true;
  route.Add("days", days);
  Tree list = Tree::List({});
  list.items = {route, Tree(), route};
  Tree top;
  top.Add("list", list);
  top.Add("on", Tree::Bool(true));
  EXPECT_EQ(Print(top), R"(list:
- matchers:
  - a="b"
  - c
  none: []
  nothing: {}
  days: [saturday, 'monday:friday', "1:5"]
- {}
- matchers:
  - a="b"
  - c
  none: []
  nothing: {}
  days: [saturday, 'monday:friday', "1:5"]
"on": true
)");
}

}  // namespace
}  // namespace fettle::yaml

#include "common/yaml.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace fettle::yaml {
namespace {

LoadOptions NoEnvironment() {
  LoadOptions options;
  options.getenv = [](const std::string& name) -> std::optional<std::string> {
    if (name == "PW") return "hunter2";
    return std::nullopt;
  };
  return options;
}

// Reads `text` as a mapping called "x" and answers with all complaints.
std::string Complained(std::string_view text, const std::function<void(Mapping&)>& read) {
  Complaints complaints;
  const std::optional<Node> node = Load(text, "f.yml", complaints, NoEnvironment());
  if (node) {
    Mapping mapping(*node, "x", complaints);
    read(mapping);
  }
  return complaints.ToString();
}

// "value" or "! complaint" of the one value v.
template <typename T>
std::string Decoded(const std::string& text) {
  Complaints complaints;
  const std::optional<Node> node = Load("v: " + text, "f.yml", complaints, NoEnvironment());
  const Result<T> value = Decode<T>(*node->Find("v"));
  if (!value) return "! " + value.error().message;
  if constexpr (std::is_same_v<T, Millis>) {
    return fmt::format("{}", value->count());
  } else {
    return fmt::format("{}", *value);
  }
}

TEST(YamlDecodeTest, ReadsWords) {
  EXPECT_EQ(Decoded<std::string>("a b"), "a b");
  EXPECT_EQ(Decoded<std::string>("10"), "10");
  EXPECT_EQ(Decoded<std::string>("''"), "");
  EXPECT_EQ(Decoded<std::string>("[a]"), "! must be a word, not a list");
  EXPECT_EQ(Decoded<std::string>("{a: b}"), "! must be a word, not a mapping");
  EXPECT_EQ(Decoded<std::string>(""), "! must be a word, not nothing");
}

TEST(YamlDecodeTest, ReadsTruth) {
  for (const char* yes : {"true", "True", "TRUE", "yes", "on"}) {
    EXPECT_EQ(Decoded<bool>(yes), "true");
  }
  for (const char* no : {"false", "False", "no", "off", "OFF"}) {
    EXPECT_EQ(Decoded<bool>(no), "false");
  }
  EXPECT_EQ(Decoded<bool>("yess"), "! must be true or false, not \"yess\"");
  EXPECT_EQ(Decoded<bool>("1"), "! must be true or false, not \"1\"");
  EXPECT_EQ(Decoded<bool>("'true'"), "! must be true or false, not the quoted \"true\"");
  EXPECT_EQ(Decoded<bool>("[true]"), "! must be true or false, not a list");
}

TEST(YamlDecodeTest, ReadsWholeNumbers) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0", "0"},
      {"-7", "-7"},
      {"2147483647", "2147483647"},
      {"-2147483648", "-2147483648"},
      {"2147483648",
       "! must be a whole number between -2147483648 and 2147483647, not \"2147483648\""},
      {"99999999999999999999",
       "! must be a whole number between -2147483648 and 2147483647, not "
       "\"99999999999999999999\""},
      {"010", "! must be a whole number without leading zeros, not \"010\""},
      {"-01", "! must be a whole number without leading zeros, not \"-01\""},
      {"'10'", "! must be a whole number, not the quoted \"10\""},
      {"1.5", "! must be a whole number, not \"1.5\""},
      {"1e3", "! must be a whole number, not \"1e3\""},
      {"0x10", "! must be a whole number, not \"0x10\""},
      {"1_000", "! must be a whole number, not \"1_000\""},
      {"ten", "! must be a whole number, not \"ten\""},
      {"${PW}", "! must be a whole number, not \"${PW}\""},  // never what it holds
      {"[1]", "! must be a whole number, not a list"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Decoded<int>(text), want) << text;
  EXPECT_EQ(Decoded<std::int64_t>("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(Decoded<std::int64_t>("9223372036854775808"),
            "! must be a whole number between -9223372036854775808 and 9223372036854775807, not "
            "\"9223372036854775808\"");
}

TEST(YamlDecodeTest, ReadsSizes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0", "0"},
      {"512", "512"},
      {"512B", "512"},
      {"8KiB", "8192"},
      {"8MiB", "8388608"},
      {"1GiB", "1073741824"},
      {"16777215TiB", "18446742974197923840"},
      {"18446744073709551615", "18446744073709551615"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Decoded<std::size_t>(text), want) << text;
  for (const std::string text : {"-1", "8MB", "1.5GiB", "MiB", "8 MiB", "16777216TiB", "08MiB",
                                 "18446744073709551616", "8mib"}) {
    EXPECT_EQ(
        Decoded<std::size_t>(text),
        "! must be a whole number or a size such as 512KiB, 8MiB or 1GiB, not \"" + text + "\"");
  }
}

TEST(YamlDecodeTest, ReadsNumbers) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0", "0"},
      {"-1.5", "-1.5"},
      {"1e3", "1000"},
      {"0.9", "0.9"},
      {".inf", "inf"},
      {"-.inf", "-inf"},
      {"'1'", "! must be a number, not the quoted \"1\""},
      {"inf", "! must be a number, not \"inf\""},
      {"nan", "! must be a number, not \"nan\""},
      {".nan", "! must be a number, not \".nan\""},
      {"1e999", "! must be a number, not \"1e999\""},
      {"1,5", "! must be a number, not \"1,5\""},
      {"{}", "! must be a number, not a mapping"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Decoded<double>(text), want) << text;
}

TEST(YamlDecodeTest, ReadsDurations) {
  EXPECT_EQ(Decoded<Millis>("1h30m"), "5400000");
  EXPECT_EQ(Decoded<Millis>("'15s'"), "15000");
  EXPECT_EQ(Decoded<Millis>("0"), "0");
  EXPECT_EQ(Decoded<Millis>("5 minutes"),
            "! must be a duration such as 30s or 1h30m, not \"5 minutes\"");
  EXPECT_EQ(Decoded<Millis>("15"), "! must be a duration such as 30s or 1h30m, not \"15\"");
}

TEST(YamlDecodeTest, ShowsNoMoreOfALongTextThanNeeded) {
  EXPECT_EQ(Decoded<int>(std::string(79, 'x') + "üzzz"),
            "! must be a whole number, not \"" + std::string(79, 'x') + "\"…");
}

TEST(YamlMappingTest, ReadsWhatIsThereAndKeepsDefaultsForTheRest) {
  EXPECT_EQ(
      Complained("listen: ':1'\nport: 7\nempty:\nlist: [a, b]\nmap: {k: v, n: 1, e: }\n",
                 [](Mapping& m) {
                   EXPECT_EQ(m.Get<std::string>("listen", "no"), ":1");
                   EXPECT_EQ(m.Get<int>("port", 0), 7);
                   EXPECT_EQ(m.Get<int>("empty", 5), 5);
                   EXPECT_EQ(m.Get<int>("absent", 6), 6);
                   EXPECT_EQ(m.Find<int>("absent"), std::nullopt);
                   EXPECT_EQ(m.List<std::string>("list"), (std::vector<std::string>{"a", "b"}));
                   EXPECT_EQ(m.List<std::string>("absent"), (std::vector<std::string>{}));
                   EXPECT_EQ(m.StringMap("map"), (std::map<std::string, std::string>{
                                                     {"e", ""}, {"k", "v"}, {"n", "1"}}));
                   EXPECT_TRUE(m.Has("port"));
                   EXPECT_FALSE(m.Has("absent"));
                 }),
      "");
}

TEST(YamlMappingTest, ComplainsAboutEverythingAtOnceSortedByPlace) {
  EXPECT_EQ(Complained("prot: 1\nlisten: [1]\nevery: soon\nlisten: 2\nlist: [1, x]\n",
                       [](Mapping& m) {
                         m.List<int>("list");
                         m.Get<Millis>("every", Millis(0));
                         m.Get<std::string>("listen", "");
                         m.Get<int>("port", 0);
                       }),
            "f.yml:1:1: x: unknown key \"prot\", did you mean \"port\"?\n"
            "f.yml:2:9: x: listen must be a word, not a list\n"
            "f.yml:3:8: x: every must be a duration such as 30s or 1h30m, not \"soon\"\n"
            "f.yml:4:1: \"listen\" is given twice, first on line 2\n"
            "f.yml:5:11: x: list must be a whole number, not \"x\"");
}

TEST(YamlMappingTest, SuggestsOnlyKeysThatAreNotThereAlready) {
  EXPECT_EQ(Complained("port: 1\nports: 2\n",
                       [](Mapping& m) {
                         m.Get<int>("port", 0);
                         m.Get<int>("host", 0);
                       }),
            "f.yml:2:1: x: unknown key \"ports\"");
}

TEST(YamlMappingTest, WithoutANameItComplainsWithoutOne) {
  Complaints complaints;
  const std::optional<Node> node = Load("a: 1", "f.yml", complaints);
  { const Mapping mapping(*node, "", complaints); }
  EXPECT_EQ(complaints.ToString(), "f.yml:1:1: unknown key \"a\"");
}

TEST(YamlMappingTest, RequiresWhatMustBeThere) {
  EXPECT_EQ(Complained("empty:\nbad: x\ngood: 1\n",
                       [](Mapping& m) {
                         EXPECT_EQ(m.Require<int>("good"), 1);
                         m.Require<int>("bad");
                         m.Require<int>("empty");
                         m.Require<std::string>("absent");
                       }),
            "f.yml:1:1: x: \"empty\" is empty\n"
            "f.yml:1:1: x: \"absent\" is missing\n"
            "f.yml:2:6: x: bad must be a whole number, not \"x\"");
}

TEST(YamlMappingTest, WhatIsNoMappingIsOneComplaint) {
  for (const auto& [text, kind] :
       std::vector<std::pair<std::string, std::string>>{{"[a]", "a list"}, {"word", "a word"}}) {
    EXPECT_EQ(Complained(text,
                         [](Mapping& m) {
                           m.Require<int>("a");
                           m.Get<int>("b", 0);
                           m.ForEach("c", [](const Node&) { FAIL(); });
                         }),
              "f.yml:1:1: x: must be a mapping, not " + kind);
  }
  EXPECT_EQ(Complained("", [](Mapping& m) { m.Get<int>("a", 1); }), "");
}

TEST(YamlMappingTest, ListsAndMapsMustBeSuch) {
  EXPECT_EQ(Complained("a: x\nb: [1]\nc: {d: [1]}\ne: {f: g}\n",
                       [](Mapping& m) {
                         m.ForEach("a", [](const Node&) { FAIL(); });
                         m.ForEachEntry("b", [](const Node&, const Node&) { FAIL(); });
                         m.StringMap("c");
                         m.List<std::string>("e");
                       }),
            "f.yml:1:4: x: a must be a list, not a word\n"
            "f.yml:2:4: x: b must be a mapping, not a list\n"
            "f.yml:3:8: x: c.d must be a word, not a list\n"
            "f.yml:4:4: x: e must be a list, not a mapping");
}

TEST(YamlMappingTest, VisitsInOrder) {
  std::string seen;
  EXPECT_EQ(Complained("l: [b, a]\nm: {z: 1, y: 2}\n",
                       [&](Mapping& m) {
                         m.ForEach("l", [&](const Node& item) { seen += item.text; });
                         m.ForEachEntry("m", [&](const Node& key, const Node& value) {
                           seen += key.text + value.text;
                         });
                       }),
            "");
  EXPECT_EQ(seen, "baz1y2");
}

TEST(YamlMappingTest, ASecretComesAsTextOrFromAFile) {
  EXPECT_EQ(Complained("a: hunter2\nb_file: /run/b\nd: 123\n",
                       [](Mapping& m) {
                         EXPECT_EQ(m.GetSecret("a"), Secret::FromText("hunter2"));
                         EXPECT_EQ(m.GetSecret("b"), Secret::FromFile("/run/b"));
                         EXPECT_TRUE(m.GetSecret("c").empty());
                         EXPECT_EQ(m.GetSecret("d"), Secret::FromText("123"));
                       }),
            "");
}

TEST(YamlMappingTest, ASecretIsOnlyOneOfThemAndNeverShown) {
  EXPECT_EQ(Complained("a: hunter2\na_file: /run/a\nb_file: ''\nc: [hunter2]\n",
                       [](Mapping& m) {
                         m.GetSecret("a");
                         m.GetSecret("b");
                         m.GetSecret("c");
                       }),
            "f.yml:2:9: x: at most one of a & a_file must be configured\n"
            "f.yml:3:9: x: \"b_file\" is empty\n"
            "f.yml:4:4: x: c must be a word, not a list");
}

TEST(YamlMappingTest, ChoosesOneOfAFewWords) {
  const auto read = [](Mapping& m) {
    return m.OneOf<int>("mode", 0, {{"off", 1}, {"observe", 2}, {"auto", 3}});
  };
  EXPECT_EQ(Complained("mode: observe", [&](Mapping& m) { EXPECT_EQ(read(m), 2); }), "");
  EXPECT_EQ(Complained("mode: off", [&](Mapping& m) { EXPECT_EQ(read(m), 1); }), "");
  EXPECT_EQ(Complained("mode:", [&](Mapping& m) { EXPECT_EQ(read(m), 0); }), "");
  EXPECT_EQ(Complained("{}", [&](Mapping& m) { EXPECT_EQ(read(m), 0); }), "");
  EXPECT_EQ(
      Complained("mode: atuo", [&](Mapping& m) { EXPECT_EQ(read(m), 0); }),
      "f.yml:1:7: x: mode must be off, observe or auto, not \"atuo\", did you mean \"auto\"?");
  EXPECT_EQ(Complained("mode: [auto]", [&](Mapping& m) { EXPECT_EQ(read(m), 0); }),
            "f.yml:1:7: x: mode must be off, observe or auto, not a list");
}

TEST(YamlSuggestionTest, SuggestsTheNearestOfWhatIsKnown) {
  const std::vector<std::string> known = {"interval", "timeout",    "port",
                                          "s3",       "rule_files", "external_labels"};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"intervall", "interval"},
      {"intreval", "interval"},
      {"itnervl", "interval"},
      {"prot", "port"},
      {"Port", "port"},
      {"rule-files", "rule_files"},
      {"rulefiles", "rule_files"},
      {"externl_lables", "external_labels"},
      {"time_out", "timeout"},
      {"s4", "s3"},
      {"x", ""},
      {"completely_else", ""},
      {"", ""},
      {"portable", ""},
      {std::string(100'000, 'x'), ""},
  };
  for (const auto& [word, want] : cases) {
    EXPECT_EQ(Suggestion(word, known), want.empty() ? "" : ", did you mean \"" + want + "\"?");
  }
}

TEST(YamlComplaintsTest, SortsByFileLineAndColumnAndSaysTheSameOnce) {
  Complaints complaints;
  EXPECT_TRUE(complaints.empty());
  complaints.Add({"b.yml", 1, 1}, "last");
  complaints.Add({"a.yml", 10, 1}, "fourth");
  complaints.Add({"a.yml", 9, 10}, "third");
  complaints.Add({"a.yml", 9, 9}, "second");
  complaints.Add({"a.yml", 9, 9}, "second");
  complaints.Add({"a.yml", 0, 0}, "first");
  EXPECT_EQ(complaints.size(), 6U);
  EXPECT_EQ(complaints.ToString(),
            "a.yml: first\na.yml:9:9: second\na.yml:9:10: third\na.yml:10:1: fourth\n"
            "b.yml:1:1: last");
}

TEST(YamlComplaintsTest, CountsWhatGoesBeyondTheLimit) {
  Complaints complaints;
  for (int i = 1; i <= 1'003; ++i) complaints.Add({"a.yml", i, 1}, "x");
  const std::string text = complaints.ToString();
  EXPECT_TRUE(text.ends_with("a.yml:1000:1: x\nand 3 more"));
}

}  // namespace
}  // namespace fettle::yaml

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/yaml.h"

namespace fettle::yaml {
namespace {

// A tree as text: word, "quoted", ~, [a, b], {k: v}.
std::string Drawn(const Node& node) {
  std::string out;
  switch (node.kind) {
    case Node::Kind::kNull:
      return "~";
    case Node::Kind::kScalar:
      return node.quoted ? "\"" + node.text + "\"" : node.text;
    case Node::Kind::kSequence:
      for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + Drawn(item);
      return "[" + out + "]";
    case Node::Kind::kMapping:
      for (const auto& [key, value] : node.entries) {
        out += (out.empty() ? "" : ", ") + Drawn(key) + ": " + Drawn(value);
      }
      return "{" + out + "}";
  }
  return "?";
}

LoadOptions With(std::map<std::string, std::string> environment) {
  LoadOptions options;
  options.getenv = [environment = std::move(environment)](
                       const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  };
  return options;
}

// The tree, or all complaints.
std::string Read(std::string_view text, const LoadOptions& options = With({})) {
  Complaints complaints;
  const std::optional<Node> node = Load(text, "f.yml", complaints, options);
  if (!complaints.empty()) return complaints.ToString();
  return Drawn(*node);
}

TEST(YamlLoadTest, ReadsWhatYamlSays) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "~"},
      {"# only a comment\n", "~"},
      {"---\n", "~"},
      {"a: 1", "{a: 1}"},
      {"\xef\xbb\xbf"
       "a: 1",
       "{a: 1}"},
      {"a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"},
      {"a: '1'\nb: \"2\"\nc: |\n  text\nd: >-\n  more\n  text\n",
       "{a: \"1\", b: \"2\", c: \"text\n\", d: \"more text\"}"},
      {"a:\nb: ~\nc: null\nd: 'null'\ne: ''\n", "{a: ~, b: ~, c: ~, d: \"null\", e: \"\"}"},
      {"- 1\n- [2, 3]\n- {a: b}\n", "[1, [2, 3], {a: b}]"},
      {"a: [x, y: z]", "{a: [x, {y: z}]}"},
      {"cron: \"*/5 * * * *\"", "{cron: \"*/5 * * * *\"}"},
      {"a: !!str 10\nb: !!int 10\n", "{a: \"10\", b: 10}"},
      {"a: b # no\nc: d#yes\n", "{a: b, c: d#yes}"},
      {"ü: ö\n", "{ü: ö}"},
      {"--- \na: 1\n...\n", "{a: 1}"},
      {"%YAML 1.2\n---\na: 1\n", "{a: 1}"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Read(text), want) << text;
}

TEST(YamlLoadTest, CopiesAliasesAndMerges) {
  EXPECT_EQ(Read("a: &x {k: 1}\nb: *x\n"), "{a: {k: 1}, b: {k: 1}}");
  EXPECT_EQ(Read("a: &x 1\nb: [*x, *x]\n"), "{a: 1, b: [1, 1]}");
  EXPECT_EQ(Read("- &x {a: 1, b: 2}\n- {<<: *x, b: 3}\n"), "[{a: 1, b: 2}, {b: 3, a: 1}]");
  EXPECT_EQ(Read("- &x {a: 1}\n- &y {a: 2, b: 3}\n- {<<: [*x, *y], c: 4}\n"),
            "[{a: 1}, {a: 2, b: 3}, {c: 4, a: 1, b: 3}]");
  EXPECT_EQ(Read("{\"<<\": 1}"), "{\"<<\": 1}");
  EXPECT_EQ(Read("a: {<<: 5}"), "f.yml:1:9: \"<<\" takes a mapping or a list of mappings");
}

TEST(YamlLoadTest, KnowsEveryPlace) {
  Complaints complaints;
  const std::optional<Node> node =
      Load("a: 1\nlist:\n  - x\n  - {k: v}\nü: [ö, b]\nempty:\nlast: 'q'\n", "f.yml", complaints);
  ASSERT_TRUE(node);
  std::string places;
  const auto visit = [&](const auto& self, const Node& at, const std::string& name) -> void {
    places += fmt::format("{}@{}:{} ", name, at.place.line, at.place.column);
    for (const Node& item : at.items) self(self, item, item.text);
    for (const auto& [key, value] : at.entries) {
      places += fmt::format("{}@{}:{} ", key.text, key.place.line, key.place.column);
      self(self, value, value.text);
    }
  };
  visit(visit, *node, "root");
  EXPECT_EQ(places,
            "root@1:1 a@1:1 1@1:4 list@2:1 @3:3 x@3:5 @4:5 k@4:6 v@4:9 ü@5:1 @5:4 ö@5:5 b@5:8 "
            "empty@6:1 @6:1 last@7:1 q@7:7 ");
}

TEST(YamlLoadTest, ReadsALongLineOfLongCharactersInLinearTime) {
  std::string text = "[";
  for (int i = 0; i < 100'000; ++i) text += "ü,";
  Complaints complaints;
  const std::optional<Node> node = Load(text + "ö: ,{ä: }]", "f.yml", complaints);
  ASSERT_TRUE(node);
  EXPECT_EQ(node->items.size(), 100'002U);
  EXPECT_EQ(node->items.at(99'999).place.column, 200'000);
  EXPECT_EQ(node->items.back().entries.at(0).key.place.column, 200'007);
}

TEST(YamlLoadTest, RefusesWhatIsNoYaml) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: b: c", "f.yml:1:5: illegal map value"},
      {"a: [1, 2", "f.yml:1:1: end of sequence flow not found"},
      {"a: \"x", "f.yml:1:6: illegal EOF in scalar"},
      {"a: 1\n b: 2", "f.yml:2:3: illegal map value"},
      {"a: *nobody", "f.yml:1:4: the referenced anchor is not defined"},
      {"a: &x [*x]", "f.yml:1:8: an alias stands inside of what it names"},
      {"ok: 1\nü: \xff\n", "f.yml:2:4: not valid UTF-8"},
      {"ok: 1\nbad: a\x04z\n", "f.yml:2:7: the control character \"\\x04\" is not allowed"},
      {"a: 1\n---\nb: 2\n", "f.yml:3:1: a second document begins; one file holds one"},
      {"a: !color red", "f.yml:1:4: the tag \"!color\" is not supported"},
      {"a: !!set {b: c}", "f.yml:1:4: the tag \"tag:yaml.org,2002:set\" is not supported"},
      {"? [a, b]\n: c", "f.yml:1:3: a key must be a word"},
      {"~: c", "f.yml:1:1: a key must be a word"},
      {"a: 1\n\ttab: 2\n", "f.yml:2:1: illegal tab when looking for indentation"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Read(text), want) << text;
}

TEST(YamlLoadTest, NamesEveryRepeatedKeyWithItsFirstLine) {
  EXPECT_EQ(Read("listen: 1\nmode: 2\nlisten: 3\nlisten: 4\nb: {mode: 1, mode: 1}\n"),
            "f.yml:3:1: \"listen\" is given twice, first on line 1\n"
            "f.yml:4:1: \"listen\" is given twice, first on line 1\n"
            "f.yml:5:14: \"mode\" is given twice, first on line 5");
}

TEST(YamlLoadTest, TheFirstOfRepeatedKeysIsKept) {
  Complaints complaints;
  const std::optional<Node> node = Load("a: 1\na: 2\n", "f.yml", complaints);
  EXPECT_EQ(node->Find("a")->text, "1");
  EXPECT_EQ(node->entries.size(), 1U);
}

TEST(YamlLoadTest, ExpandsTheEnvironmentInValues) {
  const LoadOptions options =
      With({{"PORT", "9911"}, {"HOST", "db"}, {"NONE", ""}, {"V", "${HOST}"}});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: ${PORT}", "{a: 9911}"},
      {"a: '${HOST}:${PORT}/x'", "{a: \"db:9911/x\"}"},
      {"a: |\n  ${HOST}\n", "{a: \"db\n\"}"},
      {"- ${HOST}", "[db]"},
      {"a: ${NONE}", "{a: }"},
      {"${HOST}: 1", "{${HOST}: 1}"},  // not in keys
      {"a: ${V}", "{a: ${HOST}}"},     // once
      {"a: $${HOST} $HOST $ {}", "{a: ${HOST} $HOST $ {}}"},
      {"a: $$${HOST}", "{a: $${HOST}}"},
      {"a: ${1}-${2}", "{a: ${1}-${2}}"},  // relabelling
      {"a: &x ${HOST}\nb: *x", "{a: db, b: db}"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Read(text, options), want) << text;
}

TEST(YamlLoadTest, LeavesTheEnvironmentAloneIfAsked) {
  LoadOptions options = With({{"HOST", "db"}});
  options.expand_environment = false;
  EXPECT_EQ(Read("a: ${HOST} ${NOBODY} ${x-y}", options), "{a: ${HOST} ${NOBODY} ${x-y}}");
}

TEST(YamlLoadTest, ReadsTheProcessEnvironmentUnlessToldOtherwise) {
  setenv("FETTLE_YAML_TEST", "here", 1);
  EXPECT_EQ(Read("a: ${FETTLE_YAML_TEST}", {}), "{a: here}");
}

TEST(YamlLoadTest, ComplainsAboutEveryVariableThatIsNotThere) {
  EXPECT_EQ(Read("a: ${NOBODY}\nb: x ${NEITHER} ${NOBODY}\n"),
            "f.yml:1:4: the environment variable NOBODY is not set\n"
            "f.yml:2:4: the environment variable NEITHER is not set\n"
            "f.yml:2:4: the environment variable NOBODY is not set");
  EXPECT_EQ(Read("a: ${MY-PORT}"),
            "f.yml:1:4: \"${MY-PORT}\" names no environment variable; a literal ${ is written $${");
  EXPECT_EQ(Read("a: x ${PORT"),
            "f.yml:1:4: \"${PORT\" names no environment variable; a literal ${ is written $${");
  EXPECT_EQ(Read("a: ${X}", With({{"X", "\xff"}})),
            "f.yml:1:4: the environment variable X is no UTF-8");
}

TEST(YamlLoadTest, KeepsTheTextBeforeExpansionForMessages) {
  Complaints complaints;
  const std::optional<Node> node =
      Load("a: ${PW}\nb: plain", "f.yml", complaints, With({{"PW", "hunter2"}}));
  EXPECT_EQ(node->Find("a")->source, "${PW}");
  EXPECT_EQ(node->Find("b")->source, "");
}

TEST(YamlLoadTest, RefusesMoreThanItsDepth) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_EQ(Read(nested(kDepthMax)), nested(kDepthMax));
  EXPECT_EQ(Read(nested(kDepthMax + 1)), "f.yml:1:65: nested deeper than 64 levels");
  // yaml-cpp reads a bracket that is never closed as the key of a mapping, a level more.
  EXPECT_EQ(Read(std::string(100'000, '[')), "f.yml:1:33: nested deeper than 64 levels");
}

TEST(YamlLoadTest, CountsTheDepthThatAliasesBring) {
  std::string text = "- &a0 []\n";
  for (int i = 1; i <= kDepthMax; ++i) text += fmt::format("- &a{} [*a{}]\n", i, i - 1);
  EXPECT_EQ(Read(text), "f.yml:64:9: nested deeper than 64 levels");
}

TEST(YamlLoadTest, RefusesBillionsOfAliases) {
  std::string text = "- &a0 [lol]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string alias = fmt::format("*a{}", i - 1);
    text += fmt::format("- &a{} [{}", i, alias);
    for (int k = 0; k < 9; ++k) text += ", " + alias;
    text += "]\n";
  }
  EXPECT_EQ(Read(text), "f.yml:7:18: more than 1000000 values, aliases counted");
}

TEST(YamlLoadTest, RefusesLongTextAliasedOften) {
  std::string text = "- &a " + std::string(1'000'000, 'x') + "\n";
  for (int i = 0; i < 70; ++i) text += "- *a\n";
  EXPECT_EQ(Read(text), "f.yml:67:3: more than 67108864 bytes of text, aliases counted");
}

TEST(YamlLoadTest, RefusesLongTextExpandedOften) {
  std::string text = "a: ";
  for (int i = 0; i < 70; ++i) text += "${X}";
  EXPECT_EQ(Read(text, With({{"X", std::string(1'000'000, 'x')}})),
            "f.yml:1:4: more than 67108864 bytes of text, aliases counted");
}

TEST(YamlLoadTest, RefusesMoreThanItsSize) {
  EXPECT_EQ(Read(std::string(kFileBytesMax + 1, '#')), "f.yml: longer than 16777216 bytes");
  EXPECT_EQ(Read(std::string(kFileBytesMax, '#')), "~");
}

TEST(YamlLoadFileTest, ReadsAFileAndNamesItInComplaints) {
  const std::string path = testing::TempDir() + "/fettle_yaml_test.yml";
  std::ofstream(path) << "a: 1\na: 2\n";
  Complaints complaints;
  EXPECT_TRUE(LoadFile(path, complaints));
  EXPECT_EQ(complaints.ToString(), path + ":2:1: \"a\" is given twice, first on line 1");
}

TEST(YamlLoadFileTest, SaysWhyAFileCannotBeRead) {
  Complaints complaints;
  EXPECT_FALSE(LoadFile("/nowhere/fettle.yml", complaints));
  EXPECT_FALSE(LoadFile("/", complaints));
  EXPECT_EQ(complaints.ToString(),
            "/: open: Is a directory\n"
            "/nowhere/fettle.yml: open: No such file or directory");
}

}  // namespace
}  // namespace fettle::yaml

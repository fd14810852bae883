// What operators read, compared with the program's own text: every metric, endpoint, flag and
// configuration key is in docs/, and docs/ promises none that is not there. The extractors read
// source text by patterns; the first tests show on small samples what they find.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/yaml.h"

namespace fettle {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::UnorderedElementsAre;
using Found = std::map<std::string, std::string>;  // what, and the file where it was first seen
using Names = std::set<std::string>;

std::string Read(const fs::path& relative) {
  std::ifstream in(fs::path(FETTLE_SOURCE) / relative, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << relative << " is not there";
  return text.str();
}

// The program's own sources: path and text.
const std::map<std::string, std::string>& Sources() {
  static const auto* sources = [] {
    auto* out = new std::map<std::string, std::string>;
    const auto add = [out](const fs::path& path) {
      if (path.extension() != ".cc" && path.extension() != ".h") return;
      const std::string name = fs::relative(path, FETTLE_SOURCE).string();
      (*out)[name] = Read(name);
    };
    for (const char* room : {"common", "exporter", "rules", "receivers"}) {
      for (const auto& entry : fs::recursive_directory_iterator(fs::path(FETTLE_SOURCE) / room)) {
        add(entry.path());
      }
    }
    for (const auto& entry : fs::directory_iterator(FETTLE_SOURCE)) add(entry.path());
    return out;
  }();
  return *sources;
}

// Every first group of the pattern in the text.
Names AllOf(const std::string& pattern, std::string_view text) {
  const RE2 expression(pattern);
  EXPECT_TRUE(expression.ok()) << expression.error();
  Names out;
  re2::StringPiece rest(text.data(), text.size());
  for (std::string found; RE2::FindAndConsume(&rest, expression, &found);) out.insert(found);
  return out;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The cells of a Markdown table's row; none for other lines.
std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  if (!line.starts_with("| ") || line.starts_with("|--")) return cells;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
  return cells;
}

// Complains about what one side has and the other lacks.
void ExpectCovers(const Names& there, const Found& wanted, const std::string& where) {
  for (const auto& [name, file] : wanted) {
    if (!there.contains(name)) ADD_FAILURE() << file << ": " << name << " is not in " << where;
  }
}

Found In(const std::string& file, const Names& names) {
  Found out;
  for (const std::string& name : names) out.emplace(name, file);
  return out;
}

Names KeysOf(const Found& found) {
  Names out;
  for (const auto& [name, file] : found) out.insert(name);
  return out;
}

// --- metrics ---------------------------------------------------------------------------------

constexpr const char* kMetric = R"(((?:fettle|prometheus|alertmanager|process)_[a-z0-9_]+))";

Names MetricsInSource(std::string_view text) { return AllOf(fmt::format("\"{}\"", kMetric), text); }

Found MetricsOfProgram() {
  // Literals of this shape that name something else.
  const Names others = {"fettle_ssl_shim", "fettle_crypto_shim", "fettle_config"};
  Found out;
  for (const auto& [file, text] : Sources()) {
    for (const std::string& name : MetricsInSource(text)) {
      if (!others.contains(name)) out.emplace(name, file);
    }
  }
  return out;
}

Names MetricsInPage(const std::string& page) {
  Names out;
  for (const std::string& line : LinesOf(page)) {
    const std::vector<std::string> cells = CellsOf(line);
    if (!cells.empty()) out.merge(AllOf(fmt::format("`{}`", kMetric), cells[0]));
  }
  return out;
}

// What an expression of PromQL selects, histograms by their family.
Names MetricsInExpression(const std::string& expression) {
  Names out;
  for (std::string name : AllOf(fmt::format(R"(\b{}\b)", kMetric), expression)) {
    RE2::Replace(&name, "_(bucket|sum|count)$", "");
    out.insert(std::move(name));
  }
  return out;
}

TEST(DocsTest, FindsTheMetricsOfASource) {
  EXPECT_THAT(MetricsInSource(R"(metrics.Counter("fettle_a_total", "process_b"); "a fettle_c")"),
              UnorderedElementsAre("fettle_a_total", "process_b"));
}

TEST(DocsTest, FindsTheMetricsOfAPage) {
  EXPECT_THAT(MetricsInPage("| name | x |\n|---|---|\n| `fettle_a`, `fettle_b` | `fettle_c` |\n"
                            "text `fettle_d`\n"),
              UnorderedElementsAre("fettle_a", "fettle_b"));
}

TEST(DocsTest, FindsTheMetricsOfAnExpression) {
  EXPECT_THAT(MetricsInExpression(R"(rate(fettle_x_seconds_bucket{a="b"}[5m]) / up > process_y)"),
              UnorderedElementsAre("fettle_x_seconds", "process_y"));
}

TEST(DocsTest, EveryMetricIsDocumented) {
  ExpectCovers(MetricsInPage(Read("docs/metrics.md")), MetricsOfProgram(), "docs/metrics.md");
}

TEST(DocsTest, EveryDocumentedMetricIsInTheProgram) {
  ExpectCovers(KeysOf(MetricsOfProgram()),
               In("docs/metrics.md", MetricsInPage(Read("docs/metrics.md"))), "the program");
}

std::string Unescaped(std::string json) {
  RE2::GlobalReplace(&json, R"(\\(.))", R"(\1)");
  return json;
}

TEST(DocsTest, DashboardsAskOnlyForWhatIsThere) {
  const Names known = MetricsInPage(Read("docs/metrics.md"));
  for (const auto& entry : fs::directory_iterator(fs::path(FETTLE_SOURCE) / "dashboards/grafana")) {
    const std::string file = fs::relative(entry.path(), FETTLE_SOURCE).string();
    const Names expressions = AllOf(R"re("expr"\s*:\s*"((?:[^"\\]|\\.)*)")re", Read(file));
    EXPECT_FALSE(expressions.empty()) << file;
    for (const std::string& expression : expressions) {
      ExpectCovers(known, In(file, MetricsInExpression(Unescaped(expression))), "docs/metrics.md");
    }
  }
}

// The expressions of a rule file, and the names that it records.
struct Rules {
  Names expressions;
  Names recorded;
};

Rules RulesOf(const std::string& text, const std::string& file) {
  yaml::Complaints complaints;
  const auto node = yaml::Load(text, file, complaints, {.expand_environment = false});
  EXPECT_TRUE(complaints.empty()) << complaints.ToString();
  Rules out;
  const yaml::Node* groups = node ? node->Find("groups") : nullptr;
  if (groups == nullptr) return out;
  for (const yaml::Node& group : groups->items) {
    for (const yaml::Node& rule : group.Find("rules")->items) {
      if (const yaml::Node* expr = rule.Find("expr")) out.expressions.insert(expr->text);
      if (const yaml::Node* record = rule.Find("record")) out.recorded.insert(record->text);
    }
  }
  return out;
}

TEST(DocsTest, FindsTheExpressionsOfARuleFile) {
  const Rules rules = RulesOf(
      "groups: [{name: g, rules: [{record: fettle_r, expr: fettle_a}, {alert: A, expr: 'b > 1'}]}]",
      "x.yml");
  EXPECT_THAT(rules.expressions, UnorderedElementsAre("fettle_a", "b > 1"));
  EXPECT_THAT(rules.recorded, ElementsAre("fettle_r"));
}

TEST(DocsTest, RulePacksJudgeOnlyWhatIsThere) {
  for (const auto& entry : fs::directory_iterator(fs::path(FETTLE_SOURCE) / "dashboards/rules")) {
    const std::string file = fs::relative(entry.path(), FETTLE_SOURCE).string();
    if (!file.ends_with(".yml") || file.ends_with("_test.yml")) continue;
    const Rules rules = RulesOf(Read(file), file);
    EXPECT_FALSE(rules.expressions.empty()) << file;
    Names known = MetricsInPage(Read("docs/metrics.md"));
    known.insert(rules.recorded.begin(), rules.recorded.end());
    for (const std::string& expression : rules.expressions) {
      ExpectCovers(known, In(file, MetricsInExpression(expression)), "docs/metrics.md");
    }
  }
}

// --- endpoints -------------------------------------------------------------------------------

// "GET /path read" of every route in a source. A constant stands for its text.
Names RoutesInSource(const std::string& text) {
  std::map<std::string, std::string> constants;
  const RE2 constant(R"re((k\w+)(?:\[\])? = "(/[^"]*)")re");
  re2::StringPiece rest(text);
  for (std::string name, value; RE2::FindAndConsume(&rest, constant, &name, &value);) {
    constants[name] = value;
  }
  Names out;
  const RE2 route(
      R"re(router\.Add\(\s*"([A-Z]+)",\s*(?:std::string\()?(?:"([^"]*)"|(k\w+))\)?,\s*Role::k(\w+))re");
  rest = text;
  std::string method;
  std::string path;
  std::string name;
  std::string role;
  while (RE2::FindAndConsume(&rest, route, &method, &path, &name, &role)) {
    if (!name.empty()) path = constants[name];
    std::transform(role.begin(), role.end(), role.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.insert(fmt::format("{} {} {}", method, path, role));
  }
  // API v2's table, below a prefix.
  const RE2 endpoint(R"re(\{"([A-Z]+)", "(/[^"]*)", Role::k(\w+), &Api::)re");
  rest = text;
  while (RE2::FindAndConsume(&rest, endpoint, &method, &path, &role)) {
    std::transform(role.begin(), role.end(), role.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.insert(fmt::format("{} /api/v2{} {}", method, path, role));
  }
  // The query API's own shorthand: GET, and POST unless `false` comes before the next one.
  const RE2 shorthand(R"re(\badd\(\s*"(/[^"]*)")re");
  rest = text;
  while (RE2::FindAndConsume(&rest, shorthand, &path)) {
    const std::string call(rest.substr(0, rest.find("add(")));
    out.insert(fmt::format("GET {} read", path));
    if (call.find(", false);") == std::string::npos) out.insert(fmt::format("POST {} read", path));
  }
  return out;
}

Found RoutesOfProgram() {
  Found out;
  for (const auto& [file, text] : Sources()) {
    if (text.find("router.Add(") != std::string::npos) out.merge(In(file, RoutesInSource(text)));
  }
  return out;
}

// "GET /path read" of every row; a path ends before its first variable, which is in capitals.
Names RoutesInPage(const std::string& page) {
  Names out;
  for (const std::string& line : LinesOf(page)) {
    const std::vector<std::string> cells = CellsOf(line);
    if (cells.size() < 2) continue;
    std::string path;
    std::string role;
    if (!RE2::PartialMatch(cells[0], "`(/[^`]*)`", &path)) continue;
    if (!RE2::FullMatch(cells[1], R"( (\w+) )", &role)) continue;
    RE2::Replace(&path, "/[A-Z]+.*", "/");
    for (const std::string& method : AllOf("`([A-Z]+)`", cells[0])) {
      out.insert(fmt::format("{} {} {}", method, path, role));
    }
  }
  return out;
}

TEST(DocsTest, FindsTheRoutesOfASource) {
  EXPECT_THAT(RoutesInSource(R"(
    constexpr std::string_view kPath = "/c/";
    router.Add("GET", "/a", Role::kPublic, A);
    router.Add("POST", std::string(kPath), Role::kOperator,
               [](const HttpRequest&) {});
    add("/q", to(&Q)); add("/m", [](const R&) { return 1; }, false);)"),
              UnorderedElementsAre("GET /a public", "POST /c/ operator", "GET /q read",
                                   "POST /q read", "GET /m read"));
}

TEST(DocsTest, FindsTheRoutesOfAPage) {
  EXPECT_THAT(RoutesInPage("| endpoint | role |\n|---|---|\n"
                           "| `GET` `POST` `/a` | read | x |\n| `POST` `/b/ID/run` | operator |\n"
                           "| `/c` | 5 |\n"),
              UnorderedElementsAre("GET /a read", "POST /a read", "POST /b/ operator"));
}

TEST(DocsTest, EveryEndpointIsDocumented) {
  ExpectCovers(RoutesInPage(Read("docs/http-api.md")), RoutesOfProgram(), "docs/http-api.md");
}

TEST(DocsTest, EveryDocumentedEndpointIsServed) {
  ExpectCovers(KeysOf(RoutesOfProgram()),
               In("docs/http-api.md", RoutesInPage(Read("docs/http-api.md"))), "the program");
}

// --- flags -----------------------------------------------------------------------------------

Names FlagsInSource(const std::string& text) {
  return AllOf(
      R"re((?:add_option(?:_function<[\w:<>]+>)?|add_flag|set_version_flag|AddMillis)\(\s*(?:\w+,\s*)?"(--[a-z.-]+)(?:,-[a-z])?")re",
      text);
}

Names FlagsInPage(const std::string& page) {
  Names out;
  for (const std::string& line : LinesOf(page)) {
    const std::vector<std::string> cells = CellsOf(line);
    if (!cells.empty()) out.merge(AllOf("^ `(--[a-z.-]+)`", cells[0]));
  }
  return out;
}

TEST(DocsTest, FindsTheFlagsOfASource) {
  EXPECT_THAT(FlagsInSource("app.add_option(\"--a.b\", x); AddMillis(app, \"--c-d\", y); \"--e\""),
              UnorderedElementsAre("--a.b", "--c-d"));
}

TEST(DocsTest, FlagsAreDocumentedAndDocumentedOnesUnderstood) {
  const Names flags = FlagsInSource(Read("main.cc"));
  const Names documented = FlagsInPage(Read("docs/configuration.md"));
  ExpectCovers(documented, In("main.cc", flags), "docs/configuration.md");
  ExpectCovers(flags, In("docs/configuration.md", documented), "main.cc");
}

// --- configuration keys ----------------------------------------------------------------------

// Where a file's keys are documented: "## " headings of docs/configuration.md.
const std::map<std::string, std::string>& RoomsOfKeys() {
  static const std::map<std::string, std::string> rooms = {
      {"common/connections.cc", "`connections`"},
      {"common/discovery", "`exporter`"},
      {"common/http_config.cc", "alertmanager.yml"},
      {"common/relabel.cc", "`exporter`"},
      {"common/web_config.cc", "The web configuration file"},
      {"exporter/", "`exporter`"},
      {"rules/", "`rules`"},
      {"rules/test_file.cc", "Files of rule tests"},
      {"receivers/alertmanager_", "alertmanager.yml"},
      {"receivers/backups/", "`receivers`"},
      {"receivers/gates_config.cc", "`receivers`"},
      {"receivers/kinds.cc", "alertmanager.yml"},
      {"receivers/settings.cc", "alertmanager.yml"},
      {"receivers/repairs_", "`receivers`"},
      {"receivers/telling_config.cc", "`receivers`"},
      {"fettle_config.cc", ""},  // the headings themselves
  };
  return rooms;
}

// Keys that a file reads: literals handed to the readers of yaml::Mapping. GetSecret stands for
// two.
Names KeysInSource(const std::string& text) {
  Names keys = AllOf(
      R"re((?:\.|\b)(?:Get|Find|Require|Child|OneOf|List|GetSecret|StringMap|ForEach|ForEachEntry|ReadUrl|text)(?:<(?:[^<>]|<[^<>]*>)*>)?\((?:\w+, )?"([a-z][a-z0-9_]*)")re",
      text);
  if (text.find("const Schema ") != std::string::npos) {
    keys.merge(AllOf(R"re(\{"([a-z][a-z0-9_]*)")re", text));
  }
  for (const std::string& key :
       AllOf(R"re((?:GetSecret|ReadUrl)\((?:\w+, )?"([a-z][a-z0-9_]*)")re", text)) {
    keys.insert(key + "_file");
  }
  return keys;
}

// Every word of the page that stands in `code`, by the "## " heading above it ("" for all).
std::map<std::string, Names> WordsInPage(const std::string& page) {
  std::map<std::string, Names> out;
  std::string heading;
  for (const std::string& line : LinesOf(page)) {
    if (line.starts_with("## ")) heading = line.substr(3);
    for (const std::string& code : AllOf("`([^`]+)`", line)) {
      for (const std::string& word : AllOf(R"(\b([a-z][a-z0-9_]*)\b)", code)) {
        out[heading].insert(word);
        out[""].insert(word);
      }
    }
  }
  return out;
}

TEST(DocsTest, FindsTheKeysOfASource) {
  EXPECT_THAT(KeysInSource(R"(m.Get<std::string>("a", ""); mapping.OneOf<std::vector<int>>("b", x);
                              GetSecret(m, "c"); m.Child("d")->place; Complain("e"); Get(key);)"),
              UnorderedElementsAre("a", "b", "c", "c_file", "d"));
}

TEST(DocsTest, FindsTheWordsOfAPage) {
  const auto words = WordsInPage("## one\n| `a.b`, `c` | d |\n## two\n`[e_f]`\n");
  EXPECT_THAT(words.at("one"), UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(words.at("two"), UnorderedElementsAre("e_f"));
  EXPECT_EQ(words.at("").size(), 4U);
}

TEST(DocsTest, EveryConfigurationKeyIsDocumented) {
  const auto words = WordsInPage(Read("docs/configuration.md"));
  for (const auto& [file, text] : Sources()) {
    const bool reads =
        text.find("Mapping ") != std::string::npos || text.find("Mapping& ") != std::string::npos;
    if (!reads || !file.ends_with(".cc") || file.starts_with("common/yaml")) continue;
    // The longest that fits.
    const auto room = std::find_if(RoomsOfKeys().rbegin(), RoomsOfKeys().rend(),
                                   [&](const auto& one) { return file.starts_with(one.first); });
    if (room == RoomsOfKeys().rend()) {
      ADD_FAILURE() << file << " reads configuration: say in RoomsOfKeys where that is documented";
      continue;
    }
    ASSERT_TRUE(words.contains(room->second)) << "no heading " << room->second;
    ExpectCovers(words.at(room->second), In(file, KeysInSource(text)),
                 fmt::format("docs/configuration.md, {}", room->second));
  }
}

// --- files that files name -------------------------------------------------------------------

// Relative links of a Markdown page, without their anchors.
Names LinksIn(const std::string& page) { return AllOf(R"(\]\(([^)#:]+)(?:#[^)]*)?\))", page); }

TEST(DocsTest, FindsTheLinksOfAPage) {
  EXPECT_THAT(LinksIn("[a](b.md#c) [d](https://e) [f](g/h.md) [i](#j)"),
              UnorderedElementsAre("b.md", "g/h.md"));
}

TEST(DocsTest, LinksLeadSomewhere) {
  for (const char* file : {"README.md", "docs/architecture.md", "docs/configuration.md",
                           "docs/http-api.md", "docs/metrics.md"}) {
    const fs::path page = fs::path(FETTLE_SOURCE) / file;
    for (const std::string& link : LinksIn(Read(file))) {
      EXPECT_TRUE(fs::exists(page.parent_path() / link)) << file << ": there is no " << link;
    }
  }
}

// The README's table of files is where a new reader begins.
TEST(DocsTest, FilesThatReadersAreSentToAreThere) {
  for (const char* page : {"README.md", "docs/architecture.md"}) {
    for (const std::string& line : LinesOf(Read(page))) {
      const std::vector<std::string> cells = CellsOf(line);
      if (cells.empty()) continue;
      for (const std::string& path : AllOf(R"(`([a-z_]+(?:/[a-z_./]*)?\.(?:cc|h))`)", cells[0])) {
        EXPECT_TRUE(fs::exists(fs::path(FETTLE_SOURCE) / path)) << page << ": no " << path;
      }
    }
  }
}

}  // namespace
}  // namespace fettle

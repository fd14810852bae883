// The tables of docs/backup-failures.md, compared with the tests. Goal: a failure that the page
// says is played is played.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace fettle {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::set<std::string> TestsOfTheProject() {
  const RE2 test(R"(TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\))");
  std::set<std::string> names;
  const auto top = std::filesystem::path(FETTLE_SOURCE) / "tests";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
    if (!entry.path().string().ends_with("_test.cc")) continue;
    const std::string text = ReadFile(entry.path());
    re2::StringPiece rest(text);
    for (std::string suite, name; RE2::FindAndConsume(&rest, test, &suite, &name);) {
      names.insert(suite + "." + name);
    }
  }
  return names;
}

TEST(FailureTableTest, EveryTestThatItNamesIsThere) {
  const std::set<std::string> known = TestsOfTheProject();
  const std::string page =
      ReadFile(std::filesystem::path(FETTLE_SOURCE) / "docs" / "backup-failures.md");
  const RE2 named(R"(`(\w+Test\.\w+|\w+Test\w*\.\w+)`)");
  re2::StringPiece rest(page);
  int count = 0;
  for (std::string name; RE2::FindAndConsume(&rest, named, &name); ++count) {
    EXPECT_TRUE(known.contains(name)) << "docs/backup-failures.md: there is no " << name;
  }
  EXPECT_GT(count, 60);
}

TEST(FailureTableTest, EveryRowNamesATest) {
  std::istringstream page(
      ReadFile(std::filesystem::path(FETTLE_SOURCE) / "docs" / "backup-failures.md"));
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| ") || line.starts_with("| failure") || line.starts_with("| defect")) {
      continue;
    }
    EXPECT_TRUE(RE2::PartialMatch(line, R"(`\w+\.\w+` \|$)")) << line;
  }
}

TEST(RunbooksTest, EveryAlertOnBackupsHasItsParagraph) {
  const auto top = std::filesystem::path(FETTLE_SOURCE);
  const std::string page = ReadFile(top / "docs" / "runbooks.md");
  const RE2 alert(R"(- alert: (\w+))");
  int count = 0;
  for (const char* pack : {"backups.yml", "watch.yml", "wal_archives.yml"}) {
    const std::string text = ReadFile(top / "dashboards" / "rules" / pack);
    re2::StringPiece rest(text);
    for (std::string name; RE2::FindAndConsume(&rest, alert, &name); ++count) {
      EXPECT_NE(page.find("\n### " + name + "\n"), page.npos) << "docs/runbooks.md: no " << name;
    }
  }
  EXPECT_GT(count, 25);
}

}  // namespace
}  // namespace fettle

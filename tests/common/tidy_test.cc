// The house rules, held by a test: who may include whom, which library hides in which file, what is
// never called, and how long a file may be. Goal: a rule that matters fails a build, not a review.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace fettle {
namespace {

namespace fs = std::filesystem;

struct Line {
  std::string file;  // relative to the project
  int number = 0;
  std::string text;
};

struct File {
  std::string path;
  std::vector<std::string> lines;
};

const std::vector<File>& Sources() {
  static const auto* sources = [] {
    auto* out = new std::vector<File>;
    for (const char* room : {"common", "exporter", "rules", "receivers", "tests", "bench"}) {
      const fs::path top = fs::path(FETTLE_SOURCE) / room;
      if (!fs::exists(top)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(top)) {
        const auto extension = entry.path().extension();
        if (extension != ".cc" && extension != ".h") continue;
        File file{fs::relative(entry.path(), FETTLE_SOURCE).string(), {}};
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) file.lines.push_back(line);
        out->push_back(std::move(file));
      }
    }
    return out;
  }();
  return *sources;
}

bool Under(const std::string& path, const std::string& room) {
  return path.starts_with(room + "/");
}

// Without the comment and without what stands in string literals.
std::string Code(const std::string& line) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
      continue;
    }
    if (line[i] == '"') quoted = !quoted;
    if (quoted) continue;
    if (line.compare(i, 2, "//") == 0) break;
    out += line[i];
  }
  return out;
}

template <typename Visit>
void ForEachLine(Visit visit) {
  for (const File& file : Sources()) {
    int number = 0;
    for (const std::string& text : file.lines) visit(Line{file.path, ++number, text});
  }
}

std::string At(const Line& line) { return line.file + ":" + std::to_string(line.number) + ": "; }

TEST(TidyTest, ModulesMeetOnlyInCommon) {
  const std::vector<std::string> modules = {"exporter", "rules", "receivers"};
  ForEachLine([&](const Line& line) {
    if (!line.text.starts_with("#include \"")) return;
    const std::string included = line.text.substr(10);
    for (const std::string& module : modules) {
      if (!included.starts_with(module + "/")) continue;
      if (Under(line.file, "common")) ADD_FAILURE() << At(line) << "common includes " << module;
      for (const std::string& other : modules) {
        if (other != module && Under(line.file, other)) {
          ADD_FAILURE() << At(line) << other << " includes " << module;
        }
      }
    }
    const bool product = !Under(line.file, "tests") && !Under(line.file, "bench");
    if (product && included.starts_with("tests/")) ADD_FAILURE() << At(line) << "includes a test";
  });
}

TEST(TidyTest, EachLibraryHidesInItsFiles) {
  const std::map<std::string, std::string> homes = {
      {"<civetweb.h>", "common/http_server"},
      {"<curl/", "common/http_client"},
      {"<yaml-cpp/", "common/yaml"},
      {"<simdjson.h>", "common/json"},
      {"<libpq-fe.h>", "common/postgres"},
      {"<sqlite3.h>", "common/sqlite"},
      {"<re2/", "common/matcher"},
      {"<expat.h>", "common/"},
      {"<cctz/", "common/"},
      {"<CLI/", "main"},
  };
  ForEachLine([&](const Line& line) {
    if (!line.text.starts_with("#include <") || Under(line.file, "tests")) return;
    for (const auto& [header, home] : homes) {
      if (line.text.find(header) == std::string::npos || line.file.starts_with(home)) continue;
      // Regular expressions in PromQL functions and templates; calendars in time intervals.
      const bool allowed =
          (header == "<re2/" && (Under(line.file, "rules") || Under(line.file, "receivers") ||
                                 Under(line.file, "common"))) ||
          (header == "<curl/" && line.file.starts_with("common/smtp")) ||
          (header == "<cctz/" && Under(line.file, "receivers")) ||
          (header == "<expat.h>" && Under(line.file, "exporter"));
      if (!allowed) ADD_FAILURE() << At(line) << header << " belongs to " << home;
    }
  });
}

TEST(TidyTest, NobodyCallsWhatIsBanned) {
  struct Ban {
    std::string call;
    std::string why;
    std::vector<std::string> but;  // files that may
  };
  const std::vector<Ban> bans = {
      {"std::regex", "RE2 is linear in its input", {}},
      {"steady_clock::now", "time is passed in", {"common/clock.cc", "tests/", "bench/"}},
      {"system_clock::now", "time is passed in", {"common/clock.cc", "tests/", "bench/"}},
      {"clock_gettime", "time is passed in", {"common/clock.cc"}},
      {"std::system(", "children are run by argv", {}},
      {"popen(", "children are run by argv", {}},
      {"std::cout", "lines go through the log or fmt::print", {}},
      {"std::rand", "randomness is passed in", {}},
      {"random_device", "randomness is passed in", {}},
      {"sleep_for", "wait on a condition, or move a manual clock", {"tests/support/", "bench/"}},
      {"usleep(", "wait on a condition, or move a manual clock", {}},
      {"GTEST_FLAG_SET", "a test does not change other tests", {}},
  };
  ForEachLine([&](const Line& line) {
    if (line.file.find("tidy_test") != std::string::npos) return;
    const std::string code = Code(line.text);
    for (const Ban& ban : bans) {
      if (code.find(ban.call) == std::string::npos) continue;
      const bool may = std::any_of(ban.but.begin(), ban.but.end(), [&](const std::string& file) {
        return line.file.starts_with(file);
      });
      if (!may) ADD_FAILURE() << At(line) << ban.call << " is banned: " << ban.why;
    }
  });
}

TEST(TidyTest, EveryHeaderOpensWithWhatItIsFor) {
  for (const File& file : Sources()) {
    if (!file.path.ends_with(".h")) continue;
    ASSERT_FALSE(file.lines.empty()) << file.path;
    EXPECT_TRUE(file.lines[0].starts_with("// ")) << file.path << ":1: say what the file is for";
    EXPECT_NE(std::find(file.lines.begin(), file.lines.end(), "#pragma once"), file.lines.end())
        << file.path;
  }
}

TEST(TidyTest, FilesStayReadable) {
  constexpr std::size_t kLinesMax = 600;
  for (const File& file : Sources()) {
    EXPECT_LE(file.lines.size(), kLinesMax) << file.path << ": more than one room?";
  }
}

TEST(TidyTest, NothingUnfinishedIsLeftBehind) {
  // Spelled apart, so that this file does not find itself.
  const std::vector<std::string> marks = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X:",
      "HA"
      "CK"};
  ForEachLine([&](const Line& line) {
    for (const std::string& mark : marks) {
      if (line.text.find(mark) != std::string::npos) ADD_FAILURE() << At(line) << mark;
    }
  });
}

}  // namespace
}  // namespace fettle

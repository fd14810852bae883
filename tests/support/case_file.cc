#include "tests/support/case_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/check.h"

namespace fettle {
namespace {

void LoadFile(const std::filesystem::path& path, std::vector<TextCase>& cases) {
  std::ifstream in(path, std::ios::binary);
  std::string* part = nullptr;
  bool first_line = true;
  bool begun = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("=== ")) {
      cases.push_back({path.filename().string() + ": " + line.substr(4), "", {}});
      part = &cases.back().input;
      begun = first_line = true;
    } else if (begun && line.starts_with("--- ")) {
      part = &cases.back().parts[line.substr(4)];
      first_line = true;
    } else if (begun) {
      if (!first_line) *part += '\n';
      *part += line;
      first_line = false;
    }
  }
}

}  // namespace

std::vector<TextCase> LoadCases(const std::string& directory) {
  const std::filesystem::path root = std::filesystem::path(FETTLE_TEST_DATA) / directory;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<TextCase> cases;
  for (const auto& path : paths) LoadFile(path, cases);
  FETTLE_CHECK(!cases.empty());
  return cases;
}

}  // namespace fettle

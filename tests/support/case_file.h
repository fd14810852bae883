// Test cases kept as text, where the subject is a language: one file of tests/data, many cases.
//
//   # A comment, before the first case.
//   === Says what it shows
//   input
//   --- part
//   more
//
// A part ends before the next line that begins with "--- " or "=== "; its last line break is not
// part of it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace fettle {

struct TextCase {
  std::string name;  // as written, "trims.txt: Says what it shows"
  std::string input;
  std::map<std::string, std::string> parts;
  bool Has(const std::string& part) const { return parts.contains(part); }
};

// Every case of every *.txt in tests/data/<directory>, by file name. A directory without cases is
// a broken test and stops it.
std::vector<TextCase> LoadCases(const std::string& directory);

}  // namespace fettle

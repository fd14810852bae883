// Writes YAML to the byte as Go's yaml.v2 does, so that a configuration that is shown reads like
// that of the Prometheus family. Pure functions over values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fettle::yaml {

struct TreeEntry;

// What is to be written. A value.
struct Tree {
  enum class Kind {
    kText,   // a string: quoted if it would read as something else
    kPlain,  // a number, a bool, a duration: as it is
    kList,
    kMap,  // entries in this order
  };
  Kind kind = Kind::kMap;
  std::string text;
  std::vector<Tree> items;
  std::vector<TreeEntry> entries;
  bool flow = false;  // a list in one line: [a, b]

  static Tree Text(std::string text);
  static Tree Plain(std::string text);
  static Tree Bool(bool value);
  static Tree List(const std::vector<std::string>& texts);

  void Add(std::string key, Tree value);
};

struct TreeEntry {
  std::string key;
  Tree value;
};

// A whole document, with its last newline.
std::string Print(const Tree& tree);

}  // namespace fettle::yaml

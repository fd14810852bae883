// Reads configuration strictly and complains about everything at once, with file:line:column, the
// offending text and a suggestion.
//
// Load() turns a file into a tree of Nodes (yaml-cpp stays inside yaml.cc); repeated keys, too much
// depth and undefined ${NAME} are complaints already there. Mapping reads one mapping: each Get()
// says which key is understood, and its destructor complains about keys nobody asked for.
// Values, used while loading, on one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/secret.h"

namespace fettle::yaml {

struct Place {
  std::string file;
  int line = 0;    // from 1
  int column = 0;  // from 1
};

// What is wrong with a configuration, all of it.
class Complaints {
 public:
  // More than these are only counted.
  static constexpr std::size_t kListMax = 1'000;
  void Add(const Place& place, std::string text);
  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  bool IsFull() const { return list_.size() >= kListMax; }
  // One "file:line:column: text" a line, sorted by place, without a last newline.
  std::string ToString() const;

 private:
  std::vector<std::pair<Place, std::string>> list_;
  std::size_t beyond_ = 0;
};

struct Entry;

struct Node {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  std::string text;     // of a scalar, ${NAME} expanded
  std::string source;   // the text before that, if there was a ${NAME}: show this, it is no secret
  bool quoted = false;  // "10" is text, 10 is a number
  Place place;
  std::vector<Node> items;     // of a sequence
  std::vector<Entry> entries;  // of a mapping, in file order

  // The value of a key, or nullptr.
  const Node* Find(std::string_view key) const;
};

struct Entry {
  Node key;
  Node value;
};

struct LoadOptions {
  bool expand_environment = true;  // ${NAME}; $${ is a literal ${. Off for Prometheus' own files.
  std::function<std::optional<std::string>(const std::string&)> getenv;  // empty: the process's
};
inline constexpr int kDepthMax = 64;
inline constexpr std::size_t kNodesMax = 1'000'000;  // an alias counts as what it stands for
inline constexpr std::size_t kTextBytesMax = 64 * 1024 * 1024;
inline constexpr std::size_t kFileBytesMax = 16 * 1024 * 1024;

// nullopt if the text is no YAML at all (a complaint says where).
std::optional<Node> Load(std::string_view text, const std::string& file, Complaints& complaints,
                         const LoadOptions& options = {});
std::optional<Node> LoadFile(const std::string& path, Complaints& complaints,
                             const LoadOptions& options = {});

// The offending text for a message: quoted, and cut if it is long.
std::string Shown(std::string_view text);

// ", did you mean \"port\"?" for the nearest of `known` within a small edit distance, or "".
std::string Suggestion(std::string_view word, const std::vector<std::string>& known);

// A scalar read as T, or the reason why it is none, without place ("must be a number, not "x"").
// Specialised for std::string, bool, int, std::int64_t, double, std::size_t (plain or 8MiB, 1GiB)
// and Millis (Prometheus durations: 1h30m).
template <typename T>
Result<T> Decode(const Node& node);

class Mapping {
 public:
  // A null node reads as an empty mapping; anything else is a complaint and reads as empty.
  // `what` names it in messages: "receivers.guards".
  Mapping(const Node& node, std::string what, Complaints& complaints);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  template <typename T>
  T Get(std::string_view key, T fallback) {
    std::optional<T> found = Find<T>(key);
    return found ? *std::move(found) : std::move(fallback);
  }
  template <typename T>
  std::optional<T> Find(std::string_view key) {
    const Node* node = Child(key);
    if (node == nullptr || node->kind == Node::Kind::kNull) return std::nullopt;
    Result<T> value = Decode<T>(*node);
    if (value) return *std::move(value);
    Complain(node->place, std::string(key) + " " + value.error().message);
    return std::nullopt;
  }
  // As Get, but a missing or empty key is a complaint.
  template <typename T>
  T Require(std::string_view key) {
    return IsMissing(key) ? T{} : Get<T>(key, T{});
  }
  // Plain lists of scalars: [a, b]. Absent is empty.
  template <typename T>
  std::vector<T> List(std::string_view key) {
    std::vector<T> out;
    ForEach(key, [&](const Node& item) {
      Result<T> value = Decode<T>(item);
      if (value) {
        out.push_back(*std::move(value));
      } else {
        Complain(item.place, std::string(key) + " " + value.error().message);
      }
    });
    return out;
  }
  // key and key_file, at most one of them.
  Secret GetSecret(std::string_view key);
  // One of a few words; another word is a complaint with a suggestion.
  template <typename E>
  E OneOf(std::string_view key, E fallback, const std::vector<std::pair<std::string, E>>& words) {
    const Node* node = Child(key);
    if (node == nullptr || node->kind == Node::Kind::kNull) return fallback;
    std::vector<std::string> known;
    for (const auto& [word, value] : words) {
      if (node->kind == Node::Kind::kScalar && node->text == word) return value;
      known.push_back(word);
    }
    ComplainChoice(*node, key, known);
    return fallback;
  }

  // The node under a key (marks it understood), or nullptr. For nested mappings and free maps.
  const Node* Child(std::string_view key);
  bool Has(std::string_view key) const { return node_.Find(key) != nullptr; }
  // Every item of a sequence; not a sequence is a complaint.
  void ForEach(std::string_view key, const std::function<void(const Node&)>& visit);
  // Every entry of a mapping with free keys; not a mapping is a complaint.
  void ForEachEntry(std::string_view key,
                    const std::function<void(const Node& key, const Node& value)>& visit);
  // {a: "b"} of strings.
  std::map<std::string, std::string> StringMap(std::string_view key);

  // Puts `what` before the text.
  void Complain(const Place& place, const std::string& text);
  const Place& place() const { return node_.place; }
  Complaints& complaints() { return complaints_; }
  const std::string& what() const { return what_; }

 private:
  bool IsReadable() const {
    return node_.kind == Node::Kind::kNull || node_.kind == Node::Kind::kMapping;
  }
  // Complains if so.
  bool IsMissing(std::string_view key);
  void ComplainChoice(const Node& node, std::string_view key,
                      const std::vector<std::string>& known);

  const Node& node_;
  const std::string what_;
  Complaints& complaints_;
  std::vector<std::string> understood_;
};

template <>
Result<std::string> Decode(const Node& node);
template <>
Result<bool> Decode(const Node& node);
template <>
Result<int> Decode(const Node& node);
template <>
Result<std::int64_t> Decode(const Node& node);
template <>
Result<std::size_t> Decode(const Node& node);
template <>
Result<double> Decode(const Node& node);
template <>
Result<Millis> Decode(const Node& node);

}  // namespace fettle::yaml

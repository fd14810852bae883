// Sorted label sets, as Prometheus means them, and their fingerprint. Values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fettle {

inline constexpr std::string_view kMetricName = "__name__";

// Sorted by name, names unique, no empty values (an empty label is an absent one).
class Labels {
 public:
  using Pair = std::pair<std::string, std::string>;
  Labels() = default;
  Labels(std::initializer_list<Pair> pairs);
  explicit Labels(std::vector<Pair> pairs);

  // The value, or "" if the label is absent.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  // An empty value removes the label.
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name) { Set(name, ""); }

  bool empty() const { return pairs_.empty(); }
  std::size_t size() const { return pairs_.size(); }
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }

  // FNV-1a 64 over name 0xFF value 0xFF in order: the same number Prometheus and Alertmanager use.
  std::uint64_t Fingerprint() const;
  // As Alertmanager prints it: 16 hex digits.
  std::string FingerprintHex() const;
  // up{instance="a",job="b"}; values quoted as Go's %q. The empty set is "{}".
  std::string ToString() const;

  // By names and values, in order (Go's labels.Compare).
  auto operator<=>(const Labels&) const = default;

 private:
  std::vector<Pair> pairs_;
};

// [a-zA-Z_][a-zA-Z0-9_]*, and with colons for metric names.
bool IsLabelName(std::string_view name);
bool IsMetricName(std::string_view name);
bool IsUtf8(std::string_view text);
// "text" with Go's strconv.Quote escapes.
std::string Quote(std::string_view text);

}  // namespace fettle

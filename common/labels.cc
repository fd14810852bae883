#include "common/labels.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/utf8.h"

namespace fettle {
namespace {

bool Letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool Digit(char c) { return c >= '0' && c <= '9'; }

auto NameBefore = [](const Labels::Pair& pair, std::string_view name) { return pair.first < name; };

}  // namespace

Labels::Labels(std::initializer_list<Pair> pairs) : Labels(std::vector<Pair>(pairs)) {}

Labels::Labels(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {
  // The last of repeated names wins, as in a map built in order.
  std::stable_sort(pairs_.begin(), pairs_.end(),
                   [](const Pair& a, const Pair& b) { return a.first < b.first; });
  std::vector<Pair> unique;
  unique.reserve(pairs_.size());
  for (Pair& pair : pairs_) {
    if (!unique.empty() && unique.back().first == pair.first) unique.pop_back();
    unique.push_back(std::move(pair));
  }
  std::erase_if(unique, [](const Pair& pair) { return pair.second.empty(); });
  pairs_ = std::move(unique);
}

std::string_view Labels::Get(std::string_view name) const {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), name, NameBefore);
  if (at == pairs_.end() || at->first != name) return {};
  return at->second;
}

bool Labels::Has(std::string_view name) const { return !Get(name).empty(); }

void Labels::Set(std::string_view name, std::string_view value) {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), name, NameBefore);
  const bool present = at != pairs_.end() && at->first == name;
  if (value.empty()) {
    if (present) pairs_.erase(at);
  } else if (present) {
    at->second = value;
  } else {
    pairs_.emplace(at, name, value);
  }
}

std::uint64_t Labels::Fingerprint() const {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 0xffU) * 1099511628211ULL;
  };
  for (const auto& [name, value] : pairs_) {
    mix(name);
    mix(value);
  }
  return hash;
}

std::string Labels::FingerprintHex() const { return fmt::format("{:016x}", Fingerprint()); }

std::string Labels::ToString() const {
  std::string out(Get(kMetricName));
  std::string inside;
  for (const auto& [name, value] : pairs_) {
    if (name == kMetricName) continue;
    if (!inside.empty()) inside += ", ";
    inside += fmt::format("{}={}", IsLabelName(name) ? name : Quote(name), Quote(value));
  }
  if (inside.empty() && !out.empty()) return out;
  return out + "{" + inside + "}";
}

bool IsLabelName(std::string_view name) {
  return !name.empty() && Letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return Letter(c) || Digit(c); });
}

bool IsMetricName(std::string_view name) {
  const auto colon = [](char c) { return c == ':'; };
  return !name.empty() && (Letter(name[0]) || colon(name[0])) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return Letter(c) || Digit(c) || colon(c); });
}

bool IsUtf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    if (rune.length == 0) return false;
    at += rune.length;
  }
  return true;
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    if (rune.length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
      ++at;
      continue;
    }
    switch (rune.value) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\a': out += "\\a"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      default:
        if (rune.value < 0x20 || rune.value == 0x7f) {
          out += fmt::format("\\x{:02x}", static_cast<unsigned>(rune.value));
        } else {
          out += text.substr(at, rune.length);
        }
    }
    at += rune.length;
  }
  return out + "\"";
}

}  // namespace fettle

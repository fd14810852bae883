#include "common/wildcards.h"

#include <algorithm>
#include <utility>

namespace fettle {
namespace {

constexpr std::string_view kMeta = "\\.+*?()[]{}^$|";
constexpr std::string_view kQuantifiers = "*+?{";

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

// Reads alternatives, item by item; whatever it does not know ends it.
class WildcardsParser {
 public:
  using Alternative = Wildcards::Alternative;
  using Alternatives = std::vector<Alternative>;

  explicit WildcardsParser(std::string_view text) : text_(text) {}

  std::optional<Alternatives> Whole() {
    std::optional<Alternatives> all = Choice(0);
    return at_ == text_.size() ? std::move(all) : std::nullopt;
  }

 private:
  static constexpr int kDepthMax = 4;

  bool Take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  bool AtQuantifier() const {
    return at_ < text_.size() && kQuantifiers.find(text_[at_]) != std::string_view::npos;
  }

  std::optional<Alternatives> Choice(int depth) {
    Alternatives all;
    do {
      std::optional<Alternatives> sequence = Sequence(depth);
      if (!sequence) return std::nullopt;
      for (Alternative& one : *sequence) all.push_back(std::move(one));
    } while (Take("|"));
    return all;
  }

  std::optional<Alternatives> Sequence(int depth) {
    Alternatives out(1);
    // The whole is anchored already.
    if (depth == 0 && Take("^") && AtQuantifier()) return std::nullopt;
    while (at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      if (depth == 0 && text_[at_] == '$') {
        ++at_;
        if (at_ < text_.size() && text_[at_] != '|') return std::nullopt;
        break;
      }
      if (kMeta.find(text_[at_]) == std::string_view::npos) {
        for (Alternative& one : out) one.texts.back() += text_[at_];
        if (++at_ < text_.size() && AtQuantifier()) return std::nullopt;
        continue;
      }
      std::optional<Alternatives> item = Item(depth);
      if (!item || AtQuantifier() || !Append(*item, out)) return std::nullopt;
    }
    return out;
  }

  std::optional<Alternatives> Item(int depth) {
    if (Take(".*")) return Gap(0);
    if (Take(".+")) return Gap(1);
    if (Take("[")) return Class();
    if (Take("(")) return Group(depth);
    if (Take("\\")) {
      if (at_ == text_.size() || IsAlphanumeric(text_[at_]) || (text_[at_] & 0x80) != 0) {
        return std::nullopt;
      }
      return Text(text_[at_++]);
    }
    return std::nullopt;
  }

  // Lazy or not, it matches the same.
  Alternatives Gap(std::size_t least) {
    Take("?");
    return {Alternative{.texts = {"", ""}, .gaps = {least}}};
  }

  static Alternatives Text(char c) { return {Alternative{.texts = {std::string(1, c)}}}; }

  std::optional<Alternatives> Class() {
    Alternatives out;
    while (at_ < text_.size() && text_[at_] != ']') {
      const char first = text_[at_++];
      char last = first;
      if (Take("-")) {
        if (at_ == text_.size()) return std::nullopt;
        last = text_[at_++];
      }
      if (!Plain(first) || !Plain(last) || last < first) return std::nullopt;
      for (int c = first; c <= last; ++c) out.push_back(Text(static_cast<char>(c)).front());
    }
    if (out.empty() || !Take("]")) return std::nullopt;
    return out;
  }
  static bool Plain(char c) {
    return c > ' ' && c < '\x7f' && std::string_view("^-[]\\&~").find(c) == std::string_view::npos;
  }

  std::optional<Alternatives> Group(int depth) {
    if (depth == kDepthMax || (Take("?") && !Take(":"))) return std::nullopt;
    std::optional<Alternatives> inner = Choice(depth + 1);
    return inner && Take(")") ? std::move(inner) : std::nullopt;
  }

  // Each of `to` followed by each of `items`. None is longer than the whole expression.
  bool Append(const Alternatives& items, Alternatives& to) const {
    const std::size_t size = items.size() * to.size();
    if (size > 1 && size * text_.size() > Wildcards::kBytesMax) return false;
    Alternatives out;
    for (const Alternative& before : to) {
      for (const Alternative& item : items) {
        out.push_back(before);
        if (!Join(item, out.back())) return false;
      }
    }
    to = std::move(out);
    return true;
  }

  static bool Join(const Alternative& item, Alternative& to) {
    to.texts.back() += item.texts.front();
    for (std::size_t i = 0; i < item.gaps.size(); ++i) {
      // Two wildcards in a row are one, but for what they need together.
      if (to.texts.back().empty() && !to.gaps.empty()) {
        if (to.gaps.back() + item.gaps[i] > 1) return false;
        to.gaps.back() += item.gaps[i];
        to.texts.back() = item.texts[i + 1];
      } else {
        to.gaps.push_back(item.gaps[i]);
        to.texts.push_back(item.texts[i + 1]);
      }
    }
    return true;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<Wildcards> Wildcards::Parse(std::string_view regexp) {
  std::optional<std::vector<Alternative>> alternatives = WildcardsParser(regexp).Whole();
  if (!alternatives) return std::nullopt;
  Wildcards out;
  out.alternatives_ = std::move(*alternatives);
  const bool many = out.alternatives_.size() > kAlternativesMax;
  if (many && out.Literals().empty()) return std::nullopt;
  return out;
}

// Each text where it is found first: if it can be matched at all, it can be matched so.
bool Wildcards::Alternative::Matches(std::string_view value) const {
  if (gaps.empty()) return value == texts[0];
  const std::string& first = texts.front();
  const std::string& last = texts.back();
  if (!value.starts_with(first) || !value.ends_with(last)) return false;
  std::size_t at = first.size();
  for (std::size_t i = 1; i + 1 < texts.size(); ++i) {
    const std::size_t found = value.find(texts[i], at + gaps[i - 1]);
    if (found == std::string_view::npos) return false;
    at = found + texts[i].size();
  }
  return at + gaps.back() + last.size() <= value.size();
}

bool Wildcards::Matches(std::string_view value) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const Alternative& one) { return one.Matches(value); });
}

std::vector<std::string> Wildcards::Literals() const {
  std::vector<std::string> out;
  for (const Alternative& one : alternatives_) {
    if (!one.gaps.empty()) return {};
    out.push_back(one.texts[0]);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace fettle

#include "common/yaml_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "common/utf8.h"

namespace fettle::yaml {
namespace {

constexpr std::size_t kWidth = 80;  // a line is folded at the first space beyond
constexpr std::size_t kStep = 2;

// A plain word that reads as a number, a bool, null or a time is no text.
bool ReadsAsOther(std::string_view text) {
  static constexpr std::array kWords = {
      "",     "~",    "null", "Null",  "NULL",  "y",     "Y",     "yes",   "Yes",  "YES",
      "on",   "On",   "ON",   "n",     "N",     "no",    "No",    "NO",    "off",  "Off",
      "OFF",  "true", "True", "TRUE",  "false", "False", "FALSE", ".nan",  ".NaN", ".NAN",
      ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};
  if (std::find(kWords.begin(), kWords.end(), text) != kWords.end()) return true;
  std::size_t at = 0;
  if (text[at] == '+' || text[at] == '-') ++at;
  const auto digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  if (!digit(at) && !(at < text.size() && text[at] == '.' && digit(at + 1))) return false;
  const std::string_view rest = text.substr(at);
  const auto all = [&](std::string_view of, std::string_view known) {
    return !of.empty() && of.find_first_not_of(known) == std::string_view::npos;
  };
  if (rest.starts_with("0x") && all(rest.substr(2), "0123456789abcdefABCDEF_")) return true;
  if (rest.starts_with("0b") && all(rest.substr(2), "01_")) return true;
  if (rest.starts_with("0o") && all(rest.substr(2), "01234567_")) return true;
  if (all(rest, "0123456789_")) return true;
  // 1:30 and 190:20:30.15 are numbers to the base of 60.
  if (rest.find(':') != std::string_view::npos && all(rest, "0123456789_:.")) {
    bool right = true;
    for (std::size_t i = rest.find(':'); i != std::string_view::npos; i = rest.find(':', i + 1)) {
      const std::size_t end = std::min(rest.find_first_of(":.", i + 1), rest.size());
      const std::string_view part = rest.substr(i + 1, end - i - 1);
      right = right && (part.size() == 1 || (part.size() == 2 && part[0] <= '5'));
    }
    if (right) return true;
  }
  // A float, with or without an exponent.
  std::size_t i = 0;
  bool point = false;
  while (i < rest.size() && (digit(at + i) || rest[i] == '_' || (rest[i] == '.' && !point))) {
    point = point || rest[i] == '.';
    ++i;
  }
  if (i == rest.size()) return true;
  if (rest[i] == 'e' || rest[i] == 'E') {
    ++i;
    if (i < rest.size() && (rest[i] == '+' || rest[i] == '-')) ++i;
    return all(rest.substr(std::min(i, rest.size())), "0123456789");
  }
  // 2001-12-14 and 2001-12-14T21:59:43Z.
  const bool date =
      text.size() >= 8 && digit(0) && digit(1) && digit(2) && digit(3) && text[4] == '-';
  return date && all(text, "0123456789-:.+TtZz ");
}

bool IsBreak(char32_t rune) {
  return rune == '\r' || rune == '\n' || rune == 0x85 || rune == 0x2028 || rune == 0x2029;
}

bool IsPrintable(char32_t rune) {
  return rune == '\n' || (rune >= 0x20 && rune <= 0x7e) || (rune >= 0xa0 && rune <= 0xd7ff) ||
         (rune >= 0xe000 && rune <= 0xfffd && rune != 0xfeff);
}

// How a text may be written, as libyaml's emitter finds out.
struct Analysis {
  bool flow_plain = true;
  bool block_plain = true;
  bool single_quoted = true;
  bool block = true;
};

Analysis Analyze(std::u32string_view text) {
  if (text.empty()) return {false, true, true, false};
  Analysis a;
  bool flow = false;   // indicators that mean something in a flow
  bool block = false;  // or in a block
  bool special = false, breaks = false, space_break = false, break_space = false;
  if (text.starts_with(U"---") || text.starts_with(U"...")) flow = block = true;
  bool before_space = true;
  bool previous_space = false, previous_break = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    const auto is_blank_at = [&](std::size_t at) {
      return at >= text.size() || text[at] == ' ' || text[at] == '\t' || IsBreak(text[at]) ||
             text[at] == 0;
    };
    const bool next_blank = is_blank_at(i + 1);
    const auto one_of = [&](std::u32string_view set) {
      return set.find(c) != std::u32string_view::npos;
    };
    if (i == 0) {
      if (one_of(U"#,[]{}&*!|>'\"%@`")) flow = block = true;
      if (one_of(U"?:")) {
        flow = true;
        block = block || next_blank;
      }
      if (c == '-' && next_blank) flow = block = true;
    } else {
      if (one_of(U",?[]{}")) flow = true;
      if (c == ':') {
        flow = true;
        block = block || next_blank;
      }
      if (c == '#' && before_space) flow = block = true;
    }
    if (!IsPrintable(c)) special = true;
    if (IsBreak(c)) breaks = true;
    if (c == ' ') {
      if (i == 0 || i + 1 == text.size()) a.flow_plain = a.block_plain = false;
      if (i + 1 == text.size()) a.block = false;
      if (previous_break) break_space = true;
      previous_space = true;
      previous_break = false;
    } else if (IsBreak(c)) {
      if (i == 0 || i + 1 == text.size()) a.flow_plain = a.block_plain = false;
      if (previous_space) space_break = true;
      previous_space = false;
      previous_break = true;
    } else {
      previous_space = previous_break = false;
    }
    before_space = c == ' ' || c == '\t' || IsBreak(c) || c == 0;
  }
  if (break_space) a.flow_plain = a.block_plain = a.single_quoted = false;
  if (space_break || special) {
    a.flow_plain = a.block_plain = a.single_quoted = false;
    if (special) a.block = false;
  }
  if (breaks) a.flow_plain = a.block_plain = false;
  if (flow) a.flow_plain = false;
  if (block) a.block_plain = false;
  return a;
}

std::u32string Decode(std::string_view text) {
  std::u32string runes;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    runes += rune.length == 0 ? char32_t{0xfffd} : rune.value;
    at += std::max<std::size_t>(rune.length, 1);
  }
  return runes;
}

class Printer {
 public:
  std::string Take() { return std::move(out_); }

  void Document(const Tree& tree) {
    if (tree.kind == Tree::Kind::kMap && !tree.entries.empty()) {
      Map(tree, 0);
    } else {
      Value(tree, 0);
    }
    if (column_ > 0) Break();
  }

 private:
  void Put(std::string_view text) {
    out_ += text;
    column_ += text.size();
  }
  void PutRune(char32_t rune) {
    AppendRune(rune, out_);
    ++column_;
  }
  void Break() {
    out_ += '\n';
    column_ = 0;
  }
  void Indent(std::size_t indent) {
    if (column_ > 0) Break();
    Put(std::string(indent, ' '));
  }

  // `first`: the first entry stands behind a "- ".
  void Map(const Tree& tree, std::size_t indent, bool first = false) {
    for (const auto& [key, value] : tree.entries) {
      if (!std::exchange(first, false)) Indent(indent);
      Scalar(key, indent, false, true);
      Put(":");
      Below(value, indent);
    }
  }

  // A value behind its key.
  void Below(const Tree& value, std::size_t indent) {
    const bool list = value.kind == Tree::Kind::kList;
    if (value.kind == Tree::Kind::kMap && !value.entries.empty()) {
      Map(value, indent + kStep);
    } else if (list && !value.items.empty() && !value.flow) {
      List(value, indent);
    } else {
      Put(" ");
      Value(value, indent);
    }
  }

  void List(const Tree& tree, std::size_t indent) {
    for (const Tree& item : tree.items) {
      Indent(indent);
      Put("-");
      if (item.kind == Tree::Kind::kMap && !item.entries.empty()) {
        Put(" ");
        Map(item, indent + kStep, true);
      } else if (item.kind == Tree::Kind::kList && !item.items.empty() && !item.flow) {
        Put(" ");
        NestedList(item, indent + kStep);
      } else {
        Put(" ");
        Value(item, indent);
      }
    }
  }

  void NestedList(const Tree& tree, std::size_t indent) {
    bool first = true;
    for (const Tree& item : tree.items) {
      if (!std::exchange(first, false)) Indent(indent);
      Put("-");
      Below(item, indent);
    }
  }

  // Scalars, and what is empty or in one line.
  void Value(const Tree& value, std::size_t indent) {
    switch (value.kind) {
      case Tree::Kind::kPlain:
        return Put(value.text);
      case Tree::Kind::kText:
        return Scalar(value.text, indent, false, false);
      case Tree::Kind::kMap:
        return Put("{}");
      case Tree::Kind::kList:
        Put("[");
        for (const Tree& item : value.items) {
          if (&item != &value.items.front()) Put(", ");
          Scalar(item.text, indent, true, false);
        }
        return Put("]");
    }
  }

  void Scalar(const std::string& text, std::size_t indent, bool flow, bool key) {
    const std::u32string runes = Decode(text);
    const Analysis a = Analyze(runes);
    const std::size_t inner = indent + kStep;
    if (text.find('\n') != std::string::npos && !key) {
      if (a.block && !flow) return Literal(runes, inner);
      return DoubleQuoted(runes, inner, key);
    }
    if (ReadsAsOther(text)) return DoubleQuoted(runes, inner, key);
    if (flow ? a.flow_plain : a.block_plain) return Plain(runes, inner, key);
    if (a.single_quoted) return SingleQuoted(runes, inner, key);
    DoubleQuoted(runes, inner, key);
  }

  // A space where the line may be folded.
  bool Folds(std::u32string_view runes, std::size_t i) const {
    return column_ > kWidth && i > 0 && i + 1 < runes.size() && runes[i] == ' ' &&
           runes[i - 1] != ' ' && runes[i + 1] != ' ';
  }

  void Plain(std::u32string_view runes, std::size_t indent, bool key) {
    for (std::size_t i = 0; i < runes.size(); ++i) {
      if (!key && Folds(runes, i)) {
        Indent(indent);
      } else {
        PutRune(runes[i]);
      }
    }
  }

  void SingleQuoted(std::u32string_view runes, std::size_t indent, bool key) {
    Put("'");
    for (std::size_t i = 0; i < runes.size(); ++i) {
      if (!key && Folds(runes, i)) {
        Indent(indent);
        continue;
      }
      if (runes[i] == '\'') Put("'");
      PutRune(runes[i]);
    }
    Put("'");
  }

  void DoubleQuoted(std::u32string_view runes, std::size_t indent, bool key) {
    Put("\"");
    bool spaces = false;
    for (std::size_t i = 0; i < runes.size(); ++i) {
      const char32_t c = runes[i];
      if (!IsPrintable(c) || IsBreak(c) || c == '"' || c == '\\' || c == 0xfeff) {
        Escape(c);
        spaces = false;
      } else if (c == ' ') {
        if (!key && !spaces && column_ > kWidth && i > 0 && i + 1 < runes.size()) {
          Indent(indent);
          if (runes[i + 1] == ' ') Put("\\");
        } else {
          PutRune(c);
        }
        spaces = true;
      } else {
        PutRune(c);
        spaces = false;
      }
    }
    Put("\"");
  }

  void Escape(char32_t c) {
    static constexpr std::array<std::pair<char32_t, const char*>, 15> kNames = {{{0, "\\0"},
                                                                                 {7, "\\a"},
                                                                                 {8, "\\b"},
                                                                                 {9, "\\t"},
                                                                                 {10, "\\n"},
                                                                                 {11, "\\v"},
                                                                                 {12, "\\f"},
                                                                                 {13, "\\r"},
                                                                                 {27, "\\e"},
                                                                                 {'"', "\\\""},
                                                                                 {'\\', "\\\\"},
                                                                                 {0x85, "\\N"},
                                                                                 {0xa0, "\\_"},
                                                                                 {0x2028, "\\L"},
                                                                                 {0x2029, "\\P"}}};
    for (const auto& [rune, name] : kNames) {
      if (rune == c) return Put(name);
    }
    const auto value = static_cast<std::uint32_t>(c);
    if (value <= 0xff) return Put(fmt::format("\\x{:02X}", value));
    if (value <= 0xffff) return Put(fmt::format("\\u{:04X}", value));
    Put(fmt::format("\\U{:08X}", value));
  }

  void Literal(std::u32string_view runes, std::size_t indent) {
    Put("|");
    if (runes[0] == ' ' || IsBreak(runes[0])) Put(std::to_string(kStep));
    const std::size_t last = runes.size() - 1;
    if (!IsBreak(runes[last])) {
      Put("-");
    } else if (last == 0 || IsBreak(runes[last - 1])) {
      Put("+");
    }
    Break();
    bool fresh = true;
    for (const char32_t c : runes) {
      if (IsBreak(c)) {
        Break();
        fresh = true;
        continue;
      }
      if (std::exchange(fresh, false)) Indent(indent);
      PutRune(c);
    }
  }

  std::string out_;
  std::size_t column_ = 0;
};

}  // namespace

Tree Tree::Text(std::string text) {
  Tree tree;
  tree.kind = Kind::kText;
  tree.text = std::move(text);
  return tree;
}

Tree Tree::Plain(std::string text) {
  Tree tree = Text(std::move(text));
  tree.kind = Kind::kPlain;
  return tree;
}

Tree Tree::Bool(bool value) { return Plain(value ? "true" : "false"); }

void Tree::Add(std::string key, Tree value) {
  entries.push_back({std::move(key), std::move(value)});
}

Tree Tree::List(const std::vector<std::string>& texts) {
  Tree tree;
  tree.kind = Kind::kList;
  for (const std::string& text : texts) tree.items.push_back(Text(text));
  return tree;
}

std::string Print(const Tree& tree) {
  Printer printer;
  printer.Document(tree);
  return printer.Take();
}

}  // namespace fettle::yaml

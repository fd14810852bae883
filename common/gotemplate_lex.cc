#include "common/gotemplate_lex.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "common/utf8.h"

namespace fettle::gotemplate {
namespace {

using Kind = Token::Kind;

constexpr char32_t kEndOfText = 0xFFFFFFFF;

constexpr std::array<std::pair<std::string_view, Kind>, 14> kKeywords = {{
    {"true", Kind::kBool},
    {"false", Kind::kBool},
    {"nil", Kind::kNil},
    {"if", Kind::kIf},
    {"else", Kind::kElse},
    {"end", Kind::kEnd},
    {"range", Kind::kRange},
    {"with", Kind::kWith},
    {"define", Kind::kDefine},
    {"template", Kind::kTemplate},
    {"block", Kind::kBlock},
    {"break", Kind::kBreak},
    {"continue", Kind::kContinue},
    {".", Kind::kDot},
}};

bool IsSpace(char32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }

// Letters beyond ASCII without Unicode's tables: what is printable there and neither punctuation
// nor a symbol in the blocks that people paste by accident (typographic quotes, dashes, arrows).
bool IsLetter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7) return false;
  if (c >= 0x2000 && c <= 0x2BFF) return false;
  if (c >= 0x3000 && c <= 0x303F) return false;
  if (c >= 0x1F000) return c >= 0x20000 && c <= 0x3FFFF;
  return IsPrintable(c);
}
bool IsAlphaNumeric(char32_t c) { return c == '_' || IsLetter(c) || IsDigit(c); }

bool TrimsLeft(std::string_view s) {
  return s.size() >= 2 && s[0] == '-' && IsSpace(static_cast<unsigned char>(s[1]));
}
bool TrimsRight(std::string_view s) {
  return s.size() >= 2 && IsSpace(static_cast<unsigned char>(s[0])) && s[1] == '-';
}

std::string_view TrimEnd(std::string_view s) {
  const auto last = s.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : s.substr(0, last + 1);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> Run() {
    while (!done_) LexText();
    return std::move(tokens_);
  }

 private:
  std::string_view Rest() const { return text_.substr(at_); }
  bool Ahead(std::string_view word) const { return Rest().substr(0, word.size()) == word; }
  char32_t Peek() const { return at_ < text_.size() ? DecodeRune(Rest()).rune : kEndOfText; }
  void Skip() { at_ += at_ < text_.size() ? DecodeRune(Rest()).length : 0; }
  bool Accept(std::string_view set) {
    if (at_ >= text_.size() || set.find(text_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  }
  void AcceptRun(std::string_view set) {
    while (Accept(set)) {
    }
  }

  // Moves the place of the next token to `start_`.
  Place PlaceOfStart() {
    for (; placed_ < start_; ++placed_) {
      if (text_[placed_] == '\n') {
        ++place_.line;
        place_.column = 0;
      } else {
        ++place_.column;
      }
    }
    return place_;
  }
  void Emit(Kind kind) {
    tokens_.push_back({kind, std::string(text_.substr(start_, at_ - start_)), PlaceOfStart()});
    start_ = at_;
  }
  void Complain(std::string text) {
    tokens_.push_back({Kind::kError, std::move(text), PlaceOfStart()});
    done_ = true;
  }

  void LexText() {
    const std::size_t open = text_.find("{{", at_);
    std::string_view plain = text_.substr(at_, open == std::string_view::npos ? open : open - at_);
    const bool more = open != std::string_view::npos;
    if (more && TrimsLeft(text_.substr(open + 2))) plain = TrimEnd(plain);
    if (!plain.empty()) {
      at_ = start_ + plain.size();
      Emit(Kind::kText);
    }
    if (!more) {
      at_ = start_ = text_.size();
      Emit(Kind::kEof);
      done_ = true;
      return;
    }
    start_ = at_ = open;
    const std::size_t marker = TrimsLeft(text_.substr(open + 2)) ? 2 : 0;
    if (text_.substr(open + 2 + marker, 2) == "/*") {
      at_ = open + 4 + marker;
      LexComment();
      return;
    }
    at_ = open + 2;
    Emit(Kind::kLeftDelim);
    start_ = at_ = at_ + marker;
    parentheses_ = 0;
    while (!done_ && InsideAction()) {
    }
  }

  void LexComment() {
    const std::size_t end = text_.find("*/", at_);
    if (end == std::string_view::npos) return Complain("unclosed comment");
    at_ = end + 2;
    const bool trims = TrimsRight(Rest()) && text_.substr(at_ + 2, 2) == "}}";
    if (!trims && !Ahead("}}")) return Complain("comment ends before closing delimiter");
    at_ += trims ? 4 : 2;
    if (trims) AcceptRun(" \t\r\n");
    start_ = at_;
  }

  // One token of an action; false after its end.
  bool InsideAction() {
    const bool trims = TrimsRight(Rest()) && text_.substr(at_ + 2, 2) == "}}";
    if (trims || Ahead("}}")) {
      if (parentheses_ > 0) {
        Complain("unclosed left paren");
        return false;
      }
      start_ = at_ = at_ + (trims ? 2 : 0);
      at_ += 2;
      Emit(Kind::kRightDelim);
      if (trims) AcceptRun(" \t\r\n");
      start_ = at_;
      return false;
    }
    const char32_t c = Peek();
    if (c == kEndOfText) {
      Complain("unclosed action");
    } else if (IsSpace(c)) {
      LexSpace();
    } else if (c == '.' &&
               !(at_ + 1 < text_.size() && IsDigit(static_cast<unsigned char>(text_[at_ + 1])))) {
      Skip();
      LexName(Kind::kField);
    } else if (c == '.' || c == '+' || c == '-' || IsDigit(c)) {
      LexNumber();
    } else if (IsAlphaNumeric(c)) {
      LexIdentifier();
    } else {
      LexPunctuation(c);
    }
    return true;
  }

  void LexSpace() {
    while (IsSpace(Peek())) {
      // The last space before -}} belongs to the delimiter.
      if (TrimsRight(Rest()) && text_.substr(at_ + 2, 2) == "}}") break;
      Skip();
    }
    Emit(Kind::kSpace);
  }

  void LexPunctuation(char32_t c) {
    Skip();
    switch (c) {
      case '=':
        return Emit(Kind::kAssign);
      case '|':
        return Emit(Kind::kPipe);
      case '"':
        return LexQuoted('"', Kind::kString, "unterminated quoted string");
      case '\'':
        return LexQuoted('\'', Kind::kChar, "unterminated character constant");
      case '$':
        return LexName(Kind::kVariable);
      case ':':
        if (!Accept("=")) return Complain("expected :=");
        return Emit(Kind::kDeclare);
      case '`': {
        const std::size_t end = text_.find('`', at_);
        if (end == std::string_view::npos) return Complain("unterminated raw quoted string");
        at_ = end + 1;
        return Emit(Kind::kRawString);
      }
      case '(':
        ++parentheses_;
        return Emit(Kind::kLeftParen);
      case ')':
        if (--parentheses_ < 0) return Complain("unexpected right paren");
        return Emit(Kind::kRightParen);
      default:
        if (c < 0x7f && c > ' ') return Emit(Kind::kPunctuation);
        Complain("unrecognized character in action: " + DescribeRune(c));
    }
  }

  void LexQuoted(char quote, Kind kind, const char* complaint) {
    while (at_ < text_.size() && text_[at_] != '\n') {
      const char c = text_[at_++];
      if (c == quote) return Emit(kind);
      if (c == '\\') {
        if (at_ >= text_.size() || text_[at_] == '\n') break;
        ++at_;
      }
    }
    Complain(complaint);
  }

  // After an identifier; catches $x+2.
  bool AtTerminator() const {
    const char32_t c = Peek();
    if (c == kEndOfText || IsSpace(c)) return true;
    if (c == '.' || c == ',' || c == '|' || c == ':' || c == ')' || c == '(') return true;
    return Ahead("}}");
  }

  // The . or $ is taken.
  void LexName(Kind kind) {
    if (AtTerminator()) return Emit(kind == Kind::kField ? Kind::kDot : kind);
    while (IsAlphaNumeric(Peek())) Skip();
    if (!AtTerminator()) return Complain("bad character " + DescribeRune(Peek()));
    Emit(kind);
  }

  void LexIdentifier() {
    while (IsAlphaNumeric(Peek())) Skip();
    if (!AtTerminator()) return Complain("bad character " + DescribeRune(Peek()));
    const std::string_view word = text_.substr(start_, at_ - start_);
    for (const auto& [keyword, kind] : kKeywords) {
      if (word == keyword) return Emit(kind);
    }
    Emit(Kind::kIdentifier);
  }

  // Lets through what the parser will refuse: it knows better what a number is.
  void LexNumber() {
    Accept("+-");
    std::string_view digits = "0123456789_";
    if (Accept("0")) {
      if (Accept("xX")) {
        digits = "0123456789abcdefABCDEF_";
      } else if (Accept("oO")) {
        digits = "01234567_";
      } else if (Accept("bB")) {
        digits = "01_";
      }
    }
    AcceptRun(digits);
    if (Accept(".")) AcceptRun(digits);
    if (digits.size() == 11 && Accept("eE")) {
      Accept("+-");
      AcceptRun("0123456789_");
    }
    if (digits.size() == 23 && Accept("pP")) {
      Accept("+-");
      AcceptRun("0123456789_");
    }
    const char32_t next = Peek();
    if (IsAlphaNumeric(next) || next == '+' || next == '-') {
      Skip();
      return Complain(
          fmt::format("bad number syntax: {}", Quote(text_.substr(start_, at_ - start_))));
    }
    Emit(Kind::kNumber);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;  // of the token being read
  std::size_t placed_ = 0;
  Place place_;
  int parentheses_ = 0;
  bool done_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Lex(std::string_view text) { return Lexer(text).Run(); }

std::string Token::ToString() const {
  if (kind == Kind::kEof) return "EOF";
  if (kind == Kind::kError) return text;
  if (kind >= Kind::kDot) return "<" + text + ">";
  if (text.size() > 10) return Quote(text.substr(0, 10)) + "...";
  return Quote(text);
}

std::string DescribeRune(char32_t rune) {
  if (rune == kEndOfText) return "U+FFFFFFFF";
  std::string out = fmt::format("U+{:04X}", static_cast<std::uint32_t>(rune));
  if (IsPrintable(rune)) {
    out += " '";
    AppendRune(out, rune);
    out += "'";
  }
  return out;
}

DecodedRune DecodeRune(std::string_view text) {
  if (text.empty()) return {};
  const Rune rune = fettle::DecodeRune(text, 0);
  return rune.length == 0 ? DecodedRune{} : DecodedRune{rune.value, rune.length};
}

void AppendRune(std::string& out, char32_t rune) {
  const bool scalar = rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
  fettle::AppendRune(scalar ? rune : char32_t{0xFFFD}, out);
}

bool IsPrintable(char32_t rune) {
  if (rune < 0x20 || (rune >= 0x7f && rune <= 0xa0) || rune == 0xad) return false;
  if (rune >= 0x2000 && rune <= 0x200f) return false;
  if (rune >= 0x2028 && rune <= 0x202f) return false;
  if (rune >= 0x205f && rune <= 0x206f) return false;
  if (rune == 0x1680 || rune == 0x3000 || rune == 0xfeff) return false;
  if (rune >= 0xd800 && rune <= 0xf8ff) return false;
  return (rune & 0xfffe) != 0xfffe && rune <= 0x10ffff;
}

std::optional<std::string> Unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != literal.back()) return std::nullopt;
  const std::string_view inside = literal.substr(1, literal.size() - 2);
  if (literal.front() == '`') {
    std::string out(inside);
    std::erase(out, '\r');
    return out;
  }
  if (literal.front() == '\'') {
    // The two characters that single and double quotes escape differently.
    if (inside == "\\'" || inside == "\"") return std::string(inside.substr(inside.size() - 1));
    return fettle::Unquote("\"" + std::string(inside) + "\"");
  }
  return fettle::Unquote(literal);
}

}  // namespace fettle::gotemplate

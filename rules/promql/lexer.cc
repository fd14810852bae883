#include "rules/promql/lexer.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/labels.h"
#include "rules/promql/rune_text.h"

namespace fettle::promql {
namespace {

using enum TokenType;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsWord(char c) { return IsAlpha(c) || IsDigit(c); }

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

int DigitOf(char32_t rune) {
  if (rune >= '0' && rune <= '9') return static_cast<int>(rune - '0');
  if (rune >= 'a' && rune <= 'f') return static_cast<int>(rune - 'a') + 10;
  if (rune >= 'A' && rune <= 'F') return static_cast<int>(rune - 'A') + 10;
  return 16;
}

}  // namespace

char Lexer::Peek(std::size_t ahead) const {
  return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
}

Rune Lexer::Look(std::size_t at) const {
  if (at >= text_.size()) return {kEof, 0};
  const Rune rune = DecodeRune(text_, at);
  return rune.length == 0 ? Rune{0xfffd, 1} : rune;
}

Token Lexer::Emit(TokenType type) {
  Token token{type, {start_, at_}, text_.substr(start_, at_ - start_)};
  start_ = at_;
  return token;
}

Token Lexer::EmitLength(TokenType type, std::size_t length) {
  at_ = std::min(start_ + length, text_.size());
  return Emit(type);
}

template <typename... Args>
Token Lexer::Fail(std::string_view format, Args&&... args) {
  failed_ = true;
  message_ = fmt::format(fmt::runtime(format), std::forward<Args>(args)...);
  return {kError, {start_, text_.size()}, message_};
}

Token Lexer::Next() {
  if (failed_) return {kError, {start_, text_.size()}, message_};
  for (;;) {
    Token token = Scan();
    if (token.type != kComment) return token;
  }
}

void Lexer::SkipSpaces() {
  while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  start_ = at_;
}

Token Lexer::Scan() {
  SkipSpaces();
  if (duration_next_) return ScanDuration();
  return brace_open_ ? ScanBraces() : ScanStatement();
}

Token Lexer::ScanComment() {
  while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
  return Emit(kComment);
}

Token Lexer::ScanStatement() {
  if (at_ >= text_.size()) {
    if (parens_ != 0) return Fail("unclosed left parenthesis");
    if (bracket_open_) return Fail("unclosed left bracket");
    return Emit(kEnd);
  }
  const char c = text_[at_];
  const char next = Peek(1);
  switch (c) {
    case '#':
      return ScanComment();
    case ',':
      return EmitLength(kComma, 1);
    case '*':
      return EmitLength(kMul, 1);
    case '/':
      return EmitLength(kDiv, 1);
    case '%':
      return EmitLength(kMod, 1);
    case '+':
      return EmitLength(kAdd, 1);
    case '-':
      return EmitLength(kSub, 1);
    case '^':
      return EmitLength(kPow, 1);
    case '@':
      return EmitLength(kAt, 1);
    case '=':
      if (next == '=') return EmitLength(kEqualEqual, 2);
      if (next == '~') return Fail("unexpected character after '=': {}", QuoteRune('~'));
      return EmitLength(kEqual, 1);
    case '!': {
      if (next == '=') return EmitLength(kNotEqual, 2);
      const Rune rune = Look(at_ + 1);
      return Fail("unexpected character after '!': {}",
                  QuoteRune(rune.value == kEof ? 0xfffd : rune.value));
    }
    case '<':
      if (next == '=') return EmitLength(kLessEqual, 2);
      return next == '/' ? EmitLength(kTrimUpper, 2) : EmitLength(kLess, 1);
    case '>':
      if (next == '=') return EmitLength(kGreaterEqual, 2);
      return next == '/' ? EmitLength(kTrimLower, 2) : EmitLength(kGreater, 1);
    case '"':
    case '\'':
      return ScanString();
    case '`':
      return ScanRawString();
    case '(':
      ++parens_;
      return EmitLength(kLeftParen, 1);
    case ')':
      if (--parens_ < 0) {
        ++start_;
        return Fail("unexpected right parenthesis ')'");
      }
      return EmitLength(kRightParen, 1);
    case '{':
      brace_open_ = true;
      return EmitLength(kLeftBrace, 1);
    case '[':
      if (bracket_open_) return Fail("unexpected left bracket '['");
      bracket_open_ = duration_next_ = true;
      got_colon_ = got_duration_ = false;
      return EmitLength(kLeftBracket, 1);
    case ']':
      if (!bracket_open_) return Fail("unexpected right bracket ']'");
      bracket_open_ = false;
      return EmitLength(kRightBracket, 1);
    default:
      break;
  }
  if (IsDigit(c) || (c == '.' && IsDigit(next))) return ScanNumberOrDuration();
  if (IsAlpha(c) || c == ':') return bracket_open_ ? ScanBracketWord(false) : ScanWord();
  return Fail("unexpected character: {}", QuoteRune(Look(at_).value));
}

Token Lexer::ScanBraces() {
  if (at_ >= text_.size()) return Fail("unexpected end of input inside braces");
  const char c = text_[at_];
  const char next = Peek(1);
  switch (c) {
    case '#':
      return ScanComment();
    case ',':
      return EmitLength(kComma, 1);
    case '"':
    case '\'':
      return ScanString();
    case '`':
      return ScanRawString();
    case '=':
      return next == '~' ? EmitLength(kRegexpMatch, 2) : EmitLength(kEqual, 1);
    case '!': {
      if (next == '~') return EmitLength(kRegexpNoMatch, 2);
      if (next == '=') return EmitLength(kNotEqual, 2);
      const Rune rune = Look(at_ + 1);
      return Fail("unexpected character after '!' inside braces: {}",
                  QuoteRune(rune.value == kEof ? 0xfffd : rune.value));
    }
    case '{':
      return Fail("unexpected left brace '{{'");
    case '}':
      brace_open_ = false;
      return EmitLength(kRightBrace, 1);
    default:
      break;
  }
  if (!IsAlpha(c))
    return Fail("unexpected character inside braces: {}", QuoteRune(Look(at_).value));
  while (IsWord(Peek())) ++at_;
  return Emit(kIdentifier);
}

Token Lexer::ScanDuration() {
  if (at_ >= text_.size()) return Fail("unexpected end of input in duration expression");
  const char c = text_[at_];
  switch (c) {
    case ']':
      bracket_open_ = duration_next_ = false;
      return EmitLength(kRightBracket, 1);
    case ':':
      if (!got_duration_) return Fail("unexpected colon before duration in duration expression");
      if (got_colon_) return Fail("unexpected repeated colon in duration expression");
      got_colon_ = true;
      return EmitLength(kColon, 1);
    case '(':
      ++parens_;
      return EmitLength(kLeftParen, 1);
    case ')':
      if (--parens_ < 0) return Fail("unexpected right parenthesis ')'");
      return EmitLength(kRightParen, 1);
    case '+':
      return EmitLength(kAdd, 1);
    case '-':
      return EmitLength(kSub, 1);
    case '*':
      return EmitLength(kMul, 1);
    case '/':
      return EmitLength(kDiv, 1);
    case '%':
      return EmitLength(kMod, 1);
    case '^':
      return EmitLength(kPow, 1);
    case ',':
      return EmitLength(kComma, 1);
    default:
      break;
  }
  if (IsAlpha(c)) return ScanBracketWord(true);
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
    got_duration_ = true;
    duration_next_ = false;
    return ScanNumberOrDuration();
  }
  return Fail("unexpected character in duration expression: {}", QuoteRune(Look(at_).value));
}

// Within brackets only a few words mean something.
Token Lexer::ScanBracketWord(bool duration_state) {
  if (text_[at_] == ':') {
    if (got_colon_) return Fail("unexpected colon ':'");
    got_colon_ = duration_next_ = true;
    return EmitLength(kColon, 1);
  }
  const auto first = static_cast<unsigned char>(text_[at_]);
  while (IsAlpha(Peek())) ++at_;
  const std::string word = Lower(text_.substr(start_, at_ - start_));
  for (const TokenType type : {kStep, kRange, kMinOf, kMaxOf}) {
    if (word == ToString(type)) {
      got_duration_ = true;
      return Emit(type);
    }
  }
  if (duration_state) {
    return Fail("unexpected character in duration expression: {}", QuoteRune(first));
  }
  return Fail("unexpected character: {}, expected {}", QuoteRune(first), QuoteRune(':'));
}

Token Lexer::ScanWord() {
  while (IsWord(Peek()) || Peek() == ':') ++at_;
  const std::string_view word = text_.substr(start_, at_ - start_);
  const TokenType keyword = KeywordOf(word);
  if (keyword == kFill || keyword == kFillLeft || keyword == kFillRight) {
    // A modifier only before a parenthesis; otherwise a metric may have this name.
    const std::size_t next = text_.find_first_not_of(" \t\n\r", at_);
    if (next == std::string_view::npos || text_[next] != '(') return Emit(kIdentifier);
  }
  if (keyword != kIdentifier) return Emit(keyword);
  return Emit(word.find(':') == std::string_view::npos ? kIdentifier : kMetricIdentifier);
}

Token Lexer::ScanNumberOrDuration() {
  if (ScanNumber()) return Emit(kNumber);
  if (ScanRestOfDuration()) return Emit(kDuration);
  return Fail("bad number or duration syntax: {}", Quote(text_.substr(start_, at_ - start_)));
}

bool Lexer::AcceptAny(std::string_view set) {
  if (at_ >= text_.size() || set.find(text_[at_]) == std::string_view::npos) return false;
  ++at_;
  return true;
}

// [.]digits with _ between digits, an exponent, or hexadecimal; what it means is the parser's.
bool Lexer::ScanNumber() {
  std::string_view digits = "0123456789";
  const std::size_t begin = at_;
  if (AcceptAny("0") && AcceptAny("xX")) {
    AcceptAny("_");
    digits = "0123456789abcdefABCDEF";
  }
  const bool hexadecimal = digits.size() > 10;
  bool dot = AcceptAny(".");
  bool exponent = false;
  for (; at_ < text_.size();) {
    if (Peek() == '.') {
      ++at_;
      if (dot || hexadecimal || AcceptAny("_.")) return false;
      dot = true;
    } else if (!hexadecimal && (Peek() == 'e' || Peek() == 'E')) {
      ++at_;
      if (exponent) return false;
      exponent = true;
      AcceptAny("+-");
      if (AcceptAny("._eE") || at_ >= text_.size()) return false;
    } else if (Peek() == '_') {
      ++at_;
      if (AcceptAny("._eE") || at_ >= text_.size()) return false;
    } else if (!AcceptAny(digits)) {
      break;
    }
  }
  return at_ != begin && !IsWord(Peek());
}

bool Lexer::ScanRestOfDuration() {
  if (!AcceptAny("smhdwy")) return false;
  AcceptAny("s");
  while (IsDigit(Peek())) {
    while (IsDigit(Peek())) ++at_;
    if (!AcceptAny("smhdw")) return false;
    AcceptAny("s");
  }
  if (!IsWord(Peek())) return true;
  ++at_;
  return false;
}

Token Lexer::ScanString() {
  const char quote = text_[at_++];
  for (;;) {
    const Rune rune = Look(at_);
    if (rune.value == kEof || rune.value == '\n') return Fail("unterminated quoted string");
    if (rune.value == 0xfffd) return Fail("invalid UTF-8 rune");
    at_ += rune.length;
    if (rune.value == static_cast<unsigned char>(quote)) return Emit(kString);
    if (rune.value == '\\' && !ScanEscape(quote)) return Fail("{}", std::string(message_));
  }
}

// After the backslash. False with message_ set if this is no escape sequence.
bool Lexer::ScanEscape(char quote) {
  Rune rune = Look(at_);
  at_ += rune.length;
  int digits = 0;
  int base = 16;
  char32_t max = 0x10ffff;
  if (rune.value == kEof) {
    message_ = "escape sequence not terminated";
    return false;
  }
  if (rune.value == static_cast<unsigned char>(quote)) return true;
  switch (rune.value) {
    case 'a':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'v':
    case '\\':
      return true;
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
      digits = 3;
      base = 8;
      max = 255;
      at_ -= rune.length;
      break;
    case 'x':
      digits = 2;
      max = 255;
      break;
    case 'u':
      digits = 4;
      break;
    case 'U':
      digits = 8;
      break;
    default:
      message_ = fmt::format("unknown escape sequence {}", DescribeRune(rune.value));
      return false;
  }
  char32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    rune = Look(at_);
    const int digit = DigitOf(rune.value);
    if (digit >= base) {
      message_ = rune.value == kEof ? "escape sequence not terminated"
                                    : fmt::format("illegal character {} in escape sequence",
                                                  DescribeRune(rune.value));
      return false;
    }
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
    at_ += rune.length;
  }
  if (value > max || (value >= 0xd800 && value < 0xe000)) {
    message_ = "escape sequence is an invalid Unicode code point";
    return false;
  }
  return true;
}

Token Lexer::ScanRawString() {
  ++at_;
  for (;;) {
    const Rune rune = Look(at_);
    if (rune.value == kEof) return Fail("unterminated raw string");
    if (rune.value == 0xfffd) return Fail("invalid UTF-8 rune");
    at_ += rune.length;
    if (rune.value == '`') return Emit(kString);
  }
}

}  // namespace fettle::promql

// Cuts a query into tokens. Whether a word is a keyword, and which characters are allowed, depends
// on where it stands (inside braces, inside brackets), as in Prometheus.
//
// The source of the rules is Prometheus' promql/parser/lex.go (3.x); messages are its messages.
#pragma once

#include <string>
#include <string_view>

#include "common/utf8.h"
#include "rules/promql/token.h"

namespace fettle::promql {

class Lexer {
 public:
  // The text must outlive the lexer and its tokens.
  explicit Lexer(std::string_view text) : text_(text) {}

  // The next token, comments left out; kEnd again and again after the end. After kError, whose
  // span starts at the offence, the rest is meaningless; message() says what is wrong.
  Token Next();
  const std::string& message() const { return message_; }

 private:
  static constexpr char32_t kEof = 0xffffffff;
  // The character there: kEof at the end, U+FFFD where the bytes are not UTF-8.
  Rune Look(std::size_t at) const;
  char Peek(std::size_t ahead = 0) const;  // '\0' at the end

  Token Scan();
  Token ScanStatement();
  Token ScanBraces();
  Token ScanDuration();
  Token ScanWord();
  Token ScanBracketWord(bool duration_state);
  Token ScanNumberOrDuration();
  Token ScanString();
  Token ScanRawString();
  Token ScanComment();
  bool ScanEscape(char quote);
  bool ScanNumber();
  bool ScanRestOfDuration();
  bool AcceptAny(std::string_view set);
  void SkipSpaces();

  Token Emit(TokenType type);
  Token EmitLength(TokenType type, std::size_t length);
  template <typename... Args>
  Token Fail(std::string_view format, Args&&... args);

  const std::string_view text_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  int parens_ = 0;
  bool brace_open_ = false;
  bool bracket_open_ = false;
  bool got_colon_ = false;
  bool duration_next_ = false;  // just after [ or an operator within []
  bool got_duration_ = false;
  bool failed_ = false;
  std::string message_;
};

}  // namespace fettle::promql

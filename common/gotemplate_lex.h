// Cuts a template's text into tokens, as Go's text/template/parse does. Values.
// Private to common/gotemplate*.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/gotemplate_ast.h"

namespace fettle::gotemplate {

struct Token {
  enum class Kind {
    kError,  // text is the complaint; the last token
    kEof,    // the last token
    kText,
    kLeftDelim,
    kRightDelim,
    kSpace,
    kIdentifier,
    kField,     // .Name
    kVariable,  // $ or $name
    kNumber,
    kChar,  // 'x', with its quotes
    kString,
    kRawString,
    kPipe,
    kLeftParen,
    kRightParen,
    kAssign,   // =
    kDeclare,  // :=
    kPunctuation,
    // Keywords; messages write them <end>.
    kDot,
    kNil,
    kBool,
    kIf,
    kElse,
    kEnd,
    kRange,
    kWith,
    kDefine,
    kTemplate,
    kBlock,
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kEof;
  std::string text;
  Place place;
  // As messages show it: "x", <end>, EOF.
  std::string ToString() const;
};

// Text, with what {{- and -}} trim taken away, and the insides of actions. Ends with kEof or
// kError.
std::vector<Token> Lex(std::string_view text);

// U+201C '“', as Go's %#U.
std::string DescribeRune(char32_t rune);

// Reads one rune of UTF-8; an invalid byte reads as U+FFFD of length 1.
struct DecodedRune {
  char32_t rune = 0xFFFD;
  std::size_t length = 1;
};
DecodedRune DecodeRune(std::string_view text);
void AppendRune(std::string& out, char32_t rune);
// Whether Go would print it as it is (letters, marks, numbers, punctuation, symbols, ASCII space).
// An approximation without Unicode's tables: everything but controls, spaces and noncharacters.
bool IsPrintable(char32_t rune);

// What a Go literal means: "a\n", `raw` or 'x' with its quotes; nullopt if it is none.
std::optional<std::string> Unquote(std::string_view literal);

}  // namespace fettle::gotemplate

// The words of PromQL. The lexer makes tokens; the parser, printer and tree name operators by them.
#pragma once

#include <string_view>

#include "rules/promql/value.h"

namespace fettle::promql {

enum class TokenType {
  kError,
  kEnd,
  kComment,
  kIdentifier,
  kMetricIdentifier,
  kString,
  kNumber,
  kDuration,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kEqual,
  kSemicolon,
  // Operators.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqualEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kTrimUpper,
  kTrimLower,
  kRegexpMatch,
  kRegexpNoMatch,
  kAnd,
  kOr,
  kUnless,
  kAt,
  // Aggregators.
  kAvg,
  kBottomK,
  kCount,
  kCountValues,
  kGroup,
  kMax,
  kMin,
  kQuantile,
  kStddev,
  kStdvar,
  kSum,
  kTopK,
  kLimitK,
  kLimitRatio,
  // Keywords.
  kBool,
  kBy,
  kGroupLeft,
  kGroupRight,
  kFill,
  kFillLeft,
  kFillRight,
  kIgnoring,
  kOffset,
  kAnchored,
  kSmoothed,
  kOn,
  kWithout,
  // Preprocessors: keywords only where a time or a duration stands.
  kStart,
  kEndOf,
  kStep,
  kRange,
  // Only within brackets; elsewhere they are functions.
  kMinOf,
  kMaxOf,
};

struct Token {
  TokenType type = TokenType::kEnd;
  Span span;
  std::string_view text;  // of the query; an error's text is the lexer's
};

// As the language writes it: "+", "and", "sum", "(".
std::string_view ToString(TokenType type);
bool IsOperator(TokenType type);
bool IsAggregator(TokenType type);
bool IsKeyword(TokenType type);
bool IsComparison(TokenType type);
bool IsSetOperator(TokenType type);
bool TakesParameter(TokenType aggregator);
// The keyword a word is, in whatever case (kNumber for inf and nan), or kIdentifier.
TokenType KeywordOf(std::string_view word);

}  // namespace fettle::promql

#include "rules/promql/token.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace fettle::promql {
namespace {

using enum TokenType;

constexpr std::pair<TokenType, std::string_view> kTexts[] = {
    {kLeftParen, "("},
    {kRightParen, ")"},
    {kLeftBrace, "{"},
    {kRightBrace, "}"},
    {kLeftBracket, "["},
    {kRightBracket, "]"},
    {kComma, ","},
    {kColon, ":"},
    {kEqual, "="},
    {kSemicolon, ";"},
    {kAdd, "+"},
    {kSub, "-"},
    {kMul, "*"},
    {kDiv, "/"},
    {kMod, "%"},
    {kPow, "^"},
    {kAtan2, "atan2"},
    {kEqualEqual, "=="},
    {kNotEqual, "!="},
    {kLess, "<"},
    {kLessEqual, "<="},
    {kGreater, ">"},
    {kGreaterEqual, ">="},
    {kTrimUpper, "</"},
    {kTrimLower, ">/"},
    {kRegexpMatch, "=~"},
    {kRegexpNoMatch, "!~"},
    {kAnd, "and"},
    {kOr, "or"},
    {kUnless, "unless"},
    {kAt, "@"},
    {kAvg, "avg"},
    {kBottomK, "bottomk"},
    {kCount, "count"},
    {kCountValues, "count_values"},
    {kGroup, "group"},
    {kMax, "max"},
    {kMin, "min"},
    {kQuantile, "quantile"},
    {kStddev, "stddev"},
    {kStdvar, "stdvar"},
    {kSum, "sum"},
    {kTopK, "topk"},
    {kLimitK, "limitk"},
    {kLimitRatio, "limit_ratio"},
    {kBool, "bool"},
    {kBy, "by"},
    {kGroupLeft, "group_left"},
    {kGroupRight, "group_right"},
    {kFill, "fill"},
    {kFillLeft, "fill_left"},
    {kFillRight, "fill_right"},
    {kIgnoring, "ignoring"},
    {kOffset, "offset"},
    {kAnchored, "anchored"},
    {kSmoothed, "smoothed"},
    {kOn, "on"},
    {kWithout, "without"},
    {kStart, "start"},
    {kEndOf, "end"},
    {kStep, "step"},
    {kRange, "range"},
    {kMinOf, "min_of"},
    {kMaxOf, "max_of"},
};

}  // namespace

std::string_view ToString(TokenType type) {
  for (const auto& [known, text] : kTexts) {
    if (known == type) return text;
  }
  return {};
}

bool IsOperator(TokenType type) { return type >= kAdd && type <= kAt; }
bool IsAggregator(TokenType type) { return type >= kAvg && type <= kLimitRatio; }
bool IsKeyword(TokenType type) { return type >= kBool && type <= kWithout; }
bool IsComparison(TokenType type) { return type >= kEqualEqual && type <= kGreaterEqual; }
bool IsSetOperator(TokenType type) { return type == kAnd || type == kOr || type == kUnless; }

bool TakesParameter(TokenType aggregator) {
  return aggregator == kTopK || aggregator == kBottomK || aggregator == kCountValues ||
         aggregator == kQuantile || aggregator == kLimitK || aggregator == kLimitRatio;
}

TokenType KeywordOf(std::string_view word) {
  struct Keyword {
    std::string_view text;
    TokenType type;
  };
  using ByLetter = std::array<std::vector<Keyword>, 26>;
  static const ByLetter keywords = [] {
    ByLetter out;
    out['i' - 'a'].push_back({"inf", kNumber});
    out['n' - 'a'].push_back({"nan", kNumber});
    for (const auto& [type, text] : kTexts) {
      const bool letter = text[0] >= 'a' && text[0] <= 'z';
      if (letter && type <= kRange)
        out[static_cast<std::size_t>(text[0] - 'a')].push_back({text, type});
    }
    return out;
  }();
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = word.empty() ? ' ' : lower(word[0]);
  if (first < 'a' || first > 'z') return kIdentifier;
  for (const Keyword& keyword : keywords[static_cast<std::size_t>(first - 'a')]) {
    if (std::equal(word.begin(), word.end(), keyword.text.begin(), keyword.text.end(),
                   [&](char a, char b) { return lower(a) == b; })) {
      return keyword.type;
    }
  }
  return kIdentifier;
}

}  // namespace fettle::promql

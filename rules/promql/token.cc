#include "rules/promql/token.h"

#include <string_view>
#include <unordered_map>
#include <utility>

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

TokenType KeywordOf(std::string_view lower_case) {
  static const std::unordered_map<std::string_view, TokenType> keywords = [] {
    std::unordered_map<std::string_view, TokenType> out = {{"inf", kNumber}, {"nan", kNumber}};
    for (const auto& [type, text] : kTexts) {
      const bool word = text[0] >= 'a' && text[0] <= 'z';
      if (word && type <= kRange) out.emplace(text, type);
    }
    return out;
  }();
  constexpr std::size_t kLongest = std::string_view("count_values").size();
  if (lower_case.size() > kLongest) return kIdentifier;
  const auto found = keywords.find(lower_case);
  return found == keywords.end() ? kIdentifier : found->second;
}

}  // namespace fettle::promql

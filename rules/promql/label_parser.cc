#include "rules/promql/label_parser.h"

#include <utility>

#include "rules/promql/literals.h"

namespace fettle::promql {
namespace {

using enum TokenType;

bool IsLabelWord(TokenType type) { return IsMetricWord(type) || IsKeyword(type) || type == kAtan2; }

std::optional<Matcher::Type> MatchTypeOf(TokenType op) {
  switch (op) {
    case kEqual:
      return Matcher::Type::kEqual;
    case kNotEqual:
      return Matcher::Type::kNotEqual;
    case kRegexpMatch:
      return Matcher::Type::kRegexp;
    case kRegexpNoMatch:
      return Matcher::Type::kNotRegexp;
    default:
      return std::nullopt;
  }
}

// An identifier, or a quoted name, without its quotes.
std::string NameOf(const Token& token) {
  return token.type == kString ? UnquoteToken(token.text) : std::string(token.text);
}

bool IsNameToken(const Token& token) { return token.type == kIdentifier || token.type == kString; }

std::optional<Matcher> ParseMatcher(TokenStream& tokens) {
  if (!IsNameToken(tokens.Peek())) {
    return tokens.Unexpected("label matching", "identifier or \"}\"");
  }
  const Token label = tokens.Take();
  const std::optional<Matcher::Type> type = MatchTypeOf(tokens.Peek().type);
  if (!type) {
    if (label.type != kString) {
      return tokens.Unexpected("label matching", "label matching operator");
    }
    // A quoted string alone is the metric's name.
    return *Matcher::Make(Matcher::Type::kEqual, std::string(kMetricName), NameOf(label));
  }
  tokens.Take();
  if (tokens.Peek().type != kString) return tokens.Unexpected("label matching", "string");
  const Token value = tokens.Take();
  Result<Matcher> matcher = Matcher::Make(*type, NameOf(label), UnquoteToken(value.text));
  if (!matcher) {
    return tokens.Complain({label.span.start, value.span.end}, "{}", matcher.error().message);
  }
  return std::move(*matcher);
}

std::optional<Labels::Pair> ParseLabel(TokenStream& tokens) {
  if (!IsNameToken(tokens.Peek())) return tokens.Unexpected("label set", "identifier or \"}\"");
  const Token label = tokens.Take();
  if (label.type == kString && tokens.Peek().type != kEqual) {
    return Labels::Pair(kMetricName, NameOf(label));
  }
  if (!tokens.TakeIf(kEqual)) return tokens.Unexpected("label set", "\"=\"");
  if (tokens.Peek().type != kString) return tokens.Unexpected("label set", "string");
  return Labels::Pair(NameOf(label), UnquoteToken(tokens.Take().text));
}

std::optional<std::string> ParseGroupingLabel(TokenStream& tokens) {
  const TokenType type = tokens.Peek().type;
  if (!IsLabelWord(type) && type != kString) return tokens.Unexpected("grouping opts", "label");
  const Token label = tokens.Take();
  std::string name = NameOf(label);
  if (name.empty() || !IsUtf8(name)) {
    return tokens.Complain(label.span, "invalid label name for grouping: {}", Quote(name));
  }
  return name;
}

// Members up to `close`, separated by commas; one more comma may stand before it.
template <typename Item>
std::optional<std::vector<Item>> ParseList(TokenStream& tokens, TokenType close,
                                           std::optional<Item> (*parse)(TokenStream&),
                                           std::string_view context, std::string_view expected) {
  std::vector<Item> items;
  items.reserve(4);
  tokens.Take();
  while (!tokens.failed() && !tokens.TakeIf(close)) {
    std::optional<Item> item = parse(tokens);
    if (!item) return std::nullopt;
    items.push_back(std::move(*item));
    if (tokens.Peek().type != close && !tokens.TakeIf(kComma)) {
      return tokens.Unexpected(context, expected);
    }
  }
  if (tokens.failed()) return std::nullopt;
  return items;
}

}  // namespace

bool IsMetricWord(TokenType type) {
  switch (type) {
    case kIdentifier:
    case kMetricIdentifier:
    case kBy:
    case kWithout:
    case kAnd:
    case kOr:
    case kUnless:
    case kOffset:
    case kStart:
    case kEndOf:
    case kStep:
    case kRange:
    case kAnchored:
    case kSmoothed:
      return true;
    default:
      return IsAggregator(type);
  }
}

std::optional<Matchers> ParseMatchers(TokenStream& tokens) {
  return ParseList<Matcher>(tokens, kRightBrace, &ParseMatcher, "label matching", "\",\" or \"}\"");
}

std::optional<std::vector<Labels::Pair>> ParseLabelSet(TokenStream& tokens) {
  if (tokens.Peek().type != kLeftBrace) return tokens.Unexpected();
  return ParseList<Labels::Pair>(tokens, kRightBrace, &ParseLabel, "label set", "\",\" or \"}\"");
}

std::optional<std::vector<std::string>> ParseGroupingLabels(TokenStream& tokens) {
  if (tokens.Peek().type != kLeftParen) return tokens.Unexpected("grouping opts", "\"(\"");
  return ParseList<std::string>(tokens, kRightParen, &ParseGroupingLabel, "grouping opts",
                                "\",\" or \")\"");
}

}  // namespace fettle::promql

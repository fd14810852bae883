#include "rules/promql/duration_parser.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rules/promql/parser.h"

namespace fettle::promql {
namespace {

using enum TokenType;

// About what Go's time.Duration holds.
constexpr double kSecondsMax = 9223372036.0;

// As Go converts: to whole nanoseconds, of which whole milliseconds are kept.
Millis ToLength(double seconds) {
  return Millis(static_cast<std::int64_t>(std::round(seconds * 1e9)) / 1'000'000);
}

DurationExpr::Op OperationOf(TokenType type) {
  switch (type) {
    case kAdd:
      return DurationExpr::Op::kAdd;
    case kSub:
      return DurationExpr::Op::kSub;
    case kMul:
      return DurationExpr::Op::kMul;
    case kDiv:
      return DurationExpr::Op::kDiv;
    case kMod:
      return DurationExpr::Op::kMod;
    default:
      return DurationExpr::Op::kPow;
  }
}

bool IsPlain(const DurationExpr& expr) {
  return expr.op == DurationExpr::Op::kLiteral && !expr.wrapped;
}

}  // namespace

int PrecedenceOf(TokenType type) {
  switch (type) {
    case kOr:
      return 1;
    case kAnd:
    case kUnless:
      return 2;
    case kEqualEqual:
    case kNotEqual:
    case kLess:
    case kLessEqual:
    case kGreater:
    case kGreaterEqual:
    case kTrimUpper:
    case kTrimLower:
      return 3;
    case kAdd:
    case kSub:
      return kPrecedenceSum;
    case kMul:
    case kDiv:
    case kMod:
    case kAtan2:
      return 5;
    case kPow:
      return kPrecedencePower;
    default:
      return 0;
  }
}

std::optional<Length> DurationParser::ParsePositive() {
  const Node expr = ParseBinary(kPrecedenceSum);
  if (expr == nullptr) return std::nullopt;
  if (!IsPlain(*expr)) return Length{.expr = expr};
  if (expr->seconds <= 0) return tokens_.Complain(expr->span, "duration must be greater than 0");
  return Length{.literal = ToLength(expr->seconds)};
}

std::optional<Length> DurationParser::ParseOffset() {
  const Node expr = ParseUnary(true);
  if (expr == nullptr) return std::nullopt;
  if (!IsPlain(*expr)) return Length{.expr = expr};
  return Length{.literal = ToLength(expr->seconds)};
}

DurationParser::Node DurationParser::Make(DurationExpr::Op op, Span span, DurationPtr lhs,
                                          DurationPtr rhs) {
  const Node node = tree_.Make<DurationExpr>();
  node->op = op;
  node->span = span;
  for (const DurationPtr child : {lhs, rhs}) {
    if (child != nullptr) node->depth = std::max(node->depth, child->depth + 1);
  }
  if (node->depth > kNestingMax) {
    return tokens_.Complain(span, "expression is nested deeper than {} levels", kNestingMax);
  }
  node->lhs = lhs;
  node->rhs = rhs;
  return node;
}

DurationParser::Node DurationParser::ParseBinary(int least) {
  Node left = ParseUnary(false);
  while (left != nullptr && !tokens_.failed()) {
    const TokenType op = tokens_.Peek().type;
    const int precedence = op == kAtan2 ? 0 : PrecedenceOf(op);
    if (precedence < std::max(kPrecedenceSum, least)) break;
    tokens_.Take();
    const Node right = ParseBinary(op == kPow ? precedence : precedence + 1);
    if (right == nullptr) return nullptr;
    left = Make(OperationOf(op), {left->span.start, right->span.end}, left, right);
  }
  return tokens_.failed() ? nullptr : left;
}

DurationParser::Node DurationParser::ParseUnary(bool offset) {
  const TokenStream::Level level(tokens_);
  const TokenType next = tokens_.Peek().type;
  if (tokens_.failed()) return nullptr;
  Node out = next == kAdd || next == kSub ? ParseSigned(offset) : ParsePrimary();
  if (out != nullptr && out->op == DurationExpr::Op::kLiteral &&
      std::abs(out->seconds) > kSecondsMax) {
    return tokens_.Complain(out->span, "duration out of range");
  }
  return tokens_.failed() ? nullptr : out;
}

// A sign binds less tightly than ^, except after offset.
DurationParser::Node DurationParser::ParseSigned(bool offset) {
  const Token sign = tokens_.Take();
  Node inner = offset ? ParsePrimary() : ParseBinary(kPrecedencePower);
  if (inner == nullptr) return nullptr;
  const Span span{sign.span.start, inner->span.end};
  if (IsPlain(*inner)) {
    if (sign.type == kSub) inner->seconds = -inner->seconds;
    inner->span = span;
    return inner;
  }
  if (sign.type == kAdd) return inner;
  return Make(DurationExpr::Op::kNegate, span, nullptr, inner);
}

DurationParser::Node DurationParser::ParsePrimary() {
  const Token token = tokens_.Peek();
  switch (token.type) {
    case kNumber:
    case kDuration: {
      tokens_.Take();
      Node node = Make(DurationExpr::Op::kLiteral, token.span);
      node->seconds = tokens_.NumberOf(token);
      node->written_as_duration = token.type == kDuration;
      return tokens_.failed() ? nullptr : node;
    }
    case kStep:
    case kRange:
      tokens_.Take();
      if (!tokens_.TakeIf(kLeftParen) || !tokens_.TakeIf(kRightParen)) break;
      return Make(token.type == kStep ? DurationExpr::Op::kStep : DurationExpr::Op::kRange,
                  {token.span.start, tokens_.end()});
    case kLeftParen: {
      tokens_.Take();
      Node inner = ParseBinary(kPrecedenceSum);
      if (inner == nullptr) return nullptr;
      if (!tokens_.TakeIf(kRightParen)) break;
      inner->wrapped = true;
      return inner;
    }
    // Identifiers outside of brackets, where functions of these names exist.
    default:
      if (token.text == ToString(kMinOf)) return ParseMinMax(DurationExpr::Op::kMin);
      if (token.text == ToString(kMaxOf)) return ParseMinMax(DurationExpr::Op::kMax);
  }
  return tokens_.Unexpected(where_.context, where_.expected);
}

DurationParser::Node DurationParser::ParseMinMax(DurationExpr::Op op) {
  const std::size_t start = tokens_.Take().span.start;
  if (tokens_.TakeIf(kLeftParen)) {
    const Node left = ParseBinary(kPrecedenceSum);
    if (left == nullptr) return nullptr;
    if (tokens_.TakeIf(kComma)) {
      const Node right = ParseBinary(kPrecedenceSum);
      if (right == nullptr) return nullptr;
      if (tokens_.TakeIf(kRightParen)) return Make(op, {start, tokens_.end()}, left, right);
    }
  }
  return tokens_.Unexpected(where_.context, where_.expected);
}

}  // namespace fettle::promql

#include "rules/promql/token_stream.h"

#include "rules/promql/literals.h"
#include "rules/promql/parser.h"

namespace fettle::promql {
namespace {

using enum TokenType;

// `%.10q...` of Go: ten characters, quoted.
std::string QuoteShort(std::string_view text) {
  if (text.size() <= 10) return Quote(text);
  std::size_t end = 0;
  for (int runes = 0; runes < 10 && end < text.size(); ++runes) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  }
  return Quote(text.substr(0, end)) + "...";
}

std::string Describe(const Token& token) {
  switch (token.type) {
    case kEnd:
      return "end of input";
    case kIdentifier:
      return "identifier " + Quote(token.text);
    case kMetricIdentifier:
      return "metric identifier " + Quote(token.text);
    case kString:
      return "string " + QuoteShort(token.text);
    case kNumber:
      return "number " + QuoteShort(token.text);
    case kDuration:
      return "duration " + QuoteShort(token.text);
    default:
      break;
  }
  if (IsKeyword(token.type)) return fmt::format("<{}>", token.text);
  if (IsOperator(token.type)) return fmt::format("<op:{}>", token.text);
  if (IsAggregator(token.type)) return fmt::format("<aggr:{}>", token.text);
  return QuoteShort(token.text);
}

}  // namespace

const Token& TokenStream::Peek() {
  if (!peeked_) {
    token_ = lexer_.Next();
    peeked_ = true;
    if (token_.type == kError) Complain(token_.span, "{}", lexer_.message());
  }
  return token_;
}

Token TokenStream::Take() {
  Peek();
  peeked_ = false;
  end_ = token_.span.end;
  return token_;
}

bool TokenStream::TakeIf(TokenType type) {
  if (Peek().type != type) return false;
  Take();
  return true;
}

Stop TokenStream::Unexpected(std::string_view context, std::string_view expected) {
  if (context.empty() && aggregations_ > 0) context = "aggregation";
  std::string message = "unexpected " + Describe(Peek());
  if (!context.empty()) message += fmt::format(" in {}", context);
  if (!expected.empty()) message += fmt::format(", expected {}", expected);
  return Complain(Peek().span, "{}", message);
}

tl::unexpected<Error> TokenStream::Refusal() const {
  return Fail(Cause::kInvalid, "{}: parse error: {}", LineAndColumn(text_, complaint_->where.start),
              complaint_->message);
}

double TokenStream::NumberOf(const Token& token) {
  const Result<double> value =
      token.type == kNumber ? ParseNumber(token.text) : ParseDurationSeconds(token.text);
  if (!value) Complain(token.span, "{}", value.error().message);
  return value ? *value : 0;
}

std::optional<double> TokenStream::TakeSignedNumber() {
  double sign = 1;
  if (Peek().type == kAdd || Peek().type == kSub) sign = Take().type == kSub ? -1 : 1;
  if (Peek().type != kNumber && Peek().type != kDuration) return std::nullopt;
  return sign * NumberOf(Take());
}

TokenStream::Level::Level(TokenStream& tokens) : tokens_(tokens) {
  if (++tokens_.nesting_ > kNestingMax) {
    tokens_.Complain(tokens_.Peek().span, "expression is nested deeper than {} levels",
                     kNestingMax);
  }
}

}  // namespace fettle::promql

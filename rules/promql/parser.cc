#include "rules/promql/parser.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/number.h"
#include "rules/promql/duration_parser.h"
#include "rules/promql/function_table.h"
#include "rules/promql/label_parser.h"
#include "rules/promql/literals.h"
#include "rules/promql/token_stream.h"
#include "rules/promql/typecheck.h"

namespace fettle::promql {
namespace {

using enum TokenType;

using NodePtr = Expr*;  // still being built; null after a complaint

constexpr std::string_view kWantsLength = "number, duration, step(), or range()";

bool IsPostfix(TokenType type) {
  return type == kLeftBracket || type == kOffset || type == kAt || type == kAnchored ||
         type == kSmoothed;
}

class Parser {
 public:
  Parser(std::string_view text, const ParserOptions& options) : options_(options), tokens_(text) {}

  Result<ExprPtr> ParseAll() {
    if (tokens_.text().size() > kQueryBytesMax) {
      tokens_.Complain({}, "query is longer than {} bytes", kQueryBytesMax);
      return tokens_.Refusal();
    }
    if (tokens_.Peek().type == kEnd) tokens_.Complain({}, "no expression found in input");
    const NodePtr expr = tokens_.failed() ? nullptr : ParseBinary(1);
    return Finish(expr);
  }

  Result<ExprPtr> ParseSelectorOnly() {
    const TokenType first = tokens_.Peek().type;
    const bool selector = IsMetricWord(first) || first == kLeftBrace;
    const NodePtr expr =
        selector ? ParseVectorSelector() : static_cast<NodePtr>(tokens_.Unexpected());
    if (!tokens_.failed() && tokens_.Peek().type == kEnd) {
      const Matchers& matchers = As<VectorSelector>(*expr)->matchers;
      const auto takes_nothing = [](const Matcher& matcher) { return matcher.Matches(""); };
      if (std::all_of(matchers.begin(), matchers.end(), takes_nothing)) {
        return Fail(Cause::kInvalid, "match[] must contain at least one non-empty matcher");
      }
    }
    return Finish(expr);
  }

  Result<MetricAndRest> ParseMetricOnly() {
    std::vector<Labels::Pair> pairs;
    if (IsMetricWord(tokens_.Peek().type)) {
      pairs.emplace_back(kMetricName, std::string(tokens_.Take().text));
    }
    // What follows a bare name may be in another language: look at it without the lexer.
    const std::string_view rest = tokens_.text().substr(tokens_.end());
    if (pairs.empty() || rest.starts_with("{")) {
      auto labels = ParseLabelSet(tokens_);
      if (labels) std::move(labels->begin(), labels->end(), std::back_inserter(pairs));
    }
    if (tokens_.failed()) return tokens_.Refusal();
    return MetricAndRest{Labels(std::move(pairs)), tokens_.text().substr(tokens_.end())};
  }

 private:
  Result<ExprPtr> Finish(NodePtr expr) {
    if (!tokens_.failed() && tokens_.Peek().type != kEnd) tokens_.Unexpected();
    if (!tokens_.failed()) {
      if (auto complaint = CheckTypes(*expr, tokens_.text()))
        tokens_.Complain(std::move(complaint));
    }
    if (tokens_.failed()) return tokens_.Refusal();
    return ExprPtr(std::move(tree_), expr);
  }

  template <typename Node>
  NodePtr Grow(Node* node, Span span) {
    node->span = span;
    ForEachChild(
        *node, [node](const Expr& child) { node->depth = std::max(node->depth, child.depth + 1); });
    if (node->depth > kTreeDepthMax) {
      return tokens_.Complain(span, "expression is deeper than {} levels", kTreeDepthMax);
    }
    return node;
  }

  NodePtr ParseBinary(int least) {
    NodePtr left = ParseUnary();
    while (!tokens_.failed()) {
      const int precedence = PrecedenceOf(tokens_.Peek().type);
      if (precedence == 0 || precedence < least) break;
      auto* const binary = tree_->Make<BinaryExpr>();
      binary->op = tokens_.Take().type;
      if (!ParseModifiers(*binary)) return nullptr;
      const NodePtr right = ParseBinary(binary->op == kPow ? precedence : precedence + 1);
      if (right == nullptr) return nullptr;
      binary->lhs = left;
      binary->rhs = right;
      const bool scalars = left->type == ValueType::kScalar && right->type == ValueType::kScalar;
      binary->type = scalars ? ValueType::kScalar : ValueType::kVector;
      const Span span{left->span.start, right->span.end};
      if ((binary->matching.fill_left || binary->matching.fill_right) && !options_.fill_modifiers) {
        return tokens_.Complain(span, "binop fill modifiers are experimental and not enabled");
      }
      left = Grow(binary, span);
    }
    return tokens_.failed() ? nullptr : left;
  }

  // bool, on/ignoring, group_left/group_right, fill.
  bool ParseModifiers(BinaryExpr& binary) {
    VectorMatching& matching = binary.matching;
    binary.return_bool = tokens_.TakeIf(kBool);
    if (tokens_.Peek().type == kOn || tokens_.Peek().type == kIgnoring) {
      matching.on = tokens_.Take().type == kOn;
      auto labels = ParseGroupingLabels(tokens_);
      if (!labels) return false;
      matching.labels = std::move(*labels);
      const TokenType group = tokens_.Peek().type;
      if (group == kGroupLeft || group == kGroupRight) {
        tokens_.Take();
        matching.cardinality =
            group == kGroupLeft ? Cardinality::kManyToOne : Cardinality::kOneToMany;
        if (tokens_.Peek().type == kLeftParen) {
          auto include = ParseGroupingLabels(tokens_);
          if (!include) return false;
          matching.include = std::move(*include);
        }
      }
    }
    if (!ParseFills(matching)) return false;
    if (IsSetOperator(binary.op) && matching.cardinality == Cardinality::kOneToOne) {
      matching.cardinality = Cardinality::kManyToMany;
    }
    return !tokens_.failed();
  }

  bool ParseFills(VectorMatching& matching) {
    if (tokens_.TakeIf(kFill)) {
      matching.fill_left = matching.fill_right = ParseFillValue();
      return !tokens_.failed();
    }
    for (int i = 0; i < 2; ++i) {
      if (!matching.fill_left && tokens_.TakeIf(kFillLeft)) {
        matching.fill_left = ParseFillValue();
      } else if (!matching.fill_right && tokens_.TakeIf(kFillRight)) {
        matching.fill_right = ParseFillValue();
      }
    }
    return !tokens_.failed();
  }

  std::optional<double> ParseFillValue() {
    if (!tokens_.TakeIf(kLeftParen)) return tokens_.Unexpected("fill modifier", "\"(\"");
    const std::optional<double> value = tokens_.TakeSignedNumber();
    if (!value) return tokens_.Unexpected("fill modifier", "number");
    if (!tokens_.TakeIf(kRightParen)) return tokens_.Unexpected("fill modifier", "\")\"");
    return value;
  }

  NodePtr ParseUnary() {
    const TokenStream::Level level(tokens_);
    const TokenType next = tokens_.Peek().type;
    if (tokens_.failed()) return nullptr;
    if (next == kAdd || next == kSub) {
      const Token sign = tokens_.Take();
      const NodePtr inner = ParseBinary(kPrecedencePower);
      return inner == nullptr ? nullptr : MakeUnary(sign, inner);
    }
    NodePtr out = ParsePrimary();
    while (out != nullptr && IsPostfix(tokens_.Peek().type)) out = ParsePostfix(out);
    return tokens_.failed() ? nullptr : out;
  }

  NodePtr MakeUnary(const Token& sign, NodePtr inner) {
    if (inner->kind == Kind::kNumber) {
      auto* const number = static_cast<NumberLiteral*>(inner);
      if (sign.type == kSub) number->value = -number->value;
      number->span.start = sign.span.start;
      return number;
    }
    auto* const unary = tree_->Make<UnaryExpr>();
    unary->op = sign.type;
    unary->inner = inner;
    unary->type = inner->type;
    return Grow(unary, {sign.span.start, inner->span.end});
  }

  NodePtr ParsePrimary() {
    const TokenType type = tokens_.Peek().type;
    switch (type) {
      case kNumber:
      case kDuration: {
        const Token token = tokens_.Take();
        auto* const number = tree_->Make<NumberLiteral>();
        number->value = tokens_.NumberOf(token);
        number->duration = type == kDuration;
        return Grow(number, token.span);
      }
      case kString: {
        const Token token = tokens_.Take();
        auto* const string = tree_->Make<StringLiteral>();
        string->value = UnquoteToken(token.text);
        return Grow(string, token.span);
      }
      case kLeftParen:
        return ParseParen();
      case kLeftBrace:
        return ParseVectorSelector();
      default:
        break;
    }
    if (IsAggregator(type)) return ParseAggregateOrMetric();
    if (!IsMetricWord(type)) return tokens_.Unexpected();
    const bool callable =
        type == kIdentifier || type == kStart || type == kEndOf || type == kStep || type == kRange;
    const Token name = tokens_.Take();
    if (callable && tokens_.Peek().type == kLeftParen) return ParseCall(name);
    return ParseNamedSelector(name);
  }

  NodePtr ParseParen() {
    const Token open = tokens_.Take();
    const NodePtr inner = ParseBinary(1);
    if (inner == nullptr) return nullptr;
    if (!tokens_.TakeIf(kRightParen)) return tokens_.Unexpected();
    auto* const paren = tree_->Make<ParenExpr>();
    paren->inner = inner;
    paren->type = inner->type;
    return Grow(paren, {open.span.start, tokens_.end()});
  }

  // From "(" to ")".
  // They are on top of `waiting_` then, from the place returned on.
  std::optional<std::size_t> ParseArguments() {
    const std::size_t first = waiting_.size();
    tokens_.Take();
    if (tokens_.TakeIf(kRightParen)) return first;
    while (!tokens_.failed()) {
      const NodePtr argument = ParseBinary(1);
      if (argument == nullptr) return std::nullopt;
      waiting_.push_back(argument);
      if (tokens_.TakeIf(kRightParen)) return first;
      if (tokens_.Peek().type != kComma) return tokens_.Unexpected();
      const Token comma = tokens_.Take();
      if (tokens_.Peek().type == kRightParen) {
        return tokens_.Complain(comma.span, "trailing commas not allowed in function call args");
      }
    }
    return std::nullopt;
  }

  NodePtr ParseCall(const Token& name) {
    const auto first = ParseArguments();
    if (!first) return nullptr;
    const Function* function =
        FindFunction(name.type == kIdentifier ? name.text : ToString(name.type));
    if (function == nullptr) {
      return tokens_.Complain(name.span, "unknown function with name {}", Quote(name.text));
    }
    if (function->experimental && !options_.experimental_functions) {
      return tokens_.Complain(name.span, "function {} is not enabled", Quote(name.text));
    }
    auto* const call = tree_->Make<Call>();
    call->function = function;
    call->arguments.assign(waiting_.begin() + static_cast<std::ptrdiff_t>(*first), waiting_.end());
    waiting_.resize(*first);
    call->type = function->result;
    return Grow(call, {name.span.start, tokens_.end()});
  }

  NodePtr ParseAggregateOrMetric() {
    const Token op = tokens_.Take();
    const TokenType next = tokens_.Peek().type;
    if (next != kLeftParen && next != kBy && next != kWithout) return ParseNamedSelector(op);
    const TokenStream::Aggregation within(tokens_);
    return ParseAggregate(op);
  }

  NodePtr ParseAggregate(const Token& op) {
    auto* const aggregate = tree_->Make<AggregateExpr>();
    aggregate->op = op.type;
    const bool grouping_first = tokens_.Peek().type != kLeftParen;
    if (grouping_first && !ParseGrouping(*aggregate)) return nullptr;
    if (tokens_.Peek().type != kLeftParen) return tokens_.Unexpected("aggregation");
    const auto first = ParseArguments();
    if (!first) return nullptr;
    std::size_t end = tokens_.end();
    const TokenType next = tokens_.Peek().type;
    if (!grouping_first && (next == kBy || next == kWithout)) {
      if (!ParseGrouping(*aggregate)) return nullptr;
      end = tokens_.end();
    }
    const Span span{op.span.start, end};
    const std::size_t given = waiting_.size() - *first;
    if (!CheckArguments(op.type, given, span)) return nullptr;
    if (given == 2) aggregate->parameter = waiting_[*first];
    aggregate->inner = waiting_.back();
    waiting_.resize(*first);
    return Grow(aggregate, span);
  }

  bool CheckArguments(TokenType op, std::size_t given, Span span) {
    if (given == 0) {
      return tokens_.Complain(span, "no arguments for aggregate expression provided");
    }
    if ((op == kLimitK || op == kLimitRatio) && !options_.experimental_functions) {
      return tokens_.Complain(span,
                              "{}() is experimental and must be enabled with "
                              "--enable-feature=promql-experimental-functions",
                              ToString(op));
    }
    const std::size_t wanted = TakesParameter(op) ? 2 : 1;
    if (given != wanted) {
      return tokens_.Complain(span,
                              "wrong number of arguments for aggregate expression provided, "
                              "expected {}, got {}",
                              wanted, given);
    }
    return !tokens_.failed();
  }

  bool ParseGrouping(AggregateExpr& aggregate) {
    aggregate.without = tokens_.Take().type == kWithout;
    auto labels = ParseGroupingLabels(tokens_);
    if (!labels) return false;
    aggregate.grouping = std::move(*labels);
    return true;
  }

  NodePtr ParseVectorSelector() {
    if (tokens_.Peek().type != kLeftBrace) return ParseNamedSelector(tokens_.Take());
    const std::size_t start = tokens_.Peek().span.start;
    auto matchers = ParseMatchers(tokens_);
    if (!matchers) return nullptr;
    auto* const selector = tree_->Make<VectorSelector>();
    selector->matchers = std::move(*matchers);
    return Grow(selector, {start, tokens_.end()});
  }

  NodePtr ParseNamedSelector(const Token& name) {
    auto* const selector = tree_->Make<VectorSelector>();
    selector->name = name.text;
    if (tokens_.Peek().type == kLeftBrace) {
      auto matchers = ParseMatchers(tokens_);
      if (!matchers) return nullptr;
      selector->matchers = std::move(*matchers);
    }
    if (tokens_.failed()) return nullptr;
    selector->matchers.push_back(
        *Matcher::Make(Matcher::Type::kEqual, std::string(kMetricName), selector->name));
    return Grow(selector, {name.span.start, tokens_.end()});
  }

  NodePtr ParsePostfix(NodePtr expr) {
    switch (tokens_.Peek().type) {
      case kLeftBracket:
        return ParseBrackets(expr);
      case kOffset:
        return ParseOffset(expr);
      case kAt:
        return ParseAt(expr);
      default:
        return ParseExtent(expr);
    }
  }

  NodePtr ParseExtent(NodePtr expr) {
    const TokenType word = tokens_.Take().type;
    if (!options_.extended_ranges) {
      return tokens_.Complain(expr->span, "{} modifier is experimental and not enabled",
                              ToString(word));
    }
    const Extent extent = word == kAnchored ? Extent::kAnchored : Extent::kSmoothed;
    const auto extend = [&](Extent& of) -> NodePtr {
      if (of != Extent::kPlain && of != extent) {
        return tokens_.Complain(expr->span,
                                "anchored and smoothed modifiers cannot be used together");
      }
      of = extent;
      return expr;
    };
    if (expr->kind == Kind::kSelector) {
      return extend(static_cast<VectorSelector*>(expr)->extent);
    }
    if (expr->kind == Kind::kMatrix) {
      auto* const matrix = static_cast<MatrixSelector*>(expr);
      auto* const selector = tree_->Make<VectorSelector>(*matrix->selector);
      NodePtr extended = extend(selector->extent);
      matrix->selector = selector;
      return extended;
    }
    if (expr->kind == Kind::kSubquery) {
      return tokens_.Complain(expr->span, "{} modifier is not supported for subqueries",
                              ToString(word));
    }
    return tokens_.Complain(expr->span, "{} modifier not implemented", ToString(word));
  }

  NodePtr ParseBrackets(NodePtr expr) {
    const Token open = tokens_.Take();
    const auto range = DurationParser(tokens_, *tree_, {"subquery or range selector", kWantsLength})
                           .ParsePositive();
    if (!range) return nullptr;
    if (tokens_.Peek().type == kRightBracket) return MakeMatrix(expr, open, *range);
    if (!tokens_.TakeIf(kColon)) return tokens_.Unexpected("subquery or range", "\":\" or \"]\"");
    std::optional<Length> step = Length{};
    if (tokens_.Peek().type != kRightBracket) {
      step = DurationParser(tokens_, *tree_,
                            {"subquery selector", "number, duration, step(), range(), or \"]\""})
                 .ParsePositive();
    }
    if (!step) return nullptr;
    if (!tokens_.TakeIf(kRightBracket)) return tokens_.Unexpected("subquery selector", "\"]\"");
    auto* const subquery = tree_->Make<SubqueryExpr>();
    subquery->inner = expr;
    subquery->range = range->literal;
    subquery->range_expr = range->expr;
    subquery->step = step->literal;
    subquery->step_expr = step->expr;
    return Grow(subquery, {expr->span.start, tokens_.end()});
  }

  NodePtr MakeMatrix(NodePtr expr, const Token& open, const Length& range) {
    tokens_.Take();
    const Span brackets{open.span.start, tokens_.end()};
    if (expr->kind != Kind::kSelector) {
      return tokens_.Complain(brackets, "ranges only allowed for vector selectors");
    }
    auto* const selector = static_cast<VectorSelector*>(expr);
    if (selector->when.offset != Millis(0) || selector->when.offset_expr != nullptr) {
      return tokens_.Complain(brackets, "no offset modifiers allowed before range");
    }
    if (selector->when.pinned()) {
      return tokens_.Complain(brackets, "no @ modifiers allowed before range");
    }
    auto* const matrix = tree_->Make<MatrixSelector>();
    matrix->selector = selector;
    matrix->range = range.literal;
    matrix->range_expr = range.expr;
    return Grow(matrix, {expr->span.start, tokens_.end()});
  }

  // Applies `change` to the selector's or subquery's When, and lets the node end here.
  template <typename Change>
  NodePtr ChangeWhen(NodePtr expr, std::string_view modifier, const Change& change) {
    if (expr->kind == Kind::kSelector) {
      change(static_cast<VectorSelector*>(expr)->when);
    } else if (expr->kind == Kind::kSubquery) {
      change(static_cast<SubqueryExpr*>(expr)->when);
    } else if (expr->kind == Kind::kMatrix) {
      auto* const matrix = static_cast<MatrixSelector*>(expr);
      auto* const selector = tree_->Make<VectorSelector>(*matrix->selector);
      change(selector->when);
      matrix->selector = selector;
    } else {
      return tokens_.Complain(expr->span,
                              "{} modifier must be preceded by an instant vector selector or "
                              "range vector selector or a subquery",
                              modifier);
    }
    expr->span.end = tokens_.end();
    return tokens_.failed() ? nullptr : expr;
  }

  NodePtr ParseOffset(NodePtr expr) {
    tokens_.Take();
    const auto offset = DurationParser(tokens_, *tree_, {"offset", kWantsLength}).ParseOffset();
    if (!offset) return nullptr;
    return ChangeWhen(expr, "offset", [&](When& when) {
      if (when.offset != Millis(0) || when.offset_expr != nullptr) {
        tokens_.Complain(expr->span, "offset may not be set multiple times");
      }
      when.offset = offset->literal;
      when.offset_expr = offset->expr;
    });
  }

  NodePtr ParseAt(NodePtr expr) {
    tokens_.Take();
    std::optional<double> seconds;
    When::Edge edge = When::Edge::kNone;
    if (tokens_.Peek().type == kStart || tokens_.Peek().type == kEndOf) {
      edge = tokens_.Take().type == kStart ? When::Edge::kStart : When::Edge::kEnd;
      if (!tokens_.TakeIf(kLeftParen) || !tokens_.TakeIf(kRightParen)) {
        return tokens_.Unexpected("@", "timestamp");
      }
    } else {
      seconds = tokens_.TakeSignedNumber();
      if (!seconds) return tokens_.Unexpected("@", "timestamp");
      // What an int64 of milliseconds cannot hold.
      if (!(std::abs(*seconds) < 9223372036854775.0)) {
        return tokens_.Complain(
            expr->span, "timestamp out of bounds for @ modifier: {}",
            std::isfinite(*seconds) ? fmt::format("{:f}", *seconds) : FormatFloat(*seconds));
      }
    }
    return ChangeWhen(expr, "@", [&](When& when) {
      if (when.pinned()) {
        tokens_.Complain(expr->span, "@ <timestamp> may not be set multiple times");
      }
      when.edge = edge;
      if (seconds) when.timestamp = static_cast<std::int64_t>(std::round(*seconds * 1000));
    });
  }

  const ParserOptions options_;
  TokenStream tokens_;
  std::shared_ptr<Tree> tree_ = std::make_shared<Tree>();
  std::vector<const Expr*> waiting_;  // arguments whose call is not complete yet
};

}  // namespace

Result<ExprPtr> Parse(std::string_view text, const ParserOptions& options) {
  return Parser(text, options).ParseAll();
}

Result<Matchers> ParseSelector(std::string_view text) {
  const Result<ExprPtr> expr = Parser(text, {}).ParseSelectorOnly();
  if (!expr) return tl::unexpected(expr.error());
  return As<VectorSelector>(*expr)->matchers;
}

Result<MetricAndRest> ParseMetricPrefix(std::string_view line) {
  return Parser(line, {}).ParseMetricOnly();
}

Result<Labels> ParseMetric(std::string_view text) {
  Result<MetricAndRest> parsed = ParseMetricPrefix(text);
  if (!parsed) return tl::unexpected(parsed.error());
  const std::size_t rest = parsed->rest.find_first_not_of(" \t");
  if (rest != std::string_view::npos) {
    const std::size_t at = text.size() - parsed->rest.size() + rest;
    return Fail(Cause::kInvalid, "{}: parse error: unexpected text after the metric: {}",
                LineAndColumn(text, at), Quote(parsed->rest.substr(rest)));
  }
  return std::move(parsed->labels);
}

}  // namespace fettle::promql

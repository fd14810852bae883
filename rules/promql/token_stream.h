// One token of lookahead over a query, and the first complaint about it. What the parser's parts
// share.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "rules/promql/ast.h"
#include "rules/promql/lexer.h"
#include "rules/promql/typecheck.h"

namespace fettle::promql {

// What a parsing function returns after a complaint: null, false or nothing, as it needs.
struct Stop {
  template <typename T>
  operator T*() const {
    return nullptr;
  }
  template <typename T>
  operator std::optional<T>() const {
    return std::nullopt;
  }
  template <std::same_as<bool> Bool>
  operator Bool() const {
    return false;
  }
};

class TokenStream {
 public:
  explicit TokenStream(std::string_view text) : text_(text), lexer_(text) {}

  std::string_view text() const { return text_; }
  const Token& Peek();
  Token Take();
  bool TakeIf(TokenType type);
  // Where the last token taken ends.
  std::size_t end() const { return end_; }

  // Only the first complaint counts; after it nothing that was parsed is to be used.
  bool failed() const { return complaint_.has_value(); }
  template <typename... Args>
  Stop Complain(Span where, fmt::format_string<Args...> format, Args&&... args) {
    if (!failed()) complaint_ = Complaint{where, fmt::format(format, std::forward<Args>(args)...)};
    return {};
  }
  void Complain(std::optional<Complaint> complaint) {
    if (!failed()) complaint_ = std::move(complaint);
  }
  // "unexpected <the next token> in context, expected expected".
  Stop Unexpected(std::string_view context = {}, std::string_view expected = {});
  // "1:5: parse error: …".
  tl::unexpected<Error> Refusal() const;

  // Numbers and durations (in seconds).
  double NumberOf(const Token& token);
  // With an optional sign; nullopt if no number comes next.
  std::optional<double> TakeSignedNumber();

  // Counts nesting; complains at kNestingMax.
  class Level {
   public:
    explicit Level(TokenStream& tokens);
    ~Level() { --tokens_.nesting_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenStream& tokens_;
  };

  // Within an aggregation, unexpected tokens are unexpected "in aggregation".
  class Aggregation {
   public:
    explicit Aggregation(TokenStream& tokens) : tokens_(tokens) { ++tokens_.aggregations_; }
    ~Aggregation() { --tokens_.aggregations_; }
    Aggregation(const Aggregation&) = delete;
    Aggregation& operator=(const Aggregation&) = delete;

   private:
    TokenStream& tokens_;
  };

 private:
  const std::string_view text_;
  Lexer lexer_;
  Token token_;
  bool peeked_ = false;
  std::size_t end_ = 0;
  int nesting_ = 0;
  int aggregations_ = 0;
  std::optional<Complaint> complaint_;
};

}  // namespace fettle::promql

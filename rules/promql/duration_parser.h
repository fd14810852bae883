// Lengths of time as the parser reads them: in [], after the colon, after offset.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/clock.h"
#include "rules/promql/ast.h"
#include "rules/promql/token_stream.h"

namespace fettle::promql {

// How tightly a binary operator binds, 1 (or) to 6 (^); 0 if it is none.
int PrecedenceOf(TokenType type);
inline constexpr int kPrecedenceSum = 4;
inline constexpr int kPrecedencePower = 6;

// A plain literal as such, anything else as a tree.
struct Length {
  Millis literal{0};
  DurationPtr expr = nullptr;
};

class DurationParser {
 public:
  // What "unexpected …" says if the length is not one.
  struct Where {
    std::string_view context;
    std::string_view expected;
  };
  DurationParser(TokenStream& tokens, Tree& tree, Where where)
      : tokens_(tokens), tree_(tree), where_(where) {}

  // A whole expression; a literal must be positive.
  std::optional<Length> ParsePositive();
  // One term, with a sign: `offset 5m + 2` is (offset 5m) + 2.
  std::optional<Length> ParseOffset();

 private:
  using Node = DurationExpr*;
  Node Make(DurationExpr::Op op, Span span, DurationPtr lhs = nullptr, DurationPtr rhs = nullptr);
  Node ParseBinary(int least);
  Node ParseUnary(bool offset);
  Node ParsePrimary();
  Node ParseSigned(bool offset);
  Node ParseMinMax(DurationExpr::Op op);

  TokenStream& tokens_;
  Tree& tree_;
  const Where where_;
};

}  // namespace fettle::promql

// The tree of a PromQL expression. Made by the parser, never changed afterwards: shared freely
// between threads. Knows nothing of storage or evaluation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/matcher.h"
#include "rules/promql/token.h"
#include "rules/promql/value.h"

namespace fettle::promql {

struct Function;  // rules/promql/function_table.h

enum class Kind {
  kNumber,
  kString,
  kParen,
  kUnary,
  kBinary,
  kAggregate,
  kCall,
  kSelector,
  kMatrix,
  kSubquery,
  kDuration,
};

struct Expr {
  Expr(Kind k, ValueType t) : kind(k), type(t) {}
  virtual ~Expr() = default;
  const Kind kind;
  ValueType type;
  Span span;
  int depth = 1;  // of the tree from here down
};
using ExprPtr = std::shared_ptr<const Expr>;

struct NumberLiteral final : Expr {
  NumberLiteral() : Expr(Kind::kNumber, ValueType::kScalar) {}
  double value = 0;
  bool duration = false;  // written as 5m, printed so again
};

struct StringLiteral final : Expr {
  StringLiteral() : Expr(Kind::kString, ValueType::kString) {}
  std::string value;
};

struct ParenExpr final : Expr {
  ParenExpr() : Expr(Kind::kParen, ValueType::kNone) {}
  ExprPtr inner;
};

struct UnaryExpr final : Expr {
  UnaryExpr() : Expr(Kind::kUnary, ValueType::kNone) {}
  TokenType op = TokenType::kSub;
  ExprPtr inner;
};

enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };
struct VectorMatching {
  Cardinality cardinality = Cardinality::kOneToOne;
  bool on = false;  // `labels` are those to match on, not those to ignore
  std::vector<std::string> labels;
  std::vector<std::string> include;  // of group_left(…), group_right(…)
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct BinaryExpr final : Expr {
  BinaryExpr() : Expr(Kind::kBinary, ValueType::kNone) {}
  TokenType op = TokenType::kAdd;
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool = false;
  VectorMatching matching;  // means something only between two vectors
};

struct AggregateExpr final : Expr {
  AggregateExpr() : Expr(Kind::kAggregate, ValueType::kVector) {}
  TokenType op = TokenType::kSum;
  ExprPtr inner;
  ExprPtr parameter;  // null if the operator takes none
  bool without = false;
  std::vector<std::string> grouping;
};

struct Call final : Expr {
  Call() : Expr(Kind::kCall, ValueType::kNone) {}
  const Function* function = nullptr;
  std::vector<ExprPtr> arguments;
};

// A length of time in [], after offset: a literal, or arithmetic over literals, step() and range().
struct DurationExpr final : Expr {
  DurationExpr() : Expr(Kind::kDuration, ValueType::kScalar) {}
  enum class Op {
    kLiteral,
    kNegate,
    kPlus,
    kAdd,
    kSub,
    kMul,
    kDiv,
    kMod,
    kPow,
    kStep,
    kRange,
    kMin,
    kMax
  };
  Op op = Op::kLiteral;
  double seconds = 0;  // of a literal
  bool written_as_duration = false;
  bool wrapped = false;  // in parentheses
  // Of kNegate and kPlus only rhs.
  std::shared_ptr<const DurationExpr> lhs;
  std::shared_ptr<const DurationExpr> rhs;
};
using DurationPtr = std::shared_ptr<const DurationExpr>;

// When a selector or subquery looks: `offset` and `@`.
struct When {
  Millis offset{0};
  DurationPtr offset_expr;                // in place of `offset` where it is more than a literal
  std::optional<std::int64_t> timestamp;  // @ milliseconds
  enum class Edge { kNone, kStart, kEnd };
  Edge edge = Edge::kNone;  // @ start(), @ end()
  bool pinned() const { return timestamp.has_value() || edge != Edge::kNone; }
};

// `anchored`: a range goes by the last sample before it, too. `smoothed`: by what lies on the lines
// between samples at its ends.
enum class Extent { kPlain, kAnchored, kSmoothed };

struct VectorSelector final : Expr {
  VectorSelector() : Expr(Kind::kSelector, ValueType::kVector) {}
  std::string name;  // written before the braces; also among the matchers
  Matchers matchers;
  When when;
  Extent extent = Extent::kPlain;
};

struct MatrixSelector final : Expr {
  MatrixSelector() : Expr(Kind::kMatrix, ValueType::kMatrix) {}
  std::shared_ptr<const VectorSelector> selector;
  Millis range{0};
  DurationPtr range_expr;  // in place of `range` where it is more than a literal
};

struct SubqueryExpr final : Expr {
  SubqueryExpr() : Expr(Kind::kSubquery, ValueType::kMatrix) {}
  ExprPtr inner;
  Millis range{0};
  DurationPtr range_expr;
  Millis step{0};  // 0: the default
  DurationPtr step_expr;
  When when;
};

// node.As<Call>(): null if it is something else.
template <typename Node>
const Node* As(const Expr& expr) {
  return dynamic_cast<const Node*>(&expr);
}
template <typename Node>
const Node* As(const ExprPtr& expr) {
  return dynamic_cast<const Node*>(expr.get());
}

// The children of a node in the order written (a matrix selector's is its vector selector).
std::vector<const Expr*> Children(const Expr& expr);
// Visits the node and everything below, parents first.
void Walk(const Expr& expr, const std::function<void(const Expr&)>& visit);
// Every selector in the expression, those of range selectors and subqueries included. The nodes
// live as long as the expression.
std::vector<const VectorSelector*> Selectors(const Expr& expr);
// Without the parentheses around it.
const Expr& Unwrap(const Expr& expr);

}  // namespace fettle::promql

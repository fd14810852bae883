// The tree of a PromQL expression. Made by the parser, never changed afterwards: shared freely
// between threads. Knows nothing of storage or evaluation.
//
// The nodes of an expression lie side by side in a Tree, which they live and go with: a node points
// at others of its tree, and an ExprPtr, which is what is passed around, holds the whole of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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

class Tree {
 public:
  Tree() = default;
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  template <typename Node, typename... Args>
  Node* Make(Args&&... args) {
    Node* const node = new (Room(sizeof(Node))) Node(std::forward<Args>(args)...);
    nodes_.push_back(node);
    return node;
  }
  // Another tree, to which nodes of this one point.
  void Keep(ExprPtr other) { kept_.push_back(std::move(other)); }

 private:
  // Most expressions fit into the first block; each further one is twice as long, to a limit.
  static constexpr std::size_t kFirstBlockBytes = 1024;
  static constexpr std::size_t kBlockBytesMax = 256 * 1024;
  void* Room(std::size_t bytes);

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t block_bytes_ = 0;  // of the last block
  std::size_t used_ = 0;
  std::vector<Expr*> nodes_;
  std::vector<ExprPtr> kept_;
};

struct NumberLiteral final : Expr {
  static constexpr Kind kKind = Kind::kNumber;
  NumberLiteral() : Expr(kKind, ValueType::kScalar) {}
  double value = 0;
  bool duration = false;  // written as 5m, printed so again
};

struct StringLiteral final : Expr {
  static constexpr Kind kKind = Kind::kString;
  StringLiteral() : Expr(kKind, ValueType::kString) {}
  std::string value;
};

struct ParenExpr final : Expr {
  static constexpr Kind kKind = Kind::kParen;
  ParenExpr() : Expr(kKind, ValueType::kNone) {}
  const Expr* inner = nullptr;
};

struct UnaryExpr final : Expr {
  static constexpr Kind kKind = Kind::kUnary;
  UnaryExpr() : Expr(kKind, ValueType::kNone) {}
  TokenType op = TokenType::kSub;
  const Expr* inner = nullptr;
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
  static constexpr Kind kKind = Kind::kBinary;
  BinaryExpr() : Expr(kKind, ValueType::kNone) {}
  TokenType op = TokenType::kAdd;
  const Expr* lhs = nullptr;
  const Expr* rhs = nullptr;
  bool return_bool = false;
  VectorMatching matching;  // means something only between two vectors
};

struct AggregateExpr final : Expr {
  static constexpr Kind kKind = Kind::kAggregate;
  AggregateExpr() : Expr(kKind, ValueType::kVector) {}
  TokenType op = TokenType::kSum;
  const Expr* inner = nullptr;
  const Expr* parameter = nullptr;  // null if the operator takes none
  bool without = false;
  std::vector<std::string> grouping;
};

struct Call final : Expr {
  static constexpr Kind kKind = Kind::kCall;
  Call() : Expr(kKind, ValueType::kNone) {}
  const Function* function = nullptr;
  std::vector<const Expr*> arguments;
};

// A length of time in [], after offset: a literal, or arithmetic over literals, step() and range().
struct DurationExpr final : Expr {
  static constexpr Kind kKind = Kind::kDuration;
  DurationExpr() : Expr(kKind, ValueType::kScalar) {}
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
  const DurationExpr* lhs = nullptr;
  const DurationExpr* rhs = nullptr;
};
using DurationPtr = const DurationExpr*;

// When a selector or subquery looks: `offset` and `@`.
struct When {
  Millis offset{0};
  DurationPtr offset_expr = nullptr;      // in place of `offset` where it is more than a literal
  std::optional<std::int64_t> timestamp;  // @ milliseconds
  enum class Edge { kNone, kStart, kEnd };
  Edge edge = Edge::kNone;  // @ start(), @ end()
  bool pinned() const { return timestamp.has_value() || edge != Edge::kNone; }
};

// `anchored`: a range goes by the last sample before it, too. `smoothed`: by what lies on the lines
// between samples at its ends.
enum class Extent { kPlain, kAnchored, kSmoothed };

struct VectorSelector final : Expr {
  static constexpr Kind kKind = Kind::kSelector;
  VectorSelector() : Expr(kKind, ValueType::kVector) {}
  std::string name;  // written before the braces; also among the matchers
  Matchers matchers;
  When when;
  Extent extent = Extent::kPlain;
};

struct MatrixSelector final : Expr {
  static constexpr Kind kKind = Kind::kMatrix;
  MatrixSelector() : Expr(kKind, ValueType::kMatrix) {}
  const VectorSelector* selector = nullptr;
  Millis range{0};
  DurationPtr range_expr = nullptr;  // in place of `range` where it is more than a literal
};

struct SubqueryExpr final : Expr {
  static constexpr Kind kKind = Kind::kSubquery;
  SubqueryExpr() : Expr(kKind, ValueType::kMatrix) {}
  const Expr* inner = nullptr;
  Millis range{0};
  DurationPtr range_expr = nullptr;
  Millis step{0};  // 0: the default
  DurationPtr step_expr = nullptr;
  When when;
};

// As<Call>(node): null if it is something else.
template <typename Node>
const Node* As(const Expr& expr) {
  return expr.kind == Node::kKind ? static_cast<const Node*>(&expr) : nullptr;
}
template <typename Node>
const Node* As(const Expr* expr) {
  return As<Node>(*expr);
}
template <typename Node>
const Node* As(const ExprPtr& expr) {
  return As<Node>(*expr);
}

// Calls visit(child) for the children of a node in the order written (a matrix selector's is its
// vector selector).
template <typename Visit>
void ForEachChild(const Expr& expr, const Visit& visit) {
  switch (expr.kind) {
    case Kind::kParen:
      return visit(*As<ParenExpr>(expr)->inner);
    case Kind::kUnary:
      return visit(*As<UnaryExpr>(expr)->inner);
    case Kind::kBinary:
      visit(*As<BinaryExpr>(expr)->lhs);
      return visit(*As<BinaryExpr>(expr)->rhs);
    case Kind::kAggregate:
      if (As<AggregateExpr>(expr)->parameter != nullptr) {
        visit(*As<AggregateExpr>(expr)->parameter);
      }
      return visit(*As<AggregateExpr>(expr)->inner);
    case Kind::kCall:
      for (const Expr* argument : As<Call>(expr)->arguments) visit(*argument);
      return;
    case Kind::kMatrix:
      return visit(*As<MatrixSelector>(expr)->selector);
    case Kind::kSubquery:
      return visit(*As<SubqueryExpr>(expr)->inner);
    default:
      return;
  }
}
std::vector<const Expr*> Children(const Expr& expr);
// Visits the node and everything below, parents first.
void Walk(const Expr& expr, const std::function<void(const Expr&)>& visit);
// Every selector in the expression, those of range selectors and subqueries included. The nodes
// live as long as the expression.
std::vector<const VectorSelector*> Selectors(const Expr& expr);
// Without the parentheses around it.
const Expr& Unwrap(const Expr& expr);

}  // namespace fettle::promql

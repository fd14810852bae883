#include "rules/promql/ast.h"

#include <algorithm>
#include <string_view>

namespace fettle::promql {

std::string_view ToString(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
    default:
      return "none";
  }
}

std::string LineAndColumn(std::string_view text, std::size_t offset) {
  if (text.empty()) return "unknown position";
  if (offset > text.size()) return "invalid position";
  std::size_t line = 1;
  std::size_t line_start = 0;
  for (std::size_t end = text.find('\n'); end < offset; end = text.find('\n', line_start)) {
    ++line;
    line_start = end + 1;
  }
  return fmt::format("{}:{}", line, offset - line_start + 1);
}

Tree::~Tree() {
  for (Expr* node : nodes_) node->~Expr();
}

void* Tree::Room(std::size_t bytes) {
  constexpr std::size_t kAlign = alignof(std::max_align_t);
  bytes = (bytes + kAlign - 1) / kAlign * kAlign;
  if (used_ + bytes > block_bytes_) {
    block_bytes_ = std::clamp(2 * block_bytes_, kFirstBlockBytes, kBlockBytesMax);
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(block_bytes_));
    used_ = 0;
  }
  void* const room = blocks_.back().get() + used_;
  used_ += bytes;
  return room;
}

std::vector<const Expr*> Children(const Expr& expr) {
  std::vector<const Expr*> out;
  ForEachChild(expr, [&](const Expr& child) { out.push_back(&child); });
  return out;
}

void Walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  visit(expr);
  ForEachChild(expr, [&](const Expr& child) { Walk(child, visit); });
}

std::vector<const VectorSelector*> Selectors(const Expr& expr) {
  std::vector<const VectorSelector*> out;
  Walk(expr, [&](const Expr& node) {
    if (const auto* selector = As<VectorSelector>(node)) out.push_back(selector);
  });
  return out;
}

const Expr& Unwrap(const Expr& expr) {
  const Expr* inner = &expr;
  while (const auto* paren = As<ParenExpr>(*inner)) inner = paren->inner;
  return *inner;
}

}  // namespace fettle::promql

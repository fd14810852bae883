#include "rules/rule_watch.h"

#include <algorithm>
#include <utility>

#include "rules/promql/function_table.h"
#include "rules/promql/printer.h"

namespace fettle::rules {
namespace {

constexpr Millis kLookback = std::chrono::minutes(5);

// Comes with the first alert, so that there may be none yet.
bool IsOwn(const promql::VectorSelector& selector) {
  return selector.name == "ALERTS" || selector.name == "ALERTS_FOR_STATE";
}

}  // namespace

RuleWatch::RuleWatch(promql::ExprPtr tree) : tree_(std::move(tree)) {
  promql::Walk(*tree_, [this](const promql::Expr& node) {
    if (const auto* matrix = promql::As<promql::MatrixSelector>(node)) {
      selectors_.push_back({matrix->selector, matrix->range});
      return;
    }
    const auto* selector = promql::As<promql::VectorSelector>(node);
    if (selector == nullptr) return;
    const bool known = std::any_of(selectors_.begin(), selectors_.end(),
                                   [&](const Selector& one) { return one.node == selector; });
    if (!known) selectors_.push_back({selector, kLookback});
  });
}

std::vector<std::size_t> RuleWatch::FindNew(const RuleQuery& query, const RuleAnswer& answer,
                                            Time at) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < selectors_.size(); ++i) {
    if (selectors_[i].found) continue;
    const auto series = query.CountSeries(selectors_[i].node->matchers, RuleQuery::kEver, at);
    if (series ? *series > 0 : answer.samples > 0) found.push_back(i);
  }
  return found;
}

void RuleWatch::MarkFound(const std::vector<std::size_t>& selectors) {
  for (const std::size_t i : selectors) selectors_[i].found = true;
}

void RuleWatch::Note(EvaluationView evaluation) {
  evaluations_.push_front(std::move(evaluation));
  if (evaluations_.size() > kEvaluationsKept) evaluations_.pop_back();
}

bool RuleWatch::dead() const { return Empty(*tree_); }

bool RuleWatch::Empty(const promql::Expr& expr) const {
  const promql::Expr& inner = promql::Unwrap(expr);
  if (const auto* selector = promql::As<promql::VectorSelector>(inner)) {
    if (IsOwn(*selector)) return false;
    return std::any_of(selectors_.begin(), selectors_.end(),
                       [&](const Selector& one) { return one.node == selector && !one.found; });
  }
  if (const auto* binary = promql::As<promql::BinaryExpr>(inner)) {
    if (binary->op == promql::TokenType::kOr) return Empty(*binary->lhs) && Empty(*binary->rhs);
    if (binary->op == promql::TokenType::kUnless) return Empty(*binary->lhs);
    if (binary->matching.fill_left || binary->matching.fill_right) return false;
  }
  if (const auto* call = promql::As<promql::Call>(inner)) {
    if (call->function->id == promql::FunctionId::kAbsent ||
        call->function->id == promql::FunctionId::kAbsentOverTime ||
        call->function->id == promql::FunctionId::kScalar) {
      return false;
    }
  }
  const std::vector<const promql::Expr*> children = promql::Children(inner);
  return std::any_of(children.begin(), children.end(),
                     [this](const promql::Expr* child) { return Empty(*child); });
}

std::vector<SelectorView> RuleWatch::Selectors() const {
  std::vector<SelectorView> views;
  for (const Selector& one : selectors_) {
    views.push_back({.text = promql::Print(*one.node),
                     .matchers = one.node->matchers,
                     .window = one.window,
                     .offset = one.node->when.offset,
                     .found = one.found});
  }
  return views;
}

std::vector<EvaluationView> RuleWatch::Evaluations() const {
  return {evaluations_.begin(), evaluations_.end()};
}

const promql::Expr* ValueSide(const promql::Expr& condition) {
  const auto* binary = promql::As<promql::BinaryExpr>(promql::Unwrap(condition));
  if (binary == nullptr) return nullptr;
  if (binary->op == promql::TokenType::kAnd || binary->op == promql::TokenType::kUnless) {
    return ValueSide(*binary->lhs);
  }
  if (!promql::IsComparison(binary->op) || binary->return_bool) return nullptr;
  const bool mirrored = binary->lhs->type == promql::ValueType::kScalar;
  const promql::Expr& side = mirrored ? *binary->rhs : *binary->lhs;
  // Of a chain, x > 1 < 5, what is at its beginning.
  const promql::Expr* const further = ValueSide(side);
  return further != nullptr ? further : &side;
}

}  // namespace fettle::rules

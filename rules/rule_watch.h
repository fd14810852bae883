// What is known of one rule beyond its alerts: which of its selectors ever found a series, and how
// its last evaluations went. A rule that can never say anything, because a metric was renamed or
// never existed, is dead, and nothing else would tell.
//
// Not safe by itself: it belongs to the rule's group.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "rules/group_view.h"
#include "rules/promql/ast.h"
#include "rules/rule_query.h"

namespace fettle::rules {

class RuleWatch {
 public:
  static constexpr std::size_t kEvaluationsKept = 10;

  explicit RuleWatch(promql::ExprPtr tree);

  // The places of the selectors that have found a series since. Asks only about those that had not;
  // `answer` helps where nobody can be asked. Const, so that it may be done without a lock.
  std::vector<std::size_t> FindNew(const RuleQuery& query, const RuleAnswer& answer, Time at) const;
  void MarkFound(const std::vector<std::size_t>& selectors);
  void Note(EvaluationView evaluation);

  // Without the selectors that never found anything, the expression is empty forever. absent() and
  // the right side of `unless` are meant to find nothing, and ALERTS comes with the first alert.
  bool dead() const;
  std::vector<SelectorView> Selectors() const;
  std::vector<EvaluationView> Evaluations() const;  // the newest first

 private:
  struct Selector {
    const promql::VectorSelector* node;
    Millis window;  // how far back it looks
    bool found = false;
  };
  bool Empty(const promql::Expr& expr) const;

  promql::ExprPtr tree_;
  std::vector<Selector> selectors_;
  std::deque<EvaluationView> evaluations_;
};

// Of a condition, what is compared: x of `x > 5`, of `5 < x` and of `x > 5 and y`. Null if it is no
// comparison. Its values tell how far a rule is from firing, and what was found at its end.
const promql::Expr* ValueSide(const promql::Expr& condition);

}  // namespace fettle::rules

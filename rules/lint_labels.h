// Which labels an expression's result can have, as far as the expression alone tells. Pure.
#pragma once

#include <set>
#include <string>

#include "rules/promql/ast.h"

namespace fettle::rules {

// Open: any label but these. Closed: only these.
struct LabelReach {
  bool open = true;
  std::set<std::string> names;

  bool CanHave(const std::string& name) const { return open != names.contains(name); }
  void Add(const std::string& name);
  void Remove(const std::string& name);
};

LabelReach ReachOf(const promql::Expr& expr);

}  // namespace fettle::rules

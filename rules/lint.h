// What is allowed but hardly meant: checks of rules that need no server. The names are promtool's
// (duplicate-rules) and pint's (alerts/…, promql/…), so that people find what they know. Pure.
//
//   alerts/absent      absent() without `for`: fires while a target only restarts
//   alerts/comparison  an alert without a condition fires as soon as its metric is there
//   alerts/for         a `for` that does nothing, or is shorter than its group's interval
//   alerts/template    a label with the value in it; a label that the expression cannot have
//   promql/fragile     topk and its like: which series alert changes with every evaluation
//   promql/impossible  what can never be true or never match
//   promql/rate        the rate of a sum, which takes the restart of one target for a reset of all
//   promql/regexp      a regular expression that is none
//   promql/selector    a selector without a metric's name reads every series
//   rule/duplicate     the same series from two rules of different groups
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rules/rule_file.h"

namespace fettle::rules {

struct Lint {
  std::string check;
  std::string file;
  int line = 0;
  std::string place;  // group "g", rule 3, "Down"
  std::string text;

  // rules.yml:12: group "g", rule 3, "Down": promql/regexp: 1:4: …
  std::string ToString() const;
};

// By place. The groups may be of several files.
std::vector<Lint> LintRules(const std::vector<GroupSpec>& groups);

// promtool's duplicate-rules: the same name and labels again, sorted.
struct DuplicateRule {
  std::string name;
  std::map<std::string, std::string> labels;
};
std::vector<DuplicateRule> FindDuplicates(const std::vector<GroupSpec>& groups);

// lint_expr.cc. "line:column: …" of one expression; `check` and the text.
struct ExprLint {
  std::string check;
  std::string text;
};
std::vector<ExprLint> LintExpr(const promql::Expr& expr, const std::string& text);
// Whether it says nothing where all is well: a comparison, absent(), `unless`.
bool HasCondition(const promql::Expr& expr);

}  // namespace fettle::rules
